"""Snapshot `final_model` when the agent's last process has ended.

Regular files are reflinked or hard-linked if the file system supports it, so that gigabytes take no time at the
deadline; otherwise they are copied.

A symlink to a file inside the workspace is replaced by that file. A symlink to a file of the base model becomes a link
to that file on the host. Any other symlink to the outside is kept as a symlink, so that the submission check refuses
it by name. No other file outside the workspace is read. Of a directory in `final_model`, only the names of the files
that mark a complete checkpoint are kept, so that the submission check can say that it has to be moved up.
"""

import contextlib
import fcntl
import os
import posixpath
import shutil
import stat
from pathlib import Path, PurePosixPath

FICLONE = 0x40049409
"""The ioctl that makes a file share the blocks of another one, copy-on-write."""
MAX_PATH = 1024
"""Bytes of a directory's path from which on it is moved up; the kernel opens paths of at most 4096 bytes."""
CHECKPOINT_MARKS = ("config.json", "model.safetensors", "model.safetensors.index.json")
MAX_LINKS = 40
"""Number of symlinks after which a chain counts as a loop, as in the kernel."""


def snapshot(
    workspace: Path, sandbox_path: str, destination: Path, base_model: Path | None = None, base_sandbox_path: str = ""
) -> None:
    """Create `destination` as a flat copy of `final_model`. Do nothing if `final_model` is missing.

    Args:
        workspace: on the host.
        sandbox_path: path of the workspace inside the sandbox, to which absolute symlinks refer.
        destination: a path that does not exist.
        base_model: directory of the base model on the host; None if the sandbox did not mount it.
        base_sandbox_path: path of the base model inside the sandbox.
    """
    final_model = workspace / "final_model"
    source, outside = _resolve(final_model, workspace, sandbox_path)
    if base_model is not None and outside == base_sandbox_path:
        destination.symlink_to(base_model)
        return
    if source is None or not source.is_dir():
        return
    destination.mkdir()
    for entry in sorted(source.iterdir()):
        target = destination / entry.name
        real, outside = _resolve(entry, workspace, sandbox_path)
        if real is None:
            folder, _, name = outside.rpartition("/")
            from_base = base_model is not None and folder == base_sandbox_path and (base_model / name).is_file()
            target.symlink_to(base_model / name if base_model and from_base else "outside-the-workspace")
            continue
        mode = real.lstat().st_mode
        if stat.S_ISREG(mode):
            share_or_copy(real, target)
        elif stat.S_ISDIR(mode):
            target.mkdir()
            for name in CHECKPOINT_MARKS:
                if stat.S_ISREG(_mode(real / name)):
                    (target / name).touch()
        else:
            os.mkfifo(target)  # stands for any pipe, socket or device: refused later


def _mode(path: Path) -> int:
    """Return the `st_mode` of a file; 0 if there is none."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def secure_workspace(workspace: Path) -> None:
    """Make everything below the workspace readable for its owner, and for nobody else.

    Setuid, setgid and sticky bits go, and so do all rights of the group and of others. Directories whose paths are too
    long to be opened are moved to `.deep-N` in the workspace. So neither permissions nor depth can hide a file from the
    snapshot and the audit, or make them fail.
    """
    pending = [workspace]
    moved = 0
    while pending:
        folder = pending.pop()
        folder.chmod(0o700)
        with os.scandir(folder) as entries:
            children = [Path(entry.path) for entry in entries]
        for child in children:
            mode = child.lstat().st_mode
            if stat.S_ISDIR(mode):
                if len(os.fsencode(child)) > MAX_PATH:
                    while (target := workspace / f".deep-{moved}").exists() or target.is_symlink():
                        moved += 1
                    folder_mode = stat.S_IMODE(mode) | 0o700
                    child.chmod(folder_mode)  # a directory is renamed by its owner only if writable
                    child = child.rename(target)
                pending.append(child)
            elif not stat.S_ISLNK(mode):
                child.chmod(0o600 | (stat.S_IMODE(mode) & 0o100))


def share_or_copy(source: Path, target: Path) -> None:
    """Create `target` as a reflink of `source`, else as a hard link, else as a copy."""
    if reflink(source, target):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)


def reflink(source: Path, target: Path) -> bool:
    """Create `target` as a reflink of `source`. Return False if the file system does not support that."""
    flags = os.O_RDONLY | os.O_NOFOLLOW
    with contextlib.suppress(OSError), os.fdopen(os.open(source, flags), "rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write, FICLONE, read.fileno())
        except OSError:
            target.unlink()
            return False
        return True
    return False


def resolve_inside(path: Path, workspace: Path, sandbox_path: str) -> Path | None:
    """Resolve symlinks as inside the sandbox.

    Args:
        path: below `workspace`, on the host.
        workspace: on the host.
        sandbox_path: see `snapshot`.

    Returns:
        The resolved path; None if it is missing, outside the workspace, or a loop.
    """
    return _resolve(path, workspace, sandbox_path)[0]


def _resolve(path: Path, workspace: Path, sandbox_path: str) -> tuple[Path | None, str]:
    """Return what `resolve_inside` returns, and the path in the sandbox at which symlinks leave the workspace."""
    todo = list(path.relative_to(workspace).parts)
    resolved: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            if not resolved:
                return None, posixpath.normpath(posixpath.join(sandbox_path, "..", *todo))
            resolved.pop()
            continue
        here = workspace.joinpath(*resolved, part)
        try:
            is_link = stat.S_ISLNK(here.lstat().st_mode)
        except OSError:
            return None, ""
        if not is_link:
            resolved.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            return None, ""
        link = PurePosixPath(here.readlink())
        if link.is_absolute():
            if not link.is_relative_to(sandbox_path):
                return None, posixpath.normpath(posixpath.join(link, *todo))
            resolved, link = [], link.relative_to(sandbox_path)
        todo = [*link.parts, *todo]
    return workspace.joinpath(*resolved), ""
