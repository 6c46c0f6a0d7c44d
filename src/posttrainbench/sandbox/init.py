"""The first process of a container: `python init.py DEADLINE FILTER COMMAND...`. Uses only the standard library.

It adds a seccomp filter (hexadecimal, may be empty) to the engine's own; reaps orphans, which would otherwise fill the
process table; forwards SIGTERM to every process; exits with the command, upon which the kernel kills the rest; and
exits after the deadline (seconds since boot, or `none`) in case the supervisor outside has been killed. No process
inside can kill or trace it.
"""

import contextlib
import ctypes
import os
import signal
import struct
import sys
import time

PR_SET_DUMPABLE, PR_SET_SECCOMP = 4, 22
SECCOMP_MODE_FILTER = 2
POLL_SECONDS = 0.5
COUNTERS = (
    ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"),
    ("/sys/fs/cgroup/pids/pids.events", "max"),
    ("/sys/fs/cgroup/memory.events", "oom_kill"),
    ("/sys/fs/cgroup/pids.events", "max"),
)
"""Counters of exceeded limits in the container's control groups (versions 1 and 2): file and key."""
LINGER_SECONDS = 1.0
"""A container that exceeded a limit stays this much longer, so that the supervisor can read its counters."""
OVERTIME_SECONDS = 6.0
"""Delay after the deadline, so that the supervisor normally ends the container first."""
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """Run the command and return its exit code, 128 + N after signal N."""
    deadline = float("inf") if sys.argv[1] == "none" else float(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    program = bytes.fromhex(sys.argv[2])
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            if program:
                _install_filter(program)
            os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606
        except OSError as error:
            os.write(2, f"{sys.argv[3]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    devnull = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # so that the pipes close when the command's processes close them
        os.dup2(devnull, descriptor)
    return _supervise(child, deadline)


def _install_filter(program: bytes) -> None:
    """Install a seccomp filter, which is permanent. The kernel requires `no_new_privs`, which the engine has set."""
    instructions = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, sock_fprog, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused the seccomp filter")


def _supervise(child: int, deadline: float) -> int:
    """Wait until the command has exited, or after SIGTERM until all processes have; return the exit code."""
    code = None
    terminating = alone = False
    while time.clock_gettime(time.CLOCK_BOOTTIME) < deadline + OVERTIME_SECONDS:
        received = signal.sigtimedwait(SIGNALS, POLL_SECONDS)
        if received is not None and received.si_signo != signal.SIGCHLD:
            terminating = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGTERM)
        try:
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                if reaped[0] == child:
                    code = os.waitstatus_to_exitcode(reaped[1])
                    code = code if code >= 0 else 128 - code
        except ChildProcessError:
            alone = True
        if code is not None and (alone or not terminating):
            if any(map(_is_nonzero, COUNTERS)):
                time.sleep(LINGER_SECONDS)
            return code
    return 137


def _is_nonzero(counter: tuple[str, str]) -> bool:
    path, key = counter
    try:
        with open(path) as file:  # noqa: PTH123  (pathlib would make each start slower)
            return any(line.startswith(f"{key} ") and line.split()[1] != "0" for line in file)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
