"""Permitted documents: test items that occur in them are not evidence."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from posttrainbench.audit.contamination.scan.files import FileScan, Occurrence
from posttrainbench.audit.contamination.scan.index import Index
from posttrainbench.audit.contamination.scan.search import Searcher
from posttrainbench.benchmarks import Item
from posttrainbench.errors import InputError
from posttrainbench.files import require_existing
from posttrainbench.untrusted import Entry, printable, walk

_VIRTUAL = "/dev", "/proc", "/sys"  # links to these lead to no data


@dataclass(frozen=True)
class Whitelist:
    """Data that may be trained on.

    Attributes:
        items: a permitted split of the same benchmark. N-grams of test items that occur in it are ignored.
        files: permitted documents: files or directories of any kind. A match is ignored if the same words, compared by
            hash, match in one of them. A copy of such a document is permitted in any schema; a test item beside it
            still counts.
    """

    items: Sequence[Item] = ()
    files: Sequence[Path] = ()

    @property
    def texts(self) -> list[str]:
        """Texts of the permitted items."""
        return [f"{item.question}\n{item.answer}" for item in self.items]

    @property
    def rows(self) -> list[str]:
        """The permitted items with all their values, as JSON."""
        return [json.dumps(item.row, ensure_ascii=False) for item in self.items]


def allowed_keys(files: Iterable[Path], index: Index) -> frozenset[bytes]:
    """Return the keys of all matches in permitted documents.

    Raises:
        InputError: a document cannot be read.
    """
    keys: set[bytes] = set()

    def record(occurrence: Occurrence) -> str:
        keys.update(match.key for match in (occurrence.match, *occurrence.others))
        return ""

    searcher = Searcher(index)
    for path in files:
        for entry in entries(path):
            result = FileScan(index, searcher, record).whole(entry)
            if entry.reason or result.reason:
                raise InputError(f"{entry.path} of the whitelist cannot be read: {entry.reason or result.reason}.")
    return frozenset(keys)


def _followed(found: Iterable[Entry], root: Path) -> Iterable[Entry]:
    """Yield entries of a directory, with files outside of it in place of the links that lead to them."""
    seen = set[Path]()
    for entry in found:
        if not entry.path.is_symlink():
            yield entry
            continue
        try:
            real = entry.path.resolve(strict=True)
            status = real.stat()
        except (FileNotFoundError, RuntimeError):  # dangling, or a loop
            yield entry
            continue
        except OSError as error:
            yield replace(entry, reason=f"symbolic link that cannot be followed ({error.strerror})", lost=True)
            continue
        if real in seen or any(real.is_relative_to(place) for place in (root, *_VIRTUAL)):
            yield entry
        elif real.is_dir():
            reason = f"symbolic link to the directory {printable(str(real))}; search it too"
            yield replace(entry, reason=reason, lost=True)
        elif real.is_file():
            seen.add(real)
            yield Entry(real, entry.relative, status.st_size, changed=status.st_ctime_ns)
        else:
            yield entry


def entries(path: Path) -> Iterable[Entry]:
    """Return the file that a path names, or all files below a directory.

    Symbolic links that lead out of the directory are followed to files, not to directories.

    Raises:
        InputError: the path does not exist or cannot be read.
    """
    require_existing(path, "a file or a directory")
    try:
        real = path.resolve(strict=True)
        if real.is_dir():
            return list(_followed(walk(real), real))
        status = real.stat()
        return [Entry(real, path.name, status.st_size, changed=status.st_ctime_ns)]
    except (OSError, RuntimeError):
        raise InputError(f"{path} cannot be read; give a file or a directory.") from None
