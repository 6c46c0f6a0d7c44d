"""Runs a command and ends all its descendants with it: `python -m posttrainbench.sandbox.supervisor FD COMMAND...`.

It is a child subreaper, so double-forked and setsid descendants stay its own. It ends them when the command exits,
when a grace period (seconds) arrives on the control pipe, or when that pipe closes because the orchestrator died.
"""

import ctypes
import os
import select
import subprocess
import sys

import psutil

from posttrainbench.sandbox.tree import signal_tree

PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command; return its exit code as a shell would."""
    control, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command)
    told = None
    while told is None and child.poll() is None:
        readable, _, _ = select.select([control], [], [], 0.05)
        if readable:
            told = os.read(control, 64).decode().strip()
    signal_tree(psutil.Process(), grace=float(told or 0))
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
