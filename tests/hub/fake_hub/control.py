"""What tests tell the server: POST /-/control with a list of commands.

    {"do": "add", "repo": "models/org/name", "branch": "main", "files": {path: text}, "copies": {path: local file}}
    {"do": "set", "repo": ..., "private"|"gated"|"disabled"|"readers": value}
    {"do": "settings", "page_size"|"chunk_bytes"|"lfs_from_bytes"|"max_commit_lines"|"slow_ms": value}
    {"do": "fault", "match": part of "METHOD /path?query", "kind": drop|cut|ignore_range|stall|hold|status, "times": 1, "skip": 0, ...}
    {"do": "release"}   requests that are held go on: those held before they took effect are dropped, the others answered
    {"do": "clear"}     forgets the log and the faults, and releases
    {"do": "reset"}     the same, and forgets repositories and large files

GET /-/held answers once a request is held.
GET /-/log gives the requests so far, GET /-/repo?key=models/org/name a repository with all commits.
"""

import pathlib

FAULT = {"kind": "status", "times": 1, "skip": 0, "bytes": 0, "seconds": 0, "status": 500, "body": "", "headers": {},
         "server": "", "after": False}


def add(world, command: dict) -> None:
    key, branch = command["repo"], command.get("branch", "main")
    repo = world.repos.get(key) or world.create(key, False)
    parent = repo["branches"].get(branch, repo["branches"]["main"])
    tree = dict(world.tree(repo, parent))
    contents = {path: text.encode() for path, text in command.get("files", {}).items()}
    contents |= {path: pathlib.Path(file).read_bytes() for path, file in command.get("copies", {}).items()}
    for path, content in contents.items():
        tree[path] = world.entry(path, content)
    world.commit(repo, branch, tree, "added by a test", parent)


def run(world, command: dict) -> None:
    match command["do"]:
        case "add":
            add(world, command)
        case "set":
            world.repos[command["repo"]] |= {key: value for key, value in command.items() if key not in ("do", "repo")}
        case "settings":
            world.settings |= {key: value for key, value in command.items() if key != "do"}
        case "fault":
            world.faults.append({**FAULT, **command})
        case "release":
            world.release()
        case "clear" | "reset":
            world.requests.clear()
            world.faults.clear()
            world.release()
            if command["do"] == "reset":
                world.forget()
        case other:
            raise ValueError(other)
