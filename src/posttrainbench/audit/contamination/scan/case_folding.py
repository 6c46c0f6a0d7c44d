"""Folding table: the letters that a character counts as, or that it is invisible or separates words.

Folded together are upper and lower case, accented and plain letters, compatibility forms (full width, mathematical
letters, ligatures), composed and decomposed text, and the most common look-alikes of Latin letters. Zero-width
characters are dropped. Ideographs and kana are words of their own, because they are not separated by spaces.
"""

import itertools
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SEPARATOR = 1 << 62
ALONE = 1 << 61
"""Flag of a character that is a word of its own."""
LAST = 0x20000
"""First code point beyond the table; those below `TAGS` are rare ideographs (words), the rest are invisible."""
TAGS = 0xE0000
LETTERS = 3  # most letters that one character stands for; further ones are cut off

# Only letters that look the same as a Latin letter.
_LOOK_ALIKES = str.maketrans("аеорсухіѕјԁһкмтвнґαορνικτυ", "aeopcyxisjdhkmtbhraopviktu")
_INVISIBLE = ("Mn", "Me", "Cf")
_UNASSIGNED = ("Cn", "Co", "Cs")
_HANGUL = range(0xAC00, 0xD7A4)
_IDEOGRAPHS = range(0x3400, 0x4DC0), range(0x4E00, 0xA000)
_UNUSED = range(0xD800, 0xF900)
"""Surrogates and the private use area."""


@lru_cache(maxsize=1)
def folding() -> NDArray[np.uint64]:
    """Return the folding of each code point below `LAST`.

    Returns:
        Shape (LAST,). An entry is 0 (invisible), `SEPARATOR`, or up to three letters of 21 bits each, with the flag
        `ALONE` if the character is a word of its own.
    """
    table = np.arange(LAST, dtype=np.uint64) | np.uint64(ALONE)
    table[_UNUSED.start : _UNUSED.stop] = SEPARATOR
    # Ideographs and unused codes are a third of the table and need no look at each character.
    known = [*_IDEOGRAPHS, _HANGUL, _UNUSED]
    for before, after in itertools.pairwise([range(0), *known, range(LAST, LAST)]):
        table[before.stop : after.start] = [_fold(chr(code)) for code in range(before.stop, after.start)]
    syllable = np.arange(len(_HANGUL), dtype=np.uint64)
    lead, vowel, tail = 0x1100 + syllable // 588, 0x1161 + syllable % 588 // 28, 0x11A7 + syllable % 28
    tail[::28] = 0
    table[_HANGUL.start : _HANGUL.stop] = lead | vowel << np.uint64(21) | tail << np.uint64(42)
    return table


def _fold(char: str) -> int:
    kind = unicodedata.category(char)
    if kind in _UNASSIGNED:
        return SEPARATOR
    if kind == "Lo" and not unicodedata.decomposition(char):
        return ord(char) | (ALONE if _is_word(char) else 0)
    plain = unicodedata.normalize("NFKD", char).casefold().translate(_LOOK_ALIKES)
    letters = [letter for letter in plain if letter.isalnum() or unicodedata.category(letter) == "Mc"]
    if not letters:
        return 0 if all(unicodedata.category(letter) in _INVISIBLE for letter in plain) else SEPARATOR
    if _is_word(letters[0]):
        return ord(letters[0]) | ALONE
    return sum(ord(letter) << (21 * position) for position, letter in enumerate(letters[:LETTERS]))


def _is_word(letter: str) -> bool:
    """Return True for ideographs and kana."""
    return "\u3400" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or "\u3041" <= letter <= "\u30ff"


@lru_cache(maxsize=1)
def byte_classes() -> NDArray[np.uint8]:
    """Return the class of each byte: 0 for separators, 255 for bytes that begin a special character, else its letter.

    Returns:
        Shape (256,).
    """
    table = np.full(256, 255, dtype=np.uint8)
    for byte in range(128):
        char = chr(byte)
        table[byte] = ord(char.lower()) if char.isalnum() else 0
    table[ord("\\")] = table[ord("&")] = 255
    return table
