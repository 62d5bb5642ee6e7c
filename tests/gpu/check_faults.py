#!/usr/bin/env python3
"""What sniff-qk does where a GPU runs out of memory or fails in the middle of a run.

    python3 tests/gpu/check_faults.py --binary build/release/sniff-qk

Captures the sample's texts many times over, then again with a library preloaded (cuda_shim.c) that lets CUDA
calls fail: too little memory for a pass, too little for anything, and an error in the middle. After each but the
second, the files must be the same bytes as without. Needs a CUDA build, a GPU and a C compiler.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXTS = 2048  # some passes


def make_texts(path: Path) -> None:
    lines = (ROOT / "sample/texts.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    with path.open("w") as file:
        for number in range(TEXTS):
            file.write(json.dumps({"id": number, "text": texts[number % len(texts)]}) + "\n")


class Case:
    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        self.log = folder / "log"
        self.shim = folder / "shim.so"
        source = Path(__file__).parent / "cuda_shim.c"
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", source, "-o", self.shim, "-ldl", "-lpthread"], check=True)
        make_texts(folder / "texts.jsonl")

    def run(self, name: str, *sets: str, shimmed: bool = True, **settings: int) -> subprocess.CompletedProcess:
        environment = dict(os.environ)
        if shimmed:
            environment |= {"LD_PRELOAD": str(self.shim), "QK_SHIM_LOG": str(self.log)}
            environment |= {f"QK_SHIM_{key.upper()}": str(value) for key, value in settings.items()}
        command = [self.binary, "--config", ROOT / "configs/sample.yaml"]
        for value in (
            f"dataset.path={self.folder / 'texts.jsonl'}",
            f"model.name={ROOT / 'sample/model'}",
            "model.device_map=cuda",
            f"output.data_root={self.folder / name}",
            *sets,
        ):
            command += ["--set", value]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    def use(self) -> list[int]:
        return [int(word) for word in self.log.read_text().split()]

    def sums(self, name: str) -> dict[str, str]:
        root = self.folder / name
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*.parquet"))
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    arguments = parser.parse_args()
    failed = []

    def expect(what: str, holds: bool, run: subprocess.CompletedProcess) -> None:
        print(f"{'ok    ' if holds else 'FAILED'} {what}", flush=True)
        if not holds:
            failed.append(what)
            print(f"exit code {run.returncode}\n{run.stderr[-3000:]}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        case = Case(arguments.binary, Path(folder))
        one = case.run("one", "dataset.max_samples=1")
        start, copies_of_start = case.use()
        whole = case.run("whole")
        memory, copies = case.use()
        wanted = case.sums("whole")
        print(f"peak of device memory: {start >> 20} MiB for one text, {memory >> 20} MiB for {TEXTS}")
        print(f"copies: {copies_of_start} and {copies}", flush=True)
        expect("undisturbed runs", one.returncode == 0 and whole.returncode == 0 and len(wanted) > 1, whole)

        halved = []
        for share in (0.9, 0.7, 0.5, 0.4, 0.3):
            name, limit = f"narrow-{share}", int(memory * share)
            narrow = case.run(name, memory=limit)
            halved.append(narrow.stderr.count("out of device memory"))
            fits = case.sums(name) == wanted
            refused = limit < start and narrow.returncode > 0 and "memory" in narrow.stderr
            print(f"{share:.0%} of the memory: halved {halved[-1]} times, exit code {narrow.returncode}", flush=True)
            expect(f"{share:.0%} of the memory: the same files, or an error at the start", fits or refused, narrow)
        expect("too little memory for a pass: a warning", any(halved), narrow)

        little = case.run("little", memory=16 << 20)
        told = "would fit" in little.stderr or "memory" in little.stderr
        expect("memory for nothing: an error that says so", little.returncode > 0 and told, little)
        print(little.stderr[:300])

        for share in (0.1, 0.5, 0.9):
            name = f"lost-{share}"
            lost = case.run(name, copies=copies_of_start + int((copies - copies_of_start) * share))
            expect(f"an error at {share:.0%} of the passes: exit code 70", lost.returncode == 70, lost)
            expect(f"an error at {share:.0%} of the passes: kept", "goes on from there" in lost.stderr, lost)
            print(lost.stderr[-600:])
            again = case.run(name, shimmed=False)
            print(again.stderr[:200])
            expect(f"an error at {share:.0%} of the passes: the next run ends in the same files",
                   again.returncode == 0 and case.sums(name) == wanted, again)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
