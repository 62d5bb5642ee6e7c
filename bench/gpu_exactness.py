#!/usr/bin/env python3
"""How far our bfloat16 (or float16) queries and keys are from float32, against Transformers' own.

    python3 bench/gpu_exactness.py --binary build/release/sniff-qk [--real] [--dtype float16] [--weights float32]

For the tiny checkpoints of tests/data/golden, and with --real for Llama-3.2-1B's and Qwen3-8B's shapes
(random weights, --layers of them), at 512, 8192 and 131072 tokens: captures with the binary, runs
Transformers in float32 (TF32 off) and in --dtype over the same tokens, and compares the captured rows:
per layer and kind, |x - float32| / |float32| (Frobenius norms over all rows), ours over Transformers'.
With --weights of another type both sides run under autocast to --dtype.
Where Transformers' float32 pass does not fit into memory, both are held against our float32 run.
Prints one line per case with the worst ratio, and exits with 1 when one is above --limit. Needs torch,
transformers and pyarrow; runs on the GPU if there is one.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import torch
import transformers
from gpu import SHAPES, make_documents, make_model
from transformers import AttentionInterface
from transformers.integrations import sdpa_attention
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

GOLDEN = Path(__file__).parent.parent / "tests" / "data" / "golden"
TEXT_FAMILIES = ["gemma3_text", "glm", "glm4", "llama", "ministral", "ministral3", "mistral", "qwen2", "qwen3", "smollm3"]
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEEN = {}  # (layer, kind) -> [heads, tokens, head_dim] of the pass that runs now
POSITIONS = {}  # (layer, kind) -> rows to keep


def tapped_attention(module, query, key, value, *arguments, **options):
    for kind, vectors in (("q", query), ("k", key)):
        where = (module.layer_idx, kind)
        if where in POSITIONS:
            SEEN[where] = vectors[0].index_select(1, POSITIONS[where]).float().cpu()
    return sdpa_attention.sdpa_attention_forward(module, query, key, value, *arguments, **options)


groups_in_sdpa = sdpa_attention.use_gqa_in_sdpa


def groups_where_fused(mask, key, value) -> bool:
    """In float32 only keys repeated for each query head have a kernel that doesn't form tokens x tokens."""
    return key.dtype != torch.float32 and groups_in_sdpa(mask, key, value)


