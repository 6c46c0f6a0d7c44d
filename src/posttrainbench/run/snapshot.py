"""Keeps what the agent had in `final_model` at the moment its last process died.

Regular files share their blocks with the workspace's (a reflink, else a hard link) where the file system can do so, so
that gigabytes take no time at the deadline; else they are copied.

A symlink counts as the file it leads to when that lies inside the
workspace; one that leads out is kept as a symlink, for the sanitiser to refuse by name. Nothing outside is ever read.
"""

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path, PurePosixPath

FICLONE = 0x40049409
"""Number of the ioctl that makes a file share another's blocks, until one of them is written to."""
LINKS = 40
"""Symlinks followed before a chain counts as a loop, as in the kernel."""


def snapshot(workspace: Path, seen_as: str, destination: Path) -> None:
    """Make `destination` a flat copy of `final_model`; it stays missing when there is none.

    Args:
        seen_as: the path at which the agent saw its workspace: absolute symlinks are meant relative to that.
    """
    source = resolve_inside(workspace / "final_model", workspace, seen_as)
    if source is None or not source.is_dir():
        return
    destination.mkdir()
    for entry in sorted(source.iterdir()):
        target = destination / entry.name
        real = resolve_inside(entry, workspace, seen_as)
        if real is None:
            target.symlink_to("outside-the-workspace")
            continue
        mode = real.lstat().st_mode
        if stat.S_ISREG(mode):
            share_or_copy(real, target)
        elif stat.S_ISDIR(mode):
            target.mkdir()  # only its name matters: a submission has no directories
        else:
            os.mkfifo(target)  # pipes, sockets and devices alike: refused later


def make_readable(workspace: Path) -> None:
    """Give the owner access to everything: permissions must not hide anything from the snapshot and the audit."""
    workspace.chmod(0o700)
    for folder, folders, names in os.walk(workspace):
        for name in [*folders, *names]:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
            if not stat.S_ISLNK(mode) and mode & wanted != wanted:
                path.chmod(stat.S_IMODE(mode) | wanted)


def share_or_copy(source: Path, target: Path) -> None:
    """A reflink; a hard link where the file system has none; a copy where it has neither."""
    if reflink(source, target):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def reflink(source: Path, target: Path) -> bool:
    """Whether the new file `target` could be made to share the blocks of `source`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW
    with contextlib.suppress(OSError), os.fdopen(os.open(source, flags), "rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write, FICLONE, read.fileno())
        except OSError:
            target.unlink()
            return False
        return True
    return False


def resolve_inside(path: Path, workspace: Path, seen_as: str) -> Path | None:
    """Follow symlinks as the agent saw them; None when the end is missing, outside the workspace, or a loop.

    Args:
        path: below `workspace`, on the host.
    """
    todo = list(path.relative_to(workspace).parts)
    at: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            if not at:
                return None
            at.pop()
            continue
        here = workspace.joinpath(*at, part)
        try:
            is_link = stat.S_ISLNK(here.lstat().st_mode)
        except OSError:
            return None
        if not is_link:
            at.append(part)
            continue
        links += 1
        if links > LINKS:
            return None
        leads = PurePosixPath(here.readlink())
        if leads.is_absolute():
            if not leads.is_relative_to(seen_as):
                return None
            at, leads = [], leads.relative_to(seen_as)
        todo = [*leads.parts, *todo]
    return workspace.joinpath(*at)
