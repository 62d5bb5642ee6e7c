#!/usr/bin/env python3
"""GPU benchmark: whole runs, the forward pass against its kernel floor, and a Transformers peer.

    python3 bench/gpu.py --build build/release [--only llama-1b-4k,qwen3-8b-4k] [--parts forward,whole,peer]

Makes each shape with random bfloat16 weights and a tokenizer of one token a word, then, per scenario:
forward  qk_bench_forward: the pass without and with sampling, and its products and attention alone
whole    sniff-qk itself: text, tokenizer, pass, sampling, spool, Parquet files; loading excluded; stages: what
         the capturing thread waited for
resident, streamed  one pass with all weights on the GPU, and with weights that go through it layer by layer
peer     Transformers' backbone alone, sdpa, with hooks on the projections that keep what is sampled
Prints one JSON line each and, at the end, one table. Rates are tokens per second. Needs torch with CUDA, transformers
and safetensors.
"""

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch

HERE = Path(__file__).parent


class Shape(NamedTuple):
    model_type: str
    layers: int
    hidden: int
    mlp: int
    heads: int
    key_heads: int
    head_dim: int
    vocab: int


class Scenario(NamedTuple):
    shape: str
    tokens: int
    bucket: int
    documents: int  # of a whole run
    in_pass: int  # documents side by side in qk_bench_forward
    sampled_heads: int | None = 300
    sampler: str = "uniform"


SHAPES = {
    "smollm2-135m": Shape("llama", 30, 576, 1536, 9, 3, 64, 49152),
    "qwen3-0.6b": Shape("qwen3", 28, 1024, 3072, 16, 8, 128, 151936),
    "llama-3.2-1b": Shape("llama", 16, 2048, 8192, 32, 8, 64, 128256),
    "qwen3-8b": Shape("qwen3", 36, 4096, 12288, 32, 8, 128, 151936),
    "llama-3-70b": Shape("llama", 80, 8192, 28672, 64, 8, 128, 128256),
}
STORED_LAYERS = 4  # of the models of the parts resident and streamed
SCENARIOS = {
    "smollm2-512": Scenario("smollm2-135m", 512, 32, 16384, 128, None),
    "qwen3-0.6b-4k": Scenario("qwen3-0.6b", 4096, 256, 512, 16),
    "llama-1b-4k": Scenario("llama-3.2-1b", 4096, 256, 512, 16),
    "qwen3-8b-4k": Scenario("qwen3-8b", 4096, 256, 96, 16),
    "llama-1b-128k": Scenario("llama-3.2-1b", 131072, 8192, 24, 1),
    "qwen3-8b-128k": Scenario("qwen3-8b", 131072, 8192, 8, 1),
    "llama-70b-128k": Scenario("llama-3-70b", 131072, 8192, 0, 1),
    "smollm2-all": Scenario("smollm2-135m", 512, 128, 256, 128, None, "all"),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/sniff-qk-bench"))
    parser.add_argument("--only", type=lambda text: text.split(","), default=[n for n in SCENARIOS if "70b" not in n])
    parser.add_argument("--parts", type=lambda text: text.split(","), default=["forward", "whole", "peer"])
    parser.add_argument("--data-root", type=Path, default=Path("build/bench-gpu/captured"), help="of the whole runs")
    parser.add_argument("--documents", type=int, help="of each whole run, in place of the scenario's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the whole runs' config")
    parser.add_argument("--layers", type=int, help="fewer layers, to try things out")
    parser.add_argument("--tiles", type=lambda text: text.split(","), default=["0"], help="of forward; 0: as sniff-qk")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement of forward and peer")
    return parser.parse_args()


def hf_config(shape: Shape) -> dict:
    name = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}[shape.model_type]
    return {
        "model_type": shape.model_type,
        "architectures": [name],
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.mlp,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": 1 << 20,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
        "tie_word_embeddings": True,
    }


