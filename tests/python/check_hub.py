#!/usr/bin/env python3
"""Keeps the test server honest: the real clients create, upload, list, download and load against it.

    check_hub.py [--sniff-qk BINARY]

With the binary, a capture of 1440 heads is pushed too, and loaded from its branch; a model goes into the shared cache.
Needs the packages huggingface_hub, datasets and pyarrow. Exits with an error at the first difference.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

FAKE_HUB = pathlib.Path(__file__).parent.parent / "hub" / "fake_hub"
TOKENIZER = FAKE_HUB.parent.parent / "data" / "golden" / "llama" / "model"
CONFIGS = 1152
LAYERS, QUERY_HEADS, KEY_HEADS, HEAD_DIM, HIDDEN, VOCABULARY = 36, 32, 8, 4, 16, 320


@contextlib.contextmanager
def fake_hub(folder: pathlib.Path):
    command = [sys.executable, "-B", str(FAKE_HUB), "--state", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[0]
        process.stdin.close()


def card(configs: int) -> str:
    lines = ["---", "configs:"]
    for number in range(configs):
        lines += [f'  - config_name: "l{number:04}q"', f'    data_files: "l{number:04}q/data.parquet"']
    return "\n".join([*lines, "---", "# many configs", ""])


def make_dataset(folder: pathlib.Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (folder / "README.md").write_text(card(CONFIGS))
    for number in range(3):
        (folder / f"l{number:04}q").mkdir()
        table = pyarrow.table({"position": list(range(number, number + 5))})
        pyarrow.parquet.write_table(table, folder / f"l{number:04}q" / "data.parquet")
    (folder / "large.bin").write_bytes(os.urandom((2 << 20) + 17))  # three parts


def check_upload(api, folder: pathlib.Path) -> str:
    """Creates a private repository with a branch, and sends the folder there twice."""
    import huggingface_hub

    api.create_repo("org/data", repo_type="dataset", private=True)
    api.create_repo("org/data", repo_type="dataset", exist_ok=True)
    api.create_branch("org/data", branch="a/b", repo_type="dataset")
    send = {"folder_path": folder, "repo_id": "org/data", "repo_type": "dataset", "revision": "a/b"}
    first = api.upload_folder(**send).oid
    again = api.upload_folder(**send).oid
    assert first == again, "equal files made a commit"
    files = sorted(api.list_repo_files("org/data", repo_type="dataset", revision="a/b"))
    assert files == sorted([".gitattributes", *(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())]), files
    assert [branch.name for branch in api.list_repo_refs("org/data", repo_type="dataset").branches] == ["main", "a/b"]
    for wrong, error in (({"revision": "none"}, huggingface_hub.errors.RevisionNotFoundError),
                         ({"filename": "none"}, huggingface_hub.errors.EntryNotFoundError),
                         ({"repo_id": "org/none"}, huggingface_hub.errors.RepositoryNotFoundError)):
        try:
            huggingface_hub.hf_hub_download(**{"repo_id": "org/data", "repo_type": "dataset", "filename": "README.md", **wrong})
        except error:
            continue
        raise AssertionError(f"no {error.__name__}")
    return first


def check_download(folder: pathlib.Path, commit: str) -> None:
    import huggingface_hub

    copy = pathlib.Path(huggingface_hub.snapshot_download("org/data", repo_type="dataset", revision="a/b"))
    assert copy.name == commit
    for file in folder.rglob("*"):
        if file.is_file():
            assert (copy / file.relative_to(folder)).read_bytes() == file.read_bytes(), file


def check_datasets(folder: pathlib.Path) -> None:
    import datasets

    started = time.monotonic()
    rows = datasets.load_dataset("org/data", "l0002q", split="train", revision="a/b")
    seconds = time.monotonic() - started
    assert rows["position"] == [2, 3, 4, 5, 6], rows["position"]
    streamed = datasets.load_dataset("org/data", "l0001q", split="train", revision="a/b", streaming=True)
    assert [row["position"] for row in streamed] == [1, 2, 3, 4, 5]
    size = (folder / "README.md").stat().st_size
    print(f"datasets {datasets.__version__}: one of {CONFIGS} configs in {seconds:.2f} s, card of {size / 1e3:.0f} kB")


def tensor_shapes() -> dict[str, list[int]]:
    shapes = {"model.embed_tokens.weight": [VOCABULARY, HIDDEN], "lm_head.weight": [VOCABULARY, HIDDEN],
              "model.norm.weight": [HIDDEN]}
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{start}{norm}.weight"] = [HIDDEN]
        for name, heads in (("q", QUERY_HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)):
            shapes[f"{start}self_attn.{name}_proj.weight"] = [heads * HEAD_DIM, HIDDEN]
        shapes[f"{start}self_attn.o_proj.weight"] = [HIDDEN, QUERY_HEADS * HEAD_DIM]
        for name in ("gate", "up", "down"):
            shapes[f"{start}mlp.{name}_proj.weight"] = [HIDDEN, HIDDEN]
    return shapes


def make_wide_model(folder: pathlib.Path) -> None:
    """A Llama of random numbers with as many heads as a large one, each of them tiny."""
    folder.mkdir()
    generator, header, content = random.Random(1), {}, b""
    for name, shape in tensor_shapes().items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = struct.pack(f"<{count}f", *(generator.gauss(0, 0.1) for _ in range(count)))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(content), len(content) + len(numbers)]}
        content += numbers
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + content)
    config = json.loads((TOKENIZER / "config.json").read_text())
    config |= {"head_dim": HEAD_DIM, "hidden_size": HIDDEN, "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS,
               "num_attention_heads": QUERY_HEADS, "num_key_value_heads": KEY_HEADS, "vocab_size": VOCABULARY}
    (folder / "config.json").write_text(json.dumps(config))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / file, folder)


def push_capture(binary: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Captures every head of the wide model, and pushes it to branch run-1 of org/captures; data_root."""
    folder.mkdir()
    make_wide_model(folder / "model")
    (folder / "texts.jsonl").write_text('{"text": "In the beginning was the Word"}\n{"text": "and the Word was with God"}\n')
    settings = {"dataset": {"path": "texts.jsonl"}, "model": {"name": "model", "dtype": "float32", "device_map": "cpu"},
                "capture": {"sampler": {"type": "all"}},
                "output": {"data_root": "data", "hf_repo_id": "org/captures", "hf_branch": "run-1"}}
    (folder / "run.json").write_text(json.dumps(settings))  # JSON is YAML
    subprocess.run([binary, "--config", "run.json", "--no-push", "--quiet"], cwd=folder, check=True)
    started = time.monotonic()
    subprocess.run([binary, "push", "--config", "run.json"], cwd=folder, check=True)
    print(f"sniff-qk push: {len(list((folder / 'data').rglob('*.parquet')))} files in {time.monotonic() - started:.1f} s")
    return folder / "data"


