#!/usr/bin/env python3
"""CPU benchmark: tokens/s of a whole capture, over the forward pass alone of bench/peer_cpu.py.

    python3 bench/cpu.py --binary build/release/sniff-qk

Scenarios: SmolLM2-135M's shape with random weights; 512 and 4096 tokens, float32 and bfloat16, batch
1 and 8. Each round runs ours, then the peer, with the same number of threads, documents and tokens;
the table shows the medians over the rounds and the spread of their ratios. Ours is the whole run
(text, tokenizer, forward pass, sampling, Parquet files) less the start of the process and the
loading of the model: the sum of the *_seconds in run.json's "timings". The peer is its forward pass.
Peak memory is the process's largest resident set, mapped weights included.

Needs torch, transformers and tokenizers; the peer should have the torch that the binary links.
Options narrow it down: --tokens 512 --batch 1 --dtype float32 --rounds 1.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PEER = Path(__file__).with_name("peer_cpu.py")


class Scenario(NamedTuple):
    dtype: str
    tokens: int
    batch: int
    documents: int

    def all_tokens(self) -> int:
        return self.tokens * self.documents


class Measured(NamedTuple):
    """Of one run of ours: the whole run without loading, the process, its memory."""

    seconds: float
    wall_seconds: float
    peak_bytes: int


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--tokens", type=numbers, default=[512, 4096])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--dtype", type=lambda text: text.split(","), default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--least-tokens", type=int, default=16384, help="of one run")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--layers", type=int, help="fewer layers than the 30, to try things out")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the peer")
    parser.add_argument("--folder", type=Path, help="keeps checkpoints between calls; else temporary")
    parser.add_argument("--bucket", type=int, default=64, help="one position in so many is captured")
    return parser.parse_args()


def scenarios(arguments: argparse.Namespace) -> list[Scenario]:
    result = []
    for dtype in arguments.dtype:
        for tokens in arguments.tokens:
            for batch in arguments.batch:
                batches = max(2, math.ceil(arguments.least_tokens / (tokens * batch)))
                result.append(Scenario(dtype, tokens, batch, batches * batch))
    return result


def run_peer(arguments: argparse.Namespace, *command: object) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads), "HF_HUB_OFFLINE": "1"}
    full = [arguments.python, str(PEER), *map(str, command)]
    return subprocess.run(full, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def make_inputs(arguments: argparse.Namespace, folder: Path, scenario: Scenario) -> None:
    layers = ["--layers", arguments.layers] if arguments.layers else []
    run_peer(
        arguments, "make", "--folder", folder, "--dtype", scenario.dtype, "--tokens", scenario.tokens,
        "--documents", scenario.documents, *layers,
    )


def config_of(arguments: argparse.Namespace, folder: Path, scenario: Scenario, data_root: Path) -> dict:
    documents = folder / f"documents-{scenario.tokens}x{scenario.documents}.jsonl"
    return {
        "dataset": {"path": str(documents), "text_column": "text", "id_column": "id"},
        "model": {"name": str(folder / "model"), "dtype": scenario.dtype, "device_map": "cpu"},
        "tokenizer": {"max_length": scenario.tokens},
        "inference": {"batch_size": scenario.batch},
        "capture": {
            "sampler": {"type": "uniform", "base_rate": 1.0},
            "min_bucket_size": arguments.bucket,
        },
        "output": {"data_root": str(data_root)},
    }


def run_ours(arguments: argparse.Namespace, folder: Path, scenario: Scenario) -> Measured:
    data_root = folder / "captured"
    config = folder / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps(config_of(arguments, folder, scenario, data_root), indent=1))
    shutil.rmtree(data_root, ignore_errors=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    command = [str(arguments.binary), "--config", str(config), "--quiet"]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}")
    timings = json.loads((data_root / "run.json").read_text())["timings"]
    seconds = sum(value for key, value in timings.items() if key.endswith("_seconds"))
    return Measured(seconds, wall, usage.ru_maxrss * 1024)


def time_peer(arguments: argparse.Namespace, folder: Path, scenario: Scenario) -> dict:
    line = run_peer(
        arguments, "time", "--folder", folder, "--tokens", scenario.tokens, "--batch", scenario.batch,
        "--iterations", scenario.documents // scenario.batch, "--threads", arguments.threads,
        "--sample-every", arguments.bucket,
    )
    return json.loads(line)


def measure(arguments: argparse.Namespace, folder: Path, scenario: Scenario) -> dict:
    make_inputs(arguments, folder, scenario)
    ours, peers = [], []
    for number in range(arguments.rounds):
        print(f"{scenario}: round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        ours.append(run_ours(arguments, folder, scenario))
        peers.append(time_peer(arguments, folder, scenario))
    speeds = [scenario.all_tokens() / run.seconds for run in ours]
    peer_speeds = [peer["tokens_per_second"] for peer in peers]
    ratios = [ours_speed / peer_speed for ours_speed, peer_speed in zip(speeds, peer_speeds)]
    weights = (folder / "model" / "model.safetensors").stat().st_size
    return {
        **scenario._asdict(),
        "peer": peers[0]["peer"],
        "ours_tokens_per_second": round(statistics.median(speeds), 1),
        "peer_tokens_per_second": round(statistics.median(peer_speeds), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "ratio_most": round(max(ratios), 3),
        "ours_wall_seconds": round(statistics.median(run.wall_seconds for run in ours), 2),
        "weights_mb": round(weights / 1e6, 1),
        "peak_mb": round(max(run.peak_bytes for run in ours) / 1e6, 1),
    }


def machine(arguments: argparse.Namespace) -> dict:
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    commit = subprocess.run(
        ["git", "-C", str(PEER.parent), "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "threads": arguments.threads, "commit": commit}


def print_table(rows: list[dict]) -> None:
    print("| dtype | tokens | batch | ours tok/s | peer tok/s | ratio (least to most) | peak / weights MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['dtype']} | {row['tokens']} | {row['batch']} | {row['ours_tokens_per_second']} "
            f"| {row['peer_tokens_per_second']} | {row['ratio']:.2f} "
            f"({row['ratio_least']:.2f} to {row['ratio_most']:.2f}) "
            f"| {row['peak_mb']:.0f} / {row['weights_mb']:.0f} |"
        )


def main() -> None:
    arguments = parse_arguments()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-cpu-") as temporary:
        folder = arguments.folder or Path(temporary)
        for scenario in scenarios(arguments):
            shape = folder / (scenario.dtype + (f"-{arguments.layers}" if arguments.layers else ""))
            row = measure(arguments, shape.resolve(), scenario)
            print(json.dumps(machine(arguments) | row), flush=True)
            rows.append(row)
    print_table(rows)


if __name__ == "__main__":
    main()
