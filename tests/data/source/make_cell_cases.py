"""Writes cell_cases.json and types.parquet: str() of the values that `datasets` gives for the cells of an id column.

Run by hand with `pip install datasets` (made with 5.2.0, pandas 3.1.1, pyarrow 26.0.1); the tests read the results only.
"""
import datetime
import decimal
import json
import os
import pathlib
import tempfile

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

datasets.utils.logging.set_verbosity_error()
HERE = pathlib.Path(__file__).parent


def json_lines(*ids):
    return "".join('{"text": "a", "id": %s}\n' % value for value in ids)


def csv(*ids):
    return "text,id\n" + "".join("a,%s\n" % value for value in ids)


FILES = {
    "json_integers.jsonl": json_lines("1", "-5", "9223372036854775807", "-9223372036854775808"),
    "json_strings.jsonl": json_lines('"x"', '"\\u00e9\\n"', '""', "null", '"123"'),
    "json_floats.jsonl": json_lines("0.1", "1e16", "1e-5", "123456789.125", "-0.0", "1E22", "1e3"),
    "json_booleans.jsonl": json_lines("true", "false", "null"),
    "json_lists.jsonl": json_lines("[1, 2]", "[]", "null"),
    "json_string_lists.jsonl": json_lines('["it\'s", "\\"q\\"", "\\u00a0\\t\\u00e9"]', '["\'\\""]'),
    "json_nested_lists.jsonl": json_lines("[[1], [], [2, 3]]"),
    "json_objects.jsonl": json_lines('{"a": 1, "b": [true, null], "c": {"d": 0.5}}'),
    "json_missing.jsonl": '{"text": "a"}\n{"text": "b", "id": 3}\n',
    "json_nan.jsonl": json_lines("NaN", "1.5"),
    "json_dates.jsonl": json_lines('"2024-01-02"', "null", '"2024-01-03T04:05:06"', '"1969-12-31 23:59Z"'),
    "json_zones.jsonl": json_lines('"2024-01-02 03:04:05+02:00"'),
    "json_dates_and_text.jsonl": json_lines('"2024-01-02"', '""'),
    "json_fractions.jsonl": json_lines('"2024-01-02 03:04:05.5"'),
    "csv_integers.csv": csv(1, -2, "007", " 8 ", "+5"),
    "csv_with_null.csv": csv(1, "", 3),
    "csv_floats.csv": csv("1e5", "inf", "-Infinity", ".5", "1.", "+5"),
    "csv_strings.csv": csv("007", "x", "NA", "n/a", '"a ""b"", c"', "1_0"),
    "csv_booleans.csv": csv("True", "false", "TRUE"),
    "csv_booleans_with_null.csv": csv("True", ""),
    "csv_unsigned.csv": csv("18446744073709551615", 1),
    "csv_signed_and_unsigned.csv": csv("-1", "18446744073709551615"),
    "csv_dates.csv": csv("2024-01-02"),
    "csv_short_rows.csv": "text,id\na\nb,2\n",
    "csv_carriage_returns.csv": "text,id\ra,1\rb,2\r",
    "csv_quoted_newline.csv": 'text,id\n"a\r\nb",1\n\n   \n"c""d"e,2\n',
    "tab.tsv": "text\tid\na, b\t1\n",
}

BUILDERS = {".jsonl": "json", ".csv": "csv", ".tsv": "csv"}


def load(path, cache):
    options = {"sep": "\t"} if path.suffix == ".tsv" else {}
    return datasets.load_dataset(BUILDERS[path.suffix], data_files=str(path), split="train", cache_dir=cache, **options)


