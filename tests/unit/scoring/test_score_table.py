"""Tables in the official CSV form: scores, replaced missing scores, and invalid tables."""

import json
from pathlib import Path
from statistics import fmean

import pytest
import typer
from typer.testing import CliRunner

from posttrainbench.cli import published as commands
from posttrainbench.errors import InputError
from posttrainbench.records import Baseline
from posttrainbench.scoring.published import published, recompute, suite_weights
from posttrainbench.scoring.score_table import score_table

TABLES = published("v1")
MODELS = [model.name for model in TABLES.models]
INSTRUCT = [model.instruct_name for model in TABLES.models]
HEADER = ",".join(("model", *TABLES.benchmarks))
ROWS = [f"{model},0.1,0.2,0.3,0.4,0.5,0.6,0.7" for model in MODELS]


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def raw_rows(kind: Baseline, names: list[str]) -> list[str]:
    """Return the published baselines in the form of the table, as fractions."""
    scores = TABLES.baselines[kind]
    return [
        ",".join((name, *(repr(score / 100) for score in scores[model])))
        for name, model in zip(names, MODELS, strict=True)
    ]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


# --- scores ------------------------------------------------------------------------------------------------------


def test_means_and_weighted_sum(table: Path) -> None:
    rows = [f"{model},{0.1 * index},0.2,0.3,0.4,0.5,0.6,1" for index, model in enumerate(MODELS)]
    result = score_table(write(table, rows), TABLES)
    assert result.benchmarks == pytest.approx(
        dict(zip(TABLES.benchmarks, (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 1), strict=True))
    )
    weights = suite_weights(TABLES)
    assert result.weights == weights
    assert result.overall == pytest.approx(sum(weights[name] * score for name, score in result.benchmarks.items()))
    assert (result.suite, result.baseline, result.fallbacks, result.fallback_cells) == ("v1", "published", 0, [])


@pytest.mark.parametrize("kind", list(Baseline))
def test_published_baselines_as_tables_give_their_published_rows(table: Path, kind: Baseline) -> None:
    row = next(row for row in TABLES.table1 if row.baseline == kind)
    expected = next(found for found in recompute(TABLES).rows if found.method == row.method)
    result = score_table(write(table, raw_rows(kind, MODELS)), TABLES)
    assert 100 * result.overall == pytest.approx(expected.avg)
    assert 100 * result.overall == pytest.approx(row.avg, abs=0.05)


def test_form_of_the_file_does_not_matter(table: Path) -> None:
    """Order of rows and columns, blank lines, spaces, quotes, line ends and a byte order mark."""
    expected = score_table(write(table, ROWS), TABLES).model_dump(exclude={"fallback_cells"})
    columns = [0, *range(7, 0, -1)]
    turned = [[line.split(",")[column] for column in columns] for line in (HEADER, *reversed(ROWS))]
    lines = [", ".join(f'"{cell}"' if cell[0] == "0" else f"{cell} " for cell in row) for row in turned]
    text = "\r\n".join(lines) + "\r\n\r\n,,,,,,,\r\n"
    table.write_bytes(b"\xef\xbb\xbf" + text.encode())
    result = score_table(table, TABLES).model_dump(exclude={"fallback_cells"})
    assert result["overall"] == pytest.approx(expected["overall"])
    assert result["benchmarks"] == pytest.approx(expected["benchmarks"])


@pytest.mark.parametrize("text", ["ERR", "not stored", "not avl.", "", " err "])
def test_a_mark_falls_back_to_the_base_score(table: Path, text: str) -> None:
    rows = [*ROWS[:2], f"{MODELS[2]},0.1,0.2,0.3,0.4,{text},0.6,0.7", ROWS[3]]
    result = score_table(write(table, rows), TABLES)
    assert result.fallbacks == 1
    assert result.fallback_cells[0].model_dump() == {
        "model": "SmolLM3-3B-Base",
        "benchmark": "gsm8k",
        "line": 4,
        "text": text.strip(),
        "score": pytest.approx(0.21077),
    }
    assert result.benchmarks["gsm8k"] == pytest.approx((0.5 * 3 + 0.21077) / 4)


