"""Hidden test items that the scanner must find, and hostile files that it must not call clean."""

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import random
import re
import socket
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posttrainbench import catalog
from posttrainbench.audit.contamination.scan import ScanReport, readers, scan, windows
from posttrainbench.audit.contamination.scan.files import FileScan
from posttrainbench.audit.contamination.scan.index import build_index
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN
from posttrainbench.audit.contamination.scan.scanner import Search
from posttrainbench.audit.contamination.scan.search import NO_TOKENIZER, Searcher
from posttrainbench.audit.contamination.scan.vocabulary import load_vocabulary
from posttrainbench.benchmarks import Item
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.untrusted import walk
from scan_problems import chat, lines, problems

TESTS = problems()
ROWS = lines([chat(item.question, "7") for item in TESTS])
TEXT = "\n\n".join(item.question for item in TESTS)
IMAGE = b"\x89PNG\r\n\x1a\n"


def tar(data: bytes, name: str = "data/rows.jsonl") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(name * 30)  # long names need extra headers
        info.size = len(data)
        archive.addfile(tarfile.TarInfo("empty"))
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("data/rows.jsonl", data)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    return bytes(zstandard.ZstdCompressor().compress(data))


def table(write: str) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    rows = pyarrow.Table.from_pylist([chat(item.question, "7") | {"n": 3, "none": None} for item in TESTS])
    sink = io.BytesIO()
    if write == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(rows, sink)
    elif write == "orc":
        pytest.importorskip("pyarrow.orc").write_table(rows.drop_columns("none"), sink, compression="zlib")
    elif write == "stream":
        with pyarrow.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
    else:
        options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
        with pyarrow.ipc.new_file(sink, rows.schema, options=options) as writer:
            writer.write_table(rows)
    return sink.getvalue()


def sqlite(tmp: Path) -> bytes:
    path = tmp / "scratch.db"
    with sqlite3.connect(path) as database:
        database.execute("create table rows (question text, answer text)")
        database.executemany("insert into rows values (?, ?)", [(item.question, "7") for item in TESTS])
    database.close()
    return path.read_bytes()


def numpy_strings() -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.array([item.question for item in TESTS]))
    return sink.getvalue()


def gap_in_zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "nothing to see\n" * 100)
        sink.write(gzip.compress(ROWS))
        archive.start_dir = sink.tell()
        archive.writestr("more.txt", "nothing to see here either\n" * 100)
    return sink.getvalue()


def each(change: Callable[[str], str]) -> bytes:
    return lines([{"text": f"{change(item.question)} It is 7."} for item in TESTS])


