#!/usr/bin/env python3
"""Reads a capture the way its users do: `datasets` by config name, DuckDB and Polars by file.

    check_card.py DATA_ROOT [--config l00h00q]

Needs the packages datasets, duckdb, polars and pyarrow. Exits with an error at the first difference.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time


def front_matter(card: pathlib.Path) -> dict:
    import yaml

    lines = card.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "---", f"{card}: no front matter"
    return yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))


def check_front_matter(root: pathlib.Path) -> list[str]:
    configs = front_matter(root / "README.md")["configs"]
    names = [config["config_name"] for config in configs]
    files = sorted(str(file.relative_to(root)) for file in root.glob("l*/data.parquet"))
    assert [config.get("default", False) for config in configs] == [True] + [False] * (len(names) - 1)
    assert sorted(names) == [file.split("/")[0] for file in files], "configs and files differ"
    for config in configs:
        assert config["data_files"] == f"{config['config_name']}/data.parquet"
    return names


def check_columns(features, head_dim: int, token_strings: bool) -> None:
    types = {name: feature.dtype for name, feature in features.items() if name != "vector"}
    expected = dict.fromkeys(["bucket", "example_id", "position", "sliding_window"], "int32")
    if token_strings:
        expected["token_str"] = "string"
    assert types == expected, types
    vector = features["vector"]
    assert (vector.feature.dtype, vector.length) == ("float32", head_dim), vector


def check_datasets(root: pathlib.Path, name: str, names: list[str]):
    import datasets

    assert datasets.get_dataset_config_names(str(root)) == names
    with tempfile.TemporaryDirectory() as cache:
        started = time.monotonic()
        rows = datasets.load_dataset(str(root), name, split="train", cache_dir=cache)
        print(f"datasets {datasets.__version__}: {name}, {len(rows)} rows, {time.monotonic() - started:.2f} s")
        default = datasets.load_dataset(str(root), split="train", cache_dir=cache)
        assert default.config_name == names[0]
        streamed = next(iter(datasets.load_dataset(str(root), name, split="train", streaming=True)))
        assert streamed["position"] == rows[0]["position"] and streamed["vector"] == rows[0]["vector"]
        return rows.features, rows.with_format("arrow")[:]


def check_other_readers(file: pathlib.Path, table) -> None:
    import duckdb
    import polars
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(file).to_pydict() == table.to_pydict(), "pyarrow differs"
    sums = duckdb.execute("SELECT count(*), sum(position), sum(vector[1]) FROM read_parquet(?)", [str(file)]).fetchone()
    frame = polars.read_parquet(file)
    positions = table["position"].to_pylist()
    firsts = [vector[0] for vector in table["vector"].to_pylist()]
    assert sums[:2] == (len(positions), sum(positions)), sums
    assert abs(sums[2] - sum(firsts)) <= 1e-4 * (1 + sum(map(abs, firsts))), sums
    assert frame["position"].to_list() == positions
    assert frame["vector"].to_list() == table["vector"].to_pylist()
    print(f"duckdb {duckdb.__version__}, polars {polars.__version__}: {file.name}, {len(positions)} rows")


def check_beside(root: pathlib.Path) -> None:
    import pyarrow.parquet

    run = json.loads((root / "run.json").read_text(encoding="utf-8"))
    examples = pyarrow.parquet.read_table(root / "examples.parquet")
    rows = sum(pyarrow.parquet.read_metadata(file).num_rows for file in root.glob("*/data.parquet"))
    assert sum(examples["rows"].to_pylist()) == rows == run["counts"]["rows"]
    print(f"run.json, examples.parquet: {len(examples)} examples, {rows} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data_root", type=pathlib.Path)
    parser.add_argument("--config", help="default: the last one")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"

    root = arguments.data_root
    names = check_front_matter(root)
    name = arguments.config or names[-1]
    features, table = check_datasets(root, name, names)
    schema = json.loads((root / "run.json").read_text(encoding="utf-8"))["layout"]
    check_columns(features, schema["head_dim"], schema["token_strings"])
    check_other_readers(root / name / "data.parquet", table)
    check_beside(root)
    print(f"{root}: {len(names)} configs, all readable")


if __name__ == "__main__":
    main()
