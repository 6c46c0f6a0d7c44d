"""Leaderboards from the index are those of the files, and are computed again when a file changes."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from scoring_runs import build_cell, write_run

from posttrainbench.errors import InputError
from posttrainbench.report import board_index
from posttrainbench.report.board_index import rank_indexed
from posttrainbench.run.index import index_folder
from posttrainbench.scoring import Cell, Leaderboard, load_cells


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Finished runs of two agents."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for agent, score in (("a", 0.5), ("b", 0.7)):
        write_run(build_cell(agent, benchmark="micro-math", raw=score, judged_by="v1"), tmp_path / "runs")
    time.sleep(0.1)  # files that have just changed are not indexed
    return sorted((tmp_path / "runs").iterdir())


def rank(roots: Sequence[Path], choices: Sequence[object] = ()) -> tuple[Leaderboard, bool]:
    """Return the leaderboard, and whether the files were read."""
    board, cells = rank_indexed(roots, choices, lambda: load_cells(roots))
    return board, cells is not None


def test_a_board_is_read_again_while_nothing_changes(roots: list[Path]) -> None:
    board, was_read = rank(roots)
    assert was_read
    assert rank(roots) == (board, False)
    assert rank(roots, ["other choice"]) == (board, True)
    assert rank(roots[:1])[1]


@pytest.mark.parametrize("name", board_index.FILES)
def test_a_changed_file_is_seen(name: str, roots: list[Path]) -> None:
    rank(roots)
    path = roots[0] / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert rank(roots)[1]
    assert rank(roots)[1]  # changed too short ago
    time.sleep(0.1)
    rank(roots)
    assert not rank(roots)[1]


def test_a_file_that_appears_or_vanishes_is_seen(roots: list[Path]) -> None:
    rank(roots)
    (roots[0] / "result.json").rename(roots[0] / "old.json")
    board, was_read = rank(roots)
    assert was_read
    assert [row.agent for row in board.rows if row.overall is not None] == ["b"]


def test_a_damaged_index_costs_only_time(roots: list[Path]) -> None:
    board, _ = rank(roots)
    [path] = (index_folder() / "leaderboards").iterdir()
    for text in ("{", "[]", json.dumps({"signature": 1}), path.read_text().replace('"rows"', '"cows"')):
        path.write_text(text)
        assert rank(roots) == (board, True)
        assert rank(roots) == (board, False)


def test_other_scores_of_trivial_answers_are_seen(roots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rank(roots)
    monkeypatch.setattr(board_index, "trivial_scores_of", lambda suites: {"micro-math": {"empty": 0.25}})
    assert rank(roots)[1]


def test_runs_that_cannot_be_ranked_are_not_stored(roots: list[Path]) -> None:
    def load() -> list[Cell]:
        raise InputError("No run matches.")

    for _ in range(2):
        with pytest.raises(InputError, match="No run matches"):
            rank_indexed(roots, [], load)
