"""Compiled searches of the scanner, each compared with the expression or the function that defines it."""

import base64
import io
import pickle
import random
import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pytest

from posttrainbench.audit.contamination.scan import case_folding
from posttrainbench.audit.contamination.scan.containers import contents
from posttrainbench.audit.contamination.scan.decodings import decodings
from posttrainbench.audit.contamination.scan.encoded_digits import encoded_runs
from posttrainbench.audit.contamination.scan.integer_runs import SHORTEST, array_runs, number_lists, pickled_runs
from posttrainbench.audit.contamination.scan.letter_patterns import spaced_regions, wide_texts
from posttrainbench.audit.contamination.scan.readers import Budget
from posttrainbench.audit.contamination.scan.tokens import Tokenizer
from posttrainbench.untrusted import UnreadableError

LISTS = re.compile(rb"\d{1,7}(?:[\s,]+\d{1,7}){%d,}" % (SHORTEST - 1))
PICKLED = re.compile(rb"(?:K.|M..|J..[\0-\x0f]\0|e\(){%d,}" % SHORTEST, re.DOTALL)
TEXT = b"A baker sells 24 loaves in the morning and 17 more after lunch; how many loaves are left of 60?"


def numbers(rng: random.Random) -> bytes:
    pieces = []
    for _ in range(rng.randrange(1, 120)):
        pieces.append(b"%d" % rng.randrange(10 ** rng.randrange(1, 12 if rng.random() < 0.05 else 6)))
        pieces.append(rng.choice([b" ", b",", b", ", b",\n", b"\t"] + [b"; "] * (rng.random() < 0.05)))
    return b"".join(pieces)


@pytest.mark.parametrize("seed", range(4))
def test_number_lists_are_those_of_the_expression(seed: int) -> None:
    rng = random.Random(seed)
    data = b" x ".join(numbers(rng) for _ in range(30))
    expected = [(m.start(), [int(n) for n in re.split(rb"[\s,]+", m[0])]) for m in LISTS.finditer(data)]
    assert expected
    assert [(start, ids.tolist()) for start, ids in number_lists(data)] == expected


def test_pickled_runs_are_those_of_the_expression() -> None:
    rng = random.Random(1)
    ids = [[rng.randrange(10 ** rng.randrange(1, 6)) for _ in range(1500)] for _ in range(3)]
    for protocol in (2, 4):
        data = rng.randbytes(500) + pickle.dumps(ids, protocol=protocol)
        assert pickled_runs(data) == [(m.start(), m.end()) for m in PICKLED.finditer(data)] != []
    assert pickled_runs(b"K\1" * 100) == []  # no list begins


@pytest.mark.parametrize("kind", ["<u4", ">u4", "<i8", ">i8"])
def test_arrays_of_token_ids_are_found_at_any_offset(kind: str) -> None:
    ids = np.arange(300, 400)
    data = b"\xff" * 5 + ids.astype(kind).tobytes() + b"\xff" * 9
    assert ids.tolist() in [found.tolist() for _, found in array_runs(data, 1000)]
    assert array_runs(data, 200) == []
    assert array_runs(np.arange(100, dtype=kind).tobytes(), 1000) == []  # only small values


@pytest.mark.parametrize("line_break", [b"", b"\n", b"\r\n", b"\\n", b"\\\\n"])
def test_encoded_text_is_found(line_break: bytes) -> None:
    lines = re.findall(rb".{1,40}", base64.b64encode(TEXT))
    data = b'say "' + line_break.join(lines) + b'" now'
    found = [decoding.data for decoding in decodings(data, Tokenizer()(data).counts, None)]
    assert any(TEXT.startswith(text) and len(text) > 80 for text in found)  # the last line may be too short


def test_identifiers_and_images_are_not_decoded() -> None:
    rng = random.Random(1)
    for data in (b"-" * 200, rng.randbytes(64).hex().encode(), base64.b64encode(b"\x89PNG" + rng.randbytes(900))):
        assert encoded_runs(data) == []
    assert encoded_runs(TEXT.hex().encode()) == [(0, 2 * len(TEXT))]
    assert encoded_runs(base64.b64encode(TEXT)[:44]) == []  # too short


@pytest.mark.parametrize(
    ("row", "size", "encode"),
    [
        ("commit {}\nAuthor: Ann\n\n    Mend the table\n", 20, bytes.hex),
        ("{}  data/shard.parquet\n", 32, bytes.hex),
        ('{{"id": "{}", "text": "An honest row."}}\n', 18, lambda part: base64.urlsafe_b64encode(part).decode()),
        ('"integrity": "sha512-{}",\n', 64, lambda part: base64.b64encode(part).decode()),
    ],
)
def test_text_that_is_cut_into_identifiers_is_joined(row: str, size: int, encode: Callable[[bytes], str]) -> None:
    text = TEXT * (600 // len(TEXT) + 1)

    def decoded(parts: list[bytes]) -> list[bytes]:
        data = "".join(row.format(encode(part)) for part in parts).encode()
        return [decoding.data for decoding in decodings(data, Tokenizer()(data).counts, None)]

    parts = [text[start : start + size] for start in range(0, len(text) // size * size, size)]
    assert b"".join(parts) in decoded(parts)
    assert b"".join(parts[:7]) not in decoded(parts[:7])  # too few
    rng = random.Random(1)
    assert all(len(one) <= 2 * size for one in decoded([rng.randbytes(size) for _ in range(200)]))


def test_only_lines_near_spaced_letters_are_joined() -> None:
    spaced = b" ".join(bytes([byte]) for byte in TEXT.replace(b" ", b""))
    far = b"nothing to see here\n" * 1000
    start, end = spaced_regions(far + spaced + b"\n" + far)[0]
    assert len(far) - 4200 < start < len(far) < len(far) + len(spaced) < end < len(far) + len(spaced) + 4200
    assert spaced_regions(far) == []


def test_wide_text_is_recognized() -> None:
    text = TEXT.decode()
    for encoding, stride in (("utf-16-le", 2), ("utf-32-le", 4)):
        assert (stride, 0) in wide_texts(text.encode(encoding))
        assert (stride, 1) in wide_texts(b"\xff" + text.encode(encoding))
    assert wide_texts(TEXT) == wide_texts(bytes(100)) == []


def test_hangul_and_ideographs_are_folded_like_their_decompositions() -> None:
    table = case_folding.folding()
    for char in "한글가각힣":
        letters = unicodedata.normalize("NFKD", char)
        assert int(table[ord(char)]) == sum(ord(letter) << 21 * place for place, letter in enumerate(letters))
    assert int(table[ord("字")]) == ord("字") | case_folding.ALONE
    assert int(table[0x0378]) == case_folding.SEPARATOR  # unassigned
    assert int(table[ord("É")]) == ord("e")


@pytest.mark.parametrize("magic", [b"\x02\x21\x4c\x18", b"\x1f\x9d\x90"])
def test_old_compressed_formats_are_reported_as_unread(magic: bytes) -> None:
    with pytest.raises(UnreadableError, match="not supported"):
        list(contents(io.BytesIO(magic + bytes(range(200))), Budget(300)))
