"""Run a server until standard input closes: `python -m posttrainbench.engines.guard SCRATCH COMMAND...`.

The server and all its workers are stopped with the evaluation that started them, even if that was killed, and the
directory SCRATCH is removed. Standard output and error are passed to the command. The guard is a subreaper, so that all
workers are its descendants.
"""

import ctypes
import os
import select
import shutil
import subprocess
import sys

import psutil

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 10.0


def main() -> int:
    """Run the command; return its exit code (128 + N after signal N), or 0 if standard input closed first."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    scratch, *command = sys.argv[1:]
    try:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        while server.poll() is None:
            readable, _, _ = select.select([0], [], [], 0.1)
            if readable and not os.read(0, 1024):
                break
        ended = server.poll() or 0
        _end_descendants()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return ended if ended >= 0 else 128 - ended


def _end_descendants() -> None:
    """Send SIGTERM to all descendants, then SIGKILL to the remaining ones."""
    for end, patience in ((psutil.Process.terminate, GRACE_SECONDS), (psutil.Process.kill, GRACE_SECONDS)):
        tree = psutil.Process().children(recursive=True)
        for process in tree:
            try:
                end(process)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(tree, timeout=patience)


if __name__ == "__main__":
    sys.exit(main())
