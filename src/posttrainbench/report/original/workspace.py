"""Copy the agent's files, `task/`, as the workspace of an imported run, and its evaluation kit as the kit.

The original's kit lies in `task/` itself. Its files are also copied to the run's kit, so that an audit does not take
them for scripts of the agent. They are as the agent left them: whether it changed them is not known.
"""

import errno
from pathlib import Path

from posttrainbench.files import sha256_file
from posttrainbench.report.original.files import OriginalFiles
from posttrainbench.untrusted import UnreadableError, open_regular, walk

TASK = "task"
KIT_FILES = ("evaluate.py", "timer.sh")
KIT_FOLDERS = ("templates",)
MAX_FILES = 20_000
MAX_TOTAL = 2**32
MAX_FILE = 2**28
"""Bytes. Larger files, such as weights, are left out and listed."""
CHUNK = 2**20


def copy_workspace(files: OriginalFiles, workspace: Path, kit: Path) -> tuple[dict[str, str], int]:
    """Copy the regular files of `task/`. What is left out is listed in `files`.

    Returns:
        The kit's manifest, and the number of files in the workspace.
    """
    workspace.mkdir()
    kit.mkdir(parents=True)
    source = files.locate(TASK)
    if source is None or source.is_symlink() or not source.is_dir():
        files.skip(TASK, "it does not exist" if source is None else "it is not a directory")
        return {}, 0
    copied, total = 0, 0
    manifest: dict[str, str] = {}
    for entry in walk(source):
        name = f"{TASK}/{entry.relative}"
        if entry.reason:
            files.skip(name, entry.reason)
            continue
        if copied == MAX_FILES:
            files.skip(TASK, f"only its first {MAX_FILES:,} files were copied")
            break
        if entry.size > MAX_FILE or total + entry.size > MAX_TOTAL:
            limit = MAX_FILE if entry.size > MAX_FILE else MAX_TOTAL
            files.skip(
                name, f"it exceeds the limit of {limit // 2**20:,} MiB {'for a file' * (limit == MAX_FILE)}".strip()
            )
            continue
        relative = entry.path.relative_to(source)
        try:
            _copy(entry.path, workspace / relative, entry.size)
        except UnreadableError as error:
            files.skip(name, str(error))
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            files.skip(name, "its path is too long")
            continue
        copied, total = copied + 1, total + entry.size
        if entry.relative in KIT_FILES or relative.parts[0] in KIT_FOLDERS:
            _copy(workspace / relative, kit / relative, entry.size)
            manifest[entry.relative] = sha256_file(kit / relative)
    return manifest, copied


def _copy(source: Path, destination: Path, size: int) -> None:
    """Copy at most `size` bytes of a regular file, without its mode and owner."""
    with open_regular(source) as read:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with destination.open("xb") as write:
            while size > 0 and (data := read.read(min(CHUNK, size))):
                write.write(data)
                size -= len(data)
