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
from posttrainbench.run.directory import root_states, state_of
from posttrainbench.run.index import index_folder
from posttrainbench.scoring import Cell, Leaderboard, load_cells
from posttrainbench.scoring.flag_rates import JUDGEMENT


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Finished runs of two agents."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for agent, score in (("a", 0.5), ("b", 0.7)):
        write_run(build_cell(agent, benchmark="micro-math", raw=score, judged_by="v1"), tmp_path / "runs")
    time.sleep(0.1)  # files that have just changed are not indexed
    return sorted((tmp_path / "runs").iterdir())


def states(roots: Sequence[Path]) -> dict[str, str]:
    """Return what `root_states` returns for these runs."""
    return {str(root): state_of(f"{root}/run.json") for root in roots}


def rank(roots: Sequence[Path], choices: Sequence[object] = ()) -> tuple[Leaderboard, bool]:
    """Return the leaderboard, and whether the files were read."""
    board, cells = rank_indexed(states(roots), choices, lambda: load_cells(roots))
    return board, cells is not None


def test_a_board_is_read_again_while_nothing_changes(roots: list[Path]) -> None:
    board, was_read = rank(roots)
    assert was_read
    assert rank(roots) == (board, False)
    assert rank(roots, ["other choice"]) == (board, True)
    assert rank(roots[:1])[1]


@pytest.mark.parametrize("name", ["run.json", *board_index.FILES])
def test_a_changed_file_is_seen(name: str, roots: list[Path]) -> None:
    path = roots[0] / name
    if name == JUDGEMENT:
        path.write_text('{"judge": "j", "decided": {}}')
        time.sleep(0.1)
    rank(roots)
    assert not rank(roots)[1]
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


def test_a_judgement_that_appears_changes_or_vanishes_is_seen(roots: list[Path]) -> None:
    before, _ = rank(roots)
    path = roots[0] / JUDGEMENT
    for state in ("flagged", "clean"):
        path.write_text(json.dumps({"judge": "j", "decided": {"contamination": state}}))
        time.sleep(0.1)
        board, was_read = rank(roots)
        assert was_read
        assert [rate.flagged for rate in board.flag_rates] == [state == "flagged"]
        assert rank(roots) == (board, False)
    path.unlink()
    assert rank(roots) == (before, True)


def test_runs_that_are_added_or_removed_are_seen(roots: list[Path], tmp_path: Path) -> None:
    top = tmp_path / "runs"

    def rank_all() -> tuple[Leaderboard, bool]:
        found = root_states(top)
        board, cells = rank_indexed(found, [], lambda: load_cells(map(Path, found)))
        return board, cells is not None

    before, _ = rank_all()
    assert rank_all() == (before, False)
    write_run(build_cell("c", benchmark="micro-math", raw=0.9, judged_by="v1"), top)
    time.sleep(0.1)
    board, was_read = rank_all()
    assert was_read
    assert [row.agent for row in board.rows] == ["c", "b", "a"]
    assert rank_all() == (board, False)
    [added] = set(top.iterdir()) - set(roots)
    added.rename(tmp_path / "elsewhere")
    assert rank_all() == (before, True)


def test_a_file_that_becomes_damaged_is_seen(roots: list[Path]) -> None:
    rank(roots)
    path = roots[0] / "evaluate" / "metrics.json"
    content = path.read_bytes()
    path.write_bytes(b"{" + content[1:].replace(b":", b";", 1))  # of the same size
    with pytest.raises(InputError, match=r"metrics\.json"):
        rank(roots)


def test_a_link_in_place_of_a_file_is_seen(roots: list[Path], tmp_path: Path) -> None:
    rank(roots)
    path = roots[0] / "result.json"
    path.rename(tmp_path / "result.json")
    time.sleep(0.1)
    path.symlink_to(tmp_path / "result.json")
    with pytest.raises(InputError, match="symbolic link"):
        rank(roots)


def test_runs_of_several_folders_are_told_apart(roots: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    rank(roots)
    moved = [roots[0].rename(tmp_path / "one" / "x"), roots[1].rename(tmp_path / "two" / "x")]
    board, was_read = rank(moved)
    assert was_read
    assert rank(moved) == (board, False)
    path = moved[1] / "result.json"
    path.write_bytes(path.read_bytes() + b"\n")
    assert rank(moved)[1]


def test_a_damaged_index_costs_only_time(roots: list[Path]) -> None:
    board, _ = rank(roots)
    [path] = (index_folder() / "leaderboards").iterdir()
    for text in (
        "{",
        "[]",
        json.dumps({"signature": 1}),
        path.read_text().replace('"rows"', '"cows"'),
        path.read_text().replace("0.7", "0.9"),
    ):
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
            rank_indexed(states(roots), [], load)
