"""Ending a process tree by its members' identities, never by name."""

import contextlib
import time

import psutil

POLL_SECONDS = 0.005


def signal_tree(root: psutil.Process, grace: float) -> None:
    """SIGTERM to every process below `root`, then SIGKILL to those alive after `grace` seconds, new ones included."""
    members = _members(root)
    if grace > 0:
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        deadline = time.monotonic() + grace
        while any(map(_alive, members)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    kill_tree(root)


def kill_tree(root: psutil.Process) -> None:
    """SIGKILL to every process below `root`, again and again until none is left."""
    while members := [process for process in _members(root) if _alive(process)]:
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(POLL_SECONDS)


def end(process: psutil.Process) -> None:
    """SIGKILL to one process, and wait until it is dead; a zombie is, also where nobody reaps orphans."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    while _alive(process):
        time.sleep(POLL_SECONDS)


def _members(root: psutil.Process) -> list[psutil.Process]:
    try:
        return list(root.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
