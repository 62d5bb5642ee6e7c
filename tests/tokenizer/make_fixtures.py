#!/usr/bin/env python3
"""Writes tests/tokenizer/fixtures: four small tokenizers and what the Python packages make of some texts.

    pip install transformers==5.17.0 tokenizers==0.23.2
    tests/tokenizer/make_fixtures.py

Each folder holds tokenizer.json, the side files that name tokens, and expected.json:
{"vocabulary_size", "special_tokens_per_text", "cases": [{"text", "max_length", "ids", "tokens"}]}.
"""
import json
import pathlib
import shutil

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

FOLDER = pathlib.Path(__file__).parent / "fixtures"

CORPUS = [
    "A heron stood in the shallow water and waited, as herons do, for the water to move.",
    "The water moved; the heron did not. In 1998 there were 24,017 herons on this coast.",
    "They're patient birds, aren't they? Don't feed them, and don't stand between them and the sea.",
    "Über den Dächern von Straßburg zogen die Reiher nach Süden.",
] * 4

TEXTS = [
    "",
    " ",
    "The heron waited in the shallow water.",
    "  two  spaces\tand a tab\n\n\nthree lines   ",
    "They'RE not 31,415 herons, DON'T count them: ???!!!...",
    "naïve Straße, цапля, アオサギ, 😀👩‍👩‍👧 and e\u0301 against é",
    "a NUL\0between, and at the end\0",
    "special <|end|> strings <s> inside</s> a text <|bos|>",
    "mark <mark> and  <tag>  and <tag>s, Heron heron HERON",
    "\ufeffbyte order mark and \u00a0 no-break \u2028 spaces",
    "the heron and the water " * 40,
]

LENGTHS = [2, 3, 5, 17, 4096]

# Split as in Llama 3 and Qwen: it looks ahead, which not every regex engine can.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
           r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=360, show_progress=False,
                                  special_tokens=["<|bos|>", "<|end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|bos|> $A", pair="<|bos|> $A <|bos|> $B",
                                      special_tokens=[("<|bos|>", 0)]),
    ])
    return tokenizer


def byte_fallback():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"),
                                                 normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False,
                                  special_tokens=["<unk>", "<s>", "</s>"]
                                  + [f"<0x{byte:02X}>" for byte in range(256)])
    words = [word + " " for line in CORPUS for word in line.split()]
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                           decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][:3]  # the bytes are ordinary tokens
    return Tokenizer.from_str(json.dumps(content))


def write(name, tokenizer, **side_files):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")
    for file, content in side_files.items():
        (folder / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n")
    reference = PreTrainedTokenizerFast.from_pretrained(folder)
    cases = []
    for text in TEXTS:
        for length in LENGTHS:
            ids = reference(text, truncation=True, max_length=length)["input_ids"]
            cases.append({"text": text, "max_length": length, "ids": ids,
                          "tokens": reference.convert_ids_to_tokens(ids)})
    expected = {"vocabulary_size": len(reference),
                "special_tokens_per_text": reference.num_special_tokens_to_add(), "cases": cases}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)

    saved_with_limits = byte_level()  # both blocks are to be ignored
    saved_with_limits.enable_truncation(max_length=4)
    saved_with_limits.enable_padding(length=64, pad_token="<|end|>", pad_id=1)
    write("byte_level", saved_with_limits, tokenizer_config={
        "bos_token": "<|bos|>", "eos_token": "<|end|>", "pad_token": "<|end|>", "add_bos_token": False,
        "add_eos_token": True, "model_max_length": 1e30, "clean_up_tokenization_spaces": False})

    write("byte_fallback", byte_fallback())

    def token(content, **flags):
        return {"content": content, "lstrip": False, "rstrip": False, "single_word": False,
                "normalized": False, "special": False, **flags}

    write("named_tokens", byte_level(), tokenizer_config={
        "added_tokens_decoder": {
            "900": token("<tag>", single_word=True, lstrip=True),
            "1": token("<|end|>", rstrip=True, special=True),
            "899": token("heron", normalized=True),
        },
        "image_token": "<mark>",
        "bos_token": {"__type": "AddedToken", **token("<|bos|>", special=True)},
        "eos_token": "</s>",
        "unk_token": None,
        "additional_special_tokens": ["<s>", {"__type": "AddedToken", **token("???", special=True)}]})

    write("older_files", byte_level(),
          tokenizer_config={"eos_token": "<|end|>", "split_special_tokens": True},
          special_tokens_map={"eos_token": "</s>", "mask_token": token("<mark>", lstrip=True)},
          added_tokens={"</s>": 360, "herons": 362, "<tag>": 361})

    print(f"tokenizers {tokenizers.__version__}:", *sorted(path.name for path in FOLDER.iterdir()))


if __name__ == "__main__":
    main()
