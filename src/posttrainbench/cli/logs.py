"""`ptb logs`."""

import sys
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json
from posttrainbench.cli.places import RunPath
from posttrainbench.errors import InputError, shell_quoted

if TYPE_CHECKING:
    from posttrainbench.run import Run
    from posttrainbench.run.log import LogLine

POLL_SECONDS = 0.5
LINE = 2000


def logs(
    path: RunPath,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the run until it has a result.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=1, metavar="N", help="Begin with the last N lines.")
    ] = None,
    agent: Annotated[bool, typer.Option("--agent", help="Only what the agent prints.")] = False,
    json: Json = False,
) -> None:
    """Print the log of a run: its stages, messages of the host, and what the agent prints.

    `ptb trace` shows the agent's steps in a readable form.

    Example:  [bold]ptb logs demo/recipe-sft-micro-math-seed0 --tail 20[/bold]
    """
    from posttrainbench.run import Run
    from posttrainbench.run.log import RunLog, as_json

    run = Run(path)
    log = RunLog(run)
    if not run.journal():
        raise InputError(f"{path} has not been started; start it with `ptb resume {shell_quoted(path)}`.")

    def show(lines: "list[LogLine]") -> None:
        selected = [line for line in lines if line.source == "agent" or not agent]
        for line in deque(selected, maxlen=tail) if tail and first else selected:
            print(as_json(line) if json else _format(line), flush=True)

    first = True
    try:
        while True:
            ended = not (follow and _goes_on(run))  # before reading, so that nothing is missed
            show(log.read())
            first = False
            if ended:
                break
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return
    if not json and not agent and (others := log.others()):
        print(f"ptb: other logs of the run: {' '.join(map(str, others))}", file=sys.stderr)


def _goes_on(run: "Run") -> bool:
    """Return True while a process works on the run."""
    from posttrainbench.run.directory import is_busy
    from posttrainbench.run.status import agent_state

    return is_busy(run) or agent_state(run) == "running"


def _format(line: "LogLine") -> str:
    from posttrainbench.report.text import plain

    clock = "        " if line.time is None else datetime.fromtimestamp(line.time).astimezone().strftime("%H:%M:%S")
    return f"{clock}  {line.source:<5}  {plain(line.text, LINE)}"
