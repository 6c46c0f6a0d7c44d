"""Consistency of the published tables, to the published digits, and their known errors."""

import json
import math
from statistics import fmean

import pytest
import typer
from typer.testing import CliRunner

from posttrainbench.cli import published as commands
from posttrainbench.errors import InputError
from posttrainbench.records import Baseline
from posttrainbench.scoring.published import FOLDER, PublishedRow, parse, published, recompute, suite_weights

TABLES = published("v1")
RESULT = recompute(TABLES)
RECOMPUTED = {row.method: row for row in RESULT.rows}
ROUNDED = 0.05 + 1e-9  # half of the last digit that is printed
ITEMS = {"aime2025": 30, "bfcl": 100, "gpqamain": 448, "gsm8k": 1319, "humaneval": 164}
TEXT = (FOLDER / "v1.yaml").read_text(encoding="utf-8")


def deviation(row: PublishedRow) -> float:
    return abs(RECOMPUTED[row.method].avg - row.avg)


def row_of(method: str) -> PublishedRow:
    return next(row for row in TABLES.table1 if row.method == method)


# --- what follows ------------------------------------------------------------------------------------------------


def test_weights_are_the_published_ones() -> None:
    assert list(RESULT.weights) == list(TABLES.benchmarks)
    assert sum(RESULT.weights.values()) == pytest.approx(1)
    assert list(RESULT.weights.values()) == pytest.approx(TABLES.weights.site, abs=2e-6)
    assert list(RESULT.weights.values()) == pytest.approx(TABLES.weights.printed, abs=5e-5)
    assert suite_weights(TABLES) == RESULT.weights


@pytest.mark.parametrize("row", TABLES.table1, ids=lambda row: row.method)
def test_every_average_follows_from_its_columns(row: PublishedRow) -> None:
    """Within 0.05 for baselines with three decimals; otherwise at most 0.1, in fact 0.062."""
    assert deviation(row) <= (ROUNDED if row.baseline else 0.062)


def test_all_but_one_row_keep_within_six_hundredths() -> None:
    assert len(TABLES.table1) == 25
    assert [row.method for row in TABLES.table1 if deviation(row) > 0.06] == ["Kimi K2 Thinking (OpenCode)"]


def test_largest_deviations_are_the_documented_ones() -> None:
    for kind, largest in ((None, 0.0359), (3, 0.0528), (1, 0.0611)):
        assert max(deviation(row) for row in TABLES.table1 if row.runs == kind) == pytest.approx(largest, abs=1e-4)


@pytest.mark.parametrize("row", [row for row in TABLES.table1 if row.runs], ids=lambda row: row.method)
def test_no_row_contradicts_the_formula(row: PublishedRow) -> None:
    """Columns that count items are constrained to whole items; the published average must then be possible."""
    lowest = highest = 0.0
    for benchmark, score in TABLES.named(row.scores).items():
        low, high = score - ROUNDED, score + ROUNDED
        if benchmark in ITEMS:
            item = 100 / (ITEMS[benchmark] * len(TABLES.models) * (row.runs or 0))
            low, high = math.ceil(low / item) * item, math.floor(high / item) * item
            assert low <= high, f"{benchmark} is no whole number of items"
        lowest += RESULT.weights[benchmark] * low
        highest += RESULT.weights[benchmark] * high
    assert lowest - ROUNDED <= row.avg <= highest + ROUNDED


@pytest.mark.parametrize("row", [row for row in TABLES.table1 if row.baseline], ids=lambda row: row.method)
def test_baseline_rows_are_the_means_of_the_raw_baselines(row: PublishedRow) -> None:
    assert row.baseline
    means = TABLES.baseline_means(row.baseline)
    assert means == pytest.approx(TABLES.named(row.scores), abs=ROUNDED)
    assert RECOMPUTED[row.method].scores == means


def test_order_is_the_published_one() -> None:
    averages = [row.avg for row in RESULT.rows]
    assert averages == sorted(averages, reverse=True)
    ranks = [rank for row in RESULT.rows if (rank := row_of(row.method).rank)]
    assert ranks == list(range(1, 23))


def test_table_3_is_table_1_with_more_digits() -> None:
    for effort, name in (("medium", "Med"), ("high", "High")):
        row, finer = row_of(f"GPT 5.3 Codex ({name}) (Codex CLI)"), TABLES.table3.efforts[effort]
        assert row.avg == pytest.approx(finer.score, abs=ROUNDED)
        assert row.avg_std == pytest.approx(finer.std, abs=ROUNDED)
        assert RECOMPUTED[row.method].avg == pytest.approx(finer.score, abs=0.05)


def test_figure_4_is_table_1() -> None:
    assert TABLES.figure4["Opus 4.5"] == row_of("Claude Opus 4.5 (Claude Code)").avg
    assert TABLES.figure4["Sonnet 4.5"] == row_of("Claude Sonnet 4.5 (Claude Code)").avg


