"""Leaderboards of complete, incomplete and unusual sets of runs."""

import json
import subprocess
import sys
from dataclasses import replace
from statistics import stdev
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.records import Change, EngineChoice, TrivialAnswer
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard
from posttrainbench.scoring.comparison import compare
from posttrainbench.scoring.leaderboard import uncounted_note


def rank(*cells: Cell) -> Leaderboard:
    return leaderboard(cells, baselines_of(cells))


def test_one_benchmark_one_seed(make_cell: Any) -> None:
    board = rank(make_cell("x", raw=0.4), make_cell("y", raw=0.5))
    assert [row.agent for row in board.rows] == ["y", "x"]
    row = board.rows[0]
    assert (row.overall, row.overall_raw, row.overall_std, row.runs) == (0.5, 0.5, None, 1)
    assert row.overall_ci is not None
    assert row.overall_ci[0] < 0.5 < row.overall_ci[1]
    assert board.weights == {"b": 1.0}
    assert (board.baselines.base.overall, board.baselines.instruct.overall) == pytest.approx((0.1, 0.6))


def test_uncounted_runs_and_restarts_are_shown(make_cell: Any) -> None:
    cells = [
        make_cell("x", seed=0),
        make_cell("x", seed=1),
        make_cell("x", seed=2, raw=None, status="infrastructure_error"),
        make_cell("y", seed=0),
    ]
    rows = {row.agent: row for row in rank(*cells).rows}
    assert (rows["x"].runs, rows["x"].seeds) == (2, 3)
    assert uncounted_note(rows["x"]) == "2 of 3 seeds counted; 1 infrastructure error"
    assert uncounted_note(rows["y"]) == ""


def test_suspected_runs_count_and_the_score_without_them_is_told(make_cell: Any) -> None:
    cells = [make_cell("x", seed=0, raw=0.5), make_cell("x", seed=1, raw=0.9, base=0.1, suspected=["data"])]
    row = rank(*cells, make_cell("y", raw=0.5), make_cell("z", raw=0.9, status="base_fallback")).rows[0]
    assert (row.agent, row.suspected_cells, row.benchmarks["b"].suspected_cells) == ("x", 1, 1)
    assert (row.overall, row.overall_confirmed) == pytest.approx((0.7, 0.3))
    assert [cell.suspected for cell in row.cells] == [[], ["data"]]
    other = rank(make_cell("y", raw=0.5), make_cell("z", raw=0.9, status="base_fallback"))
    assert all(row.overall_confirmed == row.overall and not row.suspected_cells for row in other.rows)


def test_several_uncounted_runs_in_words(make_cell: Any) -> None:
    row = rank(make_cell("x")).rows[0]
    many = row.model_copy(update={"seeds": 4, "uncounted": {"infrastructure_error": 2, "unfinished": 1}, "restarts": 2})
    assert uncounted_note(many) == "1 of 4 seeds counted; 2 infrastructure errors; 1 unfinished run; 2 restarts"
    restarted = row.model_copy(update={"restarts": 1})
    assert uncounted_note(restarted) == "1 of 1 seed counted; 1 restart"


def test_restarts_are_added_up(make_cell: Any) -> None:
    cells = [make_cell("x", seed=0), make_cell("x", seed=1)]
    results = [cell.result.model_copy(update={"restarts": 1 + cell.seed}) for cell in cells]
    board = rank(*(replace(cell, result=result) for cell, result in zip(cells, results, strict=True)))
    assert board.rows[0].restarts == 3


def test_json_form(make_cell: Any) -> None:
    board = json.loads(rank(make_cell("x")).model_dump_json())
    assert {"suite", "weights", "rows"} <= board.keys()
    assert board["suite"] == "micro"
    row = board["rows"][0]
    keys = "agent rank rank_ci rank_shares overall overall_raw overall_std overall_ci ci_items ci_runs ci_cells runs"
    keys += " reset_cells cells seeds uncounted restarts"
    assert set(keys.split()) <= row.keys()
    assert len(row["overall_ci"]) == 2
    cell = {key: row["cells"][0][key] for key in ("model", "benchmark", "seed", "score", "raw_score", "status")}
    assert cell == {
        "model": "m",
        "benchmark": "b",
        "seed": 0,
        "score": 0.5,
        "raw_score": 0.5,
        "status": "scored",
    }