def weights(shape: Shape) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, device="cuda") * 0.02).bfloat16().cpu()

    queries, keys = shape.heads * shape.head_dim, shape.key_heads * shape.head_dim
    tensors = {"model.embed_tokens.weight": matrix(shape.vocab, shape.hidden)}
    for i in range(shape.layers):
        layer = {
            "self_attn.q_proj.weight": matrix(queries, shape.hidden),
            "self_attn.k_proj.weight": matrix(keys, shape.hidden),
            "self_attn.v_proj.weight": matrix(keys, shape.hidden),
            "self_attn.o_proj.weight": matrix(shape.hidden, queries),
            "mlp.gate_proj.weight": matrix(shape.mlp, shape.hidden),
            "mlp.up_proj.weight": matrix(shape.mlp, shape.hidden),
            "mlp.down_proj.weight": matrix(shape.hidden, shape.mlp),
            "input_layernorm.weight": torch.ones(shape.hidden, dtype=torch.bfloat16),
            "post_attention_layernorm.weight": torch.ones(shape.hidden, dtype=torch.bfloat16),
        }
        if shape.model_type == "qwen3":
            layer |= {f"self_attn.{x}_norm.weight": torch.ones(shape.head_dim, dtype=torch.bfloat16) for x in "qk"}
        tensors |= {f"model.layers.{i}.{name}": tensor for name, tensor in layer.items()}
    tensors["model.norm.weight"] = torch.ones(shape.hidden, dtype=torch.bfloat16)
    return tensors


def make_model(folder: Path, shape: Shape) -> None:
    if (folder / "config.json").exists():
        return
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights(shape), folder / "model.safetensors", metadata={"format": "pt"})
    vocabulary = {f"w{i}": i for i in range(min(shape.vocab, 49152))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "w0", "pad_token": "w0"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(hf_config(shape)))


def make_documents(path: Path, count: int, tokens: int) -> None:
    if path.exists():
        return
    draw = random.Random(0)
    words = [f"w{i}" for i in range(49152)]
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"id": number, "text": " ".join(draw.choices(words, k=tokens))}) + "\n")


def whole(arguments: argparse.Namespace, scenario: Scenario, model: Path) -> dict:
    count = arguments.documents or scenario.documents
    documents = arguments.folder / f"documents-{scenario.tokens}x{count}.jsonl"
    make_documents(documents, count, scenario.tokens)
    data_root = arguments.data_root
    shutil.rmtree(data_root, ignore_errors=True)
    capture = {"sampler": {"type": scenario.sampler, "base_rate": 1.0}, "min_bucket_size": scenario.bucket}
    if scenario.sampled_heads:
        capture["head_sampling"] = {"count": scenario.sampled_heads, "seed": 0}
    config = {
        "dataset": {"path": str(documents), "text_column": "text", "id_column": "id"},
        "model": {"name": str(model), "dtype": "bfloat16", "device_map": "cuda"},
        "tokenizer": {"max_length": scenario.tokens},
        "inference": {"autocast_dtype": "bfloat16"},
        "capture": capture,
        "output": {"data_root": str(data_root)},
    }
    file = arguments.folder / "config.yaml"
    file.write_text(json.dumps(config))
    metrics = arguments.folder / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    command = [arguments.build / "sniff-qk", "--config", file, "--quiet", "--metrics", metrics]
    subprocess.run(command + [word for pair in arguments.set for word in ("--set", pair)], check=True)
    stages = json.loads(metrics.read_text().splitlines()[-1])["stage_seconds"]
    run = json.loads((data_root / "run.json").read_text())
    timings = run["timings"]
    seconds = sum(value for key, value in timings.items() if key.endswith("_seconds"))
    size = sum(f.stat().st_size for f in data_root.rglob("*") if f.is_file())
    shutil.rmtree(data_root)
    tokens = scenario.tokens * count
    return {"whole": tokens / seconds, "timings": timings, "stages": stages, "bytes": size}


def forward(arguments: argparse.Namespace, scenario: Scenario, model: Path, tile: str) -> dict:
    command = [
        arguments.build / "bench" / "qk_bench_forward", model, "--tokens", scenario.tokens, "--documents",
        scenario.in_pass, "--bucket", scenario.bucket, "--tile", tile, "--seconds", arguments.seconds,
    ]
    return json.loads(subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout)


