#!/usr/bin/env python3
"""Writes what Transformers computes for the mllama runs of the golden data.

    make_mllama_expected.py FAMILY_FOLDER OUT_FOLDER [RUN ...]

FAMILY_FOLDER holds <run>.yaml, docs.jsonl, model/ and expected/<run>.parquet. Each run's file is
copied to OUT_FOLDER with other vectors: those of MllamaForCausalLM with the weights of model/
(float32, on a CPU, one document at a time). Rows, their order and all other columns stay.
tests/data/golden/README.md says why. Needs transformers 5.17, torch, pyarrow, pyyaml.
"""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from transformers import AutoTokenizer, MllamaForCausalLM
from transformers.models.mllama import modeling_mllama


def load_model(folder):
    model, info = MllamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    if info["missing_keys"] or info["mismatched_keys"]:
        raise SystemExit(f"{folder}: not every weight was loaded: {info}")
    return model.eval()


class Capture:
    """Keeps the queries and keys of each self-attention layer of the last forward pass."""

    def __init__(self, model, before_rotary):
        cross = set(model.config.cross_attention_layers)
        layers = range(model.config.num_hidden_layers)
        self.layers = [layer for layer in layers if layer not in cross]
        self.model, self.kept = model, []
        rotate = self.original = modeling_mllama.apply_rotary_pos_emb

        def watched(q, k, *args, **kwargs):
            rotated = rotate(q, k, *args, **kwargs)
            self.kept.append((q, k) if before_rotary else rotated)
            return rotated

        modeling_mllama.apply_rotary_pos_emb = watched

    def close(self):
        modeling_mllama.apply_rotary_pos_emb = self.original

    @torch.no_grad()
    def run(self, ids):
        """{l00h00q: [tokens, head_dim]}"""
        self.kept = []
        self.model.model(torch.tensor([ids]), use_cache=False)
        assert len(self.kept) == len(self.layers)
        return {
            f"l{layer:02d}h{head:02d}{kind}": tensor[0, head].numpy()
            for layer, pair in zip(self.layers, self.kept)
            for kind, tensor in zip("qk", pair)
            for head in range(tensor.shape[1])
        }


def example_id(value):
    """The int32 that stands for an id of the dataset."""
    if not isinstance(value, int):
        digest = hashlib.blake2b(str(value).encode(), digest_size=8).digest()
        value = int.from_bytes(digest, "little", signed=True)
    return (value + 2**31) % 2**32 - 2**31


def vectors(table, run, family, model, tokenizer):
    """One vector for each row of table, in its order."""
    documents = [json.loads(line) for line in open(family / run["dataset"]["path"])]
    id_column = run["dataset"]["id_column"]
    column = {name: table[name].to_pylist() for name in ("config", "example_id", "position")}
    capture = Capture(model, run["capture"].get("capture_pre_rope", False))
    result = [None] * table.num_rows
    for index, document in enumerate(documents):
        example = example_id(document[id_column] if id_column else index)
        rows = [row for row, id in enumerate(column["example_id"]) if id == example]
        if not rows:
            continue
        text = document[run["dataset"]["text_column"]]
        ids = tokenizer(text, truncation=True, max_length=run["tokenizer"]["max_length"])
        heads = capture.run(ids["input_ids"])
        for row in rows:
            result[row] = heads[column["config"][row]][column["position"][row]]
    capture.close()
    assert all(vector is not None for vector in result)
    return np.stack(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="*", default=["all", "log_prerope", "uniform"])
    arguments = parser.parse_args()
    model = load_model(arguments.family / "model")
    tokenizer = AutoTokenizer.from_pretrained(arguments.family / "model")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.runs:
        run = yaml.safe_load((arguments.family / f"{name}.yaml").read_text())
        table = pq.read_table(arguments.family / "expected" / f"{name}.parquet")
        values = vectors(table, run, arguments.family, model, tokenizer)
        place = table.column_names.index("vector")
        lists = pa.array(list(values), type=table.schema.field("vector").type)
        table = table.set_column(place, table.schema.field("vector"), lists)
        pq.write_table(
            table,
            arguments.out / f"{name}.parquet",
            compression="zstd",
            compression_level=19,
            use_dictionary=["config", "token_str"],
            column_encoding={"vector.list.element": "BYTE_STREAM_SPLIT"},
        )
        norm = np.linalg.norm(values, axis=1).mean()
        print(f"{name}: {table.num_rows} rows, mean norm {norm:.3g}")


main()