# --- known slips, numbered as in the data and in docs/published.md -----------------------------------------------


def test_slip_1_table_6_averages_are_unweighted_and_two_leave_gsm8k_out() -> None:
    for model, row in TABLES.table6.models.items():
        scores = TABLES.named(row.scores)
        whole = fmean(scores.values())
        without = fmean(score for benchmark, score in scores.items() if benchmark != "gsm8k")
        weighted = sum(RESULT.weights[benchmark] * score for benchmark, score in scores.items())
        fits = [abs(value - row.average) <= ROUNDED for value in (whole, without)]
        assert fits == ([True, False] if model.startswith("Qwen3") else [False, True])
        assert (abs(weighted - row.average) <= 0.1) == (model == "Qwen3-1.7B-Base")  # there by chance


def test_slip_2_two_cells_of_table_6_are_not_the_sites() -> None:
    off = {
        (model, benchmark): (printed, site)
        for model, row in TABLES.table6.models.items()
        for benchmark, printed, site in zip(
            TABLES.benchmarks, row.scores, TABLES.baselines[Baseline.FEW_SHOT][model], strict=True
        )
        if abs(printed - site) > ROUNDED
    }
    assert off == {("SmolLM3-3B-Base", "gsm8k"): (52.9, 52.987), ("gemma-3-4b-pt", "gsm8k"): (6.0, 5.838)}


def test_slip_3_one_standard_deviation_differs_between_tables_1_and_2() -> None:
    row, effort = row_of("GPT 5.1 Codex Max (Codex CLI)"), TABLES.table2.efforts["medium"]
    assert (row.avg, row.runs) == (effort.score, effort.runs) == (19.7, 3)
    assert (row.avg_std, effort.std) == (2.5, 0.3)


def test_slip_4_figure_3_is_not_table_1() -> None:
    methods = {
        "Claude Opus 4.5": "Claude Opus 4.5 (Claude Code)",
        "GPT-5.1 Codex Max": "GPT 5.1 Codex Max (Codex CLI)",
        "Gemini 3 Pro": "Gemini 3 Pro (Gemini CLI)",
    }
    off = {name for name, method in methods.items() if abs(TABLES.figure3[name][10] - row_of(method).avg) > ROUNDED}
    assert off == {"GPT-5.1 Codex Max", "Gemini 3 Pro"}


def test_slip_5_printed_weights_do_not_sum_to_one() -> None:
    assert sum(TABLES.weights.printed) == pytest.approx(0.9999)
    assert sum(TABLES.weights.site) == pytest.approx(1, abs=1e-9)


# --- the file ----------------------------------------------------------------------------------------------------


def test_unknown_suite() -> None:
    with pytest.raises(InputError, match=r"The suite `v9` has no published tables; choose one of: v1\."):
        published("v9")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suite: v1", "suite: v1\nremark: x", "remark"),
        ("avg: 51.1", "avg: 51.1\n    mean: 51.1", "mean"),
        ("avg: 51.1", "avg: 511", "less than or equal to 100"),
        ("[29.2, 70.2, ", "[29.2, ", "scores of Official Instruct Models"),
        (
            "    gemma-3-4b-pt: [0.0, 0.285,",
            "    gemma-3: [0.0, 0.285,",
            "baselines.base must name each base model once",
        ),
        ("  few_shot:", "  five_shot:", "should be .base., .few_shot. or .instruct."),
        ("suite: v1", "suite: [", "does not contain valid published tables"),
    ],
)
def test_invalid_file(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message):
        parse(TEXT.replace(old, new, 1), "v1.yaml")


# --- the command -------------------------------------------------------------------------------------------------

app = typer.Typer(rich_markup_mode="rich")
app.command()(commands.published)
app.command()(commands.score)


def test_command_prints_json_alone() -> None:
    finished = CliRunner().invoke(app, ["published", "--json"])
    assert finished.exit_code == 0
    found = json.loads(finished.output)
    assert found == RESULT.model_dump(mode="json")
    assert set(found) == {"suite", "weights", "rows"}
    assert set(found["rows"][0]) == {"method", "scaffold", "avg", "avg_published", "avg_std", "scores"}


def test_command_prints_a_table() -> None:
    finished = CliRunner().invoke(app, ["published"])
    assert finished.exit_code == 0
    assert len(finished.output.splitlines()) < 45, "it fits a terminal of 80 columns without folded lines"
    for words in ("Claude Opus 4.6 (Claude Code)", "23.15", "23.2 ± 1.8", "-0.05", "0.2265", "Zero-Shot"):
        assert words in finished.output


def test_command_help_has_an_example() -> None:
    assert "ptb published --suite v1 --json" in CliRunner().invoke(app, ["published", "--help"]).output


def test_command_unknown_suite() -> None:
    assert isinstance(CliRunner().invoke(app, ["published", "--suite", "v9"]).exception, InputError)
