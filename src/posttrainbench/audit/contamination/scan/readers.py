"""Readers of content: stretches, decompressors and limits, with one small interface."""

from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from typing_extensions import override

from posttrainbench.untrusted import UnreadableError

LIMIT = 2 * 2**30
RATIO = 100
"""The contents of all layers of a file may have `LIMIT` bytes plus `RATIO` times the file's size."""

STEP = 2**20
_ZSTD_WINDOW = 2**27
_ZSTD_STEP, _ZSTD_INPUT = 2**15, 2**10
BROKEN_OFF = "it is damaged: its compressed data is truncated"


class Reader(Protocol):
    """Source of content."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""
        ...


class Budget:
    """Counts down the amount of content that one file may have."""

    def __init__(self, size: int) -> None:
        self.limit = LIMIT + RATIO * size
        self.left = self.limit

    def spend(self, size: int) -> None:
        """Subtract `size` bytes of content.

        Raises:
            UnreadableError: the limit is exceeded.
        """
        self.left -= size
        if self.left < 0:
            raise UnreadableError(f"its content exceeds {self.limit >> 20} MiB; only that much was searched")


class Peekable(Reader):
    """A reader whose first bytes can be examined before they are read."""

    def __init__(self, source: Reader) -> None:
        self._source, self._head = source, b""

    @property
    def file(self) -> BinaryIO | None:
        """The underlying file, if this is a whole file."""
        return getattr(self._source, "file", None)

    @property
    def is_read_otherwise(self) -> bool:
        """True if the binary data in this content is also searched as another content of the same file."""
        return getattr(self._source, "is_read_otherwise", False)

    def peek(self, size: int) -> bytes:
        """Return the first bytes without consuming them."""
        while len(self._head) < size and (more := self._source.read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    @override
    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._source.read(size)


class Inflated(Reader):
    """A reader of decompressed content, of all members one after another."""

    def __init__(self, source: Reader, make: Callable[[], Any], budget: Budget) -> None:
        self._source, self._make, self._budget = source, make, budget
        self._engine, self._input, self._begun = make(), b"", False

    @override
    def read(self, size: int, /) -> bytes:
        while True:
            if getattr(self._engine, "eof", False):
                self._input = self._engine.unused_data or self._source.read(STEP)
                if not self._input.strip(b"\0"):  # padding, as tar writes it
                    return b""
                self._engine, self._begun = self._make(), False
            needs = getattr(self._engine, "needs_input", not self._input)
            if needs and not self._input:
                self._input = self._source.read(STEP)
                if not self._input and not self._begun:
                    return b""
            ended = needs and not self._input
            self._begun = True
            data, self._input = self._step(size)
            self._budget.spend(len(data))
            if data:
                return data
            if ended and not getattr(self._engine, "eof", False):
                raise UnreadableError(BROKEN_OFF)

    def _step(self, size: int) -> tuple[bytes, bytes]:
        if hasattr(self._engine, "unconsumed_tail"):  # zlib
            data = self._engine.decompress(self._input, size)
            return data, self._engine.unconsumed_tail
        return self._engine.decompress(self._input, size), b""


class Zstandard(Reader):
    """A reader of decompressed zstandard frames. It passes little input at a time, because output is not limited."""

    def __init__(self, source: Reader, budget: Budget) -> None:
        import zstandard

        self._make = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj
        self._source, self._budget = source, budget
        self._engine, self._input, self._output = self._make(), b"", b""

    @override
    def read(self, size: int, /) -> bytes:
        while not self._output:
            if self._engine.eof:
                self._input = self._engine.unused_data + self._input
                if not (self._input or self._more()):
                    return b""
                self._engine = self._make()
            elif not (self._input or self._more()):
                raise UnreadableError(BROKEN_OFF)
            piece, self._input = self._input[:_ZSTD_INPUT], self._input[_ZSTD_INPUT:]
            self._output = self._engine.decompress(piece)
            self._budget.spend(len(self._output))
        data, self._output = self._output[:size], self._output[size:]
        return data

    def _more(self) -> bool:
        self._input = self._source.read(_ZSTD_STEP)
        return bool(self._input)


class Raw(Reader):
    """A reader whose content is not unpacked further; `is_read_otherwise` if all binary data in it is searched too."""

    def __init__(self, source: Reader, *, is_read_otherwise: bool = False) -> None:
        self._source, self.is_read_otherwise = source, is_read_otherwise

    @override
    def read(self, size: int, /) -> bytes:
        return self._source.read(size)


class Part(Reader):
    """A reader of the next `size` bytes of another reader."""

    def __init__(self, source: Reader, size: int) -> None:
        self._source, self.left = source, size

    @override
    def read(self, size: int, /) -> bytes:
        data = self._source.read(min(size, self.left)) if self.left else b""
        self.left -= len(data)
        return data


class Counted(Reader):
    """A reader that counts its content against a budget."""

    def __init__(self, source: Reader, budget: Budget) -> None:
        self._source, self._budget = source, budget

    @override
    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._budget.spend(len(data))
        return data


class Guarded(Reader):
    """A reader that turns every failure into `UnreadableError`, because hostile archives raise all kinds of errors."""

    def __init__(self, source: Reader) -> None:
        self._source = source

    @override
    def read(self, size: int, /) -> bytes:
        try:
            return self._source.read(size)
        except UnreadableError:
            raise
        except Exception as error:
            raise damaged(error) from None


def damaged(error: Exception) -> UnreadableError:
    """Return the `UnreadableError` for an exception of a parser."""
    if isinstance(error, MemoryError):
        return UnreadableError("it needs too much memory")
    return UnreadableError(f"it is damaged or encrypted ({type(error).__name__})")
