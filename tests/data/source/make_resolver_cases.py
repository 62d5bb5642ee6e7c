"""Writes resolver_cases.json: which files `datasets` takes for which split, for lists of file names and cards.

Run by hand with `pip install datasets` (made with 5.2.0); the tests read the JSON only.
"""
import json
import os
import pathlib
import sys
import tempfile

import datasets

datasets.utils.logging.set_verbosity_error()

CASES = {
    "one_csv": (["dataset.csv", "README.md"], None, None),
    "file_names": (["train.csv", "test.csv"], None, None),
    "file_names_in_data": (["data/train.csv", "data/test.csv", "notes.csv"], None, None),
    "keyword_inside": (["my_train_file.csv", "train00.csv", "trains.csv", "mytrain.csv", "a-test.csv"], None, None),
    "keyword_only_at_end": (["trains.csv", "mytrain.csv"], None, None),
    "numbered": (["train_0.csv", "train_1.csv", "train_10.csv", "train_2.csv", "test_0.csv"], None, None),
    "folders": (["data/train/b.csv", "data/train/a.csv", "data/test/x.csv", "data/other.csv"], None, None),
    "folder_names_with_separator": (["my-train/a.csv", "train_v2/b.csv", "x_val_y/c.csv", "trainer/d.csv"], None, None),
    "folders_before_files": (["train/a.csv", "test.csv"], None, None),
    "sharded": (
        [
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
            "data/test-00000-of-00001-abc.parquet",
            "data/random_split-00000-of-00001.parquet",
            "data/another.split-00000-of-00001.parquet",
            "train.parquet",
        ],
        None,
        None,
    ),
    "sharded_split_with_dash": (["data/a-b-00000-of-00001.parquet"], None, None),
    "sharded_not_in_data": (["part/train-00000-of-00001.parquet", "part/test-00000-of-00001.parquet"], None, None),
    "two_keywords": (["dev_val.csv"], None, None),
    "only_test": (["test.csv", "x.csv"], None, None),
    "all_keywords": (
        ["training.csv", "validation.csv", "valid.csv", "dev.csv", "val.csv", "testing.csv", "eval.csv", "evaluation.csv"],
        None,
        None,
    ),
    "upper_case_keyword": (["TRAIN.csv", "Test.csv"], None, None),
    "upper_case_extension": (["a.CSV", "b.csv"], None, None),
    "hidden_and_special": ([".hidden.csv", ".git/x.csv", "__pycache__/y.csv", "a.csv", "b/.h/z.csv", "__f.csv"], None, None),
    "ignored_names": (["config.json", "dataset_info.json", "dataset_infos.json", "a.json"], None, None),
    "nested": (["a/b/c/d.csv", "z.csv", "a.csv", "a/a.csv"], None, None),
    "most_frequent_format": (["a.csv", "b.csv", "c.json"], None, None),
    "tie_prefers_parquet": (["a.csv", "b.parquet", "c.json"], None, None),
    "tie_prefers_jsonl": (["a.csv", "b.jsonl", "c.json"], None, None),
    "tie_prefers_txt_to_tsv": (["a.tsv", "b.txt"], None, None),
    "compressed": (["a.json.gz", "b.jsonl.zst", "c.csv.gz"], None, None),
    "dotted_names": (["v1.2.train.csv", "v1.2.test.csv"], None, None),
    "splits_of_two_formats": (["train.csv", "test.json"], None, None),
    "no_data": (["a.unknown", "README.md"], None, None),
    "empty": (["README.md"], None, None),
    "card_path": (["a.csv", "b.csv"], {"configs": [{"config_name": "default", "data_files": "b.csv"}]}, None),
    "card_list": (
        ["a.csv", "b.csv", "c/x.csv", "c/w.csv"],
        {"configs": [{"config_name": "d", "data_files": ["c/*", "a.csv"]}]},
        None,
    ),
    "card_overlap_is_read_twice": (["a.csv", "b.csv"], {"configs": [{"config_name": "d", "data_files": ["*.csv", "a.csv"]}]}, None),
    "card_splits": (
        ["a.csv", "b.csv", "t/1.csv", "t/2.csv"],
        {
            "configs": [
                {
                    "config_name": "d",
                    "data_files": [{"split": "held_out.v1", "path": "t/*"}, {"split": "train", "path": ["b.csv", "a.csv"]}],
                }
            ]
        },
        None,
    ),
    "card_two_configs_no_name": (
        ["a.csv", "b.csv"],
        {"configs": [{"config_name": "x", "data_files": "a.csv"}, {"config_name": "y", "data_files": "b.csv"}]},
        None,
    ),
    "card_two_configs_named": (
        ["a.csv", "b.csv"],
        {"configs": [{"config_name": "x", "data_files": "a.csv"}, {"config_name": "y", "data_files": "b.csv"}]},
        "y",
    ),
    "card_config_called_default": (
        ["a.csv", "b.csv"],
        {"configs": [{"config_name": "x", "data_files": "a.csv"}, {"config_name": "default", "data_files": "b.csv"}]},
        None,
    ),
    "card_config_marked_default": (
        ["a.csv", "b.csv"],
        {"configs": [{"config_name": "x", "data_files": "a.csv"}, {"config_name": "y", "data_files": "b.csv", "default": True}]},
        None,
    ),
    "card_two_defaults": (
        ["a.csv", "b.csv"],
        {
            "configs": [
                {"config_name": "default", "data_files": "a.csv"},
                {"config_name": "y", "data_files": "b.csv", "default": True},
            ]
        },
        None,
    ),
    "card_unknown_config": (["a.csv"], {"configs": [{"config_name": "x", "data_files": "a.csv"}]}, "z"),
    "card_data_dir_and_files": (
        ["in/a.csv", "in/b.csv", "out/a.csv", "x.csv"],
        {"configs": [{"config_name": "x", "data_dir": "in", "data_files": "*.csv"}]},
        None,
    ),
    "card_data_dir_only": (
        ["in/train.csv", "in/test.csv", "out/train.csv"],
        {"configs": [{"config_name": "x", "data_dir": "in"}]},
        None,
    ),
    "card_recursive_glob": (["a/b/x.csv", "a/y.csv", "x.csv"], {"configs": [{"config_name": "x", "data_files": "a/**/*.csv"}]}, None),
    "card_double_star_end": (["a/b/x.csv", "a/y.csv", "x.csv"], {"configs": [{"config_name": "x", "data_files": "a/**"}]}, None),
    "card_classes": (
        ["f1.csv", "f2.csv", "f3.csv", "fa.csv", "f-.csv"],
        {"configs": [{"config_name": "x", "data_files": ["f[1-2].csv", "f[!1-3].csv", "f?.csv"]}]},
        None,
    ),
    "card_asks_for_hidden": ([".h/a.csv", ".h/.b.csv", "__s/c.csv"], {"configs": [{"config_name": "x", "data_files": [".h/*", "__s/*"]}]}, None),
    "card_asks_for_ignored_name": (["config.json", "a.json"], {"configs": [{"config_name": "x", "data_files": "config.json"}]}, None),
    "card_missing_file": (["a.csv"], {"configs": [{"config_name": "x", "data_files": "b.csv"}]}, None),
    "card_glob_without_match": (["a.csv"], {"configs": [{"config_name": "x", "data_files": "b*.csv"}]}, None),
    "card_one_glob_without_match": (["a.csv"], {"configs": [{"config_name": "x", "data_files": ["b*.csv", "a*.csv"]}]}, None),
    "card_split_twice": (
        ["a.csv"],
        {"configs": [{"config_name": "x", "data_files": [{"split": "train", "path": "a.csv"}, {"split": "train", "path": "a.csv"}]}]},
        None,
    ),
    "card_split_with_dash": (["a.csv"], {"configs": [{"config_name": "x", "data_files": [{"split": "a-b", "path": "a.csv"}]}]}, None),
    "card_extra_key_in_data_files": (
        ["a.csv"],
        {"configs": [{"config_name": "x", "data_files": [{"split": "a", "path": "a.csv", "more": 1}]}]},
        None,
    ),
    "card_without_configs": (["train.csv"], {"license": "mit"}, None),
    "card_config_without_name": (["a.csv"], {"configs": [{"data_files": "a.csv"}]}, None),
}


def card_text(front_matter):
    import yaml

    return "---\n" + yaml.safe_dump(front_matter, sort_keys=False) + "---\n# Card\n" if front_matter else None


def answer(files, card, config):
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.realpath(folder)
        for name in files:
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
        if card:
            pathlib.Path(root, "README.md").write_text(card)
        try:
            builder = datasets.load_dataset_builder(root, config, cache_dir=os.path.join(root, ".cache"))
        except Exception as error:
            print(f"  {type(error).__name__}: {str(error)[:120]!r}", file=sys.stderr)
            return {"error": True}
        splits = []
        for split, found in builder.config.data_files.items():
            splits.append({"split": str(split), "files": [os.path.relpath(f, root) for f in found]})
        return {"format": type(builder.config).__name__.removesuffix("Config").lower(), "splits": splits}


def main():
    cases = []
    for name, (files, front_matter, config) in CASES.items():
        print(name, file=sys.stderr)
        card = card_text(front_matter)
        cases.append({"name": name, "files": files, "card": card, "config": config, **answer(files, card, config)})
    target = pathlib.Path(__file__).with_name("resolver_cases.json")
    target.write_text(json.dumps({"datasets": datasets.__version__, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
