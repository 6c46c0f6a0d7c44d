"""Answer the calls of one sandbox's processes, and record what they do.

The recorder runs on the host, so no process in the sandbox can see or signal it, and ends after the last of them. If it
dies, every call that it answers fails with ENOSYS.
"""

import contextlib
import errno
import heapq
import os
import platform
import resource
import select
from collections.abc import Callable

from posttrainbench.sandbox.provenance.connections import Connector
from posttrainbench.sandbox.provenance.helpers import Helpers
from posttrainbench.sandbox.provenance.kernel import (
    PATH_BYTES,
    Call,
    Listener,
    Memory,
    take_descriptor,
)
from posttrainbench.sandbox.provenance.opens import Opener, Opening
from posttrainbench.sandbox.provenance.paths import AT_FDCWD, Paths
from posttrainbench.sandbox.provenance.processes import ProcessTable, Thread, user_and_group, writable_mounts
from posttrainbench.sandbox.provenance.programs import Programs
from posttrainbench.sandbox.provenance.record import Record, clock
from posttrainbench.sandbox.provenance.syscalls import NOTIFIED

SWEEP_SECONDS = 1.0
HOW_BYTES = 24
"""Size of the kernel's `struct open_how`."""
Handler = Callable[[Call, Thread], None]


class Recorder:
    """Answers the calls of one sandbox's processes.

    Attributes:
        calls: number of calls so far.
        passing: True if all calls are let through, because the record is full or the kernel does not let this process
            do its work.
    """

    def __init__(self, listener: Listener, record: Record, kept: list[str], ignored: list[str]) -> None:
        self.listener = listener
        self.record = record
        self.memory = Memory()
        self.helpers = Helpers(listener)
        self.table = ProcessTable(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self.names = {number: name for name, number in NOTIFIED[platform.machine()].items()}
        self.delayed: list[tuple[float, int, Call]] = []
        self.paths = Paths()
        shared = (listener, self.helpers, record, self.paths, self.table)
        self.opener = Opener(*shared, tuple(map(os.fsencode, kept)), tuple(map(os.fsencode, ignored)))
        self.connector = Connector(*shared, self.memory)
        self.programs = Programs(record, self.table, self.opener, self.paths)
        self.opener.find = self.programs.of_inner
        self.calls = 0
        self.began = self.passing = False

    def run(self) -> None:
        """Answer calls until the last process has ended."""
        poll = select.poll()
        poll.register(self.listener.descriptor, select.POLLIN)
        poll.register(self.helpers.bell, select.POLLIN)
        swept = clock()
        while True:
            wait = SWEEP_SECONDS
            if self.delayed:
                wait = max(0.0, min(wait, self.delayed[0][0] - clock()))
            ready = dict(poll.poll(1000 * wait))
            if self.helpers.bell in ready:
                self._guard(self.helpers.finish)
            state = ready.get(self.listener.descriptor, 0)
            if state & select.POLLIN:
                call = self.listener.receive()
                if call is not None:
                    self.answer(call)
            elif state & (select.POLLHUP | select.POLLERR):
                break
            while self.delayed and self.delayed[0][0] <= clock():
                self.answer(heapq.heappop(self.delayed)[2], delayed=True)
            if clock() - swept > SWEEP_SECONDS:
                swept = clock()
                self.helpers.wake_orphans()
                self._guard(self.programs.sweep)
                self.record.flush()
        self._guard(self.programs.sweep)

    def _guard(self, function: Callable[[], None]) -> None:
        """Call a function; a failure is noted in the record, so that nothing in the sandbox can end the recorder."""
        try:
            function()
        except Exception as error:
            self.record.write("fault", error=repr(error))

    def _begin(self, call: Call) -> None:
        """See the sandbox's root directory, and whether the kernel lets this process do its work, at the first call.

        The caller is the sandbox's first program, which executes the command. The second argument is an address.
        """
        self.began = True
        try:
            self.listener.require_injection()
            thread = self.table.thread(call.tid)
            _require_same_user(thread)
            self.paths.enter(thread)
            if unknown := self.opener.keep(writable_mounts(thread.folder)):
                self.record.write("mounts", kept=[os.fsdecode(mount) for mount in unknown])
            os.close(take_descriptor(call.tid, 0))
            if not self.memory.read(call.tid, call.arguments[1], 1):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), "process_vm_readv")
        except OSError as error:
            if self.listener.waits(call):
                self.record.write("unavailable", reason=f"{error.filename or 'the kernel'}: {error.strerror}")
                self.passing = True

    def answer(self, call: Call, *, delayed: bool = False) -> None:
        """Answer one call; whatever goes wrong, the call fails, so that nothing happens unrecorded."""
        self.calls += not delayed
        if not self.began:
            self._begin(call)
        if self.passing or self.record.full:
            self.listener.let_through(call)
            return
        try:
            name = self.names[call.number]
            thread = self._thread(call, name)
            if not delayed and (seconds := self.record.delay(thread.process.name)):
                heapq.heappush(self.delayed, (clock() + seconds, self.calls, call))
                return
            HANDLERS[name](self, call, thread)
        except OSError as error:
            self.listener.fail(call, error.errno or errno.EIO)
        except Exception as error:  # a fault of the recorder
            self.record.write("fault", number=call.number, error=repr(error))
            self.listener.fail(call, errno.EIO)

    def _thread(self, call: Call, name: str) -> Thread:
        """Return the caller."""
        return self.programs.caller(call.tid, executes=name.startswith("exec"))

    def _on_open(self, call: Call, thread: Thread) -> None:
        folder, path, flags, mode = AT_FDCWD, call.arguments[0], call.arguments[1], call.arguments[2]
        self._open(call, thread, folder, path, flags, mode)

    def _on_openat(self, call: Call, thread: Thread) -> None:
        folder, path, flags, mode = call.arguments[:4]
        self._open(call, thread, _number(folder), path, flags, mode)

    def _on_creat(self, call: Call, thread: Thread) -> None:
        path, mode = call.arguments[:2]
        self._open(call, thread, AT_FDCWD, path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)

    def _on_openat2(self, call: Call, thread: Thread) -> None:
        raise OSError(errno.ENOSYS, "programs fall back to openat")

    def _on_execve(self, call: Call, thread: Thread) -> None:
        self._execute(call, thread, AT_FDCWD, call.arguments[0], 0)

    def _on_execveat(self, call: Call, thread: Thread) -> None:
        self._execute(call, thread, _number(call.arguments[0]), call.arguments[1], call.arguments[4])

    def _on_fork(self, call: Call, thread: Thread) -> None:
        self.programs.fork(thread)
        self.listener.let_through(call)

    def _on_exit_group(self, call: Call, thread: Thread) -> None:
        self.programs.exit(thread)
        self.listener.let_through(call)

    def _on_rename(self, call: Call, thread: Thread) -> None:
        self._name(call, thread, "rename", AT_FDCWD, call.arguments[0], AT_FDCWD, call.arguments[1])

    def _on_renameat(self, call: Call, thread: Thread) -> None:
        folder, path, to_folder, to = call.arguments[:4]
        self._name(call, thread, "rename", _number(folder), path, _number(to_folder), to)

    def _on_link(self, call: Call, thread: Thread) -> None:
        self._name(call, thread, "link", AT_FDCWD, call.arguments[0], AT_FDCWD, call.arguments[1])

    def _on_linkat(self, call: Call, thread: Thread) -> None:
        folder, path, to_folder, to = call.arguments[:4]
        self._name(call, thread, "link", _number(folder), path, _number(to_folder), to)

    def _on_symlink(self, call: Call, thread: Thread) -> None:
        self._symlink(call, thread, call.arguments[0], AT_FDCWD, call.arguments[1])

    def _on_symlinkat(self, call: Call, thread: Thread) -> None:
        self._symlink(call, thread, call.arguments[0], _number(call.arguments[1]), call.arguments[2])

    def _on_unlink(self, call: Call, thread: Thread) -> None:
        self._unlink(call, thread, AT_FDCWD, call.arguments[0])

    def _on_unlinkat(self, call: Call, thread: Thread) -> None:
        self._unlink(call, thread, _number(call.arguments[0]), call.arguments[1])

    def _on_socket(self, call: Call, thread: Thread) -> None:
        self.record.write("dgram", thread.process.name, family=call.arguments[0])
        self.listener.let_through(call)

    def _on_connect(self, call: Call, thread: Thread) -> None:
        number, address, size = call.arguments[:3]
        self.connector.connect(call, thread, _number(number), address, size)

    def _on_shmat(self, call: Call, thread: Thread) -> None:
        self.record.write("shmat", thread.process.name, shm=call.arguments[0])
        self.listener.let_through(call)

    def _on_ptrace(self, call: Call, thread: Thread) -> None:
        self._reach(call, thread, _number(call.arguments[1]) or None, "ptrace")

    def _on_process_vm_readv(self, call: Call, thread: Thread) -> None:
        self._reach(call, thread, _number(call.arguments[0]), "memory")

    def _on_pidfd_getfd(self, call: Call, thread: Thread) -> None:
        self._reach(call, thread, None, "descriptor")

    def _open(self, call: Call, thread: Thread, folder: int, address: int, flags: int, mode: int) -> None:
        path = self.memory.read_text(thread.tid, address)
        self.opener.open(Opening(call, thread, folder, path, flags, mode))

    def _execute(self, call: Call, thread: Thread, folder: int, address: int, flags: int) -> None:
        """Record an exec. The kernel may execute another file if the path changes; the next call shows which."""
        path = self.memory.read_text(thread.tid, address)
        if not path and folder != AT_FDCWD:
            handle = os.open(f"fd/{folder}", os.O_PATH | os.O_CLOEXEC, dir_fd=thread.folder)
        else:
            handle = self.paths.resolve(thread, folder, path)
        try:
            if not os.access(f"/proc/self/fd/{handle}", os.R_OK):  # the kernel would hide the process from the recorder
                raise PermissionError(errno.EACCES, "a program that cannot be read")
            self.programs.execute(thread, handle)
        finally:
            os.close(handle)
        self.listener.let_through(call)

    def _name(
        self, call: Call, thread: Thread, operation: str, folder: int, address: int, to_folder: int, to: int
    ) -> None:
        """Record a new name of a file. Files are identified by inode, so no proof depends on the names."""
        old = self.memory.read_text(thread.tid, address)
        new = self.memory.read_text(thread.tid, to)
        fields = {"path": self._text(thread, folder, old), "to": self._text(thread, to_folder, new)}
        with contextlib.suppress(OSError):
            handle = self._handle(thread, folder, old)
            try:
                fields |= self.opener.describe(handle, copy=False)
            finally:
                os.close(handle)
        self.record.write(operation, thread.process.name, **fields)
        self.listener.let_through(call)

    def _symlink(self, call: Call, thread: Thread, address: int, folder: int, to: int) -> None:
        target = self.memory.read_text(thread.tid, address)
        name = self._text(thread, folder, self.memory.read_text(thread.tid, to))
        self.record.write("symlink", thread.process.name, path=os.fsdecode(target), to=name)
        self.listener.let_through(call)

    def _unlink(self, call: Call, thread: Thread, folder: int, address: int) -> None:
        """Record the removal of a file that the run wrote, and keep a copy if it is small."""
        path = self.memory.read_text(thread.tid, address)
        handle = self.paths.resolve(thread, folder, path, follow=False)
        try:
            if self.opener.is_written(handle):
                name = os.fsdecode(self.paths.name(handle))
                self.record.write("unlink", thread.process.name, path=name, **self.opener.describe(handle, copy=True))
        finally:
            os.close(handle)
        self.listener.let_through(call)

    def _reach(self, call: Call, thread: Thread, inner: int | None, how: str) -> None:
        """Record access to another process's memory or descriptors."""
        target = self.programs.of_inner(inner) if inner else None
        if how == "ptrace" and inner is None:  # the caller asks to be traced by its parent
            target = self.table.by_name.get(thread.process.parent)
        self.record.write(
            "reach", thread.process.name, how=how, m="rw", target=target.name if target is not None else None
        )
        self.listener.let_through(call)

    def _handle(self, thread: Thread, folder: int, path: bytes) -> int:
        if not path:
            return os.open(f"fd/{folder}", os.O_PATH | os.O_CLOEXEC, dir_fd=thread.folder)
        return self.paths.resolve(thread, folder, path, follow=path.startswith(b"/proc/"))

    def _text(self, thread: Thread, folder: int, path: bytes) -> str:
        try:
            return os.fsdecode(self.paths.absolute(thread, folder, path)[: 2 * PATH_BYTES])
        except OSError:
            return os.fsdecode(path)


