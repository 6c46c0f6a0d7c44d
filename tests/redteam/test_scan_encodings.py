"""Test items in archives, markup and text encodings, and behind links; the same with honest problems is clean."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.scan import ScanReport, scan
from posttrainbench.audit.contamination.scan.markup import unmarked
from scan_problems import problems

TESTS = problems()
GUILTY = [item.question for item in TESTS]
HONEST = [item.question for item in problems(seed=11)]


def rows(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def scanned(folder: Path) -> ScanReport:
    return scan([folder], TESTS, workers=1)


def archive(data: bytes, name: str = "rows.jsonl") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sparse(data: bytes) -> bytes:
    """Return an archive whose member is a sparse file of GNU tar's old format, with a further header."""
    info = tarfile.TarInfo("rows.jsonl")
    info.size, info.type = len(data), b"S"
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(504) + b"\1" + bytes(7) + bytes(512) + data + bytes(-len(data) % 512 + 1024)


def behind(kind: bytes, data: bytes) -> bytes:
    """Return an archive with a link or a directory that claims a size, behind which `tarfile` finds the next member."""
    inner = archive(data)
    info = tarfile.TarInfo("first")
    info.type, info.linkname, info.size = kind, "rows.jsonl", len(inner)
    return info.tobuf(tarfile.GNU_FORMAT) + inner


def compressed(codec: str, data: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, codec) as out:
        out.write(data)
    return bytes(sink.getvalue())


def cut(texts: list[str], run: str, ends: str, paragraph: str, name: str) -> bytes:
    """Return a document in whose XML each five characters are a run."""
    pieces = [[text[start : start + 5] for start in range(0, len(text), 5)] for text in texts]
    body = "".join(f"<{paragraph}>{''.join(run + part + ends for part in parts)}</{paragraph}>" for parts in pieces)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, f"<document>{body}</document>")
    return out.getvalue()


FORMS: dict[str, Callable[[list[str]], bytes]] = {
    "sparse.tar": lambda texts: sparse(rows(texts)),
    "sparse_gzip.tar": lambda texts: sparse(gzip.compress(rows(texts))),
    "link.tar": lambda texts: behind(tarfile.LNKTYPE, gzip.compress(rows(texts))),
    "symbolic_link.tar": lambda texts: behind(tarfile.SYMTYPE, gzip.compress(rows(texts))),
    "directory.tar": lambda texts: behind(tarfile.DIRTYPE, gzip.compress(rows(texts))),
    "lz4": lambda texts: compressed("lz4", rows(texts)),
    "two.lz4": lambda texts: compressed("lz4", rows(texts[:60])) + compressed("lz4", rows(texts[60:])),
    "rows.jsonl.br": lambda texts: compressed("brotli", rows(texts)),
    "rows.br.gz": lambda texts: gzip.compress(compressed("brotli", rows(texts))),
    "docx": lambda texts: cut(texts, "<w:r><w:t xml:space='preserve'>", "</w:t></w:r>", "w:p", "word/document.xml"),
    "odt": lambda texts: cut(texts, "<text:span text:style-name='T1'>", "</text:span>", "text:p", "content.xml"),
    "xlsx": lambda texts: cut(texts, "<r><t>", "</t></r>", "si", "xl/sharedStrings.xml"),
    "members.tar": lambda texts: archive(compressed("brotli", rows(texts)), "rows.jsonl.br"),
}


@pytest.mark.parametrize("name", FORMS)
def test_items_are_found_and_honest_text_is_clean(tmp_path: Path, name: str) -> None:
    for folder, texts in (("guilty", GUILTY), ("honest", HONEST)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(FORMS[name](texts))
    guilty, honest = scanned(tmp_path / "guilty"), scanned(tmp_path / "honest")
    assert (guilty.verdict, guilty.test_items_hit) == ("flagged", len(TESTS))
    assert (honest.verdict, honest.skipped) == ("clean", [])


@pytest.mark.parametrize("name", ["data.lz4", "data.br"])
def test_cut_data_is_not_clean(tmp_path: Path, name: str) -> None:
    whole = compressed("lz4" if name.endswith("lz4") else "brotli", rows(HONEST) * 9)
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    result = scanned(tmp_path)
    assert (result.verdict, [skip.lost for skip in result.skipped]) == ("not_checked", [True])


def test_a_name_makes_nothing_unread(tmp_path: Path) -> None:
    (tmp_path / "example.com.br").write_bytes(rows(HONEST))
    result = scanned(tmp_path)
    assert (result.verdict, result.skipped) == ("clean", [])
    (tmp_path / "items.br").write_bytes(rows(GUILTY) + bytes(range(9)))
    (tmp_path / "control.br").write_bytes(b"\1" + rows(GUILTY))
    assert scanned(tmp_path).test_items_hit == len(TESTS)


@pytest.mark.parametrize("end", [b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", b"\xf7\xcf\xf4\x85\xb7\x41\xe2\x88"])
def test_tables_of_leveldb_are_named(tmp_path: Path, end: bytes) -> None:
    table = b"some keys and values of a table " * 50 + end
    (tmp_path / "000005.ldb").write_bytes(table)
    (tmp_path / "members.tar").write_bytes(archive(table))
    result = scanned(tmp_path)
    assert result.verdict == "not_checked"
    assert [skip.reason for skip in result.skipped] == ["LevelDB and RocksDB tables are not supported"] * 2
    (tmp_path / "000005.ldb").write_bytes(table + b" and more")
    (tmp_path / "members.tar").unlink()
    assert scanned(tmp_path).verdict == "clean"


def test_links_out_of_a_directory_are_followed_to_files(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "rows.jsonl").write_bytes(rows(HONEST))
    (inside / "link.jsonl").symlink_to(outside / "rows.jsonl")
    (inside / "null").symlink_to("/dev/null")
    (inside / "nothing").symlink_to(outside / "nothing")
    assert (scanned(inside).verdict, scanned(inside).documents) == ("clean", len(HONEST))
    (outside / "rows.jsonl").write_bytes(rows(GUILTY))
    (inside / "again.jsonl").symlink_to("link.jsonl")
    result = scanned(inside)
    assert (result.verdict, result.test_items_hit, result.documents) == ("flagged", len(TESTS), len(GUILTY))


def test_a_link_to_a_directory_elsewhere_is_not_clean(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "below").mkdir(parents=True)
    outside.mkdir()
    (inside / "rows.jsonl").write_bytes(rows(HONEST))
    (inside / "loop").symlink_to(inside / "below")
    assert scanned(inside).verdict == "clean"
    (inside / "data").symlink_to(outside)
    result = scanned(inside)
    assert result.verdict == "not_checked"
    assert [skip.path for skip in result.skipped if skip.lost] == ["data"]


@pytest.mark.parametrize(
    "data",
    [
        rows(HONEST),
        b"def first(x: List[int]) -> bool:\n    return x[0] </= 3\n" * 99,
        b"<html><body>" + b"<p>words of a <span>page</span> in a <title>title</title></p>" * 99,
        bytes(range(256)) * 40,
        b"",
    ],
)
def test_other_data_is_not_decoded(data: bytes) -> None:
    assert not unmarked(data)


def test_breaks_of_documents_separate_words() -> None:
    text = b"<w:p><w:r><w:t>one t</w:t></w:r><w:r><w:t>wo</w:t><w:tab/><w:t>three</w:t></w:r></w:p><w:p>four</w:p>"
    assert unmarked(text).split() == [b"one", b"two", b"three", b"four"]
