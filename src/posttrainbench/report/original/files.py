"""Bounded reading of one original run, with a list of what could not be read."""

from pathlib import Path
from typing import Any

from posttrainbench.records import Unread
from posttrainbench.untrusted import UnreadableError, open_regular, parse_json, printable

MAX_TEXT = 2**22
MAX_CONTAINERS = 100_000


class OriginalFiles:
    """The files of one original run.

    Attributes:
        root: directory of the run.
        unread: what was not read so far.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unread: list[Unread] = []

    def skip(self, path: str, reason: str) -> None:
        """List something that was not read."""
        entry = Unread(path=printable(path), reason=reason)
        if entry not in self.unread:
            self.unread.append(entry)

    def locate(self, name: str) -> Path | None:
        """Return the path of an entry of the run; None if it does not exist or a directory on the way is a link."""
        path = self.root
        for part in name.split("/")[:-1]:
            path = path / part
            if path.is_symlink():
                self.skip(name, f"{part} is a symbolic link, which is not followed")
                return None
        path = self.root / name
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.skip(name, f"it cannot be read ({error.strerror})")
            return None
        return path

    def text(self, name: str) -> str | None:
        """Return the text of a file; None if it does not exist or cannot be read, which is then listed."""
        data = self._bytes(name)
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError:
            self.skip(name, "it is not UTF-8")
            return None

    def json(self, name: str) -> dict[str, Any] | None:
        """Return the object in a JSON file; None as for `text`."""
        data = self._bytes(name)
        if data is None:
            return None
        try:
            value = parse_json(data, MAX_CONTAINERS)
        except UnreadableError as error:
            self.skip(name, str(error))
            return None
        if not isinstance(value, dict):
            self.skip(name, "it is not a JSON object")
            return None
        return value

    def _bytes(self, name: str) -> bytes | None:
        if (path := self.locate(name)) is None:
            return None
        try:
            with open_regular(path) as file:
                data = file.read(MAX_TEXT + 1)
        except (UnreadableError, OSError) as error:
            self.skip(name, str(error) if isinstance(error, UnreadableError) else f"{error.strerror}")
            return None
        if len(data) > MAX_TEXT:
            self.skip(name, f"it is larger than {MAX_TEXT // 2**20} MiB")
            return None
        return data
