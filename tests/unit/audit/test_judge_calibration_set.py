"""The calibration set and its figures."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.audit.judge.calibration.calibrate import LABELED_BY, labeled_rules, write_case
from posttrainbench.audit.judge.calibration.cases import Case, cases, cases_sha256
from posttrainbench.audit.judge.calibration.episodes_guilty import BREAKING
from posttrainbench.audit.judge.calibration.episodes_innocent import RESEMBLING
from posttrainbench.audit.judge.calibration.figures import cohen, figures, fleiss, wilson
from posttrainbench.audit.judge.calibration.items import CODE, ROWS
from posttrainbench.audit.judge.calibration.parts import DATA, HOSTED, RULES, jsonl
from posttrainbench.audit.judge.review import review_copy
from posttrainbench.audit.judge.steering import find_steering_text
from posttrainbench.audit.judge.tools import Tools
from posttrainbench.audit.measures import accuracy
from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.errors import InputError
from posttrainbench.records import Level

CASES = cases()


def test_there_are_enough_cases_and_half_are_innocent() -> None:
    assert len(CASES) >= 150
    assert sum(case.innocent for case in CASES) * 2 >= len(CASES)
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_rule_is_broken_and_nearly_broken_often_enough_to_certify_a_judge() -> None:
    assert set(catalog.rule_sets()[LABELED_BY].rules) == set(RULES)
    broken = Counter(rule for case in CASES for rule in case.broken)
    like = Counter(rule for case in CASES for rule in case.like)
    for rule in RULES:
        once = {"broken": broken[rule], "flagged_broken": broken[rule] - 1, "cleared_broken": 1}
        once |= {"kept": like[rule], "flagged_kept": 1, "cleared_kept": like[rule] - 1}
        assert accuracy(once).certified, rule  # although it was wrong once on either side
    for case in CASES:
        assert case.broken | case.open | case.like <= set(RULES)
        assert len(case.broken | case.open | case.like) == len(case.broken) + len(case.open) + len(case.like), case.id


def test_every_episode_occurs_once_and_no_file_hides_another() -> None:
    composed = [case for case in CASES if case.id.startswith("composed-")]
    episodes = [one for part in (BREAKING, RESEMBLING) for some in part.values() for one in some]
    told = Counter(about for case in composed for about in case.about.split("; "))
    assert told == Counter(part for one in episodes for part in one.about.split("; "))
    assert max(told.values()) == 1
    for case in composed:
        parts = [one for one in episodes if one.about in case.about.split("; ")]
        written = [name for one in parts for name in one.files if name != "train.jsonl"]
        assert len(written) == len(set(written)), case.id


def test_labels_hold_only_where_the_rules_count_alike() -> None:
    sets = catalog.rule_sets()
    assert labeled_rules(sets["v1.2"]) == list(sets["v1.2"].rules)
    assert set(labeled_rules(sets["v1"])) == set(sets["v1"].rules)
    assert HOSTED not in labeled_rules(sets["strict"])  # attempts count there
    other = RuleSet(id="x", title="x", rules={DATA: Rule(level=Level.READ)})
    with pytest.raises(InputError, match=r"choose v1\.2 with --rules"):
        labeled_rules(other)


def test_a_changed_case_changes_the_hash() -> None:
    assert cases_sha256(CASES) == cases_sha256(cases())
    changed = replace(CASES[0], broken=frozenset())
    assert cases_sha256([changed, *CASES[1:]]) != cases_sha256(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_a_run_that_can_be_read(case: Case, tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "two") if CASES.index(case) % 20 == 0 else ("one",):
        write_case(case, tmp_path / name)
        with review_copy(tmp_path / name, jsonl(ROWS[case.benchmark]).encode()) as review:
            hashes.add(review.sha256)
            assert review.left_out == []
            assert {"workspace/" + path for path in case.files if not path.startswith("solve/")} <= set(review.files)
            steps = Tools(review).call("steps", {"count": 200})
            assert f"{len(case.steps) + 2} of {len(case.steps) + 2} steps" in steps
            for did in case.steps:
                assert did.command.split("\n")[0] in steps
            # what steers the review makes `clean` uncertain, so such a case may not count as one that is kept
            if case.like:
                assert not any(map(find_steering_text, steps.split("\n")))
                assert not any(find_steering_text(line) for text in case.files.values() for line in text.split("\n"))
            # neither the label nor the description is anywhere in it
            for path in review.files:
                assert case.about not in (review.root / path).read_text()
    assert len(hashes) == 1


def test_exercises_do_what_their_examples_say() -> None:
    for name, head, body in CODE:
        space: dict[str, object] = {}
        exec(head + body, space)  # noqa: S102
        example = head.split(">>> ")[1].split("\n")
        assert repr(eval(example[0], space)) == example[1].strip(), name  # noqa: S307


def test_verbatim_test_items_stand_only_where_they_may() -> None:
    """A label that says innocent is wrong if more items than are tolerated stand in training data."""
    for case in CASES:
        data = "".join(text for path, text in case.files.items() if path.endswith(".jsonl") and "raw" not in path)
        found = sum(str(row["question"])[:60] in data for row in ROWS[case.benchmark])
        if DATA not in case.broken:
            assert found <= 3, case.id


def test_wilson_and_kappa_are_those_of_the_books() -> None:
    interval = wilson(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0).value is None
    assert wilson(0, 5).low == 0.0
    assert cohen(20, 5, 10, 15) == pytest.approx(0.4)
    assert cohen(0, 0, 0, 9) is None
    table = [  # Fleiss (1971) as in the well-known worked example: 10 subjects, 14 raters, 5 categories
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    subjects = [[str(c) for c, n in enumerate(row) for _ in range(n)] for row in table]
    assert fleiss(subjects) == pytest.approx(0.210, abs=5e-4)
    assert fleiss([["clean"], ["clean"]]) is None
    assert fleiss([["clean", "clean"], ["clean", "clean"]]) is None


def test_figures_count_what_was_missed_and_what_was_wrong() -> None:
    found = figures([[(True, True), (False, False)], [(True, False), (False, True)], [(False, False), (True, True)]])
    assert (found.broken, found.kept, found.flagged_broken, found.flagged_kept) == (3, 3, 2, 1)
    assert found.recall.value == found.precision.value == pytest.approx(2 / 3)
    assert found.kappa.value == pytest.approx(1 / 3)
    assert found.kappa.low is not None
    assert found.kappa.high is not None
    assert found.kappa.low < 1 / 3 < found.kappa.high
    assert figures([[(True, True), (False, False)]] * 5).kappa.value == 1.0
