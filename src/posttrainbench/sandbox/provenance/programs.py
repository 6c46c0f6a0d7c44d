"""Record the life of processes: where they come from, what they execute, which descriptors they inherit, their end."""

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import Any

from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.sandbox.provenance.opens import Opener
from posttrainbench.sandbox.provenance.paths import Paths
from posttrainbench.sandbox.provenance.processes import (
    Descriptor,
    Process,
    ProcessTable,
    Thread,
    arguments,
    bytes_written,
    children,
    descriptors,
    image_mark,
    thread_count,
)
from posttrainbench.sandbox.provenance.record import Record

INIT = 1
"""Process id inside of the sandbox's first process, which is bubblewrap."""
ARGUMENT_BYTES = 256 * 2**10
CHANNELS = (b"pipe:", b"socket:")
IGNORED = (b"anon_inode:", b"/dev/null", b"/dev/zero", b"/dev/full", b"/dev/random", b"/dev/urandom")


@dataclass
class Programs:
    """Follows the processes of one sandbox."""

    record: Record
    table: ProcessTable
    opener: Opener
    paths: Paths

    def caller(self, tid: int, *, executes: bool = False) -> Thread:
        """Return the thread that makes a call; record its process if it is new, and the outcome of its last exec.

        Args:
            tid: the thread.
            executes: True if the call is an exec, which records the descriptors itself.

        Raises:
            OSError: the thread died.
        """
        thread = self.table.thread(tid)
        if not thread.process.recorded:
            thread.process.recorded = True
            self._new(thread, executes)
        if thread.process.pending is not None:
            self._settle(thread.process)
        return thread

    def execute(self, thread: Thread, handle: int) -> None:
        """Record that a thread is about to execute a file."""
        process = thread.process
        fields: dict[str, Any] = {"path": os.fsdecode(self.paths.name(handle))}
        fields |= self.opener.describe(handle, copy=self.opener.is_written(handle))
        # Another thread may change which descriptors survive.
        everything = thread_count(process.pid) > 1
        held = [each for each in descriptors(process, thread.folder) if each.kept or everything]
        process.pending = image_mark(process.pid)
        self.record.write(
            "exec",
            process.name,
            **fields,
            written=bytes_written(process.pid),
            fds=self._listed(thread.folder, held),
            **self._held(process, held),
        )

    def fork(self, thread: Thread) -> None:
        """Record that a process is about to create another."""
        self.record.write("fork", thread.process.name, written=bytes_written(thread.process.pid))

    def exit(self, thread: Thread) -> None:
        """Record that a process is about to exit, and the children that it leaves."""
        process = thread.process
        for pid in children(process.pid):
            with contextlib.suppress(OSError):
                self.caller(pid)
        self.record.write(
            "exit",
            process.name,
            written=bytes_written(process.pid),
            threads=thread_count(process.pid),
        )

    def of_inner(self, inner: int) -> Process | None:
        """Return the process with an id inside the sandbox, even if it has made no call yet."""
        known = self.table.of_inner(inner)
        if known is None and inner != INIT:
            for process in self.table.live():
                for pid in children(process.pid):
                    with contextlib.suppress(OSError):
                        self.caller(pid)
            known = self.table.of_inner(inner)
        return known

    def sweep(self) -> None:
        """Record the processes that have ended."""
        for process in self.table.ended():
            self.record.write("gone", process.name)
            self.opener.forget(process)

    def _new(self, thread: Thread, executes: bool) -> None:
        process = thread.process
        fields: dict[str, Any] = {}
        if not executes:
            held = descriptors(process, thread.folder)
            fields = {"fds": self._listed(thread.folder, held), **self._held(process, held)}
        self.record.write("new", process.name, parent=process.parent, started=process.started, **fields)

    def _settle(self, process: Process) -> None:
        """Record whether the last exec succeeded, and what the process is now."""
        mark, process.pending = process.pending, None
        try:
            if image_mark(process.pid) == mark:
                self.record.write("exec-failed", process.name)
                return
            process.image += 1
            fields: dict[str, Any] = {"argv": arguments(process.pid, "cmdline", ARGUMENT_BYTES)}
            fields["environment"] = sum(map(len, arguments(process.pid, "environ", 8 * ARGUMENT_BYTES)))
            program = os.open(f"/proc/{process.pid}/exe", os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            process.image += 1
            self.record.write("image", process.name, path="", ino="", argv=[], fds=[])
            if isinstance(error, PermissionError):  # its descriptors cannot be seen
                self.record.write("fault", error=f"process {process.name} cannot be inspected")
            return
        try:
            path = self.paths.name(program)
            fields |= self.opener.describe(program, copy=self.opener.is_written(program) or path.startswith(b"/memfd:"))
            folder = os.open(f"/proc/{process.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fields["fds"] = self._listed(folder, descriptors(process))
            finally:
                os.close(folder)
            self.record.write("image", process.name, path=os.fsdecode(path), **fields)
        finally:
            os.close(program)

    def _listed(self, folder: int, held: list[Descriptor]) -> list[list[Any]]:
        """Return descriptors that can carry data, for the record: number, mode, target, identity."""
        listed: list[list[Any]] = []
        for each in held:
            if each.target.startswith(IGNORED):
                continue
            identity = ""
            if not each.target.startswith(CHANNELS):
                if each.mode == "r" and not self.opener.is_kept(each.target) and b"/memfd:" not in each.target:
                    continue
                identity = _identity(folder, each.number)
                if not identity:
                    continue
            listed.append([each.number, each.mode, os.fsdecode(each.target), identity])
        return listed

    def _held(self, process: Process, held: list[Descriptor]) -> dict[str, Any]:
        """Return which ancestors hold the same pipes (process, mode, pipe), and what the parent has written so far."""
        pipes = {each.target for each in held if each.target.startswith(b"pipe:")}
        found: set[tuple[str, str, str]] = set()
        if pipes:
            for ancestor in self.table.ancestors(process):
                for each in descriptors(ancestor):
                    if each.target in pipes:
                        found.add((ancestor.name, each.mode, os.fsdecode(each.target)))
        parent = self.table.by_name.get(process.parent)
        written = bytes_written(parent.pid) if parent is not None else None
        return {"held": [list(each) for each in sorted(found)], "parent_written": written}


def _identity(folder: int, number: int) -> str:
    """Return the identity of a descriptor's file; "" if it is not a regular file or a FIFO."""
    try:
        handle = os.open(f"fd/{number}", os.O_PATH | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return ""
    try:
        mode = os.stat(handle).st_mode
        return file_id(handle) if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) else ""
    finally:
        os.close(handle)
