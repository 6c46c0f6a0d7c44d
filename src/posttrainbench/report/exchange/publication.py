"""Prepare runs for the Hugging Face Hub: a data set with bundle and leaderboard, and cards for the trained models.

Nothing is uploaded here. The metadata are written with the Hub client's own classes. A card states a result only for a
run that counts with its own score: a run that was reset, is suspected or was not audited has none.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench import __version__
from posttrainbench.errors import InputError
from posttrainbench.files import sha256_bytes, sha256_file, write_bytes, write_json
from posttrainbench.records import Status
from posttrainbench.report.bundle.export import export
from posttrainbench.report.table_formats import as_csv, csv_text
from posttrainbench.report.text import plain
from posttrainbench.run import find_runs
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard, load_cells

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
COLUMNS = ("run", "agent", "model", "benchmark", "seed", "status", "score", "raw_score")


@dataclass(frozen=True)
class Publication:
    """Files that were prepared.

    Attributes:
        files: path in the data set -> file.
        cards: run -> model card of its submission.
        without_card: run -> why it has none.
    """

    files: dict[str, Path]
    cards: dict[str, Path] = field(default_factory=dict)
    without_card: dict[str, str] = field(default_factory=dict)


def require_repository(name: str) -> None:
    """Check the name of a repository.

    Raises:
        InputError: it is not `OWNER/NAME`.
    """
    if not REPOSITORY.fullmatch(name):
        raise InputError(f"{plain(name, 120)} is not the name of a repository; give OWNER/NAME.")


def prepare(path: Path, repository: str, folder: Path, secrets: Iterable[str]) -> Publication:
    """Write everything to publish.

    Args:
        path: directory of a run or an experiment.
        repository: `OWNER/NAME` of the data set.
        folder: an empty directory.
        secrets: see `export`.

    Raises:
        InputError: as for `export`.
    """
    require_repository(repository)
    known = list(secrets)
    (folder / "bundles").mkdir()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name).strip("-.") or "runs"
    bundle = export(path, folder / "bundles" / f"{name}.tar.zst", known)
    cells = load_cells(run.root for run in find_runs(path))
    files = {f"bundles/{bundle.path.name}": bundle.path, "runs.csv": folder / "runs.csv"}
    write_bytes(files["runs.csv"], _runs_csv(cells))
    board = _board(cells)
    if board is not None:
        files |= {name: folder / name for name in ("leaderboard.json", "leaderboard.csv")}
        write_json(files["leaderboard.json"], board)
        write_bytes(files["leaderboard.csv"], as_csv(board).encode())
    files["README.md"] = folder / "README.md"
    write_bytes(files["README.md"], _data_card(repository, cells, board, bundle.sha256).encode())
    publication = Publication(files)
    for cell in cells:
        if reason := _no_card(cell):
            publication.without_card[cell.run] = reason
            continue
        card = folder / "model-cards" / f"{sha256_bytes(cell.run.encode())[:12]}.md"
        card.parent.mkdir(exist_ok=True)
        write_bytes(card, _model_card(repository, cell, bundle.sha256).encode())
        publication.cards[cell.run] = card
    return publication


def describe(publication: Publication) -> list[tuple[str, int, str]]:
    """Return path in the data set, bytes and SHA-256 of each file."""
    return [(name, path.stat().st_size, sha256_file(path)) for name, path in sorted(publication.files.items())]


def _board(cells: Sequence[Cell]) -> Leaderboard | None:
    """Return the leaderboard; None if the runs cannot be ranked."""
    try:
        return leaderboard(cells, baselines_of(cells))
    except InputError:
        return None


def _runs_csv(cells: Sequence[Cell]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in cells:
        status = str(cell.status) if cell.status else "unfinished"
        names = [csv_text(plain(text)) for text in (cell.run, cell.agent, cell.model, cell.benchmark)]
        writer.writerow([*names, cell.seed, status, cell.score, cell.raw_score])
    return file.getvalue().encode()


def _no_card(cell: Cell) -> str:
    if cell.status is not Status.SCORED:
        return f"it has no score of its own ({str(cell.status).replace('_', ' ') if cell.status else 'unfinished'})"
    return "a rule is suspected" if cell.suspected else ""


def _data_card(repository: str, cells: Sequence[Cell], board: Leaderboard | None, digest: str) -> str:
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(
        pretty_name=f"PostTrainBench runs: {repository.partition('/')[2]}",
        tags=["posttrainbench", "agents", "evaluation"],
        configs=[
            {"config_name": name, "data_files": f"{name}.csv"}
            for name in ("runs", *(["leaderboard"] if board is not None else []))
        ],
    )
    suites = sorted({(plain(cell.spec.suite), plain(cell.rules)) for cell in cells})
    counted = sum(cell.counted for cell in cells)
    lines = [
        "---",
        data.to_yaml(),
        "---",
        "",
        f"# {repository.partition('/')[2]}",
        "",
        f"{len(cells)} {'run' if len(cells) == 1 else 'runs'} of PostTrainBench, {counted} of them counted, "
        f"{sum(cell.reset for cell in cells)} reset to the base model's score by the audit. "
        + "; ".join(f"Suite {suite}, rules {rules}" for suite, rules in suites)
        + f". Written by posttrainbench {__version__}.",
        "",
        "- `bundles/`: all records of the runs. Verify with `ptb verify FILE`.",
        "- `leaderboard.csv`, `leaderboard.json`: the table." if board is not None else "- The runs cannot be ranked.",
        "- `runs.csv`: status and scores of each run, as fractions.",
        "",
        f"SHA-256 of the bundle: `{digest}`",
        "",
        "The bundle contains questions and answers of the benchmarks' test sets and texts that agents wrote. "
        "Do not train on it.",
        "",
    ]
    return "\n".join(lines)


def _model_card(repository: str, cell: Cell, digest: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    result = EvalResult(
        task_type="text-generation",
        dataset_type=plain(cell.benchmark),
        dataset_name=plain(cell.benchmark),
        dataset_split="test",
        metric_type="score",
        metric_name="PostTrainBench score",
        metric_value=cell.score,
        source_name=f"posttrainbench {__version__}, bundle {digest[:16]}",
        source_url=f"https://huggingface.co/datasets/{repository}",
    )
    data = ModelCardData(
        model_name=f"{plain(cell.model)}, submission of {plain(cell.agent)}",
        library_name="transformers",
        tags=["posttrainbench"],
        eval_results=[result],
    )
    base = f"{100 * cell.base.score:.1f}" if cell.base else "unknown"
    return "\n".join(
        [
            "---",
            data.to_yaml(),
            "---",
            "",
            f"{_literal(cell.agent)} submitted this model in a run of PostTrainBench that starts from "
            f"{_literal(cell.model)} ({_literal(cell.run)}, suite {_literal(cell.spec.suite)}, seed {cell.seed}).",
            "",
            f"It scores {100 * (cell.score or 0):.1f} on {_literal(cell.benchmark)}; the base model scores {base}. The "
            "audit found no violation of the suite's rules.",
            "",
        ]
    )


def _literal(text: str) -> str:
    """Return a name as Markdown code, which no text in it can leave."""
    return f"`{plain(text, 120).replace('`', chr(39))}`"
