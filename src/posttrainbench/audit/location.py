"""From the number of a word in a chunk back to its line, its byte and a readable excerpt around it."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from posttrainbench.audit.normalise import unescape, words

QUOTED = 300  # characters of an excerpt
_PIECE = 400  # bytes of a long line that are counted together


@dataclass(frozen=True)
class Place:
    """Where a word stands.

    Attributes:
        line: 0-based, within the chunk.
        start_of_line: byte where that line begins.
        byte: byte where the word stands, exact to some hundred bytes.
    """

    line: int
    start_of_line: int
    byte: int


class Locator:
    """Places of words in one chunk. Words are counted per piece of a line once, not for every question."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pieces: list[tuple[int, int, int, int]] = []  # line, its start, start and end of the piece
        start_of_line = 0
        for number, line in enumerate(data.split(b"\n")):
            start, end = start_of_line, start_of_line + len(line)
            while end - start > _PIECE:
                cut = data.rfind(b" ", start, start + _PIECE) + 1 or start + _PIECE
                self._pieces.append((number, start_of_line, start, cut))
                start = cut
            self._pieces.append((number, start_of_line, start, end))
            start_of_line = end + 1
        self._ends = list(accumulate(len(words(data[piece[2] : piece[3]])) for piece in self._pieces))

    def place(self, word: int) -> Place:
        """The place of word number `word` (from 0)."""
        at = min(bisect_right(self._ends, word), len(self._pieces) - 1)
        before = self._ends[at - 1] if at else 0
        line, start_of_line, start, end = self._pieces[at]
        share = (word - before) / max(self._ends[at] - before, 1)
        return Place(line, start_of_line, start + int(min(share, 1.0) * (end - start)))

    def excerpt(self, place: Place) -> str:
        """About `QUOTED` readable characters of the line around a place, without its escapes."""
        # Escapes take up to six bytes a character.
        text = self._data[place.start_of_line : place.byte + 6 * QUOTED].split(b"\n", 1)[0]
        if len(text) > QUOTED:
            text = text[max(place.byte - place.start_of_line - QUOTED // 3, 0) :]
        return shorten(unescape(text).decode("utf-8", "replace"))


def shorten(text: str) -> str:
    """Text on one line, of printable characters, at most `QUOTED` of them."""
    flat = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return flat if len(flat) <= QUOTED else flat[: QUOTED - 3] + "..."
