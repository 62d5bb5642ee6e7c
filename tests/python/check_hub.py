#!/usr/bin/env python3
"""Keeps the test server honest: the real clients create, upload, list, download and load against it.

    check_hub.py

Needs the packages huggingface_hub, datasets and pyarrow. Exits with an error at the first difference.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

FAKE_HUB = pathlib.Path(__file__).parent.parent / "hub" / "fake_hub"
CONFIGS = 1152


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


def main() -> None:
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
        print(f"huggingface_hub {huggingface_hub.__version__}: created, uploaded, listed, downloaded")


if __name__ == "__main__":
    main()
