"""Runs that may be counted together: each once, under one set of conditions, with a usable baseline."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from scoring_runs import build_cell, write_run

from posttrainbench.errors import InputError
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard
from posttrainbench.scoring.cells import load_cell
from posttrainbench.scoring.comparison import compare
from posttrainbench.scoring.selection import Conditions, unique

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


def rank(*cells: Cell) -> Leaderboard:
    return leaderboard(cells, baselines_of(cells))


def prompted(cell: Cell, **hashes: str) -> Cell:
    return Cell(cell.spec.model_copy(update=hashes), cell.result, cell.base, cell.instruct, cell.raw_items)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 36000.0}, r"a has runs with different time limits \(1m: 1 run, 10h: 1 run\).*--budget 1m"),
        ({"budget": 90.5}, r"1m: 1 run, 90\.5s: 1 run"),
        ({"rules": "v2"}, r"a has runs under different rule sets \(v1: 1 run, v2: 1 run\).*--rules v1"),
        ({"suite": "other"}, r"several suites \(micro: \d runs?, other: 1 run\).*--suite micro"),
    ],
)
def test_different_conditions_are_not_pooled(changes: dict[str, object], message: str) -> None:
    cells = [build_cell(seed=0), build_cell(seed=1, **changes)]
    with pytest.raises(InputError, match=message):
        rank(*cells)
    cells.append(build_cell("b"))
    with pytest.raises(InputError, match=message):
        compare(cells, baselines_of(cells), "a", "b")


def test_runs_count_under_the_rules_that_they_were_judged_by(tmp_path: Path) -> None:
    judged = [
        load_cell(write_run(build_cell(seed=seed, judged_by=by), tmp_path)) for seed, by in enumerate(("s", "v1"))
    ]
    assert [cell.rules for cell in judged] == ["s", "v1"]
    with pytest.raises(InputError, match=r"a has runs under different rule sets \(s: 1 run, v1: 1 run\)"):
        rank(*judged)
    assert Conditions(rules="s").select(judged) == judged[:1]
    with pytest.raises(InputError, match=r"No run matches --rules v1; choose from --rules s"):
        Conditions(rules="v1").select(judged[:1])
    unaudited = build_cell()
    assert unaudited.rules == "v1"
    board = rank(unaudited, build_cell("b", judged_by="s"))
    assert "The runs were audited under different rule sets: s, v1." in board.notes


def test_different_prompts_are_not_pooled() -> None:
    first, second, other = build_cell(seed=0), build_cell(seed=1), build_cell(benchmark="c")
    message = "a has runs with different prompts .*--prompt "
    versions = [prompted(cell, prompt_version=hash * 64) for cell, hash in ((first, "1"), (other, "2"))]
    with pytest.raises(InputError, match=f"{message}1{{12}},"):  # on different benchmarks
        rank(*versions)
    assert rank(prompted(first, prompt_version="1"), other).rows[0].runs == 1  # the other one is of an older version
    rendered = [prompted(first, prompt_sha256="x", sandbox="b"), prompted(second, prompt_sha256="y", sandbox="b")]
    with pytest.raises(InputError, match=message):
        rank(*rendered)
    assert rank(*Conditions(prompt="y").select(rendered)).rows[0].runs == 1
    # Prompts of different benchmarks always differ, and without a sandbox those of runs do.
    rank(rendered[0], prompted(other, prompt_sha256="y", sandbox="b"))
    rank(*(prompted(cell, sandbox="process") for cell in rendered))


def test_agents_with_different_time_limits_are_noted() -> None:
    board = rank(build_cell("a"), build_cell("b", budget=36000.0))
    assert "The runs had different time budgets: 1m 0s, 10h 0m." in board.notes


def test_a_run_id_counts_once() -> None:
    unfinished, finished = build_cell(run="r", status=None), build_cell(run="r", raw=0.3)
    for cells in ([unfinished, finished], [finished, unfinished], [finished, finished, unfinished]):
        board = rank(*cells)
        assert (board.rows[0].runs, board.rows[0].overall, len(board.rows[0].cells)) == (1, 0.3, 1)
        assert any("copies of other runs" in note or "is a copy of other runs" in note for note in board.notes)
    board = rank(finished, build_cell(run="s", seed=1, raw=0.5))
    assert (board.rows[0].runs, board.rows[0].overall) == (2, pytest.approx(0.4))
    assert unique([finished]) == ([finished], [])


def test_a_benchmark_without_a_gap_is_left_out() -> None:
    cells = [build_cell(agent, benchmark=name, **scores) for agent in "ab" for name, scores in BENCHMARKS.items()]
    board = rank(*cells)
    assert (board.benchmarks, board.weights) == (["good"], {"good": 1.0})
    assert board.rows[0].overall == 0.5
    [note] = [note for note in board.notes if "flat" in note]
    assert note == (
        "flat is left out: it has no weight, because the instruct models (30.0) do not score higher than the base "
        "models (30.0)."
    )
    comparison = compare(cells, baselines_of(cells), "a", "b")
    assert list(comparison.weights) == ["good"]
    assert note in comparison.sentence
    with pytest.raises(InputError, match="has no weight"):
        rank(*(cell for cell in cells if cell.benchmark == "flat"))


BENCHMARKS: dict[str, dict[str, float]] = {"good": {}, "flat": {"base": 0.3, "instruct": 0.3}}


def test_options_of_the_command(tmp_path: Path, ptb_here: Ptb) -> None:
    root = tmp_path / "experiment"
    for seed, budget in ((0, 60.0), (1, 60.0), (2, 90.0)):
        write_run(build_cell(seed=seed, raw=0.3 + seed / 10, budget=budget), root).rename(root / f"run-{seed}")

    def seeds(*words: object) -> list[int]:
        said = ptb_here("leaderboard", root, "--json", *words)
        assert said.returncode == 0, said.stderr
        return [cell["seed"] for cell in json.loads(said.stdout)["rows"][0]["cells"]]

    refused = ptb_here("leaderboard", root)
    assert refused.returncode == 2
    assert "choose with --budget 1m, or leave runs out with --exclude RUN." in refused.stderr
    assert seeds("--budget", "1m") == [0, 1]
    assert seeds("--budget", "90s") == seeds("--exclude", "run-0", "--exclude", root / "run-1") == [2]
    assert seeds("--exclude", "a-m-b-2") == [0, 1]
    (root / "run-2" / "run.json").write_text("damaged")
    assert seeds("--exclude", "run-2") == [0, 1]
    for words, message in (
        (["--exclude", "nope"], "has no run nope"),
        (["--suite", "nope"], "No run matches --suite nope; choose from --suite "),
        (["--budget", "1h"], "No run matches --budget 1h; choose from --budget 1m, or leave it out."),
    ):
        said = ptb_here("leaderboard", root, "--exclude", "run-2", *words)
        assert said.returncode == 2
        assert message in said.stderr