sdpa_attention.use_gqa_in_sdpa = groups_where_fused
AttentionInterface.register("tapped", tapped_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register("tapped", sdpa_mask)


def capture(binary: Path, model: Path, documents: Path, tokens: int, bucket: int, weights: str, dtype: str, folder: Path) -> dict:
    """(layer, kind) -> (positions, [heads, rows, head_dim])"""
    data_root = folder / "captured"
    shutil.rmtree(data_root, ignore_errors=True)
    config = {
        "dataset": {"path": str(documents), "text_column": "text", "id_column": "id", "max_samples": 1},
        "model": {"name": str(model), "dtype": weights, "device_map": DEVICE},
        "tokenizer": {"max_length": tokens},
        "inference": {"autocast_dtype": dtype},
        "capture": {"sampler": {"type": "uniform", "base_rate": 1.0}, "min_bucket_size": bucket},
        "output": {"data_root": str(data_root)},
    }
    (folder / "exactness.yaml").write_text(json.dumps(config))
    subprocess.run([binary, "--config", folder / "exactness.yaml", "--quiet"], check=True)
    heads = {}
    for file in sorted(data_root.glob("*/data.parquet")):
        name = file.parent.name  # l00h00q
        table = pyarrow.parquet.read_table(file)
        vectors = torch.from_numpy(table["vector"].combine_chunks().flatten().to_numpy().copy())
        where = (int(name[1 : name.index("h")]), name[-1])
        positions = torch.from_numpy(table["position"].to_numpy().copy()).long()
        heads.setdefault(where, []).append((positions, vectors.view(len(table), -1)))
    return {where: (parts[0][0], torch.stack([v for _, v in parts])) for where, parts in heads.items()}


def transformers_vectors(model: Path, ids: torch.Tensor, weights: torch.dtype, dtype: torch.dtype) -> dict:
    SEEN.clear()
    torch.backends.cuda.matmul.allow_tf32 = False
    backbone = transformers.AutoModel.from_pretrained(
        model, dtype=weights, attn_implementation="tapped", device_map=DEVICE
    ).eval()
    with torch.inference_mode(), torch.autocast(DEVICE, dtype, enabled=weights != dtype):
        backbone(input_ids=ids.to(DEVICE), use_cache=False)
    del backbone
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
    return dict(SEEN)


def first_text(documents: Path) -> str:
    with documents.open() as file:
        return json.loads(next(file))["text"]


def compare(arguments, name: str, model: Path, documents: Path, tokens: int, bucket: int, folder: Path) -> float:
    weights = arguments.weights or arguments.dtype
    ours = capture(arguments.binary, model, documents, tokens, bucket, weights, arguments.dtype, folder)
    ours32 = capture(arguments.binary, model, documents, tokens, bucket, "float32", "float32", folder)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(model / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode(first_text(documents), add_special_tokens=True)[:tokens]])
    POSITIONS.clear()
    POSITIONS.update({where: positions.to(DEVICE) for where, (positions, _) in ours.items()})
    against = "Transformers'"
    try:
        exact = transformers_vectors(model, ids, torch.float32, torch.float32)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        exact, against = {where: vectors for where, (_, vectors) in ours32.items()}, "our"
    theirs = transformers_vectors(model, ids, getattr(torch, weights), getattr(torch, arguments.dtype))
    worst, worst32, at = 0.0, 0.0, ""
    for where, (_, vectors) in ours.items():
        reference = exact[where].double()

        def error(x: torch.Tensor) -> float:
            return ((x.double() - reference).norm() / reference.norm()).item()

        ratio = error(vectors) / max(error(theirs[where]), 1e-12)
        if ratio > worst:
            worst, at = ratio, f"layer {where[0]} {where[1]}: {error(vectors):.2e} / {error(theirs[where]):.2e}"
        worst32 = max(worst32, error(ours32[where][1]))
    print(f"{name:28} {ids.shape[1]:7} tokens  worst ratio {worst:.3f} ({at})  against {against} float32  our float32 error {worst32:.1e}", flush=True)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/sniff-qk-bench"))
    parser.add_argument("--dtype", choices=["bfloat16", "float16"], default="bfloat16")
    parser.add_argument("--weights", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--families", type=lambda text: text.split(",") if text else [], default=TEXT_FAMILIES)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=lambda text: [int(x) for x in text.split(",")], default=[512, 8192, 131072])
    parser.add_argument("--rows", type=int, default=1024, help="of each head, of the real shapes; with 128 and fewer of 131072 the last layer's attention is of single rows")
    parser.add_argument("--limit", type=float, default=1.1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failed = False

    def case(*what) -> None:
        nonlocal failed
        try:
            failed |= compare(arguments, *what, arguments.folder) > arguments.limit
        except Exception as error:  # the other cases still count
            failed = True
            print(f"{what[0]:28} failed: {str(error)[:600]}", flush=True)

    for family in arguments.families:
        case(family, GOLDEN / family / "model", GOLDEN / family / "docs.jsonl", 512, 1)
    if arguments.real:
        for shape in ("llama-3.2-1b", "qwen3-8b"):
            model = arguments.folder / f"{shape}-{arguments.layers}"
            make_model(model, SHAPES[shape]._replace(layers=arguments.layers))
            for tokens in arguments.tokens:
                documents = arguments.folder / f"documents-{tokens}x1.jsonl"
                make_documents(documents, 1, tokens)
                case(shape, model, documents, tokens, max(1, tokens // arguments.rows))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