def test_weighted_mean_over_models_and_benchmarks(make_cell: Any) -> None:
    board = rank(
        make_cell(model="m1", benchmark="b1", raw=0.2, base=0.0, instruct=0.5),
        make_cell(model="m2", benchmark="b1", raw=0.4, base=0.2, instruct=0.5),
        make_cell(model="m1", benchmark="b2", raw=0.3, base=0.1, instruct=0.3),
        make_cell(model="m2", benchmark="b2", raw=0.1, base=0.1, instruct=0.3),
    )
    assert board.weights == pytest.approx({"b1": 1 / 3, "b2": 2 / 3})  # gaps 0.4 and 0.2
    assert board.rows[0].overall == pytest.approx(0.3 / 3 + 0.2 * 2 / 3)
    assert board.rows[0].benchmarks["b1"].score == pytest.approx(0.3)
    assert (board.models, board.benchmarks) == (["m1", "m2"], ["b1", "b2"])


def test_reset_counts_as_base_and_keeps_raw(make_cell: Any) -> None:
    row = rank(make_cell(raw=0.9, status="base_fallback", base=0.2)).rows[0]
    assert (row.overall, row.overall_raw, row.reset_cells, row.runs) == (0.2, 0.9, 1, 1)
    assert (row.cells[0].score, row.cells[0].raw_score, row.cells[0].status) == (0.2, 0.9, "base_fallback")
    assert row.benchmarks["b"].reset_cells == 1


def test_missing_raw_counts_as_base(make_cell: Any) -> None:
    row = rank(make_cell(raw=None, status="base_fallback", base=0.2)).rows[0]
    assert (row.overall, row.overall_raw) == (0.2, 0.2)


def test_std_over_seeds(make_cell: Any) -> None:
    scores = {0: (0.2, 0.6), 1: (0.3, 0.5), 2: (0.7, 0.4)}
    cells = [
        make_cell(benchmark=benchmark, seed=seed, raw=raw)
        for seed, pair in scores.items()
        for benchmark, raw in zip(("b1", "b2"), pair, strict=True)
    ]
    row = rank(*cells).rows[0]
    assert row.overall_std == pytest.approx(stdev(sum(pair) / 2 for pair in scores.values()))
    assert row.benchmarks["b1"].std == pytest.approx(stdev([0.2, 0.3, 0.7]))
    assert row.runs == 3


@pytest.mark.parametrize("status", ["infrastructure_error", "not_audited", None])
def test_uncounted_seed(make_cell: Any, status: str | None) -> None:
    """One seed of three is not counted: the others count, and only complete seeds enter the standard deviation."""
    cells = [make_cell(benchmark=b, seed=s, raw=0.2 + 0.1 * s) for b in ("b1", "b2") for s in range(3)]
    cells[5] = make_cell(benchmark="b2", seed=2, raw=0.4, status=status, reasons=["The engine failed."])
    row = rank(*cells).rows[0]
    assert row.overall == pytest.approx((0.3 + 0.25) / 2)
    assert row.overall_std == pytest.approx(stdev([0.2, 0.3]))
    assert row.runs == 3
    assert row.missing == []
    assert (row.cells[5].score, row.cells[5].status) == (None, status or "unfinished")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("infrastructure_error", "seed 0: infrastructure error (The engine failed.)"),
        ("not_audited", "seed 0: not audited (The engine failed.)"),
        (None, "seed 0: unfinished"),
    ],
)
def test_missing_cell_is_neither_zero_nor_base(make_cell: Any, status: str | None, why: str) -> None:
    board = rank(
        make_cell("bad", benchmark="b1", raw=0.9),
        make_cell("bad", benchmark="b2", raw=0.9, status=status, reasons=["The engine failed."]),
        make_cell("poor", benchmark="b1", raw=0.0),
        make_cell("poor", benchmark="b2", raw=0.0),
    )
    assert [row.agent for row in board.rows] == ["poor", "bad"]
    row = board.rows[1]
    assert (row.overall, row.overall_raw, row.overall_std, row.overall_ci) == (None, None, None, None)
    assert (row.benchmarks["b1"].score, row.benchmarks["b2"].score) == (0.9, None)
    assert [(gap.model, gap.benchmark, gap.why) for gap in row.missing] == [("m", "b2", why)]


def test_never_run_cell(make_cell: Any) -> None:
    board = rank(make_cell("x", benchmark="b1"), make_cell("y", benchmark="b1"), make_cell("y", benchmark="b2"))
    assert [row.agent for row in board.rows] == ["y", "x"]
    assert board.rows[1].missing[0].why == "never run"


def test_agents_with_different_seeds(make_cell: Any) -> None:
    cells = [make_cell("x", seed=0, raw=0.4), *(make_cell("y", seed=s, raw=0.1 * s) for s in (4, 5, 6))]
    board = rank(*cells)
    assert [(row.agent, row.runs) for row in board.rows] == [("y", 3), ("x", 1)]
    assert [row.overall for row in board.rows] == pytest.approx([0.5, 0.4])


