#!/usr/bin/env python3
"""Writes tests/data/broken/checkpoint/, safetensors files named by their damage, and the sound ones that fuzzing
starts from, tests/fuzz/corpus/safetensors/.

Run from anywhere; needs nothing but Python. broken_files_test.cpp says what each broken one must be refused for.
"""
import json
import pathlib
import struct

TESTS = pathlib.Path(__file__).parent.parent


def tensor(begin, end, shape=None, dtype="U8"):
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def sound(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


WHOLE = sound({"w": tensor(0, 8, [2], "F32")}, bytes(8))

BROKEN = {
    "begin_after_end": sound({"w": {"dtype": "U8", "shape": [4], "data_offsets": [4, 0]}}, bytes(4)),
    "cut_in_the_data": WHOLE[:-3],
    "cut_in_the_header": WHOLE[:20],
    "empty": b"",
    "git_lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 8\n",
    "header_length_of_all_ones": b"\xff" * 8 + WHOLE[8:],
    "header_length_zero": bytes(8) + WHOLE[8:],
    "header_longer_than_file": struct.pack("<Q", len(WHOLE)) + WHOLE[8:],
    "header_nested_deeply": sound(b'{"w":' + b"[" * 1000 + b"]" * 1000 + b"}", b""),
    "header_not_utf8": sound(b'{"\xff\xfe":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', b""),
    "hole_at_the_start": sound({"w": tensor(2, 8)}, bytes(8)),
    "hole_in_the_middle": sound({"v": tensor(0, 3), "w": tensor(5, 8)}, bytes(8)),
    "html_page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n",
    "metadata_of_numbers": sound({"__metadata__": {"format": 1}}, b""),
    "name_twice": sound(b'{"w":' + json.dumps(tensor(0, 4)).encode() + b',"w":'
                        + json.dumps(tensor(4, 8)).encode() + b"}", bytes(8)),
    "negative_shape": sound({"w": tensor(0, 4, [-2, -2])}, bytes(4)),
    "offset_past_end_of_file": sound({"w": tensor(0, 9)}, bytes(8)),
    "overlap": sound({"v": tensor(0, 5), "w": tensor(3, 8)}, bytes(8)),
    "shape_product_overflows": sound({"w": tensor(0, 0, [2**32, 2**32])}, b""),
    "shape_unequal_to_bytes": sound({"w": tensor(0, 8, [3], "F32")}, bytes(8)),
    "trailing_bytes": WHOLE + bytes(5),
}

SOUND = {
    "no_tensors": sound({}, b""),
    "scalar_and_empty": sound({"a": tensor(0, 8, [], "F64"), "b": tensor(8, 8, [0, 3], "I16")}, bytes(8)),
    "two_tensors": sound({"__metadata__": {"format": "pt"}, "layers.0.q_proj.weight": tensor(0, 12, [2, 3], "BF16"),
                          "norm.weight": tensor(12, 20, [2], "F32")}, bytes(range(20))),
    "unknown_dtype": sound({"a": tensor(0, 1, [2], "F4"), "b": tensor(1, 3)}, bytes(3)),
    "whole": WHOLE,
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.safetensors").write_bytes(content)


write(TESTS / "data" / "broken" / "checkpoint", BROKEN)
write(TESTS / "fuzz" / "corpus" / "safetensors", SOUND)
