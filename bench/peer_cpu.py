#!/usr/bin/env python3
"""The peer of the CPU benchmark: Transformers' backbone, q/k projections tapped by forward hooks.

    python3 bench/peer_cpu.py make --folder /tmp/bench --dtype float32 --tokens 512 --documents 32
        writes model/ (SmolLM2-135M's shape, random weights, a tokenizer that gives one token a word)
        and documents.jsonl (random words), unless they are there

    python3 bench/peer_cpu.py time --folder /tmp/bench --tokens 512 --batch 8 --iterations 4 --threads 2
        prints one JSON line: the forward pass alone, median of the iterations after a warm-up

The hooks keep one position in --sample-every, in float32, as a sampled capture does: the peer
neither rotates what it keeps nor writes it. Needs torch, transformers and tokenizers.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

SMOLLM2_135M = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
    "tie_word_embeddings": True,
}


def make_checkpoint(folder: Path, dtype: torch.dtype, shape: dict) -> None:
    """model.safetensors, config.json, tokenizer.json, tokenizer_config.json."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**shape)
    model = transformers.LlamaForCausalLM._from_config(config, dtype=torch.float32)
    model.to(dtype).save_pretrained(folder, max_shard_size="100GB")
    vocabulary = {f"w{i}": i for i in range(shape["vocab_size"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "w0", "pad_token": "w0"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make_documents(path: Path, count: int, tokens: int, vocab: int) -> None:
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = " ".join(f"w{draw.randrange(vocab)}" for _ in range(tokens))
            file.write(json.dumps({"id": number, "text": text}) + "\n")


class Taps:
    """Forward hooks on every q_proj and k_proj; holds what the last forward pass gave."""

    def __init__(self, model: torch.nn.Module, positions: torch.Tensor):
        self.kept: dict[str, torch.Tensor] = {}
        for name, module in model.named_modules():
            if name.endswith(("q_proj", "k_proj")):
                module.register_forward_hook(self._hook(name, positions))

    def _hook(self, name: str, positions: torch.Tensor):
        def keep(_module, _inputs, output):
            self.kept[name] = output.index_select(1, positions).float()

        return keep


def time_forward(model: torch.nn.Module, batch: int, tokens: int, iterations: int) -> list[float]:
    vocab = model.config.vocab_size
    generator = torch.Generator().manual_seed(0)
    seconds = []
    with torch.inference_mode():
        model(input_ids=torch.randint(vocab, (batch, tokens), generator=generator), use_cache=False)
        for _ in range(iterations):
            ids = torch.randint(vocab, (batch, tokens), generator=generator)
            start = time.perf_counter()
            model(input_ids=ids, use_cache=False)
            seconds.append(time.perf_counter() - start)
    return seconds


def make(arguments: argparse.Namespace) -> None:
    shape = SMOLLM2_135M | ({"num_hidden_layers": arguments.layers} if arguments.layers else {})
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if not (arguments.folder / "model" / "tokenizer_config.json").exists():
        make_checkpoint(arguments.folder / "model", getattr(torch, arguments.dtype), shape)
    documents = arguments.folder / f"documents-{arguments.tokens}x{arguments.documents}.jsonl"
    if not documents.exists():
        make_documents(documents, arguments.documents, arguments.tokens, shape["vocab_size"])


def time_peer(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    model = transformers.AutoModel.from_pretrained(
        arguments.folder / "model", dtype="auto", attn_implementation="sdpa"
    ).eval()
    taps = Taps(model, torch.arange(0, arguments.tokens, arguments.sample_every))
    seconds = time_forward(model, arguments.batch, arguments.tokens, arguments.iterations)
    assert len(taps.kept) == 2 * model.config.num_hidden_layers
    median = statistics.median(seconds)
    print(
        json.dumps(
            {
                "peer": f"transformers {transformers.__version__}, torch {torch.__version__}, sdpa",
                "dtype": str(model.dtype).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "batch": arguments.batch,
                "tokens": arguments.tokens,
                "seconds_median": round(median, 4),
                "seconds_least": round(min(seconds), 4),
                "seconds_most": round(max(seconds), 4),
                "tokens_per_second": round(arguments.batch * arguments.tokens / median, 1),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    making.add_argument("--documents", type=int, default=32)
    making.add_argument("--layers", type=int, help="fewer layers than the 30, to try things out")
    timing = commands.add_parser("time")
    timing.add_argument("--batch", type=int, default=1)
    timing.add_argument("--iterations", type=int, default=5)
    timing.add_argument("--threads", type=int, default=torch.get_num_threads())
    timing.add_argument("--sample-every", type=int, default=64)
    for command in (making, timing):
        command.add_argument("--folder", type=Path, required=True)
        command.add_argument("--tokens", type=int, default=512)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    make(arguments) if arguments.command == "make" else time_peer(arguments)


if __name__ == "__main__":
    main()
