"""Read the score, the times and the other facts of one original run."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from posttrainbench.records import OriginalJudgement
from posttrainbench.records.spec import MAX_BUDGET, MIN_BUDGET
from posttrainbench.report.original.files import OriginalFiles
from posttrainbench.report.original.judgements import read_judgements
from posttrainbench.report.original.tree import FoundRun

TIMER = "task/timer.sh"
CLOCK = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)")
NUM_HOURS = re.compile(r"""^\s*(?:export\s+)?NUM_HOURS=["']?(\d{1,4}(?:\.\d{1,3})?)["']?\s*(?:#.*)?$""", re.MULTILINE)
EXIT_CODE = re.compile(r"^exit_code:\s*(-?\d{1,4})\s*$", re.MULTILINE)
MAX_ATTEMPTS = 9


@dataclass(frozen=True)
class Facts:
    """What the small files of an original run say; see `ImportedRun`."""

    budget: float | None
    budget_from: Literal["path", "task/timer.sh"]
    accuracy: float | None
    stderr: float | None
    attempts: int
    seconds: float | None
    exit_code: int | None
    cli_version: str
    prompt: str
    judgements: list[OriginalJudgement]


def read_facts(found: FoundRun, files: OriginalFiles) -> Facts:
    """Read the small files of a run. What cannot be read is listed in `files`."""
    budget, budget_from = _budget(found, files)
    accuracy, stderr = _metrics(files)
    return Facts(
        budget=budget,
        budget_from=budget_from,
        accuracy=accuracy,
        stderr=stderr,
        attempts=sum(files.locate(f"final_eval_{number}.txt") is not None for number in range(1, MAX_ATTEMPTS + 1)),
        seconds=_seconds(files),
        exit_code=_exit_code(files),
        cli_version=(files.text("cli_version.txt") or "").strip()[:200],
        prompt=_required(files, "prompt.txt") or "",
        judgements=read_judgements(files),
    )


def _required(files: OriginalFiles, name: str) -> str | None:
    text = files.text(name)
    if text is None and files.locate(name) is None:
        files.skip(name, "it does not exist")
    return text


def _budget(found: FoundRun, files: OriginalFiles) -> tuple[float | None, Literal["path", "task/timer.sh"]]:
    """Return the time limit in seconds: of the path, else of the agent's timer, which the agent could change."""
    match = NUM_HOURS.search(files.text(TIMER) or "")
    timer = float(match[1]) if match else None
    hours = timer if found.hours is None else found.hours
    if found.hours is not None and timer not in (None, found.hours):
        files.skip(TIMER, f"its NUM_HOURS is {timer:g} and the path says {found.hours:g}h, which is used")
    source: Literal["path", "task/timer.sh"] = "path" if found.hours is not None else "task/timer.sh"
    if hours is None or not MIN_BUDGET <= 3600 * hours <= MAX_BUDGET:
        return None, "path"
    return 3600 * hours, source


def _metrics(files: OriginalFiles) -> tuple[float | None, float | None]:
    name = "metrics.json"
    value = files.json(name)
    if value is None:
        if files.locate(name) is None:
            files.skip(name, "it does not exist; the original takes the base model's score instead")
        return None, None
    accuracy, stderr = _number(value.get("accuracy")), _number(value.get("stderr"))
    if accuracy is None or accuracy > 1:
        files.skip(name, "`accuracy` is not a number from 0 to 1")
        return None, None
    if stderr is None and value.get("stderr") is not None:
        files.skip(name, "`stderr` is not a number")
    return accuracy, stderr


def _number(value: object) -> float | None:
    """Return a finite number of at least 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds(files: OriginalFiles) -> float | None:
    text = _required(files, "time_taken.txt")
    if text is None:
        return None
    match = CLOCK.fullmatch(text.strip())
    if match is None:
        files.skip("time_taken.txt", "it is not a time HH:MM:SS")
        return None
    hours, minutes, seconds = map(int, match.groups())
    return float(3600 * hours + 60 * minutes + seconds)


def _exit_code(files: OriginalFiles) -> int | None:
    matches = EXIT_CODE.findall(files.text("output.log") or "")
    return int(matches[-1]) if matches else None
