"""Parse a TLS ClientHello (RFC 8446, section 4.1.2) for its server name and application protocols."""

from dataclasses import dataclass

RECORD_HEADER = 5
MAX_RECORD = 2**14 + 2**8
SERVER_NAME, PROTOCOLS = 0, 16
"""Extension types: server name indication and application-layer protocol negotiation."""


@dataclass(frozen=True)
class ClientHello:
    """Fields of a ClientHello.

    Attributes:
        server: the server name; None if absent.
        protocols: the protocols that the client offers, such as `h2` and `http/1.1`; empty if absent.
    """

    server: str | None
    protocols: tuple[str, ...]


def is_tls(data: bytes) -> bool:
    """Return whether a connection that starts with these bytes speaks TLS."""
    return data[:2] == b"\x16\x03"


def is_incomplete(data: bytes) -> bool:
    """Return whether more bytes are needed to complete the first TLS record."""
    if len(data) < RECORD_HEADER:
        return True
    return len(data) < min(RECORD_HEADER + int.from_bytes(data[3:5]), MAX_RECORD)


def read_client_hello(data: bytes) -> ClientHello | None:
    """Parse a ClientHello.

    Returns:
        None if the data is not a ClientHello, or if the message spans several records, which common clients never do.
    """
    reader = _Reader(data[RECORD_HEADER : RECORD_HEADER + int.from_bytes(data[3:5])])
    try:
        if reader.number(1) != 1:
            return None
        reader = _Reader(reader.vector(3))
        reader.take(2 + 32)  # version and random
        reader.vector(1)  # session id
        reader.vector(2)  # cipher suites
        reader.vector(1)  # compression methods
        extensions = _Reader(reader.vector(2)) if reader.remaining else _Reader(b"")
        server: str | None = None
        protocols: tuple[str, ...] = ()
        while extensions.remaining:
            kind, content = extensions.number(2), _Reader(extensions.vector(2))
            if kind == SERVER_NAME and content.remaining:
                names = _Reader(content.vector(2))
                if names.number(1) == 0:
                    server = names.vector(2).decode("ascii").lower().rstrip(".")
            elif kind == PROTOCOLS:
                names = _Reader(content.vector(2))
                offered = []
                while names.remaining:
                    offered.append(names.vector(1).decode("latin-1"))
                protocols = tuple(offered)
    except ValueError:
        return None
    return ClientHello(server, protocols)


class _Reader:
    """Reads fields from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        if count > self.remaining:
            raise ValueError("the message is truncated")
        self._position += count
        return self._data[self._position - count : self._position]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))
