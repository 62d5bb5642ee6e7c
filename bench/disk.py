#!/usr/bin/env python3
"""The writer against the disk: `all` rows through spool and final pass, beside dd with fsync in the same folder.

usage: bench/disk.py --binary build/release/bench/qk_bench_disk [--folder DIR] [--gib 4] [--threads N] [--rounds 3]
                     [--early N [--rate MIB_PER_SECOND]]

Each round runs dd and the writer one after the other; ratios are of the same round, the table has their medians.

  spool / dd         captured bytes in a second until they are durable, against dd's
  final / encoding   captured bytes in a second of the final pass, against byte-stream-split + zstd alone on as many threads
  final / disk       bytes that the final pass reads and writes in a second, against dd's

With --early instead: the whole capture, fed at that rate, with N threads that begin the final files meanwhile and without.

  early / plain      seconds of the whole capture with them, against those without
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
from pathlib import Path

MIB = 1 << 20


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("."), help="on the disk to be measured")
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--early", type=int, help="threads that begin the final files while rows come")
    parser.add_argument("--rate", type=float, default=0, help="MiB of rows that come in a second; 0: as many as are taken")
    return parser.parse_args()


def dd_bytes_per_second(folder: Path, gib: float) -> float:
    mebibytes = int(gib * 1024)
    start = time.perf_counter()
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={folder / 'dd'}", "bs=1M", f"count={mebibytes}", "conv=fsync"],
        check=True, capture_output=True,
    )
    seconds = time.perf_counter() - start
    (folder / "dd").unlink()
    return mebibytes * MIB / seconds


def run_writer(arguments: argparse.Namespace, folder: Path, *more: float) -> dict:
    root = folder / "capture"
    command = [str(arguments.binary), str(root), str(arguments.gib), str(arguments.threads), *map(str, more)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(root)
    return json.loads(output)


def measure(arguments: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(prefix="bench-disk-", dir=arguments.folder) as temporary:
        dd = dd_bytes_per_second(Path(temporary), arguments.gib)
        writer = run_writer(arguments, Path(temporary))
    captured = writer["captured_bytes"]
    spool = captured / writer["spool_seconds"]
    final = captured / writer["final_seconds"]
    encoding = writer["encoding_bytes_per_second"]
    moved = (captured + writer["file_bytes"]) / writer["final_seconds"]
    return {
        "dd_mib_s": dd / MIB,
        "spool_mib_s": spool / MIB,
        "final_mib_s": final / MIB,
        "encoding_mib_s": encoding / MIB,
        "spool_to_dd": spool / dd,
        "final_to_encoding": final / encoding,
        "final_to_disk": moved / dd,
        "peak_mib": writer["peak_kib"] / 1024,
    }


def measure_early(arguments: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(prefix="bench-disk-", dir=arguments.folder) as temporary:
        plain, early = (run_writer(arguments, Path(temporary), threads, arguments.rate) for threads in (0, arguments.early))
    seconds = [run["spool_seconds"] + run["final_seconds"] for run in (plain, early)]
    return {
        "plain_spool_s": plain["spool_seconds"],
        "plain_final_s": plain["final_seconds"],
        "early_spool_s": early["spool_seconds"],
        "early_final_s": early["final_seconds"],
        "early_to_plain": seconds[1] / seconds[0],
        "rows_early": early["rows_early"] / early["rows"],
        "plain_peak_mib": plain["peak_kib"] / 1024,
        "early_peak_mib": early["peak_kib"] / 1024,
    }


def main() -> None:
    arguments = parse_arguments()
    rounds = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        rounds.append(measure(arguments) if arguments.early is None else measure_early(arguments))
    medians = {key: round(statistics.median(row[key] for row in rounds), 3) for key in rounds[0]}
    print(json.dumps({"gib": arguments.gib, "threads": arguments.threads, "rounds": arguments.rounds} | medians))


if __name__ == "__main__":
    main()
