"""The local store of pulled data, with atomic replacement of directories."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import fsync_dir, fsync_tree


def store_root() -> Path:
    """Return `$PTB_DATA`, or `posttrainbench` in the user's data directory (`$XDG_DATA_HOME`, `~/.local/share`)."""
    if chosen := os.environ.get("PTB_DATA"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "posttrainbench"


@contextmanager
def store_write_errors() -> Iterator[None]:
    """Convert an `OSError` from writing to the store to an `InputError`.

    Raises:
        InputError: the store is not writable.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write to {store_root()}; set PTB_DATA to a writable directory with free space: {one_line(error)}"
        ) from None


def replace_directory(target: Path, files: Mapping[str, bytes]) -> None:
    """Replace a directory, or create it, with these files only.

    The new directory is written beside the old one and renamed once it is on disk. A crash leaves the old directory,
    the new one, or (between two renames) none, but never an incomplete one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    with (target.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in (new, old):  # left by a crash
            shutil.rmtree(stale, ignore_errors=True)
        new.mkdir()
        for name, data in files.items():
            (new / name).write_bytes(data)
        fsync_tree(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
        fsync_dir(target.parent)
        shutil.rmtree(old, ignore_errors=True)
