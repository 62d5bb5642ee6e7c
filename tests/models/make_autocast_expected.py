#!/usr/bin/env python3
"""Writes what Transformers computes under autocast to another type than the weights'.

    make_autocast_expected.py [FAMILY ...]

For the tiny checkpoints of tests/data/golden: queries and keys as attention gets them, of one short
document, to tests/data/autocast/FAMILY-WEIGHTS-PRODUCTS.safetensors (ids; qN and kN of layer N:
[tokens, heads, head_dim] in the type that Transformers has there). On a CPU; the operations that
autocast touches in these families are the same as on a GPU. Needs transformers 5.17, torch 2.11, safetensors.
"""
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask

DATA = Path(__file__).parent.parent / "data"
FAMILIES = ["gemma3_text", "glm4", "ministral3", "qwen3", "smollm3"]
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PAIRS = [("float32", "bfloat16"), ("bfloat16", "float16")]
TOKENS = 24
seen = {}


def tapped(module, query, key, value, *arguments, **options):
    for kind, vectors in (("q", query), ("k", key)):
        seen[f"{kind}{module.layer_idx}"] = vectors[0].transpose(0, 1).contiguous()
    return sdpa_attention_forward(module, query, key, value, *arguments, **options)


AttentionInterface.register("tapped", tapped)
ALL_MASK_ATTENTION_FUNCTIONS.register("tapped", sdpa_mask)


def main() -> None:
    for family in sys.argv[1:] or FAMILIES:
        for weights, products in PAIRS:
            backbone = transformers.AutoModel.from_pretrained(
                DATA / "golden" / family / "model", dtype=TYPES[weights], attn_implementation="tapped"
            ).eval()
            vocabulary = backbone.get_input_embeddings().num_embeddings
            ids = torch.arange(TOKENS) * 37 % vocabulary
            seen.clear()
            with torch.inference_mode(), torch.autocast("cpu", TYPES[products]):
                backbone(input_ids=ids.unsqueeze(0), use_cache=False)
            tensors = {"ids": ids.int()} | {name: vectors.clone() for name, vectors in seen.items()}
            print(family, weights, products, {str(t.dtype) for t in seen.values()})
            save_file(tensors, DATA / "autocast" / f"{family}-{weights}-{products}.safetensors")


if __name__ == "__main__":
    main()
