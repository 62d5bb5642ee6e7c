"""Writes the damaged datasets beside it, each named by its damage. Run by hand with `pip install pyarrow zstandard`."""
import gzip
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
LINES = "".join('{"id": %d, "text": "row number %d"}\n' % (i, i * 7919) for i in range(200)).encode()


def save(name, content):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def parquet():
    table = pa.table({"id": list(range(200)), "text": ["row number %d" % (i * 7919) for i in range(200)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=50, compression="none", use_dictionary=False)
    whole = sink.getvalue().to_pybytes()
    save("cut_in_half.parquet", whole[: len(whole) // 2])
    save("magic_missing_at_end.parquet", whole[:-4] + b"XXXX")
    save("footer_longer_than_file.parquet", whole[:-8] + (10**9).to_bytes(4, "little") + b"PAR1")
    footer = int.from_bytes(whole[-8:-4], "little")
    save("garbled_footer.parquet", whole[: -8 - footer] + b"\xa5" * footer + whole[-8:])
    save("garbled_pages.parquet", whole[:4] + b"\xa5" * 4000 + whole[4004:])
    save("empty.parquet", b"")


def arrow():
    table = pa.table({"id": list(range(200)), "text": ["row number %d" % (i * 7919) for i in range(200)]})
    for name, new in (("stream", pa.ipc.new_stream), ("file", pa.ipc.new_file)):
        sink = pa.BufferOutputStream()
        with new(sink, table.schema) as writer:
            writer.write_table(table, 50)
        whole = sink.getvalue().to_pybytes()
        save("cut_%s.arrow" % name, whole[: len(whole) * 2 // 3])
    save("garbled_file_footer.arrow", whole[:-200] + b"\xa5" * 190 + whole[-10:])
    offsets = pa.array([0, 4, 1 << 20, 12], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"some text...")])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("text", pa.string())])) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([text], ["text"]))
    save("offsets_outside_of_data.arrow", sink.getvalue().to_pybytes())
    save("not_arrow.arrow", b"this is a text file\n")
    save("empty.arrow", b"")


def compressed():
    packed = gzip.compress(LINES, mtime=0)
    save("cut.jsonl.gz", packed[: len(packed) // 2])
    save("checksum_wrong.jsonl.gz", packed[:-8] + b"\0\0\0\0" + packed[-4:])
    save("garbage_behind_end.jsonl.gz", packed + b"garbage")
    save("not_gzip.jsonl.gz", LINES[:100])
    zstd = pa.Codec("zstd").compress(LINES, asbytes=True)
    save("cut.jsonl.zst", zstd[: len(zstd) // 2])
    save("garbled.jsonl.zst", zstd[:40] + b"\xa5" * 40 + zstd[80:])


def texts():
    save("bad_third_line.jsonl", b'{"text": "a"}\n{"text": "b"}\n{"text": "c"\n{"text": "d"}\n')
    save("cut_last_line.jsonl", b'{"text": "a"}\n{"text": "b')
    save("number_as_row.jsonl", b'{"text": "a"}\n5\n')
    save("nul_bytes_at_end.jsonl", b'{"text": "a"}\n' + b"\0" * 64)
    save("array_not_closed.json", b'[{"text": "a"}, {"text": "b"}')
    save("cut_inside_string.json", b'[{"text": "a"}, {"text": "b')
    save("comma_missing.json", b'[{"text": "a"}\n {"text": "b"}]')
    save("two_lists.json", b'{"a": [{"text": "a"}], "b": [{"text": "b"}]}')
    save("object_not_closed.json", b'{"a": [{"text": "a"}]')
    save("row_is_a_list.json", b'[{"text": "a"}, ["b"]]')
    save("quotes_not_closed.csv", b'text,id\na,1\n"b,2\nc,3\n')
    save("too_many_cells.csv", b"text,id\na,1\nb,2,3\n")
    save("no_header.csv", b"")
    save("card_not_yaml/README.md", b"---\nconfigs: [\n---\n")
    save("card_not_yaml/train.txt", b"a\n")
    save("state_not_json/state.json", b"{")
    save("state_names_missing_file/state.json", b'{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')


if __name__ == "__main__":
    parquet()
    arrow()
    compressed()
    texts()
