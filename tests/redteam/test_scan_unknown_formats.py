"""Token files, and files of formats that no reader understands: read or named, never called clean."""

import array
import io
import json
import pickle
import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posttrainbench.audit.contamination.scan import ScanReport, scan
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN, is_opaque
from posttrainbench.audit.contamination.scan.search import NO_TOKENIZER
from posttrainbench.benchmarks import Item
from scan_problems import problems

TESTS = problems()
GUILTY = TESTS[:5]
HONEST = problems(60, seed=11)
TEXT = "\n".join(item.question for item in GUILTY).encode()
TEXT_BYTES = np.frombuffer(TEXT, dtype=np.uint8)
NOISE = random.Random(3).randbytes(20_000)
Ids = np.ndarray


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level vocabulary: letters, and the words of all problems with a space before them."""
    directory = tmp_path_factory.mktemp("tokenizer")
    words = sorted({word for item in [*TESTS, *HONEST] for word in re.findall(r"[A-Za-z]+", item.question)})
    tokens = [*(chr(code) for code in range(33, 127)), "Ġ", *(f"Ġ{word}" for word in words)]
    data = {"model": {"vocab": {token: n for n, token in enumerate(tokens)}}, "decoder": {"type": "ByteLevel"}}
    (directory / "tokenizer.json").write_text(json.dumps(data))
    return directory


def ids_of(items: list[Item], tokenizer: Path) -> Ids:
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"]
    pieces = re.findall(r" ?[A-Za-z]+| ?[^A-Za-z ]", "".join(f" {item.question}" for item in items))
    tokens = [piece.replace(" ", "Ġ") for piece in pieces]
    return np.array([n for t in tokens for n in ([vocabulary[t]] if t in vocabulary else [vocabulary[c] for c in t])])


def numpy_file(values: Ids, kind: str) -> bytes:
    out = io.BytesIO()
    np.save(out, values.astype(kind))
    return out.getvalue()


def numpy_archive(values: Ids) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, ids=values.astype("<u2"))
    return out.getvalue()


def with_header(values: Ids) -> bytes:
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, len(values)
    return header.tobytes() + values.astype("<u2").tobytes()


def safetensors(values: Ids) -> bytes:
    header = json.dumps({"ids": {"dtype": "U16", "shape": [len(values)], "data_offsets": [0, 2 * len(values)]}})
    return struct.pack("<Q", len(header)) + header.encode() + values.astype("<u2").tobytes()


def padded(values: Ids) -> bytes:
    rows = np.zeros((len(values) // 100 + 1, 512), dtype="<u2")
    for number, row in enumerate(rows):
        part = values[100 * number : 100 * number + 100]
        row[: len(part)] = part
    return rows.tobytes()


TOKENS: dict[str, Callable[[Ids], bytes]] = {
    **{kind: lambda ids, kind=kind: ids.astype(kind).tobytes() for kind in ("<u2", ">u2", "<u4", ">u4", "<f4")},
    **{f"npy {kind}": lambda ids, kind=kind: numpy_file(ids, kind) for kind in ("<u2", ">u2", "<i4", "<f4", "<f8")},
    "npz": numpy_archive,
    "three bytes": lambda ids: b"".join(int(value).to_bytes(3, "little") for value in ids),
    "odd offset": lambda ids: b"\7" + ids.astype("<u2").tobytes(),
    "header": with_header,
    "padded": padded,
    "array": lambda ids: pickle.dumps(array.array("H", ids.tolist())),
    "safetensors": safetensors,
}


def scanned(tmp_path: Path, data: bytes, tokenizer: Path | None = None, name: str = "train.bin") -> ScanReport:
    (tmp_path / name).write_bytes(data)
    return scan([tmp_path / name], TESTS, tokenizer=tokenizer, workers=1)


@pytest.mark.parametrize("form", TOKENS)
def test_token_files_are_decoded_or_named(tmp_path: Path, tokenizer: Path, form: str) -> None:
    guilty, honest = (TOKENS[form](ids_of(items, tokenizer)) for items in (GUILTY, HONEST))
    found = scanned(tmp_path, guilty, tokenizer)
    assert (found.verdict, found.test_items_hit, found.skipped) == ("flagged", len(GUILTY), [])
    clean = scanned(tmp_path, honest, tokenizer)
    assert (clean.verdict, clean.test_items_hit, clean.skipped) == ("clean", 0, [])
    for data in (guilty, honest):
        unread = scanned(tmp_path, data)
        assert (unread.verdict, unread.skipped[0].reason in (UNKNOWN, NO_TOKENIZER)) == ("not_checked", True)


def test_token_files_of_another_tokenizer_are_named(tmp_path: Path, tokenizer: Path) -> None:
    other = np.random.default_rng(2).permutation(2**14)
    for kind in ("<u2", "<u4"):
        result = scanned(tmp_path, other[ids_of(HONEST, tokenizer)].astype(kind).tobytes(), tokenizer)
        assert (result.verdict, [skip.reason for skip in result.skipped]) == ("not_checked", [UNKNOWN])


UNREAD: dict[str, bytes] = {
    "random": NOISE,
    "key": bytes(byte ^ key for byte, key in zip(TEXT, b"\x91secret\xf3key" * 999, strict=False)),
    "raw deflate": zlib.compress(NOISE, wbits=-15),
    "custom": b"MYFORMAT\0\1" + zlib.compress(TEXT)[2:-4],
    "shifted": bytes((byte + 1) & 255 for byte in zlib.compress(TEXT)),
    "nibbles": bytes(byte >> 4 | (byte & 15) << 4 for byte in TEXT),
    "encrypted": b"age-encryption.org/v1\n-> X25519 abc\n" + NOISE[:2000],
    "lzop": b"\x89LZO\0\r\n\x1a\n" + NOISE[:2000],
    "differences": np.diff(np.random.default_rng(1).integers(0, 9000, 3000)).astype("<i4").tobytes(),
    "steps": b"".join(bytes((n & 127 | 128, n >> 7)) for n in np.random.default_rng(1).integers(128, 2**14, 2000)),
    "nibbles as numbers": np.stack([TEXT_BYTES >> 4, TEXT_BYTES & 15], 1).ravel().astype("<f8").tobytes(),
    "like the state of a generator": NOISE[:5056],
    "pieces of the size of a state": NOISE[:2496],
    "characters as numbers": TEXT_BYTES.astype("<f4").tobytes(),
    "pickled bytes": pickle.dumps({"data": NOISE}),
    "false image": NOISE[1:],
    "false cache": b"\xa7\r\r\n" + NOISE[4:],
    "behind text": b"A short description of the content.\n" + NOISE,
    "behind a stream": b"\0\1" + zlib.compress(b"some text " * 999) + NOISE,
}


@pytest.mark.parametrize("name", UNREAD)
def test_unknown_formats_are_named(tmp_path: Path, tokenizer: Path, name: str) -> None:
    for vocabulary in (None, tokenizer):
        result = scanned(tmp_path, UNREAD[name], vocabulary)
        assert (result.verdict, [skip.lost for skip in result.skipped]) == ("not_checked", [True])


def weights(kind: str) -> bytes:
    return np.random.default_rng(1).normal(0, 0.02, 20_000).astype(kind).tobytes()


READ: dict[str, bytes] = {
    **{kind: weights(kind) for kind in ("<f2", "<f4", "<f8")},
    "bfloat16": (np.frombuffer(weights("<f4"), "<u4") >> 16).astype("<u2").tobytes(),
    "squares": np.random.default_rng(1).normal(0, 1e-6, 9000).astype("<f4").__pow__(2).tobytes(),
    "numpy": numpy_file(np.random.default_rng(1).normal(size=9000), "<f8"),
    "labels": numpy_file(np.random.default_rng(1).integers(0, 10, 9000), "u1"),
    "image": b"\x89PNG\r\n\x1a\n" + NOISE,
    "photograph": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + NOISE,
    "font": b"wOF2" + NOISE,
    "program": b"\x7fELF" + NOISE,
    "python": b"\xa7\r\r\n\0\0\0\0" + NOISE,
    "metrics": struct.pack("<Q", 24) + b"1234\x09" + NOISE[:8] + b"\x1a\x0dbrain.Event:2" + NOISE[:4] + NOISE,
    "messages": b"".join(b"\xda" + struct.pack(">H", len(i.question)) + i.question.encode() for i in HONEST),
    "latin": ("Äpfel und Öl für die Küche " * 99).encode("latin-1"),
    "ideographs": ("我们学习数学" * 99).encode("gb18030"),
    "pickle": pickle.dumps({"loss": [n / 7 for n in range(999)], "names": [f"k{n}" for n in range(99)]}),
    "index of token ids": b"MMIDIDX\0" + np.arange(9000, dtype="<i8").tobytes(),
    "zeros": bytes(9000) + b"\1\2\3" + bytes(9000),
}


def quantized(seed: int = 1) -> Ids:
    weights = np.random.default_rng(seed).normal(0, 0.02, (256, 512))
    return np.round(weights / np.abs(weights).max(1, keepdims=True) * 127).astype("<i1")


INTEGERS: dict[str, bytes] = {
    "permutation": numpy_file(np.random.default_rng(1).permutation(9000), "<i8"),
    "permutation of 32 bits": numpy_file(np.random.default_rng(1).permutation(9000), "<u4"),
    "random subset": numpy_file(np.random.default_rng(1).choice(50_000, 9000, replace=False), "<i8"),
    "indices without a header": np.random.default_rng(1).permutation(9000).astype("<i8").tobytes(),
    "weights of 8 bits": quantized().tobytes(),
    "unsigned weights": (quantized().astype("<i4") + 128).astype("<u1").tobytes(),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_indices_and_quantized_weights_are_not_named(tmp_path: Path, tokenizer: Path, name: str) -> None:
    (tmp_path / "page.txt").write_text(" ".join(item.question for item in HONEST))
    (tmp_path / "data").write_bytes(INTEGERS[name])
    for vocabulary in (None, tokenizer):
        result = scan([tmp_path / "page.txt", tmp_path / "data"], TESTS, tokenizer=vocabulary, workers=1)
        assert (result.verdict, result.skipped) == ("clean", [])


def look_alikes() -> dict[str, bytes]:
    codes = TEXT_BYTES.astype(np.int64)
    long = np.resize(codes, 60_000)
    ranks = np.argsort(np.argsort(codes, kind="stable"), kind="stable")
    secret = np.random.default_rng(5).permutation(256)
    return {
        "token ids as indices": numpy_file(np.random.default_rng(2).permutation(9000)[codes], "<i8"),
        "order of characters": numpy_file(np.argsort(codes, kind="stable"), "<i8"),
        "ranks of characters": numpy_file(ranks, "<i8"),
        "places in the alphabet": ((long - 97) & 255).astype("<u1").tobytes(),
        "another alphabet": secret[long].astype("<u1").tobytes(),
        "noise": np.random.default_rng(3).bytes(60_000),
        "both signs": ((long - 97) * np.where(np.arange(len(long)) % 2, 1, -1)).astype("<i1").tobytes(),
        "beside weights": quantized()[:64].tobytes() + secret[long].astype("<u1").tobytes(),
    }


@pytest.mark.parametrize("name", look_alikes())
def test_text_in_the_form_of_indices_and_quantized_weights_is_named(tmp_path: Path, tokenizer: Path, name: str) -> None:
    result = scanned(tmp_path, look_alikes()[name], tokenizer)
    assert (result.verdict, [skip.lost for skip in result.skipped]) == ("not_checked", [True])


@pytest.mark.parametrize("name", READ)
def test_known_formats_are_not_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.txt").write_text(" ".join(item.question for item in HONEST))
    (tmp_path / "data").write_bytes(READ[name])
    result = scan([tmp_path], TESTS, workers=1)
    assert (result.verdict, result.skipped) == ("clean", [])


def test_text_is_never_opaque() -> None:
    assert not is_opaque(TEXT * 9)
    assert not is_opaque(TEXT[:50])