HANDLERS: dict[str, Callable[[Recorder, Call, Thread], None]] = {
    name: getattr(Recorder, f"_on_{name}")
    for name in (
        *("open", "openat", "openat2", "creat", "execve", "execveat", "fork", "exit_group", "rename", "renameat"),
        *("link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "socket", "connect", "shmat", "ptrace"),
        *("process_vm_readv", "pidfd_getfd"),
    )
} | {
    "vfork": Recorder._on_fork,
    "clone": Recorder._on_fork,
    "renameat2": Recorder._on_renameat,
    "process_vm_writev": Recorder._on_process_vm_readv,
}


def _require_same_user(thread: Thread) -> None:
    """Require that a thread has the same rights to files as this process.

    Raises:
        PermissionError: it belongs to another user.
    """
    users, groups = user_and_group(thread.folder)
    for kind, found, own in (("user", users, os.geteuid()), ("group", groups, os.getegid())):
        if found != {own}:
            numbers = ", ".join(map(str, sorted(found)))
            raise PermissionError(
                errno.EPERM, f"on the host its {kind} id is {numbers}, the recorder's {own}", "the sandbox"
            )


def _number(argument: int) -> int:
    """Return an argument as the 32-bit signed number that the kernel takes it for."""
    return (argument & 0xFFFFFFFF) - ((argument & 0x80000000) << 1)