HIDDEN: dict[str, Callable[[], bytes]] = {
    "rows.jsonl": lambda: ROWS,
    "rows.json": lambda: json.dumps([json.loads(line) for line in ROWS.splitlines()], indent=1).encode(),
    "one_line.json": lambda: json.dumps([json.loads(line) for line in ROWS.splitlines()]).encode(),
    "rows.py": lambda: "".join(f"add({item.question!r}, '7')\n" for item in TESTS).encode(),
    "bytes.py": lambda: "".join(f"add({item.question.encode('utf-16-le')!r})\n" for item in TESTS[:0]).encode() + ROWS,
    "notebook.ipynb": lambda: json.dumps({"cells": [{"source": TEXT.splitlines(True)}]}).encode(),
    "wrapped.txt": lambda: re.sub(r"(.{30,50}) ", r"\1\n", TEXT).encode(),
    "quoted.md": lambda: re.sub(r"(.{30,50}) ", r"\1\n> ", TEXT).encode(),
    "page.html": lambda: TEXT.replace("'", "&#39;").replace(" ", "&nbsp;", 40).encode(),
    "twice_escaped.jsonl": lambda: lines(
        [{"row": json.dumps({"row": json.dumps(chat(i.question, "7"))})} for i in TESTS]
    ),
    "unicode_escapes.json": lambda: "".join(f"\\u{ord(char):04x}" for char in TEXT).encode(),
    "byte_escapes.py": lambda: "".join(f"\\x{byte:02x}" for byte in TEXT.encode()).encode(),
    "capitals.txt": lambda: TEXT.upper().encode(),
    "no_punctuation.txt": lambda: re.sub(r"[^\w\s]", "", TEXT).encode(),
    "zero_width.jsonl": lambda: each(lambda text: text.replace("e", "e\u200b\u2060")),
    "accents.jsonl": lambda: each(lambda text: text.replace("e", "é").replace("a", "a\u0308")),
    "full_width.jsonl": lambda: each(lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t)),
    "look_alikes.jsonl": lambda: each(lambda text: text.translate(str.maketrans("aeopcx", "аеорсх"))),
    "mathematical.jsonl": lambda: each(
        lambda t: "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in t)
    ),
    "spaced.txt": lambda: "\n".join("   ".join(" ".join(word) for word in i.question.split()) for i in TESTS).encode(),
    "hyphens.txt": lambda: TEXT.replace(" ", "-").encode(),
    "utf16.txt": lambda: TEXT.encode("utf-16"),
    "utf16be_no_mark.txt": lambda: TEXT.encode("utf-16-be"),
    "utf32_no_mark.bin": lambda: b"\1" + TEXT.encode("utf-32-le"),
    "latin1.txt": lambda: TEXT.replace("e", "é").encode("latin-1"),
    "base64.txt": lambda: b"\n".join(base64.b64encode(line) for line in ROWS.splitlines()),
    "base64_wrapped.txt": lambda: base64.encodebytes(ROWS),
    "base64_in_json.json": lambda: json.dumps({"data": base64.encodebytes(ROWS).decode()}).encode(),
    "base64_url.txt": lambda: b"payload=" + base64.urlsafe_b64encode(ROWS),
    "base64_twice.txt": lambda: base64.b64encode(base64.b64encode(ROWS)),
    "base64_utf16.ps1": lambda: base64.b64encode(TEXT.encode("utf-16-le")),
    "base64_zlib.py": lambda: b"exec(zlib.decompress(b64decode('" + base64.b64encode(zlib.compress(ROWS)) + b"')))",
    "hexadecimal.txt": lambda: ROWS.hex().encode(),
    "rows.gz": lambda: gzip.compress(ROWS),
    "two_members.gz": lambda: gzip.compress(ROWS[: len(ROWS) // 2]) + gzip.compress(ROWS[len(ROWS) // 2 :]),
    "rows.zlib": lambda: zlib.compress(ROWS),
    "rows.bz2": lambda: bz2.compress(ROWS),
    "rows.xz": lambda: lzma.compress(ROWS),
    "rows.zst": lambda: zstd(ROWS),
    "rows.zip": lambda: zipped(ROWS),
    "rows_bz2.zip": lambda: zipped(ROWS, zipfile.ZIP_BZIP2),
    "rows.tar": lambda: tar(ROWS),
    "rows.tar.gz": lambda: gzip.compress(tar(ROWS)),
    "nested.zip": lambda: zipped(gzip.compress(tar(zipped(ROWS)))),
    "gzip_in_tar.tar": lambda: tar(gzip.compress(ROWS)),
    "named_otherwise.png": lambda: gzip.compress(ROWS),
    "rows.parquet": lambda: table("parquet"),
    "stream.arrow": lambda: table("stream"),
    "compressed.arrow": lambda: table("file"),
    "rows.orc": lambda: table("orc"),
    "rows.lzma": lambda: lzma.compress(ROWS, lzma.FORMAT_ALONE),
    "strings.npy": numpy_strings,
    "claims_utf16.jsonl": lambda: b"\xff\xfe" + ROWS,
    "claims_utf16_after_utf16.txt": lambda: ("filler " * 2000).encode("utf-16") + ROWS,
    "after_a_script.sh": lambda: b"#!/bin/sh\ntail -n +4 $0 | tar xz\nexit\n" + gzip.compress(tar(ROWS)),
    "after_a_script.pyz": lambda: b"#!/usr/bin/env python3\n" + zipped(ROWS),
    "between_members.zip": gap_in_zip,
    "streams.pdf": lambda: (
        b"%PDF-1.5\n%\xe2\xe3\0\n1 0 obj\nstream\n" + zlib.compress(TEXT.encode()) + b"\nendstream\n"
    ),
    "blobs.db": lambda: b"SQLite format 3\0" + b"\1\2".join(zlib.compress(i.question.encode()) for i in TESTS),
    "rows.pkl": lambda: pickle.dumps([(item.question, "7") for item in TESTS]),
    "protocol0.pkl": lambda: pickle.dumps([item.question for item in TESTS], protocol=0),
}


def scanned(path: Path, **options: object) -> ScanReport:
    return scan([path], TESTS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HIDDEN)
def test_test_items_are_found_in_whatever_form(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HIDDEN[name]())
    result = scanned(tmp_path)
    assert result.test_items_hit == len(TESTS)
    assert result.verdict == "flagged"
    assert result.skipped == []


@pytest.fixture(scope="module")
def noise() -> bytes:
    """Return rows of text that compress to more than a window."""
    source = random.Random(5)
    return lines([{"text": source.randbytes(1000).hex()} for _ in range(1200)])


@pytest.mark.parametrize("pack", [zlib.compress, bz2.compress, lzma.compress])
def test_long_streams_in_a_file_are_followed(tmp_path: Path, noise: bytes, pack: Callable[[bytes], bytes]) -> None:
    """As a git pack contains a data file that the agent committed or cloned."""
    head, between = b"PACK\0\0\0\2\0\1\2\3\4\5\6\7", zlib.compress(b"a small object " * 20) + bytes(range(9))
    file = tmp_path / "objects.pack"
    file.write_bytes(head + between * 30 + pack(noise + ROWS) + between * 30)
    found = scanned(tmp_path)
    assert (found.verdict, found.test_items_hit, found.skipped) == ("flagged", len(TESTS), [])
    file.write_bytes(head + between * 30 + pack(noise) + between * 30)
    innocent = scanned(tmp_path)
    assert (innocent.verdict, innocent.skipped) == ("clean", [])
    file.write_bytes((head + between * 30 + pack(noise))[:-900])
    assert scanned(tmp_path).verdict == "not_checked"


def test_a_long_stream_that_does_not_begin_with_text_is_followed(tmp_path: Path) -> None:
    head, random_bytes = b"\0\1\2\3" * 50, random.Random(6).randbytes(2**21)
    (tmp_path / "a.bin").write_bytes(head + zlib.compress(random_bytes + ROWS))
    assert scanned(tmp_path).verdict == "flagged"
    (tmp_path / "a.bin").write_bytes(IMAGE + (head + zlib.compress(random_bytes))[:-900])  # as in several chunks
    innocent = scanned(tmp_path)
    assert (innocent.verdict, innocent.skipped) == ("clean", [])


def test_a_damaged_long_stream_hides_no_other(tmp_path: Path, noise: bytes) -> None:
    damaged = zlib.compress(noise)[:-4] + b"\0\0\0\0"
    (tmp_path / "a.bin").write_bytes(b"\0\1\2\3" * 50 + damaged + zlib.compress(noise + ROWS))
    assert scanned(tmp_path).test_items_hit == len(TESTS)


def test_a_database_is_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "rows.db").write_bytes(sqlite(tmp_path))
    (tmp_path / "scratch.db").unlink()
    assert scanned(tmp_path).test_items_hit >= 0.95 * len(TESTS)  # a few are split over two pages


