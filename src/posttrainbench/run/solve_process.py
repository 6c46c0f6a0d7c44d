"""Run the solve stage of one run: `python -m posttrainbench.run.solve_process RUN FD`.

FD is an open descriptor of `process.jsonl`, locked by the parent; see `solve_supervisor`. API keys are passed in the
environment only. SIGTERM stops the agent cleanly.
"""

import contextlib
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from types import FrameType

from typing_extensions import override

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import append_json
from posttrainbench.records import SolveNote, Stage
from posttrainbench.redaction import Redactor
from posttrainbench.run.directory import Run
from posttrainbench.run.errors import cause_of, is_disk_full
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.recorder import host_secrets
from posttrainbench.run.solve import solve
from posttrainbench.run.solve_supervisor import DISK_FULL_EXIT_CODE, LOG, NOTES, boot_id, start_ticks


class NoteWriter(ProgressListener):
    """Writes status notes to `process.jsonl`. The agent's output and its deadline are in other files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redactor = Redactor(host_secrets(os.environ))

    @override
    def on_message(self, text: str) -> None:
        append_json(self.path, SolveNote(kind="say", text=text))

    def start(self) -> None:
        """Write the first note, which identifies this process."""
        pid = os.getpid()
        host = socket.gethostname()
        append_json(self.path, SolveNote(kind="start", text=host, pid=pid, ticks=start_ticks(pid) or 0, boot=boot_id()))

    def end(self, end: SolveNote) -> None:
        """Write the last note, with secrets redacted."""
        append_json(self.path, end.model_copy(update={"text": self.redactor.line(end.text)}))


def main() -> int:
    """Run the stage and record how it ended. Return the exit code."""
    run, lock = Run(Path(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(lock, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    out = run.root / f"{Stage.SOLVE.folder}.partial"
    notes = NoteWriter(out / NOTES)
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
        code = DISK_FULL_EXIT_CODE if is_disk_full(error) else 1
        end = SolveNote(kind="end", end="failed", text=one_line(error), cause=cause_of(error))
        if end.cause == "unexpected":
            sys.stderr.write("".join(map(notes.redactor.line, traceback.format_exc().splitlines(keepends=True))))
    if code != DISK_FULL_EXIT_CODE:
        notes.end(end)
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        if (out / LOG).stat().st_size == 0:
            (out / LOG).unlink()
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt on the first signal and ignore later ones, so that the agent is stopped cleanly."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
