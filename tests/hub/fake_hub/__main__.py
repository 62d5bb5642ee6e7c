#!/usr/bin/env python3
"""A Hugging Face Hub of one process, for tests: python3 tests/hub/fake_hub --state FOLDER

Speaks the part of the protocol that clients need to read models and datasets and to push datasets: repositories with
branches and commits, listings in pages, downloads by redirects and ranges, LFS uploads, commits. Prints one line with its
addresses when it is ready: the Hub, the store that large files come from and go to, and a proxy. Ends with its stdin.

Tokens: hf_write may do everything, hf_read only reads, everything else is refused. `POST /-/control` prepares repositories
and faults (control.py).
"""

import argparse
import pathlib
import ssl
import sys
import threading

import hub
import proxy
import server
import store
import state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=pathlib.Path, required=True, help="folder that keeps repositories and files")
    parser.add_argument("--tls", type=pathlib.Path, help="certificate and key; the Hub and the store speak HTTPS then")
    arguments = parser.parse_args()

    world = state.World(arguments.state)
    tls = None
    if arguments.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.tls)
    # the store is another host, as far as clients can tell
    large_files, world.store_url = server.serve(store.Handler, world, "127.0.0.2", tls)
    main_server, world.url = server.serve(hub.Handler, world, "127.0.0.1", tls)
    way, proxy_url = server.serve(proxy.Handler, world, "127.0.0.1")
    for each in (large_files, main_server, way):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    print(world.url, world.store_url, proxy_url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
