"""Write a trajectory step by step: in constant memory, and atomically."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from posttrainbench.files import fsync_dir
from posttrainbench.trajectory.atif import VERSION, Agent, FinalMetrics, Step

EMPTY_SUBAGENT = Step(step_id=1, source="system", message="no output of this subagent was printed")
"""Placeholder, since a trajectory must have at least one step."""


class Writer:
    """Writer of one trajectory; each step is one line of the file."""

    def __init__(self, file: BinaryIO, scratch: Path, session: str) -> None:
        """Write the beginning of the file.

        Args:
            file: the file to write.
            scratch: an empty directory for the subagents' steps, which follow all steps of the main agent.
            session: id of the session.
        """
        self._file = file
        self._scratch = scratch
        self._subagent_files: dict[str, Path] = {}
        self._empty = True
        file.write(b'{"schema_version":%b,"session_id":%b,"steps":[\n' % (to_json(VERSION), to_json(session)))

    def step(self, thread: str, step: Step) -> None:
        """Add a step to the main trajectory, or to a subagent's."""
        encoded = to_json(step)
        if thread:
            path = self._subagent_files.setdefault(thread, self._scratch / str(len(self._subagent_files)))
            with path.open("ab") as file:
                file.write(encoded + b"\n")
            return
        if not self._empty:
            self._file.write(b",\n")
        self._empty = False
        self._file.write(encoded)

    def end(self, agent: Agent, totals: FinalMetrics, extra: dict[str, Any]) -> None:
        """Write the fields after the main agent's steps."""
        for name, value in (("agent", agent), ("final_metrics", totals), ("extra", extra)):
            self._file.write(b"\n],%b:" % to_json(name) if name == "agent" else b",%b:" % to_json(name))
            self._file.write(to_json(value))

    def embed(self, agents: dict[str, Agent], totals: Callable[[str], FinalMetrics]) -> None:
        """Write the subagents' trajectories and the end of the file.

        Args:
            agents: thread -> agent, including those without steps.
            totals: returns the totals of a thread.
        """
        for number, (thread, agent) in enumerate(agents.items()):
            self._file.write(b',\n"subagent_trajectories":[' if number == 0 else b",\n")
            self._file.write(b'{"schema_version":%b,"trajectory_id":%b' % (to_json(VERSION), to_json(thread)))
            self._file.write(b',"agent":%b,"steps":[\n' % to_json(agent))
            if thread in self._subagent_files:
                with self._subagent_files[thread].open("rb") as steps:
                    for index, line in enumerate(steps):
                        self._file.write(b",\n" if index else b"")
                        self._file.write(line.rstrip(b"\n"))
            else:
                self._file.write(to_json(EMPTY_SUBAGENT))
            self._file.write(b'\n],"final_metrics":%b}' % to_json(totals(thread)))
        self._file.write(b"]}\n" if agents else b"}\n")


@contextmanager
def trajectory_writer(path: Path, session: str) -> Iterator[Writer]:
    """Yield a writer; on success its file replaces `path` atomically and durably."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".trajectory-", dir=path.parent) as scratch,
            temporary.open("wb", buffering=2**20) as file,
        ):
            yield Writer(file, Path(scratch), session)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_dir(path.parent)


def to_json(value: Any) -> bytes:
    """Return the value as UTF-8 JSON on one line."""
    return msgspec.json.encode(value)