def streamed(arguments: argparse.Namespace, scenario: Scenario, stream: bool) -> dict:
    """Weights resident or streamed. The checkpoint has few layers, which repeat: no machine needs room for more."""
    shape = SHAPES[scenario.shape]
    model = arguments.folder / f"{scenario.shape}-{STORED_LAYERS}"
    make_model(model, shape._replace(layers=STORED_LAYERS))
    command = [
        arguments.build / "bench" / "qk_bench_forward", model, "--tokens", scenario.tokens, "--documents",
        scenario.in_pass, "--passes", 1, "--layers", arguments.layers or shape.layers,
    ] + (["--stream"] if stream else [])
    return json.loads(subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout)


def peer(arguments: argparse.Namespace, scenario: Scenario, model: Path) -> dict:
    import transformers

    backbone = transformers.AutoModel.from_pretrained(
        model, dtype=torch.bfloat16, attn_implementation="sdpa", device_map="cuda"
    ).eval()
    positions = torch.arange(0, scenario.tokens, scenario.bucket, device="cuda")
    kept = {}

    def keep(name: str):
        def hook(_module, _inputs, output):
            kept[name] = output.index_select(1, positions).float().cpu()

        return hook

    for name, module in backbone.named_modules():
        if name.endswith(("q_proj", "k_proj")):
            module.register_forward_hook(keep(name))
    batch = max(1, min(16, 32768 // scenario.tokens))
    ids = torch.randint(49152, (batch, scenario.tokens), device="cuda")
    with torch.inference_mode():
        backbone(input_ids=ids, use_cache=False)
        torch.cuda.synchronize()
        start, passes = time.perf_counter(), 0
        while time.perf_counter() - start < arguments.seconds:
            backbone(input_ids=ids, use_cache=False)
            torch.cuda.synchronize()
            passes += 1
        seconds = time.perf_counter() - start
    assert len(kept) == 2 * backbone.config.num_hidden_layers
    rate = passes * batch * scenario.tokens / seconds
    del backbone
    torch.cuda.empty_cache()
    return {"peer": rate, "peer_batch": batch}


def table(lines: list[dict]) -> str:
    """Markdown; a scenario's results of one kind are joined by commas."""
    columns = {
        "whole run": lambda line: f"{line['whole']:,.0f}",
        "forward": lambda line: f"{line['forward']:,.0f}{' streamed' if line.get('streamed') else ''}",
        "of the floor": lambda line: f"{100 * line['of_floor']:.0f} %",
        "sampling costs": lambda line: f"{100 * line['sampling_cost']:.1f} %",
        "same bits alone": lambda line: "yes" if line["same_bits_alone"] else "NO",
        "peer": lambda line: f"{line['peer']:,.0f}",
        "failed": lambda line: f"{line['part']}: {line['failed']}".replace("\n", " "),
    }
    rows = [["tokens per second", *columns]]
    for name in dict.fromkeys(line["scenario"] for line in lines):
        cells = []
        for show in columns.values():
            shown = []
            for line in lines:
                with contextlib.suppress(KeyError):
                    shown += [show(line)] if line["scenario"] == name else []
            cells.append(", ".join(shown))
        rows.append([name, *cells])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    arguments = parse_arguments()
    lines = []

    def tell(line: dict) -> None:
        lines.append(line)
        print(json.dumps(line), flush=True)

    for name in arguments.only:
        scenario = SCENARIOS[name]
        shape = SHAPES[scenario.shape]
        if arguments.layers:
            shape = shape._replace(layers=arguments.layers)
        model = arguments.folder / f"{scenario.shape}-{shape.layers}"
        if {"forward", "whole", "peer"} & set(arguments.parts):
            make_model(model, shape)
        line = {"scenario": name, "gpu": torch.cuda.get_device_name(), "layers": shape.layers}
        for part in arguments.parts:
            try:
                if part == "forward":
                    for tile in arguments.tiles:
                        result = forward(arguments, scenario, model, tile)
                        tell(line | result)
                else:
                    if part in ("resident", "streamed"):
                        result = streamed(arguments, scenario, part == "streamed")
                    else:
                        result = {"whole": whole, "peer": peer}[part](arguments, scenario, model)
                    tell(line | result)
            except Exception as error:  # the other scenarios still count
                tell(line | {"part": part, "failed": str(error)[:500]})
    print(table(lines))
    sys.exit(any("failed" in line for line in lines))


if __name__ == "__main__":
    main()
