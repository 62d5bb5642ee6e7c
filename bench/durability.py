#!/usr/bin/env python3
"""What durability costs a sparse capture: the sample with one position in 8,192, on a disk, in memory, and without rows.

usage: bench/durability.py --binary build/release/sniff-qk [--folder DIR] [--documents 12] [--threads N] [--rounds 9]

Each round runs the same capture three times, each time in another order:

  disk      data_root in --folder: spool, syncs and final files on the disk to be measured
  memory    data_root in /dev/shm: the same writes, where a sync costs nothing
  no rows   data_root in /dev/shm, and a sampler that takes no position: nothing to be made durable

Seconds are the whole process's, from its start to the last sync; ratios are of the shortest runs, and of the runs of the same round. Its
processor time is freer of what others do to the disk and the cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
NO_ROWS = "1.0e-12"


class Run(NamedTuple):
    seconds: float
    processor_seconds: float
    rows: int


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("."), help="on the disk to be measured")
    parser.add_argument("--documents", type=int, default=12, help="of the sample's texts")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def run(arguments: argparse.Namespace, folder: Path, base_rate: str) -> Run:
    data_root = folder / "capture"
    overrides = {
        "dataset.path": REPOSITORY / "sample/texts.jsonl",
        "dataset.max_samples": arguments.documents,
        "model.name": REPOSITORY / "sample/model",
        "model.device_map": "cpu",
        "inference.threads": arguments.threads,
        "capture.head_sampling": "null",
        "capture.sampler.base_rate": base_rate,
        "capture.min_bucket_size": 8192,
        "output.data_root": data_root,
    }
    command = [str(arguments.binary), "--config", str(REPOSITORY / "configs/sample.yaml"), "--quiet"]
    for key, value in overrides.items():
        command += ["--set", f"{key}={value}"]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}")
    rows = json.loads((data_root / "run.json").read_text())["counts"]["rows"]
    shutil.rmtree(data_root)
    return Run(seconds, usage.ru_utime + usage.ru_stime, rows)


def ratios(some: list[Run], others: list[Run], what: str) -> dict:
    first, second = ([getattr(each, what) for each in each_run] for each_run in (some, others))
    by_round = statistics.quantiles([a / b for a, b in zip(first, second)], n=4, method="inclusive")
    return {
        "of_the_best": round(min(first) / min(second), 3),
        "median": round(by_round[1], 3),
        "quartiles": [round(by_round[0], 3), round(by_round[2], 3)],
    }


def main() -> None:
    arguments = parse_arguments()
    runs: dict[str, list[Run]] = {"disk": [], "memory": [], "no rows": []}
    with (
        tempfile.TemporaryDirectory(prefix="bench-durability-", dir=arguments.folder) as disk,
        tempfile.TemporaryDirectory(prefix="bench-durability-", dir=MEMORY) as memory,
    ):
        places = {
            "disk": (Path(disk).resolve(), "1"),
            "memory": (Path(memory), "1"),
            "no rows": (Path(memory), NO_ROWS),
        }
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            order = deque(runs)
            order.rotate(number)
            for kind in order:
                folder, base_rate = places[kind]
                runs[kind].append(run(arguments, folder, base_rate))
    table = {
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "rows": runs["disk"][0].rows,
        "rows_without": runs["no rows"][0].rows,
        "seconds": round(min(each.seconds for each in runs["disk"]), 2),
    }
    for other in ("memory", "no rows"):
        table[f"disk / {other}"] = ratios(runs["disk"], runs[other], "seconds")
        table[f"disk / {other}, processor"] = ratios(runs["disk"], runs[other], "processor_seconds")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
