"""Test items that a training script can decode are found; honest text in the same encodings is clean."""

import json
import random
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.scan import ScanReport, scan
from scan_problems import problems
from text_encodings import ENCODINGS

TESTS = problems()
GUILTY = [f"{item.question}\n{item.answer}" for item in TESTS[:20]]
HONEST = [f"{item.question}\n{item.answer}" for item in problems(40, seed=11)]
NOT_FOUND = frozenset(
    (
        *("base64, 8 columns", "base64, reversed", "hexadecimal dump", "binary", "pairs of letters", "no spaces"),
        *("morse", "masked, base64", "masked, hexadecimal", "masked, list", "code points shifted", "tags"),
    )
)
"""Known evasions."""
LIKE_TOKEN_IDS = ("shifted list",)
"""An encoding that looks like token ids, which cannot be read without a tokenizer."""


def rows(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def scanned(folder: Path, data: bytes, name: str = "rows.jsonl") -> ScanReport:
    (folder / name).write_bytes(data)
    return scan([folder / name], TESTS, workers=1)


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name not in NOT_FOUND])
def test_encoded_items_are_found_and_honest_text_is_clean(tmp_path: Path, name: str) -> None:
    encode = ENCODINGS[name]
    guilty = scanned(tmp_path, rows([*map(encode, GUILTY), *HONEST]))
    assert guilty.verdict == "flagged"
    assert guilty.test_items_hit >= (12 if name == "words reversed" else 16)
    text = scanned(tmp_path, "\n\n".join(map(encode, GUILTY)).encode(), "rows.txt")
    assert text.test_items_hit >= (12 if name == "words reversed" else 16)
    honest = scanned(tmp_path, rows([*map(encode, HONEST), *HONEST]))
    assert (honest.test_items_hit, honest.verdict) == (0, "not_checked" if name in LIKE_TOKEN_IDS else "clean")


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
