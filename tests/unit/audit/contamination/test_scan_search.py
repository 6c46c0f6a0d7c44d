import json
import random
import re
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.scan import Whitelist, report, scan, verdict, windows
from posttrainbench.audit.contamination.scan.index import build_index
from posttrainbench.audit.contamination.scan.item_parts import units
from posttrainbench.audit.contamination.scan.search import Match, Searcher
from posttrainbench.benchmarks import Item
from scan_problems import ADVICE, CALL, PROGRAM, chat, lines, problems

TESTS = problems()
LEGAL = problems(400, seed=8)


@pytest.fixture(scope="module")
def search() -> Searcher:
    return Searcher(build_index([*TESTS, PROGRAM, CALL, ADVICE]))


def found(search: Searcher, text: str, by_line: bool = False) -> dict[tuple[str, str], Match]:
    """(item, method) -> match, of primary units."""
    index = search._index
    return {
        (index.items[index.units[match.unit].item].id, match.method): match
        for match in search(text.encode(), by_line).matches
        if index.units[match.unit].primary
    }


def of(search: Searcher, text: str, by_line: bool = False) -> set[str]:
    return {item for item, _ in found(search, text, by_line)}


def test_every_question_is_found_by_all_of_its_words(search: Searcher) -> None:
    for item in TESTS:
        match = found(search, f"before {item.question} and after")[item.id, "5-gram"]
        assert match.score == 1.0
        assert (match.start, match.line) == (len("before "), 0)


@pytest.mark.parametrize(("kept", "expected"), [(1.0, True), (0.6, True), (0.35, False), (0.0, False)])
def test_half_of_a_question_is_enough(search: Searcher, kept: float, expected: bool) -> None:
    for item in TESTS[:20]:
        words = item.question.split()
        assert (item.id in of(search, " ".join(words[: int(kept * len(words))]))) == expected


def test_words_that_stand_far_apart_are_no_question(search: Searcher) -> None:
    words = TESTS[0].question.split()
    filler = " ".join("and then nothing happened for quite a while".split() * 40)
    scattered = f" {filler} ".join(" ".join(words[place : place + 7]) for place in range(0, len(words), 7))
    assert of(search, scattered) == set()


def test_other_numbers_change_nothing(search: Searcher) -> None:
    rng = random.Random(3)
    for item in TESTS:
        changed = re.sub(r"\d+", lambda match: str(rng.randint(1000, 9000)), item.question)
        assert item.id in of(search, changed)


def reworded(item: Item, answer: str = "") -> str:
    """The problem told by somebody else: names, things and numbers stay."""
    text = item.question
    for old, new in (
        ("On a", "It was a"),
        ("morning", "day when"),
        ("behind the old", "at the"),
        ("runs the", "is boss of a"),
        ("during a", "in some"),
        ("week", "seven-day stretch"),
        ("The ", "Some "),
        ("stores", "keeps"),
        ("that", "which"),
        ("with great care", "carefully"),
        ("Then", "Afterwards"),
        ("comes from the", "walks over out of a"),
        ("and leaves", ", but sets aside"),
        ("of them beside the door", "next to an exit"),
        ("A friend named", "Somebody called"),
        ("at the", "inside a"),
        ("and swaps", "and gives away"),
        ("for something nicer", "as presents"),
        ("Later", "Some hours on"),
        ("near the", "close to a"),
        ("though", "of which"),
        ("turn out to be broken", "are damaged"),
        ("Counting both", "Adding up the"),
        ("and unbroken", "plus good"),
        ("could they trade for", "is that worth"),
    ):
        text = text.replace(old, new)
    return json.dumps({"q": text, "a": answer or item.answer})


def test_a_reworded_problem_is_found_by_rare_words_and_numbers(search: Searcher) -> None:
    for item in TESTS:
        matches = found(search, reworded(item), by_line=True)
        assert (item.id, "5-gram") not in matches
    hit = sum((item.id, "rewording") in found(search, reworded(item), by_line=True) for item in TESTS)
    assert hit >= 0.9 * len(TESTS)


def test_a_reworded_problem_with_other_numbers_is_another_problem(search: Searcher) -> None:
    rng = random.Random(4)
    for item in TESTS:
        other = re.sub(r"\d\d+", lambda match: str(rng.randint(1000, 9000)), reworded(item, "#### 12"))
        assert not any(method == "rewording" for _, method in found(search, other, by_line=True))


