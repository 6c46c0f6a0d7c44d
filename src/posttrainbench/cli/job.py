"""`ptb job`, which launchers start for each run while a GPU waits: Typer and the other commands are not loaded."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from posttrainbench.errors import InputError


def run_light(words: Sequence[str]) -> int | None:
    """Execute the command line of a job as `launch.job_process` builds it, and return its exit code.

    Args:
        words: the command line without the name of the program.

    Returns:
        None if it is another command line, or if the user has additional catalogs: the whole command must read it.
    """
    if len(words) < 2 or words[0] != "job" or words[1].startswith("-") or len(words) % 2 or "PTB_CATALOG" in os.environ:
        return None
    values: dict[str, str] = {}
    off_target: list[str] = []
    for name, value in zip(words[2::2], words[3::2], strict=True):
        if name == "--off-target":
            off_target.append(value)
        elif name in ("--part", "--retries", "--launcher", "--job") and name not in values:
            values[name] = value
        else:
            return None
    if not values.get("--retries", "0").isdecimal():
        return None
    from posttrainbench.cli.console import outlive_reader
    from posttrainbench.cli.keys import announce_keys

    outlive_reader("stdout")
    announce_keys(Path(".env"))
    return execute_job(
        Path(words[1]),
        values.get("--part", "all"),
        int(values.get("--retries", "0")),
        values.get("--launcher", "local"),
        values.get("--job", ""),
        off_target,
    )


def execute_job(path: Path, part: str, retries: int, launcher: str, job: str, off_target: list[str]) -> int:
    """Execute a part of a run; see `launch.job`. Return the exit code."""
    from posttrainbench.cli.progress import Progress
    from posttrainbench.launch.job import execute
    from posttrainbench.launch.job_process import EXIT_CODES
    from posttrainbench.records import Part
    from posttrainbench.run import Run

    if part not in get_args(Part):
        raise InputError(f"Unknown part `{part}`; choose from {', '.join(get_args(Part))}.")
    run = Run(path)
    with Progress(f"{run.root.name}, {part}") as listener:
        end = execute(run, cast("Part", part), retries, listener, launcher, job, off_target)
    if end.text:
        print(f"ptb: {end.text}", file=sys.stderr)
    return EXIT_CODES[end.ending or "failed"]
