"""Per-item results of a run's evaluation: question, answer, target and score, from Inspect's logs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from posttrainbench.records import Metrics
from posttrainbench.report.site.inspect_viewer import sample_link
from posttrainbench.report.site.run_data import visible, write_data
from posttrainbench.untrusted import UnreadableError, names_below, open_below, read_below

ITEMS = 20_000
PAGE = 50
QUESTION, ANSWER = 12_000, 8_000
GIST = 110
MAX_SAMPLE = 2**26
SAMPLES = "samples/"


@dataclass(frozen=True)
class ItemResults:
    """The written items.

    Attributes:
        items: number of items.
        wrong: number of items with a score below 1.
        logged: number of items with question and answer.
        lost: number of items that the base model scores higher on.
        problem: why questions or answers are missing; "" if none are.
    """

    items: int
    wrong: int
    logged: int
    lost: int
    problem: str


@dataclass
class _Sample:
    question: str
    target: str
    answers: list[list[Any]]


def read_metrics(path: Path) -> Metrics | None:
    """Return the metrics in a directory of a run; None if there are none or they are damaged."""
    try:
        return Metrics.model_validate_json(read_below(path.parent.parent, path))
    except (OSError, ValidationError, UnreadableError):
        return None


def write_items(evaluated: Path, directory: Path, place: str = "", viewed: Collection[str] = ()) -> ItemResults | None:
    """Write the data files `items/index.js` and `items/N.js`; return None if no item was scored.

    Args:
        evaluated: directory of the stage `evaluate`.
        directory: of the run's page.
        place: its path from the top of the site.
        viewed: names of the logs that Inspect's viewer on the site has; answers in them link to it.
    """
    metrics = read_metrics(evaluated / "metrics.json")
    if metrics is None or not metrics.items:
        return None
    base = read_metrics(evaluated / "base.json")
    base_items = base.items if base else {}
    samples, problem = _samples(evaluated / "logs", place, viewed)
    rows, page = [], []
    wrong = lost = logged = 0
    names = list(metrics.items)[:ITEMS]
    for position, name in enumerate(names):
        score, before = metrics.items[name], base_items.get(name)
        sample = samples.get(name)
        wrong += score < 1
        lost += before is not None and before > score
        logged += sample is not None
        gist = " ".join(sample.question.split())[:GIST] if sample else ""
        rows.append([visible(name, 120), round(score, 9), None if before is None else round(before, 4), gist])
        page.append([sample.question, sample.target, sample.answers] if sample else None)
        if len(page) == PAGE or position == len(names) - 1:
            number = position // PAGE
            write_data(directory / "items" / f"{number}.js", f"items-{number}", page)
            page = []
    write_data(directory / "items" / "index.js", "items", rows)
    return ItemResults(len(metrics.items), wrong, logged, lost, problem)


def _samples(logs: Path, place: str, viewed: Collection[str]) -> tuple[dict[str, _Sample], str]:
    """Return item id -> what the logs say on it, and why that is incomplete."""
    with suppress(ModuleNotFoundError):  # Python 3.14 needs no help
        import zipfile_zstd  # noqa: F401  teaches `zipfile` the compression of Inspect's logs
    found: dict[str, _Sample] = {}
    run = logs.parent.parent
    names = [name for name in names_below(run, logs) if name.endswith(".eval")]
    problem = "" if names else "The evaluation's log is missing, so questions and answers cannot be shown."
    for log in map(logs.joinpath, names):
        seed = log.stem.rpartition("-seed")[2] if "-seed" in log.stem else ""
        try:
            with open_below(run, log) as file:
                for sample in _read(file):
                    _add(found, sample, seed, place if log.name in viewed else "", log.name)
        except UnreadableError as error:
            problem = f"The log {visible(log.name, 80)} cannot be read: {error}."
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, RecursionError) as error:
            problem = f"The log {visible(log.name, 80)} cannot be read completely ({type(error).__name__})."
    return found, problem


def _read(log: BinaryIO) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(log) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith(SAMPLES) and entry.file_size <= MAX_SAMPLE:
                sample = json.loads(archive.read(entry))
                if isinstance(sample, dict):
                    yield sample


def _add(found: dict[str, _Sample], sample: dict[str, Any], seed: str, place: str, log: str) -> None:
    name = str(sample.get("id"))
    if name not in found:
        if len(found) >= ITEMS:
            return
        found[name] = _Sample(visible(_messages(sample.get("input")), QUESTION), visible(_target(sample), ANSWER), [])
    scores = sample.get("scores")
    values = [one.get("value") for one in scores.values() if isinstance(one, dict)] if isinstance(scores, dict) else []
    value = values[0] if values and isinstance(values[0], int | float) else None
    output = sample.get("output")
    completion = output.get("completion") if isinstance(output, dict) else ""
    answer = [visible(seed, 20), value, visible(str(completion or ""), ANSWER)]
    epoch = sample.get("epoch")
    if place and isinstance(epoch, int):
        answer.append(sample_link(place, log, name, epoch))
    found[name].answers.append(answer)


def _messages(value: Any) -> str:
    """Return a conversation as text; the role is given unless there is one message of the user only."""
    if isinstance(value, str):
        return value
    messages = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    texts = [(str(one.get("role")), _content(one.get("content"))) for one in messages]
    if len(texts) == 1 and texts[0][0] == "user":
        return texts[0][1]
    return "\n\n".join(f"[{role}]\n{text}" for role, text in texts)


def _content(value: Any) -> str:
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _target(sample: dict[str, Any]) -> str:
    """Return the reference answer, and what the scorer compares with."""
    target = sample.get("target")
    text = target if isinstance(target, str) else "\n".join(map(str, target)) if isinstance(target, list) else ""
    metadata = sample.get("metadata")
    compared = metadata.get("target") if isinstance(metadata, dict) else None
    if compared and str(compared) != text:
        shown = json.dumps(compared, ensure_ascii=False)
        return f"{text}\n\nscored against: {shown}" if text else shown
    return text
