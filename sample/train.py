#!/usr/bin/env python3
"""Trains the sample model: a small Qwen3 decoder on the text that sample/prepare.py makes.

Needs torch, transformers and tokenizers; one GPU takes minutes, a CPU hours.

    python3 sample/train.py --text .sample-train --out sample-run --dropout 0.2

The text is small for the model, so it is seen dozens of times: dropout and weight decay hold
against learning it by heart, and the checkpoint with the lowest loss on valid.txt is kept. The
held-out files are measured once, with the saved bfloat16 weights. Writes to --out: model/ (the
checkpoint folder), train.log and report.json.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

END = "<|endoftext|>"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--text", type=Path, required=True, help="folder that prepare.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--mlp", type=int, default=512)
    parser.add_argument("--context", type=int, default=1024, help="tokens of a training window")
    parser.add_argument("--batch", type=int, default=16, help="windows of a step")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--max-seconds", type=float, default=300, help="ends the schedule early")
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Log:
    """Prints lines and keeps them in train.log."""

    def __init__(self, path: Path):
        self._file = path.open("w", encoding="utf-8")
        self._start = time.monotonic()

    def __call__(self, line: str) -> None:
        stamped = f"{self.seconds():7.1f}s  {line}"
        print(stamped, flush=True)
        print(stamped, file=self._file, flush=True)

    def seconds(self) -> float:
        return time.monotonic() - self._start


def train_tokenizer(train_text: str, vocab: int) -> Tokenizer:
    """A byte-level BPE: every text can be tokenized, nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(train_text.replace(END, "").split("\n"), trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, path: Path) -> torch.Tensor:
    """All documents of the file as one row of ids, each followed by END."""
    documents = path.read_text(encoding="utf-8").split(f"\n{END}\n")
    end = tokenizer.token_to_id(END)
    ids = []
    for encoding in tokenizer.encode_batch([d.strip() for d in documents]):
        ids += [*encoding.ids, end]
    return torch.tensor(ids)


def build_model(arguments: argparse.Namespace, vocab: int, end: int) -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=vocab,
        hidden_size=arguments.hidden,
        intermediate_size=arguments.mlp,
        num_hidden_layers=arguments.layers,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=None,
        eos_token_id=end,
    )
    model = Qwen3ForCausalLM._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    add_dropout(model, arguments.dropout)
    return model


def add_dropout(model: Qwen3ForCausalLM, rate: float) -> None:
    """Qwen3 has no dropout of its own on what enters the residual stream; hooks add it."""

    def drop(module, _inputs, output):
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (functional.dropout(output[0], rate), *output[1:])
        return functional.dropout(output, rate)

    model.model.embed_tokens.register_forward_hook(drop)
    for layer in model.model.layers:
        layer.self_attn.register_forward_hook(drop)
        layer.mlp.register_forward_hook(drop)


def autocast(device: torch.device):
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def loss_of(model: Qwen3ForCausalLM, windows: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Next-token cross-entropy in nats. windows: [rows, tokens + 1] ids."""
    logits = model(input_ids=windows[:, :-1], use_cache=False).logits.float()
    return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction=reduction)


@torch.no_grad()
def evaluate(model: Qwen3ForCausalLM, ids: torch.Tensor, context: int, device: torch.device) -> float:
    """Mean loss over consecutive windows; each token but the first is predicted once."""
    model.eval()
    total = 0.0
    with autocast(device):
        for start in range(0, len(ids) - 1, context):
            window = ids[start : start + context + 1].to(device)
            total += loss_of(model, window[None], "sum").item()
    model.train()
    return total / (len(ids) - 1)


def sample_batch(ids: torch.Tensor, rows: int, context: int, generator: torch.Generator) -> torch.Tensor:
    """Windows that start anywhere. ids and the result are on the device; the draw is the CPU's."""
    starts = torch.randint(len(ids) - context, (rows, 1), generator=generator)
    return ids[starts.to(ids.device) + torch.arange(context + 1, device=ids.device)]


def learning_rate(peak: float, progress: float) -> float:
    """Linear warm-up over 3 %, then a cosine down to 1 %."""
    if progress < 0.03:
        return peak * max(progress, 1e-3) / 0.03
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - 0.03) / 0.97)))


def make_optimizer(model: Qwen3ForCausalLM, arguments: argparse.Namespace) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    norms = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": arguments.weight_decay},
        {"params": norms, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=arguments.learning_rate, betas=(0.9, 0.95))