def test_a_translation_is_found_by_its_numbers_over_the_whole_corpus(tmp_path: Path) -> None:
    numbers = [
        Item(f"long/{n}", f"{item.question} Each of the {20 + n} helpers gets {300 + 7 * n} grams.", item.answer, {})
        for n, item in enumerate(TESTS)
    ]
    rows = [{"t": re.sub(r"[A-Za-z]+", lambda m: m[0][::-1] + "ik", f"{i.question} {i.answer}")} for i in numbers]
    (tmp_path / "rows.jsonl").write_bytes(lines(rows))
    result = scan([tmp_path], numbers)
    assert result.verdict == "flagged"
    assert {hit.method for hit in result.hits} == {"numbers"}
    assert result.flagged_documents == result.test_items_hit == 0
    (tmp_path / "rows.jsonl").write_bytes(lines(rows[:3]))
    assert scan([tmp_path], numbers).verdict == "clean"


@pytest.mark.parametrize(
    ("item", "unit", "text"),
    [
        (PROGRAM, "docstring", PROGRAM.question.split('"""')[1]),
        (PROGRAM, "tests", PROGRAM.target["test"]),
        (
            PROGRAM,
            "program",
            (PROGRAM.question + PROGRAM.answer).replace("longest_plateau", "f").replace("readings", "xs"),
        ),
        (CALL, "tool", json.dumps(CALL.tools[0], indent=2)),
        (ADVICE, "rubric", f"The reply {ADVICE.target['rubrics'][0].lower()}"),
    ],
)
def test_parts_of_an_item_are_found_alone(search: Searcher, item: Item, unit: str, text: str) -> None:
    hit = {search._index.units[match.unit].kind for match in search(text.encode(), False).matches}
    assert unit in hit


def test_a_program_is_found_when_all_its_names_are_others(search: Searcher) -> None:
    text = PROGRAM.question.split('"""')[0] + PROGRAM.answer
    for number, name in enumerate(("longest_plateau", "readings", "tolerance", "best", "start", "length", "value")):
        text = re.sub(rf"\b{name}\b", f"v{number}", text)
    assert set(found(search, text)) == {(PROGRAM.id, "identifiers")}


def test_an_answer_alone_is_reported_and_does_not_count(tmp_path: Path) -> None:
    rows = [{"text": item.answer} for item in TESTS]
    (tmp_path / "answers.jsonl").write_bytes(lines(rows))
    result = scan([tmp_path], [*TESTS])
    assert result.verdict == "clean"
    assert result.test_items_hit <= verdict.TOLERANCE  # an answer that tells the problem again may be taken for it
    assert sum(hit.unit == "answer" for hit in result.hits) == len(TESTS)