def test_rows_among_many_others_are_found(tmp_path: Path) -> None:
    own = [chat(item.question, item.answer) for item in problems(3000, seed=9)]
    random.Random(1).shuffle(rows := own + [chat(item.question, "7") for item in TESTS[:5]])
    (tmp_path / "mix.jsonl").write_bytes(lines(rows))
    result = scanned(tmp_path)
    assert {hit.item for hit in result.hits if hit.unit == "question"} >= {item.id for item in TESTS[:5]}
    assert result.verdict == "flagged"


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A byte-level vocabulary: letters, and the words of the test items with a space before them."""
    words = sorted({word for item in TESTS for word in re.findall(r"[A-Za-z]+", item.question)})
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = {token: number for number, token in enumerate([*letters, "Ġ", *(f"Ġ{word}" for word in words)])}
    special = [{"id": len(vocabulary), "content": "<end>", "special": True}]
    data = {"model": {"vocab": vocabulary}, "added_tokens": special, "decoder": {"type": "ByteLevel"}}
    directory = tmp_path / "tokenizer"
    directory.mkdir()
    (directory / "tokenizer.json").write_text(json.dumps(data))
    return directory


def test_added_tokens_are_decoded() -> None:
    """As in micro-base, whose vocabulary has ` (A)` as an added token."""
    directory = catalog.models()["micro-base"].directory
    text = load_benchmark("micro-choice").load("test")[0].question
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(str(directory / "tokenizer.json"))
    [end, *_] = [token["id"] for token in json.loads(tokenizer.to_str())["added_tokens"] if token["special"]]
    ids = np.array([*tokenizer.encode(text).ids, end, *tokenizer.encode(text).ids])
    assert " (A)" in text
    assert load_vocabulary(directory).decode(ids).decode() == f"{text} {text}"


def token_ids(tokenizer: Path) -> list[list[int]]:
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"]
    rows = []
    for item in TESTS:
        ids = []
        for piece in re.findall(r" ?[A-Za-z]+| ?[^A-Za-z ]", " " + item.question):
            token = piece.replace(" ", "Ġ")
            ids += [vocabulary[token]] if token in vocabulary else [vocabulary[letter] for letter in token]
        rows.append([*ids, len(vocabulary)])
    return rows


def ids_as(form: str, rows: list[list[int]]) -> bytes:
    flat = np.array([token for row in rows for token in row])
    if form == "json":
        return lines([{"input_ids": row, "labels": row} for row in rows])
    if form == "arrow":
        pyarrow = pytest.importorskip("pyarrow")
        sink, columns = io.BytesIO(), pyarrow.table({"input_ids": rows})
        with pyarrow.ipc.new_stream(sink, columns.schema) as writer:
            writer.write_table(columns)
        return sink.getvalue()
    if form == "npy":
        sink = io.BytesIO()
        np.save(sink, flat)
        return sink.getvalue()
    if form == "safetensors":
        data = flat.astype("<i8").tobytes()
        header = {"ids": {"dtype": "I64", "shape": [len(flat)], "data_offsets": [0, len(data)]}}
        return len(json.dumps(header)).to_bytes(8, "little") + json.dumps(header).encode() + data
    if form == "padded":
        padded = np.zeros((len(rows), 256), dtype=np.int32)
        for number, row in enumerate(rows):
            padded[number, : len(row)] = row
        return padded.tobytes()
    if form == "labels":
        return np.concatenate([[-100] * 9 + row for row in rows]).astype("<i8").tobytes()
    if form == "lists":
        return pickle.dumps(rows)
    if form == "pickle":
        return pickle.dumps({"ids": flat.astype(np.int32)})
    return flat.astype(form).tobytes()


@pytest.mark.parametrize(
    "form",
    ["json", "arrow", "npy", "safetensors", "pickle", "lists", "padded", "labels", "<u2", "<u4", "<i8", ">u2"],
)
def test_token_ids_are_read_through_the_vocabulary(tmp_path: Path, tokenizer: Path, form: str) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    name = "ids.safetensors" if form == "safetensors" else "ids.bin"
    (corpus / name).write_bytes(ids_as(form, token_ids(tokenizer)))
    unread = scanned(corpus)
    assert unread.test_items_hit == 0
    assert unread.verdict == "not_checked"
    assert unread.skipped[0].reason == (UNKNOWN if form in ("<u2", ">u2") else NO_TOKENIZER)
    read = scanned(corpus, tokenizer=tokenizer)
    assert (read.test_items_hit, read.skipped if form != "safetensors" else []) == (len(TESTS), [])


def test_arrays_of_one_document_each_are_read(tmp_path: Path, tokenizer: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, row in enumerate(token_ids(tokenizer)):
        np.save(corpus / f"{number}.npy", np.array(row, dtype=np.int32))
    assert scanned(corpus).verdict == "not_checked"
    result = scanned(corpus, tokenizer=tokenizer)
    assert (result.verdict, result.test_items_hit) == ("flagged", len(TESTS))


def test_other_numbers_are_not_taken_for_token_ids(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.save(tmp_path / "weights.npy", rng.normal(size=(300, 300)).astype(np.float32))
    (tmp_path / "pixels.png").write_bytes(IMAGE + rng.integers(0, 256, 90_000, dtype=np.uint8).tobytes())
    (tmp_path / "counts.json").write_text(json.dumps({"steps": list(range(0, 9000, 10)), "text": "rising counts " * 9}))
    (tmp_path / "losses.json").write_text(json.dumps({"loss": rng.normal(size=300).tolist()}))
    (tmp_path / "program.so").write_bytes(b"\x7fELF" + rng.integers(1000, 9000, 3000, dtype=np.int32).tobytes())
    assert (scanned(tmp_path).verdict, scanned(tmp_path).skipped) == ("clean", [])


def test_a_file_that_changes_is_not_clean(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("nothing to see\n" * 100)
    index = build_index(TESTS)
    (entry,) = walk(tmp_path)
    for change in (
        replace(entry, size=entry.size - 100),
        replace(entry, size=entry.size + 9),
        replace(entry, changed=7),
    ):
        result = FileScan(index, Searcher(index), lambda _: "").whole(change)
        assert (result.reason[:10], result.lost) == ("it changed", True)
    assert FileScan(index, Searcher(index), lambda _: "").whole(entry).reason == ""
    assert (
        "changed"
        in FileScan(index, Searcher(index), lambda _: "").segment(replace(entry, changed=7), 0, 9, False).reason
    )


def test_a_large_file_that_changes_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.audit.contamination.scan.files.SEGMENT", 2**12)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines([chat(item.question, "7") for item in problems(300, seed=13)]))
    (entry,) = walk(tmp_path)
    with path.open("ab") as file:
        file.write(ROWS)
    totals = Search(build_index(TESTS))([entry])
    assert [(skip.path, skip.lost) for skip in totals.skipped] == [("rows.jsonl", True)]


def test_metadata_of_weights_is_text(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"notes": TEXT},
        "w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\1\2\3\4")
    assert scanned(tmp_path).verdict == "flagged"


@pytest.mark.parametrize("pack", [gzip.compress, zipped])
def test_nested_compressed_data_that_is_cut_by_a_window_is_not_clean(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 2**16)
    rng = random.Random(2)
    noise = b"".join(b"%064x\n" % rng.getrandbits(256) for _ in range(2**13))
    data = b"header\1\2" + zlib.compress(noise) + b"the end"
    (tmp_path / "a.bin").write_bytes(data)
    assert scanned(tmp_path).verdict == "clean"
    (tmp_path / "a.bin").write_bytes(pack(data))
    result = scanned(tmp_path)
    assert (result.verdict, "compressed text" in result.skipped[0].reason) == ("not_checked", True)


def test_weights_are_passed_over_only_if_they_are_nothing_else(tmp_path: Path) -> None:
    data = ROWS + b" " * (len(ROWS) % 2)
    header = {"w": {"dtype": "BF16", "shape": [len(data) // 2], "data_offsets": [0, len(data)]}}
    genuine = len(json.dumps(header)).to_bytes(8, "little") + json.dumps(header).encode() + data
    (tmp_path / "model.safetensors").write_bytes(genuine)
    result = scanned(tmp_path)
    assert (result.verdict, result.skipped[0].reason) == (
        "not_checked",
        "model weights, of which only the header is text",
    )
    (tmp_path / "model.safetensors").write_bytes(genuine + ROWS)
    assert scanned(tmp_path).verdict == "flagged"
    (tmp_path / "model.safetensors").write_bytes(ROWS)
    assert scanned(tmp_path).verdict == "flagged"


BROKEN: dict[str, Callable[[], bytes]] = {
    "cut.gz": lambda: gzip.compress(os.urandom(5000))[:3000],
    "cut.xz": lambda: lzma.compress(os.urandom(5000))[:3000],
    "cut.bz2": lambda: bz2.compress(os.urandom(5000))[:3000],
    "cut.zst": lambda: zstd(os.urandom(5000))[:3000],
    "cut.tar": lambda: tar(os.urandom(50_000))[:30_000],
    "wrong_sum.gz": lambda: gzip.compress(ROWS[:2000])[:-8] + b"12345678",
    "not.zip": lambda: b"PK\x03\x04 nonsense",
    "wrong_sum.zip": lambda: zipped(ROWS[:2000], zipfile.ZIP_STORED).replace(b"messages", b"massages", 1),
    "data.parquet": lambda: b"PAR1 nonsense PAR1",
    "data.7z": lambda: b"7z\xbc\xaf\x27\x1c" + os.urandom(100),
    "data.rar": lambda: b"Rar!\x1a\x07\x01\0" + os.urandom(100),
    "data.avro": lambda: b"Obj\x01" + os.urandom(100),
    "data.h5": lambda: b"\x89HDF\r\n\x1a\n" + os.urandom(100),
    "data.sz": lambda: b"\xff\x06\0\0sNaPpY" + os.urandom(100),
    "data.br": lambda: b"\1" + os.urandom(1000),
    "data.orc": lambda: b"ORC\1" + os.urandom(100),
    "data.lz4": lambda: b"\x04\x22\x4d\x18" + os.urandom(100),
    "deep.gz": lambda: gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x"))))),
    "negative.tar": lambda: tar(b"x").replace(b"00000000001\0", b"-0000000001\0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_not_clean(tmp_path: Path, name: str) -> None:
    (tmp_path / "good.txt").write_text("nothing to see\n" * 100)
    (tmp_path / name).write_bytes(BROKEN[name]())
    result = scanned(tmp_path)
    assert result.verdict == "not_checked"
    assert [(skip.path, skip.lost) for skip in result.skipped] == [(name, True)]


def test_what_stands_before_the_damage_is_found(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(ROWS * 3, compresslevel=0)[:-5])
    result = scanned(tmp_path)
    assert result.verdict == "flagged"
    assert result.skipped[0].lost


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zipped, lambda data: gzip.compress(tar(data))]
)
def test_a_bomb_ends_the_reading_of_its_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(readers, "LIMIT", 2**20)
    (tmp_path / "bomb").write_bytes(pack(b"a " * 2**23))
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    result = scanned(tmp_path)
    assert result.verdict == "flagged"
    assert result.bytes < 2**22
    ((skip),) = result.skipped
    assert skip.path == "bomb"
    assert "only that much was searched" in skip.reason


def test_nothing_is_followed_opened_or_waited_for(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.jsonl").symlink_to(inside / "good.txt")
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(inside)
        server.bind("socket")
        os.chdir(here)
        (inside / "good.txt").write_text("nothing to see\n")
        result = scanned(inside)
    assert result.verdict == "clean"
    assert {skip.path: skip.reason for skip in result.skipped} == {
        "link.jsonl": "symbolic link, not opened",
        "loop": "symbolic link, not opened",
        "pipe.jsonl": "named pipe, not opened",
        "socket": "socket, not opened",
    }


class Evil:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._trace,)


def test_a_pickle_is_never_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps([Evil(trace), TEXT]))
    np.save(tmp_path / "evil.npy", np.array([Evil(trace), TEXT], dtype=object), allow_pickle=True)
    assert scanned(tmp_path).verdict == "flagged"
    assert not trace.exists()


def test_a_huge_sparse_file_costs_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse.txt").open("wb") as file:
        file.seek(2**40)
        file.write(b"\n" + ROWS)
    result = scanned(tmp_path)
    assert result.test_items_hit == len(TESTS)
    assert result.bytes < 2**24


@pytest.mark.parametrize(
    "content",
    [
        b"\\" * 300_000,
        b"\\u" * 150_000,
        b"&#" * 150_000,
        b"A" * 1_000_000,
        b"a " * 500_000,
        b"1," * 500_000,
        b"\xf0\x9f" * 300_000,
        b"\0" * 1_000_000,
        b"{" * 300_000,
        b"[[" + b"1 " * 400_000,
    ],
)
def test_monotonous_files_are_searched_like_others(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "long.txt").write_bytes(content + b"\n" + ROWS)
    assert scanned(tmp_path).test_items_hit == len(TESTS)


INNOCENT: dict[str, Callable[[], bytes]] = {
    "own problems": lambda: lines([chat(item.question, item.answer) for item in problems(500, seed=11)]),
    "three items": lambda: lines([chat(item.question, "7") for item in [*TESTS[:3], *problems(300, seed=12)]]),
    "numbers alone": lambda: "\n".join(str(item.target["number"]) for item in TESTS).encode(),
    "number words and drills": lambda: "".join(
        f"What is {n} + {n * 7 % 90}?  {n + n * 7 % 90}\n" for n in range(9999)
    ).encode(),
    "instruct boilerplate": lambda: lines(
        [chat("Let's think step by step. Give the final answer after ####.", f"#### {n}") for n in range(2000)]
    ),
    "classic functions": lambda: (
        b"def is_prime(n):\n    if n < 2:\n        return False\n    for d in range(2, int(n ** 0.5) + 1):\n"
        b"        if n % d == 0:\n            return False\n    return True\n" * 50
    ),
    "an image": lambda: IMAGE + os.urandom(3_000_000),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_corpora_are_clean(tmp_path: Path, name: str) -> None:
    (tmp_path / "corpus.txt").write_bytes(INNOCENT[name]())
    result = scanned(tmp_path)
    assert result.verdict == "clean"
    assert result.test_items_hit <= 3


REAL = os.environ.get("PTB_TEST_DATA", "")


@pytest.mark.skipif(not REAL, reason="PTB_TEST_DATA names no directory with the published benchmark files")
def test_published_files() -> None:
    from posttrainbench.audit.contamination.scan import read_items

    data = Path(REAL).resolve().parent  # the benchmarks' files, and beside them other published data sets
    if not (data / "decoys").is_dir():
        pytest.skip("other published data sets are not beside PTB_TEST_DATA")
    gsm8k = read_items(Path(REAL) / "gsm8k_test.jsonl")
    code = read_items(Path(REAL) / "HumanEval.jsonl.gz")

    def hit(name: str, items: list[Item]) -> int:
        return scan([data / name], items).test_items_hit

    def flagged(name: str, items: list[Item]) -> int:
        return scan([data / name], items).flagged_documents

    assert hit(f"{Path(REAL).name}/gsm8k_test.jsonl", gsm8k) == len(gsm8k)
    assert hit(f"{Path(REAL).name}/HumanEval.jsonl.gz", code) == len(code)
    assert hit("decoys/rephrase_gsm8k.jsonl", gsm8k) >= 0.75 * len(gsm8k)
    assert hit("decoys/mhe_java_v1.1.jsonl", code) >= 0.95 * 161
    assert flagged(f"{Path(REAL).name}/gsm8k_train.jsonl", gsm8k) <= 4
    assert flagged("decoys/mbpp_mxeval.jsonl", [*gsm8k, *code]) == 0
    assert flagged("decoys/SVAMP.json", [*gsm8k, *code]) == 0
