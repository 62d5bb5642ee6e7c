"""Repositories, commits and file contents, kept in a folder: state.json and blobs/<sha256>."""

import hashlib
import json
import pathlib
import threading
import time

TOKENS = {"hf_write": "write", "hf_read": "read"}
LFS_ENDINGS = (".parquet", ".safetensors", ".bin", ".arrow", ".gz", ".zst")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(oid: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


class World:
    """Everything the two servers share. Hold `lock` while reading or changing."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.blobs = folder / "blobs"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.url = self.store_url = ""
        self.requests: list[dict] = []
        self.faults: list[dict] = []
        self.held = threading.Event()
        self.releases: list[threading.Event] = []
        self.settings = {"page_size": 1000, "chunk_bytes": 1 << 20, "lfs_from_bytes": 10 << 20, "max_commit_lines": 25000,
                         "slow_ms": 0}
        saved = folder / "state.json"
        self.repos: dict[str, dict] = json.loads(saved.read_text()) if saved.exists() else {}

    def save(self) -> None:
        (self.folder / "state.json").write_text(json.dumps(self.repos))

    # requests that wait

    def hold(self) -> None:
        """Returns when a test releases the request. Don't hold the lock."""
        release = threading.Event()
        self.releases.append(release)
        self.held.set()
        release.wait()

    def release(self) -> None:
        self.held.clear()
        while self.releases:
            self.releases.pop().set()

    def forget(self) -> None:
        self.repos.clear()
        for blob in self.blobs.iterdir():
            blob.unlink()

    # contents

    def keep(self, content: bytes) -> str:
        oid = sha256(content)
        (self.blobs / oid).write_bytes(content)
        return oid

    def has(self, oid: str) -> bool:
        return (self.blobs / oid).exists()

    def content(self, entry: dict) -> bytes:
        return (self.blobs / entry["sha256"]).read_bytes()

    def is_lfs(self, path: str, size: int) -> bool:
        return size > 0 and (path.endswith(LFS_ENDINGS) or size >= self.settings["lfs_from_bytes"])

    def entry(self, path: str, content: bytes) -> dict:
        return self.lfs_entry(self.keep(content), len(content)) if self.is_lfs(path, len(content)) else {
            "sha256": self.keep(content), "size": len(content), "oid": git_oid(content), "lfs": False}

    def lfs_entry(self, oid: str, size: int) -> dict:
        return {"sha256": oid, "size": size, "oid": git_oid(lfs_pointer(oid, size)), "lfs": True}

    # repositories; keys are "models/ns/name"

    def create(self, key: str, private: bool) -> dict:
        repo = {"key": key, "private": private, "gated": False, "disabled": False, "readers": [], "branches": {}, "commits": {}}
        self.repos[key] = repo
        attributes = "".join(f"*{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LFS_ENDINGS)
        self.commit(repo, "main", {".gitattributes": self.entry(".gitattributes", attributes.encode())}, "initial commit", None)
        return repo

    def commit(self, repo: dict, branch: str, tree: dict, title: str, parent: str | None) -> str:
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        facts = {"parent": parent, "title": title, "date": date, "tree": tree, "number": len(repo["commits"])}
        commit = hashlib.sha1(json.dumps([repo["key"], facts], sort_keys=True).encode()).hexdigest()
        repo["commits"][commit] = facts
        repo["branches"][branch] = commit
        self.save()
        return commit

    def resolve(self, repo: dict, revision: str) -> str | None:
        return repo["branches"].get(revision) or (revision if revision in repo["commits"] else None)

    def tree(self, repo: dict, revision: str) -> dict:
        return repo["commits"][self.resolve(repo, revision)]["tree"]