def test_seeds_without_a_common_one_have_no_deviation(make_cell: Any) -> None:
    row = rank(make_cell(benchmark="b1", seed=0), make_cell(benchmark="b2", seed=1)).rows[0]
    assert row.overall == pytest.approx(0.5)
    assert row.overall_std is None
    assert row.runs == 2


def test_repeats_of_a_seed_count_as_one(make_cell: Any) -> None:
    """Repeating a favorable seed gives it no more weight, and no run is dropped."""
    board = rank(make_cell(seed=0, raw=0.8, run="r1"), make_cell(seed=0, raw=0.6, run="r2"), make_cell(seed=1, raw=0.1))
    row = board.rows[0]
    assert row.overall == pytest.approx((0.7 + 0.1) / 2)
    assert row.overall_std == pytest.approx(stdev([0.7, 0.1]))
    assert (len(row.cells), row.runs) == (3, 2)
    assert any("2 runs of m on b with seed 0" in note for note in board.notes)


def test_failed_run_and_its_repetition(make_cell: Any) -> None:
    row = rank(make_cell(run="r1", status="infrastructure_error", raw=None), make_cell(run="r2", raw=0.3)).rows[0]
    assert row.overall == pytest.approx(0.3)
    assert [cell.status for cell in row.cells] == ["infrastructure_error", "scored"]


def test_ties_by_name_and_incomplete_last(make_cell: Any) -> None:
    board = rank(
        make_cell("c", status=None),
        make_cell("b"),
        make_cell("a"),
        make_cell("d", raw=0.9),
        make_cell("0", status=None),
    )
    assert [row.agent for row in board.rows] == ["d", "a", "b", "0", "c"]


def test_ranks_and_their_intervals(make_cell: Any) -> None:
    close = [1.0] * 50 + [0.0] * 50
    board = rank(
        *(make_cell("first", seed=s, raw=0.9, items=[1.0] * 90 + [0.0] * 10) for s in range(2)),
        make_cell("one", raw=0.5, items=close),
        make_cell("other", raw=0.49, items=[*close[50:], 0.0, *close[1:50]]),
        make_cell("like one", raw=0.5, items=close),
        make_cell("lost", status=None),
    )
    rows = {row.agent: row for row in board.rows}
    assert {name: row.rank for name, row in rows.items()} == {
        "first": 1,
        "like one": 2,
        "one": 2,
        "other": 4,
        "lost": None,
    }
    assert rows["first"].rank_ci == (1, 1)
    assert [rows[name].rank_ci for name in ("one", "like one", "other")] == [(2, 4)] * 3
    assert (rows["lost"].rank_ci, rows["lost"].rank_shares) == (None, [])
    assert rows["one"].rank_shares == rows["like one"].rank_shares
    for row in board.rows[:4]:
        assert len(row.rank_shares) == 4
        assert sum(row.rank_shares) == pytest.approx(1)


def test_intervals_apart(make_cell: Any) -> None:
    """Each interval is present exactly if there are enough units."""
    cells = [
        make_cell(agent, model, benchmark, seed, raw=0.3 + 0.1 * seed + 0.01 * int(model[1]))
        for agent, seeds in (("twice", 2), ("once", 1))
        for model in ("m1", "m2", "m3")
        for benchmark in ("b1", "b2")
        for seed in range(seeds)
    ]
    twice, once = rank(*cells).rows
    for row in (twice, once):
        assert row.overall is not None
        for interval in (row.overall_ci, row.ci_items, row.ci_cells):
            assert interval is not None
            assert interval[0] < row.overall < interval[1]
    assert twice.ci_runs is not None
    assert twice.ci_runs[0] < 0.37 < twice.ci_runs[1]
    assert once.ci_runs is None
    assert rank(*(cell for cell in cells if cell.model == "m1")).rows[0].ci_cells is None


def test_nothing_known_of_what_varies(make_cell: Any) -> None:
    """Without item scores and with one seed, neither the score nor the rank has an interval."""
    row = rank(make_cell("x", items=[]), make_cell("y", raw=0.2)).rows[0]
    assert (row.agent, row.rank) == ("x", 1)
    assert (row.overall_ci, row.ci_items, row.rank_ci, row.rank_shares) == (None, None, None, [])


def test_notes_on_intervals_that_are_too_narrow(make_cell: Any) -> None:
    cells = [make_cell("x", seed=0), make_cell("x", seed=1), make_cell("y"), make_cell("z", seed=0, items=[])]
    text = " ".join(rank(*cells).notes)
    assert "2 of 3 agents have a single seed" in text
    assert "Some runs of z have no item scores" in text
    assert rank(*cells[:2]).notes == []


