"""Permitted documents: test items that occur in them are not evidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.audit.contamination.scan.files import FileScan, Occurrence
from posttrainbench.audit.contamination.scan.index import Index
from posttrainbench.audit.contamination.scan.search import Searcher
from posttrainbench.benchmarks import Item
from posttrainbench.errors import InputError
from posttrainbench.files import require_existing
from posttrainbench.untrusted import Entry, walk


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


def entries(path: Path) -> Iterable[Entry]:
    """Return the file that a path names, or all files below a directory.

    Raises:
        InputError: the path does not exist or cannot be read.
    """
    require_existing(path, "a file or a directory")
    try:
        real = path.resolve(strict=True)
        if real.is_dir():
            return walk(real)
        status = real.stat()
        return [Entry(real, path.name, status.st_size, changed=status.st_ctime_ns)]
    except (OSError, RuntimeError):
        raise InputError(f"{path} cannot be read; give a file or a directory.") from None