def test_nothing_but_marks_is_the_base_model(table: Path) -> None:
    result = score_table(write(table, [f"{model}{',ERR' * 7}" for model in MODELS]), TABLES)
    assert result.fallbacks == len(result.fallback_cells) == 28
    assert 100 * result.overall == pytest.approx(7.5276, abs=1e-4)


# --- a baseline of one's own -------------------------------------------------------------------------------------


def test_baseline_file_stands_in_and_weights_stay(table: Path, tmp_path: Path) -> None:
    write(table, [f"{MODELS[0]},ERR,0.2,0.3,0.4,0.5,0.6,0.7", *ROWS[1:]])
    base = write(tmp_path / "base.csv", [f"{model}{',0.05' * 7}" for model in MODELS])
    result = score_table(table, TABLES, base)
    assert result.fallback_cells[0].score == 0.05
    assert result.benchmarks["aime2025"] == pytest.approx(fmean((0.05, 0.1, 0.1, 0.1)))
    assert (result.baseline, result.weights) == (str(base), suite_weights(TABLES))


def test_baseline_file_with_instruct_models_gives_the_weights(table: Path, tmp_path: Path) -> None:
    write(table, ROWS)
    base = tmp_path / "base.csv"
    write(base, raw_rows(Baseline.BASE, MODELS) + raw_rows(Baseline.INSTRUCT, INSTRUCT))
    assert score_table(table, TABLES, base).weights == pytest.approx(suite_weights(TABLES))
    write(base, [f"{model}{',0' * 7}" for model in MODELS] + [f"{model}{',0.5' * 7}" for model in INSTRUCT])
    assert list(score_table(table, TABLES, base).weights.values()) == pytest.approx([1 / 7] * 7)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"{MODELS[0]},ERR{',0.1' * 6}", *ROWS[1:]], "line 2, column aime2025: the baseline has no score .'ERR'."),
        (ROWS[:3], "has no row for model gemma-3-4b-pt"),
        ([*ROWS, f"{INSTRUCT[0]}{',0.9' * 7}"], "has no row for model Qwen3-4B, SmolLM3-3B, gemma-3-4b-it"),
        ([*ROWS, *(f"{model}{',0.1' * 7}" for model in INSTRUCT)], "has no weight"),
    ],
)
def test_wrong_baseline_file(table: Path, tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_table(write(table, ROWS), TABLES, write(tmp_path / "base.csv", rows))


# --- wrong tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[1:], r"has no row for model Qwen3-1.7B-Base; add it"),
        ([*ROWS, ROWS[0]], r"line 6, column model: duplicate base model 'Qwen3-1.7B-Base'"),
        (
            [*ROWS[:3], ROWS[3].replace("pt", "pt2")],
            r"line 5, column model: unknown base model 'gemma-3-4b-pt2'; did",
        ),
        ([*ROWS[:3], "x,0,0,0,0,0,0,0"], r"line 5.* unknown base model 'x'; choose one of: Qwen3-1.7B-Base, "),
        (
            [*ROWS, f"{INSTRUCT[0]}{',0.9' * 7}"],
            r"line 6.* unknown base model 'Qwen3-1.7B'; did you mean `Qwen3-1.7B-Base`",
        ),
        ([*ROWS[:3], ROWS[3] + ",1"], r"line 5: the row has 9 cells and the header 8; write"),
        ([*ROWS[:3], ROWS[3][:-4]], r"line 5: the row has 7 cells"),
        (
            [ROWS[0].replace("0.4", "41.0"), *ROWS[1:]],
            r"line 2, column gpqamain: '41.0' is outside 0-1; .* 0.41 for 41%",
        ),
        ([ROWS[0].replace("0.4", "-0.1"), *ROWS[1:]], r"line 2, column gpqamain: '-0.1' is outside"),
        ([ROWS[0].replace("0.4", "1e999"), *ROWS[1:]], r"'1e999' is outside"),
        (
            [ROWS[0].replace("0.4", '"0,4"'), *ROWS[1:]],
            r"column gpqamain: '0,4' is neither a number nor a missing-score marker",
        ),
        ([ROWS[0].replace("0.4", "nan"), *ROWS[1:]], r"'nan' is neither"),
        ([ROWS[0].replace("0.4", "0_1"), *ROWS[1:]], r"'0_1' is neither"),
        ([ROWS[0].replace("0.4", "40 %"), *ROWS[1:]], r"'40 %' is neither"),
        ([ROWS[0].replace("0.4", "\x1b[31m" + "9" * 200), *ROWS[1:]], r"column gpqamain: '\\x1b\[31m9+\.\.\.' is"),
        ([ROWS[0].replace("0.4", '"0.4'), *ROWS[1:]], r"line 5: the line is not valid CSV .*check its quotation marks"),
    ],
)
def test_wrong_rows(table: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        score_table(write(table, rows), TABLES)
    assert str(table) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("model", "name"), r"line 1, column 1: the first column is 'name' and must be `model`"),
        (HEADER.replace(",", ";"), r"must be `model`; write the header .* separated by commas"),
        (HEADER.replace("bfcl", "bfc"), r"line 1: unknown benchmark 'bfc'; did you mean `bfcl`"),
        (HEADER.replace("bfcl", "gsm8k"), r"line 1: duplicate benchmark 'gsm8k'"),
        (HEADER.replace(",bfcl", ""), r"has no column for benchmark bfcl; add it, with empty cells for missing scores"),
        (HEADER + ",", r"line 1: unknown benchmark ''"),
    ],
)
def test_wrong_header(table: Path, header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_table(write(table, ROWS, header), TABLES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty; its first line must be `model,aime2025,"),
        (b"\n,,\n", r"is empty"),
        (HEADER.encode() + b"\nQwen\xff,1\n", r"line 2: the text is not UTF-8; save"),
        (HEADER.encode("utf-16"), r"line 1: the text is not UTF-8"),
        (HEADER.encode() + b"\n", r"has no row for model Qwen3-1.7B-Base, Qwen3-4B-Base, "),
        (HEADER.encode() + b"\n" + b"x" * 200_000, r"line 2: the line is not valid CSV"),
    ],
)
def test_wrong_file(table: Path, content: bytes, message: str) -> None:
    table.write_bytes(content)
    with pytest.raises(InputError, match=message):
        score_table(table, TABLES)


def test_file_that_cannot_be_read(table: Path, tmp_path: Path) -> None:
    for path in (table, tmp_path):
        with pytest.raises(InputError, match=r"(does not exist|cannot be read \(.*\)); give a CSV file"):
            score_table(path, TABLES)


# --- the command -------------------------------------------------------------------------------------------------

app = typer.Typer(rich_markup_mode="rich")
app.command()(commands.published)
app.command()(commands.score)


def test_command_prints_json_alone(table: Path) -> None:
    write(table, [f"{MODELS[0]},ERR,0.2,0.3,0.4,0.5,0.6,0.7", *ROWS[1:]])
    finished = CliRunner().invoke(app, ["score", str(table), "--json"])
    assert finished.exit_code == 0
    assert json.loads(finished.output) == score_table(table, TABLES).model_dump(mode="json")


def test_command_prints_a_table(table: Path, tmp_path: Path) -> None:
    write(table, [f"{MODELS[0]},ERR,0.2,0.3,0.4,0.5,0.6,", *ROWS[1:]])
    base = write(tmp_path / "base.csv", [f"{model}{',0.05' * 7}" for model in MODELS])
    finished = CliRunner().invoke(app, ["score", str(table), "--baseline", str(base)])
    assert finished.exit_code == 0
    overall = f"{100 * score_table(table, TABLES, base).overall:.2f}"
    assert overall in finished.output
    assert "line 2: Qwen3-1.7B-Base on aime2025 is ERR; replaced by the base score 5.00." in finished.output
    assert "on humaneval is empty" in finished.output


def test_command_help_has_an_example() -> None:
    assert "ptb score final_results.csv" in CliRunner().invoke(app, ["score", "--help"]).output


def test_command_wrong_table(table: Path) -> None:
    assert isinstance(CliRunner().invoke(app, ["score", str(table)]).exception, InputError)