def test_unknown_baseline_means_no_weights(make_cell: Any) -> None:
    cells = [make_cell(benchmark="b1"), make_cell(benchmark="b2", status=None)]
    board = leaderboard(cells, {("m", "b1"): baselines_of(cells)["m", "b1"]})
    assert board.weights == {}
    assert board.rows[0].overall is None
    assert board.baselines.base.benchmarks == {"b1": pytest.approx(0.1), "b2": None}
    assert "m on b2" in board.notes[0]


def test_notes_on_unequal_runs(make_cell: Any) -> None:
    board = rank(make_cell("x", base=0.1), make_cell("y", base=0.3, budget=90.0, rules="v2"))
    assert board.baselines.base.overall == pytest.approx(0.2)
    text = " ".join(board.notes)
    assert "1m 0s, 1m 30s" in text
    assert "v1, v2" in text
    assert "2 different baselines" in text


def changed_engine(cell: Cell) -> Cell:
    """The run, created for vllm and evaluated with transformers."""
    old, new = EngineChoice(engine="vllm", settings={"memory_fraction": "0.9"}), EngineChoice(engine="transformers")
    changes = [Change(time="2026-01-01T00:00:00Z", old=old, new=new)]
    spec = cell.spec.model_copy(update={"engine": old.engine, "engine_settings": old.settings})
    return replace(cell, spec=spec, result=cell.result and cell.result.model_copy(update={"changes": changes}))


def test_changed_engines_are_named(make_cell: Any) -> None:
    note = "x on m, b, seed 0: evaluated with engine transformers instead of vllm (memory_fraction=0.9)."
    board = rank(changed_engine(make_cell("x")), make_cell("y"))
    assert [line for line in board.notes if "engine" in line] == [note]
    cells = [changed_engine(make_cell("x")), make_cell("y")]
    assert compare(cells, baselines_of(cells), "x", "y").sentence.endswith(f". {note}")
    excluded = changed_engine(make_cell("x", raw=None, status="infrastructure_error"))
    assert not [line for line in rank(excluded, make_cell("y")).notes if "engine" in line]


def test_different_engines_are_not_mixed_silently(make_cell: Any) -> None:
    other = make_cell("x")
    other = replace(other, spec=other.spec.model_copy(update={"engine": "vllm"}))
    note = "The runs were evaluated with different engines: transformers, vllm."
    assert note in rank(other, make_cell("y")).notes
    assert note not in rank(make_cell("x"), make_cell("y")).notes


def test_nothing_to_rank(make_cell: Any) -> None:
    with pytest.raises(InputError, match="No runs to rank"):
        leaderboard([], {})
    with pytest.raises(InputError, match="several suites"):
        rank(make_cell("x"), make_cell("y", suite="v1"))
    with pytest.raises(InputError, match="has no weight"):
        rank(make_cell(base=0.6, instruct=0.6))


def test_import_is_light() -> None:
    heavy = "{'torch', 'inspect_ai', 'transformers', 'numpy'}"
    code = f"import sys, posttrainbench.scoring; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_trivial_answers_are_a_row_without_effect_on_others(make_cell: Any) -> None:
    cells = [make_cell(benchmark=name, instruct=0.6) for name in ("b1", "b2")]
    plain = leaderboard(cells, baselines_of(cells))
    letter, empty = TrivialAnswer.SAME_LETTER, TrivialAnswer.EMPTY
    board = leaderboard(cells, baselines_of(cells), {"b1": {empty: 0.0, letter: 0.3}, "b2": {empty: 0.1, letter: 0.2}})
    assert board.baselines.trivial is not None
    assert board.baselines.trivial.benchmarks == {"b1": 0.3, "b2": 0.2}
    assert board.baselines.trivial.overall == pytest.approx(0.25)
    assert [name for name, _ in board.baselines.named] == ["instruct", "base", "trivial"]
    assert board.rows == plain.rows
    added = [note for note in board.notes if note not in plain.notes]
    assert [note.partition(",")[0] for note in added] == [
        "trivial: the best of six answers that know nothing (empty",
        "On b1",
    ]

    partial = leaderboard(cells, baselines_of(cells), {"b1": {letter: 0.1}, "b2": {}})
    assert partial.baselines.trivial is not None
    assert (partial.baselines.trivial.overall, partial.baselines.trivial.benchmarks) == (None, {"b1": 0.1, "b2": None})


def test_without_known_trivial_scores_the_json_form_is_unchanged(make_cell: Any) -> None:
    cells = [make_cell()]
    for known in (None, {}, {"b": {}}, {"other": {TrivialAnswer.ECHO: 1.0}}):
        board = leaderboard(cells, baselines_of(cells), known)
        assert "trivial" not in board.model_dump(mode="json")["baselines"]
        assert board == leaderboard(cells, baselines_of(cells))
