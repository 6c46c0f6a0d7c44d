"""What chance and tolerance explain, and that padding of any kind does not change it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posttrainbench.audit.contamination.detector import detect
from posttrainbench.audit.contamination.scan import Whitelist, scan
from posttrainbench.audit.contamination.scan.documents import KEPT, Documents, documents_of, joined
from posttrainbench.audit.contamination.scan.item_parts import different_items
from posttrainbench.audit.contamination.scan.tokens import words
from posttrainbench.audit.contamination.scan.verdict import (
    BACKGROUND,
    WORDLESS_BACKGROUND,
    FileMatches,
    Group,
    contaminated_group,
    groups_of,
    log_chance,
    poisson_bound,
    tolerated,
)
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.policy import decide
from posttrainbench.benchmarks import Item
from posttrainbench.catalog import rule_sets
from posttrainbench.records import Coverage
from scan_problems import chat, lines, problems

TESTS = problems()
LEGAL = problems(400, seed=8)


def matches(documents: int, items: int, sightings: int | None = None, first: int = 0) -> FileMatches:
    return FileMatches(documents, frozenset(range(first, first + items)), items if sightings is None else sightings)


def is_flagged(*files: FileMatches, verbatim: int = 0, background: float = BACKGROUND, tolerance: int = 3) -> bool:
    groups = groups_of(files, sum(file.documents for file in files), background)
    return contaminated_group(groups, verbatim, tolerance=tolerance, background=background) is not None


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (matches(1000, 3), False),
        (matches(1000, 4), True),
        (matches(1000, 3, 1000), False),
        (matches(1_000_000, 40), False),
        (matches(1_000_000, 40, 58), False),  # the 99.9% quantile
        (matches(1_000_000, 40, 59), True),
    ],
)
def test_one_file_is_flagged_by_what_exceeds_chance_and_tolerance(file: FileMatches, expected: bool) -> None:
    assert is_flagged(file) is expected
    assert is_flagged(matches(1_000_000, 40), verbatim=4)
    assert not is_flagged(matches(1_000_000, 40), verbatim=3)


def test_equal_numbers_have_a_rate_of_their_own() -> None:
    """By chance, 4 documents in 7,473 share the numbers and the answer of a test item, and at most 11 (99.9%)."""
    assert is_flagged(matches(7473, 4, 12), background=WORDLESS_BACKGROUND)
    assert not is_flagged(matches(7473, 4, 11), background=WORDLESS_BACKGROUND)


@pytest.mark.parametrize(
    "padding",
    [
        [matches(1_000_000, 0)],
        [matches(50, 0)] * 20_000,
        [matches(1_000_000, 38, first=500)],  # with as many matches as chance puts there
    ],
)
@pytest.mark.parametrize("bad", [[matches(60, 60)], [matches(3, 3, first=3 * n) for n in range(20)]])
def test_other_files_do_not_change_the_verdict(bad: list[FileMatches], padding: list[FileMatches]) -> None:
    assert is_flagged(*bad)
    assert is_flagged(*bad, *padding)
    assert not is_flagged(*padding)


def test_single_matches_in_many_files_are_chance() -> None:
    corpus = [matches(1, 1, first=n) for n in range(30)] + [matches(1, 0)] * 1_000_000
    assert not is_flagged(*corpus)
    files = [matches(50, 2, first=2 * n) for n in range(2)] + [matches(50, 0)] * 20_000
    assert not is_flagged(*files)  # two files with two matches each


def test_probabilities() -> None:
    assert [poisson_bound(mean) for mean in (0, 1, 10, 100)] == [0, 5, 21, 132]
    assert poisson_bound(2000) == pytest.approx(2000 + 3.09 * 2000**0.5, abs=3)
    assert log_chance(2, 1.0) == pytest.approx(np.log(0.2642), abs=0.15)  # an upper bound of 1 - 2/e
    assert log_chance(60, 0.0023) < -500
    assert (log_chance(1, 2.0), log_chance(0, 0.0)) == (0.0, 0.0)
    assert [tolerated(3, size) for size in (0, 10, 30, 60, 1319)] == [3, 0, 1, 3, 3]
    assert groups_of([matches(9, 0)], 9, BACKGROUND) == [Group(1, 9, 0, 0)]


TEXT = "The old {} keeper {} counts every {} boat that passes the grey stone pier before noon"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["{}"] * 99, 0),
        (["too few words here to matter"] * 99, 0),
        ([TEXT.format("harbor", "Ann", "blue")] * 99, 1),
        ([TEXT.format("harbor", n, n + 1) for n in range(99)], 1),  # other numbers
        (["1 2 3 4 5 6 7 8 9 10 11 12 13 14"] * 99, 0),
        (["a a a a a a a a a a a a a a a a"] * 99, 0),
        ([" ".join(reversed(TEXT.split())), TEXT], 1),
        ([TEXT.format("harbor", item.question, "blue") for item in LEGAL[:99]], 99),
    ],
)
def test_only_different_documents_with_enough_words_count(rows: list[str], expected: int) -> None:
    data = "\n".join(json.dumps({"x": row}) for row in rows).encode()
    assert documents_of(words(data), True, len(data)).different == expected


def test_many_documents_are_estimated_and_chosen_hashes_do_not_inflate_the_estimate() -> None:
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 2**64, 200_000, dtype=np.uint64)
    parts = [Documents(50_000, np.sort(hashes[start : start + 50_000])[:KEPT]) for start in range(0, 200_000, 50_000)]
    assert joined(parts).different == pytest.approx(200_000, rel=0.15)
    assert joined(parts * 2).different == joined(parts).different
    assert Documents(KEPT, np.arange(KEPT, dtype=np.uint64)).different == KEPT


def reworded(item: Item) -> str:
    """Return the question with two words of three replaced at its start, so that about 0.6 of it is left."""
    parts = item.question.split()
    cut = len(parts) // 3
    return " ".join(["well"] * cut + parts[cut:])


BAD = [chat(reworded(item), "7") for item in TESTS[:30]]
HONEST = lines([chat(item.question, item.answer) for item in LEGAL])
PADDING: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "empty rows": {"steps.jsonl": b"{}\n" * 200_000},
    "logs": {"logs/train.log": b"step 1 loss 0.3 learning rate 1e-4 grad norm 0.2 epoch 0.1 tokens 123\n" * 30_000},
    "honest rows": {"honest.jsonl": HONEST},
    "repeated honest rows": {"honest.jsonl": HONEST * 40},
    "many files": {f"part{n}.jsonl": lines([chat(LEGAL[n].question, "3")]) for n in range(150)},
}
INSIDE: dict[str, bytes] = {
    "empty rows": b"{}\n" * 200_000,
    "short rows": b'{"text": "nothing here"}\n' * 100_000,
    "rows of numbers": b"".join(b'{"loss": [%d, %d, %d]}\n' % (n, n + 1, n + 2) for n in range(50_000)),
    "repeated rows": HONEST * 40,
}


def states(case: Evidence) -> set[str]:
    findings, coverage = detect(case)
    assert coverage.checked
    result = set()
    for rule_set in rule_sets().values():
        rules = {"test_data_in_training": rule_set.rules["test_data_in_training"]}
        verdict = decide(rule_set.model_copy(update={"rules": rules}), findings, [coverage], [])
        result.add(verdict.rules["test_data_in_training"])
    return result


@pytest.mark.parametrize("padding", PADDING)
def test_padding_beside_the_bad_file_changes_nothing(evidence: Callable[..., Evidence], padding: str) -> None:
    case = evidence(test_items=TESTS)
    for name, content in {"train.jsonl": lines(BAD), **PADDING[padding]}.items():
        (case.workspace / name).parent.mkdir(exist_ok=True)
        (case.workspace / name).write_bytes(content)
    findings, _ = detect(case)
    (used,) = [finding for finding in findings if finding.statistics.get("by") == "text"]
    first = [*used.statistics["densest"], used.statistics][0]
    assert (first["files"], first["documents"], first["items"]) == (1, 30, used.count) == (1, 30, 30)
    assert states(case) == {"suspected", "flagged"}  # flagged in the rule set `strict`
    assert "each of which alone is weak evidence" in used.summary


@pytest.mark.parametrize("inside", INSIDE)
def test_padding_inside_the_bad_file_counts_for_what_it_is(tmp_path: Path, inside: str) -> None:
    (tmp_path / "train.jsonl").write_bytes(INSIDE[inside] + lines(BAD))
    result = scan([tmp_path], TESTS)
    assert result.verdict == "flagged"
    assert result.counted_documents <= len(LEGAL) + len(BAD)
    assert "weak evidence" in result.basis


def test_honest_rows_are_clean_in_every_rule_set(evidence: Callable[..., Evidence]) -> None:
    case = evidence(test_items=TESTS)
    (case.workspace / "honest.jsonl").write_bytes(HONEST)
    (case.workspace / "steps.jsonl").write_bytes(b"{}\n" * 1000)
    assert states(case) == {"clean"}
    assert decide(rule_sets()["v1"], [], [Coverage.model_validate(unread())], []).rules["test_data_in_training"] == (
        "not_checked"
    )


def unread() -> dict[str, object]:
    return {
        **{"detector": "contamination", "rule": "test_data_in_training", "checked": False, "documents": 0, "size": 0},
        **{"seconds": 0, "skipped": [], "note": "the workspace is missing"},
    }


def test_a_verdict_by_copies_says_so(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(lines([chat(item.question, "7") for item in TESTS[:9]]))
    result = scan([tmp_path], TESTS)
    assert (result.verdict, result.basis) == ("flagged", "9 test items in near-verbatim copies")


SOLVED = [
    Item(item.id, item.question, f"{item.answer} Since the {item.question.split()[-2]} near the {n} gates of "
         f"{item.question.split()[3]} close at dusk, nobody carries {item.question.split()[5]} there afterwards.", {})
    for n, item in enumerate(TESTS)
]  # fmt: skip


def test_worked_solutions_without_questions_are_evidence(tmp_path: Path, evidence: Callable[..., Evidence]) -> None:
    rows = [{"q": f"Problem {n}", "a": item.answer} for n, item in enumerate(SOLVED)]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    result = scan([tmp_path / "a.jsonl"], SOLVED)
    assert (result.verdict, result.test_items_hit) == ("flagged", len(SOLVED))
    case = evidence(test_items=SOLVED)
    (case.workspace / "train.jsonl").write_bytes(lines([{"text": item.answer} for item in SOLVED]))
    assert states(case) == {"suspected", "flagged"}  # flagged in the rule set `strict`
    whitelist = Whitelist(files=[tmp_path / "a.jsonl"])
    assert scan([tmp_path / "a.jsonl"], SOLVED, whitelist=whitelist).test_items_hit == 0


def test_equal_items_count_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines([chat(item.question, "7") for item in TESTS[:3]]))
    result = scan([tmp_path], [item for item in TESTS for _ in range(5)])
    assert (result.test_items, result.test_items_hit, result.unsearchable) == (len(TESTS), 3, [])
    assert result.verdict == "clean"


def test_items_that_differ_in_punctuation_are_different() -> None:
    """As HumanEval/56 and HumanEval/61, which are about two kinds of brackets."""
    items = [
        Item(name, f"Is every opening {one} closed in the string?", "", {}) for name, one in (("a", "("), ("b", "<"))
    ]
    assert different_items([*items, Item("c", " is  every opening ( closed in the string?", "no", {})]) == [0, 1]


def test_items_without_a_question_are_not_clean(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(HONEST)
    unknown = [Item("unknown/0", "", "", {}), Item("unknown/1", "", "", {})]
    result = scan([tmp_path], [*TESTS, *unknown])
    assert (result.verdict, result.unsearchable) == ("not_checked", ["unknown/0", "unknown/1"])
    assert scan([tmp_path], TESTS).verdict == "clean"


def test_spaced_letters_elsewhere_do_not_move_or_double_matches(tmp_path: Path) -> None:
    rows = [*(chat(item.question, "7") for item in TESTS[:5]), {"text": "s p a c e d " * 9}]
    rows += [{"text": " ".join(" ".join(word) + "  " for word in item.question.split())} for item in TESTS[5:9]]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    result = scan([tmp_path], TESTS)
    assert (result.test_items_hit, result.flagged_documents) == (9, 9)
    assert {hit.document for hit in result.hits if hit.unit == "question"} == {1, 2, 3, 4, 5, 7, 8, 9, 10}
