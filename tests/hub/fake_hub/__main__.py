#!/usr/bin/env python3
"""A Hugging Face Hub of one process, for tests: python3 tests/hub/fake_hub --state FOLDER

Speaks the part of the protocol that clients need to read models and datasets and to push datasets: repositories with
branches and commits, listings in pages, downloads by redirects and ranges, LFS uploads, commits. Prints one line with its
two addresses when it is ready: the Hub, and the store that large files come from and go to. Ends with its stdin.

Tokens: hf_write may do everything, hf_read only reads, everything else is refused. `POST /-/control` prepares repositories
and faults (control.py).
"""

import argparse
import pathlib
import sys
import threading

import hub
import server
import store
import state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder that keeps repositories and files")
    arguments = parser.parse_args()

    world = state.World(arguments.state)
    large_files, world.store_url = server.serve(store.Handler, world, "127.0.0.2")  # another host, as far as clients can tell
    main_server, world.url = server.serve(hub.Handler, world, "127.0.0.1")
    for each in (large_files, main_server):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    print(world.url, world.store_url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
