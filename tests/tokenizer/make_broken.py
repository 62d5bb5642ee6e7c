#!/usr/bin/env python3
"""Writes tests/data/broken/tokenizer/: damaged tokenizer.json files, and in config/ damaged tokenizer_config.json files,
named by their damage. Needs nothing but Python. damaged_test.cpp says what each must be refused for.
"""
import copy
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent.parent / "data" / "broken" / "tokenizer"


def added_token(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False, **flags}


def special(token):
    return {"SpecialToken": {"id": token, "type_id": 0}}


def sequence(name):
    return {"Sequence": {"id": name, "type_id": 0}}


WHOLE = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [added_token(0, "<s>", special=True)],
    "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {
        "type": "TemplateProcessing", "single": [special("<s>"), sequence("A")],
        "pair": [sequence("A"), sequence("B")],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
    "decoder": None,
    "model": {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]},
}
TEXT = json.dumps(WHOLE, indent=1)


def damaged(damage):
    content = copy.deepcopy(WHOLE)
    damage(content)
    return content


FILES = {
    "added_token_without_content": damaged(lambda t: t["added_tokens"][0].pop("content")),
    "cut_in_half": TEXT[:len(TEXT) // 2],
    "empty": "",
    "git_lfs_pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 8\n",
    "html_page": "<html><body>404 Not Found</body></html>\n",
    "json_list": [],
    "json_null": None,
    "merge_of_three_pieces": damaged(lambda t: t["model"].update(merges=["a b a"])),
    "merge_of_unknown_piece": damaged(lambda t: t["model"].update(merges=[["a", "c"]])),
    "model_missing": damaged(lambda t: t.pop("model")),
    "model_type_unknown": damaged(lambda t: t["model"].update(type="Tekken")),
    "nested_too_deep": '{"normalizer":' + "[" * 5000 + "]" * 5000 + "}\n",
    "not_utf8": TEXT.replace('"ab": 3', '"a\u00ff": 3').encode("latin-1"),
    "regex_does_not_compile": damaged(lambda t: t.update(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated", "invert": False})),
    "template_token_undefined": damaged(lambda t: t["post_processor"].update(special_tokens={})),
    "version_unknown": damaged(lambda t: t.update(version="2.0")),
    "vocabulary_id_above_32_bits": damaged(lambda t: t["model"]["vocab"].update(ab=2**32)),
    "vocabulary_id_negative": damaged(lambda t: t["model"]["vocab"].update(ab=-3)),
}

CONFIGS = {
    "bos_token_is_a_number": {"bos_token": 1},
    "cut_short": '{"bos_token": "<s>", "eos_',
    "decoder_flag_is_a_string": {"added_tokens_decoder": {"0": {"content": "<s>", "lstrip": "no"}}},
    "decoder_is_a_list": {"added_tokens_decoder": []},
    "decoder_key_is_no_id": {"added_tokens_decoder": {"first": {"content": "<s>"}}},
    "empty": "",
    "extra_special_tokens_is_a_string": {"extra_special_tokens": "<s>"},
    "json_list": [],
    "pad_token_without_content": {"pad_token": {"lstrip": False}},
    "split_special_tokens_is_a_string": {"split_special_tokens": "yes"},
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = json.dumps(content, indent=1).encode() + b"\n"
        (folder / f"{name}.json").write_bytes(content)


if __name__ == "__main__":
    write(FOLDER, FILES)
    write(FOLDER / "config", CONFIGS)
