"""Kill process trees. Processes are identified by id and start time, never by name."""

import contextlib
import time

import psutil

POLL_SECONDS = 0.005


def terminate_tree(root: psutil.Process, grace: float) -> None:
    """Send SIGTERM to every descendant of `root`, then SIGKILL to all that are left after `grace` seconds."""
    members = tree_members(root)
    if grace > 0:
        for process in members:
            with contextlib.suppress(psutil.Error):  # exited, or owned by another user
                process.terminate()
        deadline = time.monotonic() + grace
        while any(map(_alive, members)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    kill_tree(root)


def kill_tree(root: psutil.Process) -> None:
    """Send SIGKILL to every descendant of `root` until only processes of other users are left."""
    foreign: set[psutil.Process] = set()
    while members := [process for process in tree_members(root) if process not in foreign and _alive(process)]:
        for process in members:
            try:
                process.kill()
            except psutil.AccessDenied:
                foreign.add(process)
            except psutil.NoSuchProcess:
                continue
        time.sleep(POLL_SECONDS)


def kill_process(process: psutil.Process) -> None:
    """Send SIGKILL to one process and wait until it is dead. A zombie counts as dead, since it may never be reaped."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    while _alive(process):
        time.sleep(POLL_SECONDS)


def tree_members(root: psutil.Process) -> list[psutil.Process]:
    """Return all descendants of `root`; an empty list if it has exited."""
    try:
        return list(root.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
