"""The first message of a TLS client (RFC 8446, 4.1.2): which server it names, and which protocols it offers."""

from dataclasses import dataclass

RECORD_HEADER = 5
LONGEST = 2**14 + 2**8
SERVER_NAME, PROTOCOLS = 0, 16


@dataclass(frozen=True)
class Hello:
    """What matters of the message.

    Attributes:
        server: the name of the server; None where there is none.
        protocols: such as `h2` and `http/1.1`; empty where none are offered.
    """

    server: str | None
    protocols: tuple[str, ...]


def is_tls(data: bytes) -> bool:
    """Whether a connection that begins so speaks TLS."""
    return data[:2] == b"\x16\x03"


def missing(data: bytes) -> bool:
    """Whether the message is not whole yet."""
    if len(data) < RECORD_HEADER:
        return True
    return len(data) < min(RECORD_HEADER + int.from_bytes(data[3:5]), LONGEST)


def read_hello(data: bytes) -> Hello | None:
    """Read the message; None where it is not one, or is cut over several records, as no usual client's is."""
    reader = _Reader(data[RECORD_HEADER : RECORD_HEADER + int.from_bytes(data[3:5])])
    try:
        if reader.number(1) != 1:
            return None
        reader = _Reader(reader.vector(3))
        reader.take(2 + 32)
        reader.vector(1)
        reader.vector(2)
        reader.vector(1)
        extensions = _Reader(reader.vector(2)) if reader.left else _Reader(b"")
        server: str | None = None
        protocols: tuple[str, ...] = ()
        while extensions.left:
            kind, content = extensions.number(2), _Reader(extensions.vector(2))
            if kind == SERVER_NAME and content.left:
                names = _Reader(content.vector(2))
                if names.number(1) == 0:
                    server = names.vector(2).decode("ascii").lower().rstrip(".")
            elif kind == PROTOCOLS:
                names = _Reader(content.vector(2))
                offered = []
                while names.left:
                    offered.append(names.vector(1).decode("latin-1"))
                protocols = tuple(offered)
    except ValueError:
        return None
    return Hello(server, protocols)


class _Reader:
    """Takes fields off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._place

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError("the message is cut")
        self._place += count
        return self._data[self._place - count : self._place]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))
