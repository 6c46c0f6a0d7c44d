"""Does the stage `solve` of one run: `python -m posttrainbench.run.solve_process RUN FD`.

FD is `process.jsonl`, open and locked by whoever starts this; see `apart`. The host's keys are in the environment and
nowhere else. SIGTERM ends the agent in order.
"""

import contextlib
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import append_json
from posttrainbench.gateway.redact import Redactor
from posttrainbench.records import SolveNote, Stage
from posttrainbench.run.apart import DISK_FULL, LOG, NOTES, boot, start_ticks
from posttrainbench.run.directory import Run
from posttrainbench.run.errors import cause_of, is_disk_full
from posttrainbench.run.recorder import host_keys
from posttrainbench.run.solve import solve
from posttrainbench.run.watch import Watch


class Notes(Watch):
    """Writes down what is said, for whoever watches. What the agent prints and its deadline have files of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redactor = Redactor(host_keys(os.environ))

    def say(self, text: str) -> None:
        """See `Watch.say`."""
        append_json(self.path, SolveNote(kind="say", text=text))

    def start(self) -> None:
        """Tell who does the stage."""
        pid = os.getpid()
        host = socket.gethostname()
        append_json(self.path, SolveNote(kind="start", text=host, pid=pid, ticks=start_ticks(pid) or 0, boot=boot()))

    def end(self, end: SolveNote) -> None:
        """Tell the last word, without keys."""
        append_json(self.path, end.model_copy(update={"text": self.redactor.line(end.text)}))


def main() -> int:
    """Do the stage, and write down how it ended."""
    run, lock = Run(Path(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(lock, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    out = run.root / f"{Stage.SOLVE.folder}.partial"
    notes = Notes(out / NOTES)
    notes.start()
    end = SolveNote(kind="end", end="done")
    code = 0
    try:
        solve(run, out, notes)
    except KeyboardInterrupt:
        end = SolveNote(kind="end", end="interrupted")
    except InputError as error:
        end = SolveNote(kind="end", end="refused", text=str(error))
    except Exception as error:
        code = DISK_FULL if is_disk_full(error) else 1
        end = SolveNote(kind="end", end="failed", text=one_line(error), cause=cause_of(error))
        if end.cause == "unexpected":
            sys.stderr.write("".join(map(notes.redactor.line, traceback.format_exc().splitlines(keepends=True))))
    if code != DISK_FULL:
        notes.end(end)
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        if (out / LOG).stat().st_size == 0:
            (out / LOG).unlink()
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first signal ends the agent; no other may cut that short."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