def test_other_problems_of_the_same_kind_are_clean(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(lines([chat(item.question, item.answer) for item in LEGAL]))
    result = scan([tmp_path], TESTS)
    assert result.verdict == "clean"
    assert result.documents == len(LEGAL)


@pytest.mark.parametrize("as_items", [True, False])
def test_what_is_whitelisted_is_no_evidence_and_a_test_item_beside_it_is(tmp_path: Path, as_items: bool) -> None:
    twins = [
        Item(f"twin/{n}", item.question.replace("morning", "evening"), item.answer, {}) for n, item in enumerate(TESTS)
    ]
    legal = tmp_path / "legal.jsonl"
    legal.write_bytes(lines([{"question": item.question, "answer": item.answer} for item in twins]))
    whitelist = Whitelist(items=twins) if as_items else Whitelist(files=[legal])
    corpus = tmp_path / "corpus.jsonl"
    rows = [chat(item.question, item.answer) for item in twins]
    corpus.write_bytes(lines(rows))
    assert scan([corpus], TESTS).verdict == "flagged"
    assert scan([corpus], TESTS, whitelist=whitelist).flagged_documents == 0
    edited = [item for item in TESTS if "morning" in item.question]
    corpus.write_bytes(lines([*rows, *(chat(item.question, "7") for item in edited)]))
    assert len(edited) > verdict.TOLERANCE
    result = scan([corpus], TESTS, whitelist=whitelist)
    assert result.verdict == "flagged"
    assert {hit.item for hit in result.hits if hit.unit == "question"} == {item.id for item in edited}


def test_what_many_items_share_says_nothing() -> None:
    form = "Think about it step by step and give the final number after four hash signs."
    items = [Item(item.id, f"{item.question} {form}", item.answer, {}) for item in TESTS]
    assert of(Searcher(build_index(items)), f"Something else entirely. {form} " * 20) == set()


def test_items_too_short_to_tell_are_named() -> None:
    index = build_index([*TESTS, Item("short", "Write a poem.", "", {})])
    assert index.unsearchable == ["short"]


def test_a_short_question_is_found_whole_or_not_at_all() -> None:
    form = "Which of the four birds is the emblem of {}? gull owl crow stork"
    items = [Item(name, form.format(name), "crow", {}) for name in ("Pelketh", "Wimdun", "Ostrava", "Kelmin", "Zorra")]
    search = Searcher(build_index(items))
    assert of(search, f"He asked: {form.format('Kelmin')} and she knew it.") == {"Kelmin"}
    assert of(search, form.format("Berlin")) == set()


@pytest.mark.parametrize("size", [windows.WINDOW - 200, windows.WINDOW, 2 * windows.WINDOW + 31])
@pytest.mark.parametrize("name", ["rows.jsonl", "text.txt"])
def test_nothing_is_lost_or_counted_twice_at_the_seams_of_windows(tmp_path: Path, size: int, name: str) -> None:
    filler = json.dumps({"text": "nothing to see in this row at all " * 3}) + "\n"
    rows = [json.dumps({"text": item.question}) + "\n" for item in TESTS[:5]]
    before = filler * (size // len(filler) - 1)
    before += " " * max(size - len(before) - len(rows[0]) // 2 - 1, 0) + "\n"
    (tmp_path / name).write_text(before + "".join(rows) + filler * 9000)
    result = scan([tmp_path / name], TESTS)
    assert result.test_items_hit == 5
    lines_before = before.count("\n")
    assert {hit.line for hit in result.hits} == {lines_before + number for number in range(1, 6)}
    if name == "rows.jsonl":
        assert result.flagged_documents == 5
        assert result.documents == lines_before + 5 + 9000


def test_files_are_searched_by_segments_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [chat(item.question, item.answer) for item in [*LEGAL, *TESTS[:9], *LEGAL] * 3]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines(rows))
    whole = scan([path], TESTS)
    monkeypatch.setattr("posttrainbench.audit.contamination.scan.files.SEGMENT", 2**16)
    cut = scan([path], TESTS, workers=3)
    kept = [scan([path], TESTS, cache=tmp_path / "cache") for _ in range(2)]
    for other in (cut, *kept):
        assert other.model_dump(exclude={"seconds"}) == whole.model_dump(exclude={"seconds"})
    assert whole.documents == len(rows)


def test_one_contaminated_row_gives_one_document(search: Searcher, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines([chat(LEGAL[0].question, "1"), chat(TESTS[3].question, "2")]))
    result = scan([tmp_path], TESTS)
    assert (result.flagged_documents, result.test_items_hit, result.verdict) == (1, 1, "clean")
    (hit, *_) = result.hits
    assert (hit.file, hit.document, hit.line, hit.item) == ("a.jsonl", 2, 2, TESTS[3].id)
    assert TESTS[3].question[:60] in hit.text
    assert hit.item_text.startswith(TESTS[3].question[:60])


def test_kept_results_are_used_again_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.jsonl").write_bytes(lines([chat(item.question, "1") for item in TESTS]))
    first = scan([data], TESTS, cache=tmp_path / "cache")
    (data / "a.jsonl").rename(data / "renamed.jsonl")

    def no_reading(*_: object) -> None:
        raise AssertionError("the file was searched again")

    monkeypatch.setattr("posttrainbench.audit.contamination.scan.files.FileScan.whole", no_reading)
    again = scan([data], TESTS, cache=tmp_path / "cache")
    assert {hit.file for hit in again.hits} == {"renamed.jsonl"}
    assert (again.flagged_documents, again.verdict) == (first.flagged_documents, "flagged")
    with pytest.raises(AssertionError, match="again"):
        scan([data], TESTS[:-1], cache=tmp_path / "cache")


def test_no_document_is_not_clean(tmp_path: Path) -> None:
    assert scan([tmp_path], TESTS).verdict == "not_checked"
    (tmp_path / "empty").touch()
    assert scan([tmp_path], TESTS).verdict == "not_checked"
    assert report.EXIT_CODES["not_checked"] == 2


def test_units_are_told_apart() -> None:
    kinds = [(unit.item, unit.kind) for unit in units([PROGRAM, CALL, ADVICE])]
    assert kinds == [
        *((0, kind) for kind in ("question", "docstring", "docstring", "program", "program", "answer", "tests")),
        *((1, kind) for kind in ("question", "tool", "answer")),
        *((2, kind) for kind in ("question", "answer", "rubric", "rubric")),
    ]
