"""What changes repositories: creating, branches, LFS uploads, commits."""

import base64
import json
import re
import urllib.parse

from server import Refused
from state import git_oid, sha256


class Writes:
    def may_write(self) -> None:
        role = self.role()
        if not role:
            raise Refused(401, "Invalid username or password.")
        if role != "write":
            raise Refused(403, "You don't have the rights to do this: the token lacks the scope to write.")

    def create_repo(self) -> None:
        self.may_write()
        wanted = json.loads(self.body)
        kind = wanted.get("type", "model") + "s"
        name = f"{wanted.get('organization') or 'org'}/{wanted['name']}"
        key = f"{kind}/{name}"
        url = f"{self.world.url}/{'' if kind == 'models' else kind + '/'}{name}"
        if key in self.world.repos:
            return self.answer_json({"error": "You already created this repo", "url": url}, 409)
        self.world.create(key, wanted.get("visibility") == "private" or bool(wanted.get("private")))
        self.answer_json({"url": url, "name": name, "id": "0" * 24})

    def write(self, key: str, what: str, found: re.Match) -> None:
        self.may_write()
        repo, revision = self.repo(key), urllib.parse.unquote(found["rev"] or "")
        if what == "branch":
            return self.branch(repo, revision)
        if what == "preupload":
            self.commit_of(repo, found["rev"])
            return self.preupload(repo, revision)
        if what == "commit":
            return self.take_commit(repo, revision)
        raise Refused(404, "no such endpoint")

    def branch(self, repo: dict, name: str) -> None:
        if self.command == "DELETE":
            if repo["branches"].pop(name, None) is None:
                raise Refused(404, "no such branch", "RevisionNotFound")
            self.world.save()
            return self.answer(200)
        options = json.loads(self.body or b"{}")
        if name.startswith("refs/"):
            raise Refused(400, "Invalid branch name")
        if name in repo["branches"] and not options.get("overwrite"):
            raise Refused(409, f"Reference already exists: refs/heads/{name}")
        repo["branches"][name] = self.commit_of(repo, urllib.parse.quote(options.get("startingPoint", "main"), safe=""))
        if options.get("emptyBranch"):
            self.world.commit(repo, name, {}, "empty branch", None)
        self.world.save()
        self.answer_json({})

    def preupload(self, repo: dict, revision: str) -> None:
        tree, answer = self.world.tree(repo, revision), []
        files = json.loads(self.body)["files"]
        if len(files) > 256:
            raise Refused(413, "too many files")
        for file in files:
            entry = tree.get(file["path"])
            base64.b64decode(file["sample"], validate=True)
            mode = "lfs" if self.world.is_lfs(file["path"], file["size"]) else "regular"
            item = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            if entry:
                item["oid"] = entry["sha256"] if entry["lfs"] else entry["oid"]
            answer.append(item)
        self.answer_json({"files": answer, "commitOid": self.world.resolve(repo, revision)})

    # large files

    def lfs(self, found: re.Match) -> None:
        if found["what"] == "complete":
            return self.complete()
        self.may_write()
        self.repo(f"{found['prefix'] or 'models/'}{found['id']}")
        request = json.loads(self.body)
        if found["what"] == "verify":
            if not self.world.has(request["oid"]):
                raise Refused(404, "not uploaded")
            return self.answer_json({})
        if len(request["objects"]) > 256 or "xet" in request["transfers"]:
            raise Refused(422, "more than 256 objects, or a transfer this Hub does not speak")
        base = f"{self.world.url}{self.raw_path.removesuffix('/batch')}"
        objects = [self.upload_actions(item["oid"], item["size"], base) for item in request["objects"]]
        multipart = any("chunk_size" in item.get("actions", {}).get("upload", {}).get("header", {}) for item in objects)
        self.answer_json({"transfer": "multipart" if multipart else "basic", "objects": objects})

    def upload_actions(self, oid: str, size: int, base: str) -> dict:
        item = {"oid": oid, "size": size}
        if self.world.has(oid):
            return item
        chunk = self.world.settings["chunk_bytes"]
        upload = {"href": f"{self.world.store_url}/upload/{oid}?signature=valid"}
        if size > chunk:
            parts = -(-size // chunk)
            header = {"chunk_size": str(chunk)}
            header |= {f"{n:05}": f"{self.world.store_url}/upload/{oid}/{n}?signature=valid" for n in range(1, parts + 1)}
            upload = {"href": f"{base}/complete?oid={oid}&signature=valid", "header": header}
        return item | {"actions": {"upload": upload, "verify": {"href": f"{base}/verify"}}}

    def complete(self) -> None:
        request, content = json.loads(self.body), b""
        for number, part in enumerate(request["parts"], 1):
            if part != {"partNumber": number, "etag": f'"part-{number}"'}:
                raise Refused(400, f"part {number}: {part}")
            content += (self.world.folder / "parts" / request["oid"] / str(number)).read_bytes()
        if sha256(content) != request["oid"]:
            raise Refused(400, "the parts don't make the file")
        self.world.keep(content)
        self.answer_json({})

    # commits

    def take_commit(self, repo: dict, branch: str) -> None:
        if branch not in repo["branches"]:
            raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        lines = [json.loads(line) for line in self.body.decode().splitlines() if line]
        if len(lines) > self.world.settings["max_commit_lines"]:
            raise Refused(413, "Payload too large")
        header, head = lines[0]["value"], repo["branches"][branch]
        if header.get("parentCommit") and not head.startswith(header["parentCommit"]):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(repo["commits"][head]["tree"])
        for line in lines[1:]:
            self.apply(tree, line["key"], line["value"])
        commit = self.world.commit(repo, branch, tree, header["summary"], head)
        kind, name = repo["key"].split("/", 1)
        url = f"{self.world.url}/{'' if kind == 'models' else kind + '/'}{name}/commit/{commit}"
        self.answer_json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def apply(self, tree: dict, key: str, value: dict) -> None:
        path = value["path"]
        if key == "file":
            content = base64.b64decode(value["content"]) if value["encoding"] == "base64" else value["content"].encode()
            tree[path] = {"sha256": self.world.keep(content), "size": len(content), "oid": git_oid(content), "lfs": False}
        elif key == "lfsFile":
            if not self.world.has(value["oid"]):
                raise Refused(400, f"LFS object {value['oid']} does not exist")
            tree[path] = self.world.lfs_entry(value["oid"], value["size"])
        elif key == "deletedFile":
            if tree.pop(path, None) is None:
                raise Refused(404, f"{path} does not exist", "EntryNotFound")
        elif key == "deletedFolder":
            for name in [name for name in tree if name.startswith(path)]:
                del tree[name]
        else:
            raise Refused(400, f"unknown operation {key}")
