"""Ending a process tree by its members' identities, never by name."""

import contextlib

import psutil


def signal_tree(root: psutil.Process, *, include_root: bool, grace: float) -> None:
    """SIGTERM to every process below `root`, then SIGKILL to those alive after `grace` seconds, new ones included."""
    members = _members(root, include_root)
    if grace > 0:
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        psutil.wait_procs(members, timeout=grace)
    kill_tree(root, include_root=include_root)


def kill_tree(root: psutil.Process, *, include_root: bool) -> None:
    """SIGKILL to every process below `root`, again and again until none is left."""
    while members := [process for process in _members(root, include_root) if _alive(process)]:
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(members, timeout=1)


def _members(root: psutil.Process, include_root: bool) -> list[psutil.Process]:
    try:
        return root.children(recursive=True) + ([root] if include_root else [])
    except psutil.NoSuchProcess:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
