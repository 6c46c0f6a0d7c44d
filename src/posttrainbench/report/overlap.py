"""Find the words that a quotation shares with the matched test item, for highlighting."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
_LETTERS = 4


@dataclass(frozen=True)
class Piece:
    """A segment of text; `shared` if the other text contains it too."""

    text: str
    shared: bool


def overlap(left: str, right: str) -> tuple[list[Piece], list[Piece]]:
    """Split two texts into shared and other segments, in order; joining each list gives the text back.

    Case and whitespace are ignored. Segments with fewer than four letters or digits count as not shared.
    """
    tokens = (_TOKEN.findall(left), _TOKEN.findall(right))
    keys = [[" " if token.isspace() else token.casefold() for token in side] for side in tokens]
    marked = ([False] * len(tokens[0]), [False] * len(tokens[1]))
    for block in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks():
        text = "".join(keys[0][block.a : block.a + block.size])
        if sum(character.isalnum() for character in text) >= _LETTERS:
            for side, start in zip(marked, (block.a, block.b), strict=True):
                side[start : start + block.size] = [True] * block.size
    for side, texts in zip(marked, keys, strict=True):
        _trim(side, texts)
    return _pieces(tokens[0], marked[0]), _pieces(tokens[1], marked[1])


def _trim(shared: list[bool], keys: list[str]) -> None:
    """Unmark the whitespace at the ends of shared segments."""
    for order in (range(len(keys)), range(len(keys) - 1, -1, -1)):
        inside = False
        for index in order:
            if shared[index] and not inside and keys[index] == " ":
                shared[index] = False
            inside = shared[index]


def _pieces(tokens: list[str], shared: list[bool]) -> list[Piece]:
    pieces: list[Piece] = []
    for token, mark in zip(tokens, shared, strict=True):
        if pieces and pieces[-1].shared == mark:
            pieces[-1] = Piece(pieces[-1].text + token, mark)
        else:
            pieces.append(Piece(token, mark))
    return pieces