def typed_columns():
    utc = datetime.timezone.utc
    when = datetime.datetime(2024, 1, 2, 3, 4, 5)
    old = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)
    return {
        "int8": pa.array([1, -2, None], pa.int8()),
        "uint64": pa.array([1, 18446744073709551615, None], pa.uint64()),
        "float16": pa.array([0.5, 1.5, None], pa.float16()),
        "float32": pa.array([0.1, 1e10, None], pa.float32()),
        "float64": pa.array([0.1, 1e300, float("nan")], pa.float64()),
        "bool": pa.array([True, False, None]),
        "string": pa.array(["a", "", None]),
        "large_string": pa.array(["a", "é", None], pa.large_string()),
        "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
        "binary": pa.array([b"ab'\x00\xff", b"\n", None]),
        "fixed_binary": pa.array([b"abc", b"\\\"'", None], pa.binary(3)),
        "date32": pa.array([datetime.date(2024, 1, 2), datetime.date(1, 1, 1), None], pa.date32()),
        "timestamp_s": pa.array([when, datetime.datetime(1900, 1, 1), None], pa.timestamp("s")),
        "timestamp_ms": pa.array([when.replace(microsecond=120000), when, None], pa.timestamp("ms")),
        "timestamp_us": pa.array([when.replace(microsecond=6), old, None], pa.timestamp("us")),
        "timestamp_ns": pa.array([1704164645000000001, 1704164645000001000, None], pa.timestamp("ns")),
        "timestamp_utc": pa.array([when.replace(tzinfo=utc), old.replace(tzinfo=utc), None], pa.timestamp("us", "UTC")),
        "timestamp_offset": pa.array([when, old, None], pa.timestamp("us", "-03:30")),
        "time32": pa.array([datetime.time(3, 4, 5), datetime.time(0, 0), None], pa.time32("s")),
        "time64": pa.array([datetime.time(3, 4, 5, 6), datetime.time(23, 59, 59, 999999), None], pa.time64("us")),
        "duration": pa.array(
            [datetime.timedelta(days=1, hours=2), datetime.timedelta(microseconds=-1), datetime.timedelta(days=-2)],
            pa.duration("us"),
        ),
        "decimal": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-0.01"), None], pa.decimal128(10, 2)),
        "decimal_small": pa.array([decimal.Decimal("0.00000001"), decimal.Decimal("0"), None], pa.decimal128(20, 8)),
        "decimal_whole": pa.array([decimal.Decimal("12"), decimal.Decimal("-3"), None], pa.decimal128(5, 0)),
        "list": pa.array([[1, None], [], None]),
        "list_of_strings": pa.array([["it's", 'a"b', "\x7f\u2028é"], ["'\""], None]),
        "list_of_dates": pa.array([[datetime.date(2024, 1, 2)], [], None], pa.list_(pa.date32())),
        "list_of_times": pa.array([[when, when.replace(second=0)], [old], None], pa.list_(pa.timestamp("us"))),
        "list_of_decimals": pa.array([[decimal.Decimal("1.5")], [], None], pa.list_(pa.decimal128(3, 1))),
        "list_of_binary": pa.array([[b"a"], [], None]),
        "fixed_list": pa.array([[1.0, 2.5], [0.0, -1.0], [0.1, 2.0]], pa.list_(pa.float32(), 2)),
        "struct": pa.array([{"a": 1, "b": {"c": "x"}}, {"a": None, "b": None}, None]),
        "null": pa.nulls(3),
    }


def main():
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            path = pathlib.Path(folder, name)
            path.write_text(content, newline="")
            dataset = load(path, os.path.join(folder, "cache"))
            cases.append({"file": name, "content": content, "texts": list(dataset["text"]), "ids": [str(v) for v in dataset["id"]]})
        table = pa.table({"text": ["x", "y", "z"], **typed_columns()})
        pq.write_table(table, HERE / "types.parquet", compression="zstd")
        typed = datasets.Dataset.from_parquet(str(HERE / "types.parquet"), cache_dir=os.path.join(folder, "cache"))
        columns = {name: [str(v) for v in typed[name]] for name in typed_columns()}
    result = {"datasets": datasets.__version__, "files": cases, "types.parquet": columns}
    (HERE / "cell_cases.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