def fit(model, train_ids, valid_ids, arguments, device, log) -> dict:
    """Trains; leaves the best checkpoint's weights in the model and returns where it was."""
    generator = torch.Generator().manual_seed(arguments.seed)
    optimizer = make_optimizer(model, arguments)
    train_ids = train_ids.to(device)
    best = {"valid_loss": math.inf}
    best_weights = None
    running, since = torch.zeros((), device=device), 0
    begin = log.seconds()
    for step in range(1, arguments.steps + 1):
        progress = max(step / arguments.steps, (log.seconds() - begin) / arguments.max_seconds)
        rate = learning_rate(arguments.learning_rate, min(progress, 1.0))
        for group in optimizer.param_groups:
            group["lr"] = rate
        windows = sample_batch(train_ids, arguments.batch, arguments.context, generator)
        with autocast(device):
            loss = loss_of(model, windows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running, since = running + loss.detach(), since + 1
        last = step == arguments.steps or progress >= 1.0
        if step % arguments.eval_every == 0 or last:
            valid = evaluate(model, valid_ids, arguments.context, device)
            train_loss = running.item() / since
            epochs = step * arguments.batch * arguments.context / len(train_ids)
            log(
                f"step {step:5d}  epochs {epochs:5.1f}  rate {rate:.2e}  "
                f"train loss {train_loss:.4f}  valid loss {valid:.4f}"
            )
            running, since = torch.zeros((), device=device), 0
            if valid < best["valid_loss"]:
                best = {"step": step, "epochs": round(epochs, 1), "train_loss": train_loss, "valid_loss": valid}
                best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if last:
            break
    model.load_state_dict(best_weights)
    return best


def save(model: Qwen3ForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """The checkpoint folder as Transformers has it: four files, weights in bfloat16."""
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": model.config.max_position_embeddings,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def held_out_losses(folder: Path, tokenizer: Tokenizer, arguments, device, log) -> dict:
    """Loss, perplexity and bits per byte of the saved model on each held-out file, and on valid."""
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device)
    losses = {}
    for path in sorted(arguments.text.glob("heldout-*.txt")) + [arguments.text / "valid.txt"]:
        ids = encode(tokenizer, path)
        loss = evaluate(model, ids, arguments.context, device)
        bits = loss * (len(ids) - 1) / math.log(2) / path.stat().st_size
        losses[path.stem] = {
            "tokens": len(ids),
            "loss": round(loss, 4),
            "perplexity": round(math.exp(loss), 2),
            "bits_per_byte": round(bits, 3),
        }
        log(f"saved model, {path.stem}: {losses[path.stem]}")
    return losses


@torch.no_grad()
def show_continuation(folder: Path, tokenizer: Tokenizer, device, log) -> None:
    """The most likely next tokens after a held-out beginning, for a person to look at."""
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device)
    for prompt in ("Ruth 1\nNow it came to pass in the days when the judges ruled,", ":killer micro: n."):
        ids = torch.tensor([tokenizer.encode(prompt).ids], device=device)
        for _ in range(40):
            logits = model(input_ids=ids, use_cache=False).logits[:, -1]
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)
        log(f"continuation: {tokenizer.decode(ids[0].tolist())!r}")


def main() -> None:
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / "train.log")
    settings = {k: v for k, v in vars(arguments).items() if not isinstance(v, Path)}
    log(f"settings {json.dumps(settings)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    log(f"torch {torch.__version__} on {torch.cuda.get_device_name() if device.type == 'cuda' else 'cpu'}")
    torch.manual_seed(arguments.seed)

    train_path = arguments.text / "train.txt"
    tokenizer = train_tokenizer(train_path.read_text(encoding="utf-8"), arguments.vocab)
    train_ids = encode(tokenizer, train_path)
    valid_ids = encode(tokenizer, arguments.text / "valid.txt")
    model = build_model(arguments, tokenizer.get_vocab_size(), tokenizer.token_to_id(END)).to(device)
    parameters = sum(p.numel() for p in model.parameters())
    log(f"{len(train_ids)} training tokens, {tokenizer.get_vocab_size()} in the vocabulary, {parameters} parameters")

    best = fit(model, train_ids, valid_ids, arguments, device, log)
    log(f"kept {json.dumps(best)}")
    folder = arguments.out / "model"
    save(model, tokenizer, folder)
    report = {
        "settings": settings,
        "parameters": parameters,
        "training_tokens": len(train_ids),
        "best": best,
        "saved_model": held_out_losses(folder, tokenizer, arguments, device, log),
        "seconds": round(log.seconds(), 1),
    }
    show_continuation(folder, tokenizer, device, log)
    (arguments.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
