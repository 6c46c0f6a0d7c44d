"""Test items that a training script can decode are found; honest text in the same encodings is clean."""

import json
import random
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.scan import ScanReport, scan
from posttrainbench.audit.contamination.scan.search import NO_TOKENIZER
from posttrainbench.audit.contamination.scan.unreadable import UNREADABLE
from scan_problems import problems
from text_encodings import ENCODINGS

TESTS = problems()
GUILTY = [f"{item.question}\n{item.answer}" for item in TESTS[:20]]
HONEST = [f"{item.question}\n{item.answer}" for item in problems(40, seed=11)]
UNREAD = frozenset(
    (
        *("no spaces", "morse", "secret alphabet", "keyboard shifted", "braille", "NATO alphabet", "emoji alphabet"),
        *("base58", "base91", "base2048, ideographs", "bacon", "rail fence", "playfair", "digits spelled"),
        *("two texts interleaved", "columns", "words of a list", "numbers of words"),
        "base4, letters",
    )
)
"""Encodings that are not decoded, but named."""
NOT_FOUND = frozenset(["letters of words shuffled"])
"""Known evasions."""
LEAST = {
    "words reversed": 12,
    "pairs of letters": 4,
    "rot47": 12,
    "zero-width bits": 12,
    "variation selectors": 12,
} | dict.fromkeys(("masked, list", "masked, base64", "masked, hexadecimal"), 6)
"""Fewest items that are found of 20, where they are not at least 16."""
NOT_CLEAN = frozenset(["shifted list", "masked, base64", "masked, hexadecimal"])
"""Encodings of which honest text is not clean: it looks like token ids, or rows are too short to find the key."""


def rows(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def scanned(folder: Path, data: bytes, name: str = "rows.jsonl") -> ScanReport:
    (folder / name).write_bytes(data)
    return scan([folder / name], TESTS, workers=1)


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name not in UNREAD | NOT_FOUND])
def test_encoded_items_are_found_and_honest_text_is_clean(tmp_path: Path, name: str) -> None:
    encode = ENCODINGS[name]
    guilty = scanned(tmp_path, rows([*map(encode, GUILTY), *HONEST]))
    assert guilty.verdict == "flagged"
    assert guilty.test_items_hit >= LEAST.get(name, 16)
    text = scanned(tmp_path, "\n\n".join(map(encode, GUILTY)).encode(), "rows.txt")
    assert text.test_items_hit >= LEAST.get(name, 16)
    honest = scanned(tmp_path, rows([*map(encode, HONEST), *HONEST]))
    assert (honest.test_items_hit, honest.verdict) == (0, "not_checked" if name in NOT_CLEAN else "clean")


@pytest.mark.parametrize("name", sorted(UNREAD))
def test_encodings_that_are_not_decoded_are_never_clean(tmp_path: Path, name: str) -> None:
    for items in (TESTS, problems(200, seed=12)):
        texts = [f"{item.question}\n{item.answer}" for item in items]
        for data in (rows([*map(ENCODINGS[name], texts), *HONEST]), rows([*map(ENCODINGS[name], texts)])):
            result = scanned(tmp_path, data)
            assert result.verdict in ("not_checked", "flagged"), name
            assert result.skipped[0].reason in (UNREADABLE, NO_TOKENIZER)


def other_data() -> dict[str, str]:
    rng = random.Random(5)
    letters = "ACGT"
    return {
        "sequences": "\n".join("".join(rng.choices(letters, k=900)) for _ in range(60)),
        "readings": "\n".join(",".join(f"{rng.gauss(20, 4):.2f}" for _ in range(40)) for _ in range(60)),
        "ages": json.dumps([rng.randrange(18, 90) for _ in range(5000)]),
        "identifiers": "\n".join(f"{rng.getrandbits(256):064x}" for _ in range(300)),
        "program": "\n".join(f"x{n}=a[{n}]|b[{n}]<<{n % 7};if(x{n}>{n}){{f(x{n},'<b>')}}" for n in range(900)),
        "links": " ".join(f"https://example.org/a%20b/c%20d?q={n}%20{n + 1}" for n in range(300)),
    }


@pytest.mark.parametrize("name", other_data())
def test_other_data_is_clean(tmp_path: Path, name: str) -> None:
    result = scanned(tmp_path, rows([*HONEST, other_data()[name]]))
    assert (result.test_items_hit, result.verdict) == (0, "clean")
