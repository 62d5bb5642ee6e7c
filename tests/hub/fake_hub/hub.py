"""The Hub itself: repositories, listings, redirects, commits."""

import json
import re
import urllib.parse

import control
import server
import writes
from server import Refused
from state import TOKENS

_ID = r"(?P<id>[^/]+(?:/[^/]+)??)"
_WHAT = "revision|tree|refs|commits|branch|preupload|commit|paths-info"
API = re.compile(rf"/api/(?P<type>models|datasets)/{_ID}"
                 rf"(?:/(?P<what>{_WHAT})(?:/(?P<rev>[^/]+))?(?:/(?P<rest>.*))?)?$")
FILE = re.compile(rf"/(?P<prefix>datasets/)?{_ID}/resolve/(?P<rev>[^/]+)/(?P<path>.+)$")
CACHED = re.compile(rf"/api/resolve-cache/(?P<type>models|datasets)/{_ID}/(?P<rev>[0-9a-f]{{40}})/(?P<path>.+)$")
LFS = re.compile(rf"/(?P<prefix>datasets/)?{_ID}\.git/info/lfs/objects/(?P<what>batch|verify|complete)$")

unquote = urllib.parse.unquote


class Handler(writes.Writes, server.Handler):
    place = "hub"

    def route(self) -> None:
        if self.raw_path.startswith("/-/"):
            return self.control()
        with self.world.lock:
            self.route_locked()

    def route_locked(self) -> None:
        path = self.raw_path
        if path == "/api/whoami-v2":
            return self.whoami()
        if path == "/api/repos/create":
            return self.create_repo()
        if path == "/api/validate-yaml":
            return self.answer_json({"warnings": [], "errors": []})
        if found := CACHED.match(path):
            return self.cached_file(found)
        if found := LFS.match(path):
            return self.lfs(found)
        if found := FILE.match(path):
            return self.file(found)
        if found := API.match(path):
            return self.api(found)
        raise Refused(404, "Sorry, we can't find the page you are looking for.")

    def control(self) -> None:
        if self.raw_path == "/-/held":
            self.world.held.wait()
            return self.answer(200)
        with self.world.lock:
            if self.raw_path == "/-/log":
                return self.answer_json(self.world.requests)
            if self.raw_path == "/-/repo":
                return self.answer_json(self.world.repos.get(self.query["key"]))
            for command in json.loads(self.body):
                control.run(self.world, command)
            self.answer(200)

    # who may see what

    def role(self) -> str:
        """write, read, or nothing for the anonymous."""
        header = self.headers.get("Authorization", "")
        if not header:
            return ""
        role = TOKENS.get(header.removeprefix("Bearer "))
        if role is None:
            raise Refused(401, "Invalid credentials in Authorization header")
        return role

    def repo(self, key: str, files: bool = False) -> dict:
        role, repo = self.role(), self.world.repos.get(key)
        if repo is None or (repo["private"] and not role):
            raise Refused(404 if role else 401, "Repository not found" if role else "Invalid username or password.",
                          "RepoNotFound")
        if repo["disabled"]:
            raise Refused(403, "Access to this resource is disabled.")
        if files and repo["gated"] and role not in repo["readers"]:
            message = f"Access to {'model' if key.startswith('models') else 'dataset'} {repo['key']} is restricted."
            raise Refused(403 if role else 401, message, "GatedRepo")
        return repo

    def commit_of(self, repo: dict, revision: str) -> str:
        commit = self.world.resolve(repo, unquote(revision))
        if commit is None:
            raise Refused(404, f"Invalid rev id: {unquote(revision)}", "RevisionNotFound")
        return commit

    def whoami(self) -> None:
        role = self.role()
        if not role:
            raise Refused(401, "Invalid username or password.")
        self.answer_json({"type": "user", "name": "org", "fullname": "Test", "orgs": [],
                          "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}})

    # reading

    def api(self, found: re.Match) -> None:
        key, what = f"{found['type']}/{found['id']}", found["what"] or "revision"
        if self.command in ("POST", "DELETE") and what != "paths-info":
            return self.write(key, what, found)
        repo = self.repo(key)
        if what == "refs":
            branches = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                        for name, commit in repo["branches"].items() if not name.startswith("refs/")]
            converts = [{"name": name.removeprefix("refs/convert/"), "ref": name, "targetCommit": commit}
                        for name, commit in repo["branches"].items() if name.startswith("refs/convert/")]
            return self.answer_json({"branches": branches, "converts": converts, "tags": []})
        commit = self.commit_of(repo, found["rev"] or "main")
        tree = repo["commits"][commit]["tree"]
        if what == "revision":
            self.answer_json(self.info(repo, commit, tree))
        elif what == "commits":
            self.answer_json([{"id": commit, "title": repo["commits"][commit]["title"], "message": "", "authors": [],
                               "date": repo["commits"][commit]["date"]}])
        elif what == "paths-info":
            form = urllib.parse.parse_qs(self.body.decode())
            self.answer_json([entry for path in form.get("paths", []) for entry in entries(tree) if entry["path"] == path])
        else:
            self.tree_page(tree, unquote(found["rest"] or ""))

    def info(self, repo: dict, commit: str, tree: dict) -> dict:
        name = repo["key"].split("/", 1)[1]
        siblings = [{"rfilename": path} for path in sorted(tree)]
        if self.query.get("blobs"):
            for sibling in siblings:
                entry = tree[sibling["rfilename"]]
                sibling |= {"size": entry["size"], "blobId": entry["oid"]}
                if entry["lfs"]:
                    sibling["lfs"] = {"sha256": entry["sha256"], "size": entry["size"], "pointerSize": 130}
        date = repo["commits"][commit]["date"]
        return {"_id": "0" * 24, "id": name, "author": name.split("/")[0], "sha": commit, "lastModified": date,
                "createdAt": date, "private": repo["private"], "gated": repo["gated"], "disabled": repo["disabled"],
                "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}

    def tree_page(self, tree: dict, folder: str) -> None:
        prefix = folder + "/" if folder else ""
        recursive = self.query.get("recursive", "").lower() == "true"
        listed = [entry for entry in entries(tree) if entry["path"].startswith(prefix)
                  and (recursive or "/" not in entry["path"][len(prefix):])]
        if folder and not listed:
            raise Refused(404, f"{folder} does not exist", "EntryNotFound")
        size = self.world.settings["page_size"]
        start = int(self.query.get("cursor", 0))
        headers = {}
        if start + size < len(listed):
            query = urllib.parse.urlencode({**self.query, "cursor": start + size})
            headers["Link"] = f'<{self.world.url}{self.raw_path}?{query}>; rel="next"'
        self.answer_json(listed[start : start + size], headers=headers)

    # files

    def file(self, found: re.Match) -> None:
        key = f"{found['prefix'] or 'models/'}{found['id']}"
        repo = self.repo(key, files=True)
        commit = self.commit_of(repo, found["rev"])
        path = unquote(found["path"])
        entry = repo["commits"][commit]["tree"].get(path)
        if entry is None:
            raise Refused(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit}
        if entry["lfs"]:
            headers |= {"X-Linked-Etag": f'"{entry["sha256"]}"', "X-Linked-Size": str(entry["size"]), "ETag": '"redirect"',
                        "Location": f"{self.world.store_url}/file/{entry['sha256']}?signature=valid"}
            return self.answer(302, b"Found. Redirecting", headers)
        headers["Location"] = f"/api/resolve-cache/{key}/{commit}/{found['path']}"
        self.answer(307, b"Temporary Redirect", headers)

    def cached_file(self, found: re.Match) -> None:
        repo = self.repo(f"{found['type']}/{found['id']}", files=True)
        entry = repo["commits"][found["rev"]]["tree"][unquote(found["path"])]
        self.answer_range(self.world.content(entry), {"X-Repo-Commit": found["rev"], "ETag": f'"{entry["oid"]}"'})


def entries(tree: dict) -> list[dict]:
    """Files and folders, sorted by path, as the Hub lists them."""
    listed = {}
    for path, entry in tree.items():
        listed[path] = {"type": "file", "oid": entry["oid"], "size": entry["size"], "path": path}
        if entry["lfs"]:
            listed[path]["lfs"] = {"oid": entry["sha256"], "size": entry["size"], "pointerSize": 130}
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            listed[folder] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
    return [listed[path] for path in sorted(listed)]
