#!/usr/bin/env python3
"""Runs every command of the documentation, in a fresh folder that looks like the repository to them.

usage: tests/python/check_docs.py [--python] BINARY PAGE.md...

`sh` blocks: each command must end with exit code 0, or with N where the line ends in "# exit code N". The lines of a `text`
block after it must be in its output, numbers aside; what follows "..." in a line isn't compared.
`python` blocks are run with --python, by the Python that runs this script. `yaml` blocks that start with "# NAME.yaml" are
written to that file first.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")


def without_numbers(line):
    return re.sub(r"[\d.,:]+", "#", " ".join(line.split()))


class Page:
    def __init__(self, path, folder, python):
        self.path, self.folder, self.python = path, folder, python
        self.output, self.commands, self.wrong = "", 0, []

    def run(self):
        for kind, body in BLOCK.findall(self.path.read_text()):
            if kind == "sh":
                self.output = "".join(self.command(line) for line in body.replace("\\\n", " ").splitlines() if line.strip())
            elif kind == "python" and self.python:
                self.start([sys.executable, "-c", body], body, 0)
            elif kind == "yaml" and body.startswith("# "):
                (self.folder / body.split()[1]).write_text(body)
            elif kind == "text":
                self.compare(body)

    def command(self, line):
        code = EXIT_CODE.search(line)
        return self.start(["bash", "-c", EXIT_CODE.sub("", line)], line, int(code.group(1)) if code else 0)

    def start(self, arguments, shown, expected):
        self.commands += 1
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ}  # as the launcher does
        done = subprocess.run(arguments, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        if done.returncode != expected:
            self.wrong.append(f"{shown}\n  exit code {done.returncode}, not {expected}:\n{done.stdout}")
        return done.stdout

    def compare(self, text):
        there = [without_numbers(line) for line in self.output.splitlines()]
        for line in text.splitlines():
            wanted = without_numbers(line.split("...")[0])
            if not any(wanted == found or ("..." in line and found.startswith(wanted)) for found in there):
                self.wrong.append(f"not in the output any more: {line}\n--- the output\n{self.output}---")


def main():
    arguments = sys.argv[1:]
    python = "--python" in arguments
    binary, *pages = [Path(argument).resolve() for argument in arguments if argument != "--python"]
    failed = False
    for path in pages:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for name in ("configs", "sample", "docs"):
                (folder / name).symlink_to(ROOT / name)
            (folder / "sniff-qk").symlink_to(binary)
            page = Page(path, folder, python)
            page.run()
        print(f"check_docs: {path.relative_to(ROOT)}: {page.commands} commands, {len(page.wrong)} wrong, {time.monotonic() - start:.0f} s")
        print("\n".join(page.wrong))
        failed = failed or bool(page.wrong) or page.commands == 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