def check_capture(binary: pathlib.Path, folder: pathlib.Path) -> None:
    """What sniff-qk pushed is what `datasets` loads."""
    import datasets
    import huggingface_hub
    import pyarrow.parquet

    data = push_capture(binary, folder)
    listed = huggingface_hub.HfApi().list_repo_files("org/captures", repo_type="dataset", revision="run-1")
    assert sorted(listed) == sorted([".gitattributes", *(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file())])
    started = time.monotonic()
    for config, streaming in (("l00h00q", False), (f"l{LAYERS - 1}h07k", True)):
        rows = datasets.load_dataset("org/captures", config, split="train", revision="run-1", streaming=streaming)
        local = pyarrow.parquet.read_table(data / config / "data.parquet").to_pylist()
        assert local and [dict(row) for row in rows] == local, config
        if not streaming:
            seconds = time.monotonic() - started
    configs = datasets.get_dataset_config_names("org/captures", revision="run-1")
    assert len(configs) == LAYERS * (QUERY_HEADS + KEY_HEADS), len(configs)
    size = (data / "README.md").stat().st_size
    print(f"datasets {datasets.__version__}: one of {len(configs)} heads pushed by sniff-qk in {seconds:.2f} s, "
          f"card of {size / 1e3:.0f} kB")


def check_cache(binary: pathlib.Path, model: pathlib.Path) -> None:
    """One cache for both: Python finds what sniff-qk fetched, and sniff-qk waits for Python's lock."""
    import huggingface_hub

    huggingface_hub.HfApi().create_repo("org/wide")
    huggingface_hub.HfApi().upload_folder(repo_id="org/wide", folder_path=model)
    weights = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    lock = pathlib.Path(huggingface_hub.constants.HF_HUB_CACHE, ".locks", "models--org--wide", f"{weights}.lock")
    lock.parent.mkdir(parents=True)
    with huggingface_hub.utils.WeakFileLock(lock):
        download = subprocess.Popen([binary, "download", "org/wide"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "waiting for another process" in download.stderr.readline()
    folder = download.communicate()[0].strip()
    assert download.returncode == 0
    found = huggingface_hub.snapshot_download("org/wide", local_files_only=True)
    assert found == folder, (found, folder)
    for file in model.iterdir():
        assert pathlib.Path(huggingface_hub.try_to_load_from_cache("org/wide", file.name)).read_bytes() == file.read_bytes()
    scanned = huggingface_hub.scan_cache_dir()
    assert not [warning for warning in scanned.warnings if "models--org--wide" in str(warning)], scanned.warnings
    assert "org/wide" in {repo.repo_id for repo in scanned.repos}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sniff-qk", type=lambda name: pathlib.Path(name).absolute(), metavar="BINARY")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, fake_hub(pathlib.Path(name, "hub")) as url:
        os.environ.update({
            "HF_ENDPOINT": url, "HF_TOKEN": "hf_write", "HF_HOME": f"{name}/home", "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1,127.0.0.2", "HF_HUB_OFFLINE": "0"})
        import huggingface_hub

        folder = pathlib.Path(name, "data")
        folder.mkdir()
        make_dataset(folder)
        commit = check_upload(huggingface_hub.HfApi(), folder)
        check_download(folder, commit)
        check_datasets(folder)
        if arguments.sniff_qk:
            check_capture(arguments.sniff_qk, pathlib.Path(name, "captured"))
            check_cache(arguments.sniff_qk, pathlib.Path(name, "captured", "model"))
        print(f"huggingface_hub {huggingface_hub.__version__}: created, uploaded, listed, downloaded")


if __name__ == "__main__":
    main()
