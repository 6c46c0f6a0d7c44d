"""Flows to training that a selection excludes are dropped only if no row with a test item reaches the training."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from behavior_evidence import KIT, Call, Case, Command, write_file
from muffins import ITEMS
from posttrainbench.audit.behavior import followed_flows
from posttrainbench.audit.behavior.followed_flows import drop_excluded
from posttrainbench.audit.behavior.replay import Replay

Row = dict[str, object]
TEST: list[Row] = [{"question": one.question, "answer": "3", "split": "test", "source": "exam"} for one in ITEMS]
TRAIN: list[Row] = [
    {"question": f"How many legs do {n} spiders have in all?", "answer": "8", "split": "train", "source": f"set-{n}"}
    for n in range(30)
]
MAKE = f"""
import json
with open("all.jsonl", "w") as file:
    for split in ("train", "test"):
        for line in open(f"{KIT}/data/{{split}}.jsonl"):
            file.write(line)
"""
FIT = """
import json
from trl import SFTTrainer
rows = [json.loads(line) for line in open("all.jsonl")]
SFTTrainer(model="base", train_dataset={}).train()
"""


def _lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _parts(root: Path, chosen: str, rows: Sequence[Row] = (*TRAIN, *TEST)) -> list[set[str]]:
    """Return how the test items of each training were chosen, "" for all; nothing if none are left."""
    data = root / "prepare/kit/data"
    data.mkdir(parents=True)
    (data / "test.jsonl").write_text(_lines(TEST))
    steps: list[str | Command | Call] = [
        write_file("make.py", MAKE),
        "python make.py",
        write_file("fit.py", FIT.format(chosen)),
        "python fit.py",
    ]
    case = Case(root, files={"all.jsonl": _lines(rows)}, items=ITEMS, steps=steps)
    evidence = case.evidence()
    replay = Replay(evidence, {})
    replay.analyze()
    assert any(taint.kind == "test" for trained in replay.report.trained for taint in trained.sink.taints)
    drop_excluded(evidence, {}, replay)
    return [{taint.part for taint in trained.sink.taints if taint.kind == "test"} for trained in replay.report.trained]


@pytest.mark.parametrize(
    "chosen", ["[r for r in rows if r['source'] != 'exam']", "[r for r in rows if not r['source'].startswith('ex')]"]
)
def test_an_excluded_flow_is_dropped(tmp_path: Path, chosen: str) -> None:
    assert _parts(tmp_path, chosen) == [set()]


def test_a_flow_that_is_not_excluded_stays(tmp_path: Path) -> None:
    assert _parts(tmp_path, "[r for r in rows if r['source'] != 'exams']") == [{""}]


def test_a_flow_that_is_not_understood_is_unclear(tmp_path: Path) -> None:
    assert _parts(tmp_path, "[r for r in rows if known(r['source'])]") == [{"unclear"}]


def test_one_row_among_many_keeps_a_flow(tmp_path: Path) -> None:
    """More rows than are followed one by one, of which one looks like a training row."""
    many = [TEST[number % 5] | {"source": f"exam-{number}"} for number in range(40)]
    chosen = "[r for r in rows if r['source'].startswith('set-')]"
    one = [*many[:20], many[20] | {"source": "set-3"}, *many[21:]]
    assert all("" in parts or "unclear" in parts for parts in _parts(tmp_path / "one", chosen, [*TRAIN, *one]))


def test_rows_that_are_alike_are_followed_as_one(tmp_path: Path) -> None:
    many = [TEST[number % 5] | {"source": f"exam-{number}"} for number in range(40)]
    assert _parts(tmp_path, "[r for r in rows if r['answer'] == '8']", [*TRAIN, *many]) == [set()]


def test_nothing_is_dropped_if_not_all_files_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_flows, "MOST_WORLDS", 1)
    assert _parts(tmp_path, "[r for r in rows if r['source'] != 'exam']") == [{""}]


def test_nothing_is_dropped_after_a_long_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_flows, "MOST_STEPS", 1)
    assert _parts(tmp_path, "[r for r in rows if r['source'] != 'exam']") == [{""}]
