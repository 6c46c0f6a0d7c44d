"""Recognize text that is in no known language or encoding, such as the output of a cipher.

Two passes find it. The first one looks for stretches without the frequent words of natural and programming languages,
which costs almost nothing. The second one measures such stretches character by character:

* the information of each character after the one before, in a table of pairs for Latin letters, digits and punctuation,
  and by the frequent letters of each other script. Text of a language, source code, markup, numbers and names have
  about 4 bits per character, encoded text has 5 or more;
* letters and single spaces in the form of prose, which in any known language contain frequent words;
* letters in words of a length that no language has.

Sums that fall back to zero (CUSUM) find where such text begins and ends, so that other text around it does not matter.
"""

import re
import unicodedata
import zlib
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.characters import utf8
from posttrainbench.audit.contamination.scan.encoded_binary import known_binary
from posttrainbench.audit.contamination.scan.jit import compiled, inlined
from posttrainbench.audit.contamination.scan.languages import LETTERS, PAIRS, SHORT, SYMBOLS, WORDS
from posttrainbench.audit.contamination.scan.tokens import Hashes, Words, hash_set, word_hashes, words

UNREADABLE = "it contains text that is in no known language or encoding"
LEAST = 640
"""Bytes of compressed unread text that may hold more test items than are tolerated: those of four short questions."""

Stretch = tuple[int, int]
"""Offsets of the first byte and after the last one."""

_AROUND = 16  # bytes between a stretch that was decoded and its edges
_SHORTEST_REST = 64
_OPENING, _CLOSING = b"([{<", b")]}>"
_NO_BRACKETS = re.compile(rb"[^()\[\]{}<>]+|(?<=[-=])>")
_MIN_BRACKETS, _MIN_MATCHED = 0.03, 0.7  # share of a stretch, and of its brackets

_SLOTS, _MAYBE = 2**14, 2**16
_KNOWN_BYTE, _LONGEST_ESCAPED = 12, 96
_KNOWN_WORD = 45  # bytes without a frequent word that one frequent word makes up for
_SHORTEST = 120  # bytes without frequent words that are measured
_FALL = 150
_ROWS = 4096
_COPIED = 0.8

_OTHER = len(SYMBOLS)  # number of the symbol of all characters without one of their own
_SPACE, _DIGIT = SYMBOLS.index(" "), SYMBOLS.index("0")
_LETTERS = 26
_PLANE, _SURROGATES = 2**16, 0xD800
_OF_DIGITS = np.zeros(256, dtype=np.bool_)
_OF_DIGITS[[*range(48, 58), *range(65, 91), *range(97, 123), *b"+/-_"]] = True
_BOLD_A, _BEHIND_BOLD = 0x1D400, 0x1D6A4  # mathematical letters
_BITS = 10  # units of information per bit
_STEP = 4  # of `PAIRS`
_MOST_FOR_OTHER = 40
_FREQUENT, _RARE, _PUNCTUATION, _SYMBOL, _STRANGE, _JOINER = 32, 70, 40, 45, 80, 5
_USUAL = 53
"""Information of a character in text of known languages, at most."""
_MIN_INFORMATION = 900
"""Information above the usual that a stretch must have."""
_LONGEST_WORD, _IN_LONG_WORD, _IN_LONG_RUN = 21, 60, 70
_F, _LONGEST_NAME, _HASH_512, _PREFIX = 5, 48, 84, 12  # a SHA-512 may be written in base64
_ID, _LONGEST_ID, _IN_ID = 12, 130, 3  # characters of identifiers with digits, such as hashes
_TAB_AND_SPACE, _DOT_AND_DASH = 20, 40
_PART, _BLOCK, _BLOCK_STEP, _USUAL_IN_BLOCK = 2048, 64, 192, 44
_MIN_PROSE, _NO_PROSE, _NEW_LINE, _SHORT_WORD, _LETTER_WORD, _SECOND_SHORT_WORD = 300, 7, 30, 12, 2, 2
_USUAL_IN_PROSE, _FEW_IN_PROSE, _MOST_IN_PROSE, _NOT_IN_PROSE = 46, 30, 60, 8


def unread_text(
    data: bytes,
    stretches: Sequence[Stretch],
    fresh: int,
    read: Sequence[Stretch],
    *,
    first: bool,
    strange: Container[int] = (),
) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of the parts of a text that are in no known language or encoding.

    Args:
        data: the text.
        stretches: start and end of stretches in no known language; see `unknown_stretches`.
        fresh: offset from which on stretches are not reported.
        read: stretches that were decoded.
        first: whether the content begins here: otherwise, digits at the start continue what was judged before.
        strange: hashes of words that the benchmark's own rows have in such parts; copies of them are left out.
    """
    position = 0
    known = known_binary(data, first=first) if stretches else []
    for start, end in sorted(stretches):
        for before, after in _without(max(start, position), end, [*read, *known]):
            part = data[before:after]
            if before < fresh and not _is_code(part) and not (strange and _is_copied(part, strange)):
                yield before, part
        position = max(position, end)


def strange_words(data: bytes) -> frozenset[int]:
    """Return the hashes of the words in the parts of a text that are in no known language or encoding."""
    parts = unread_text(data, unknown_stretches(words(data), data), len(data), (), first=True)
    return frozenset(word for _, part in parts for word in word_hashes(part))


def _is_copied(part: bytes, strange: Container[int]) -> bool:
    """Return True if nearly all words are strange words; those at the ends may be cut off."""
    own = word_hashes(part)
    return sum(word in strange for word in own) >= max(_COPIED * len(own) - 1, 1)


def _without(start: int, end: int, read: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield what remains of a stretch without the parts that were read."""
    for other, after in sorted(read):
        if start < after + _AROUND and other < end + _AROUND:
            if other - start >= _SHORTEST_REST:
                yield start, other
            start = max(start, after)
    if end - start >= _SHORTEST_REST:
        yield start, end


def _is_code(data: bytes) -> bool:
    """Return True if most brackets of a stretch are matched, as in formulas, patterns and minified code."""
    brackets = _NO_BRACKETS.sub(b"", data)
    if len(brackets) < _MIN_BRACKETS * len(data):
        return False
    opened: list[int] = []
    matched = 0
    for bracket in brackets:
        if bracket in _OPENING:
            opened.append(bracket)
        elif opened and opened[-1] == _OPENING[_CLOSING.index(bracket)]:
            opened.pop()
            matched += 2
    return matched >= _MIN_MATCHED * len(brackets)


def unknown_stretches(text: Words, data: bytes) -> list[Stretch]:
    """Return start and end of each stretch of a text that is in no known language; it may be an encoding."""
    raw = np.frombuffer(data, dtype=np.uint8)
    known, maybe = _known_words()
    rows = np.empty((_ROWS, 2), dtype=np.int64)
    found: list[Stretch] = []
    first = begin = 0
    while True:
        count, first, begin = _wordless(raw, text.hashes, text.starts, first, begin, known, maybe, rows)
        if count:
            marks, some = np.empty((_ROWS, 2), dtype=np.int64), np.empty((count + len(raw) // _PART, 2), dtype=np.int64)
            kept = _unusual(raw, rows, count, _symbols(), _pairs(), some)
            size = _measured(raw, some, kept, _symbols(), _costs(), _pairs(), _short_words(), marks)
            found += [(int(start), int(end)) for start, end in marks[:size]]
        if first >= text.size:
            return found


def information(data: bytes) -> int:
    """Return how many bytes of information a text has: repeated text has hardly any."""
    return len(zlib.compress(data)) if data else 0


@lru_cache(maxsize=1)
def _known_words() -> tuple[Hashes, NDArray[np.bool_]]:
    """Return a table of the hashes of frequent words, and whether their last bits occur in the table."""
    hashes = {hashes[0] for word in WORDS if len(hashes := word_hashes(word.encode())) == 1}
    maybe = np.zeros(_MAYBE, dtype=np.bool_)
    maybe[[(hashed >> 1) & (_MAYBE - 1) for hashed in hashes]] = True
    return hash_set(sorted(hashes), _SLOTS), maybe


@lru_cache(maxsize=1)
def _pairs() -> NDArray[np.uint8]:
    """Return the information of a symbol after another; shape (64 * 64,)."""
    table = np.zeros((64, 64), dtype=np.uint8)
    table[: len(PAIRS), : len(PAIRS)] = [[_STEP * int(digit, 36) for digit in row] for row in PAIRS]
    dot, dash = SYMBOLS.index("."), SYMBOLS.index("-")
    table[[dot, dash], [dash, dot]] += _DOT_AND_DASH
    table[_OTHER] = np.minimum(table[_OTHER], _MOST_FOR_OTHER)
    table[_OTHER, _SPACE] = _USUAL  # tells nothing of the letters of other scripts
    return table.ravel()


@lru_cache(maxsize=1)
def _symbols() -> NDArray[np.uint8]:
    """Return the symbol of each code point of the first plane: that of the letter without accents."""
    table = np.full(_PLANE, _OTHER, dtype=np.uint8)
    known = {symbol: number for number, symbol in enumerate(SYMBOLS)} | dict.fromkeys("0123456789", _DIGIT)
    known |= dict.fromkeys("\t\n\v\f\r\x1b\x85\xa0", _SPACE)
    known |= {one: known[other] for one, other in zip("ßıłđðøæþœ", "silddoato", strict=True)}
    for code in (*range(0x370), *range(0x1E00, 0x2000), *range(0xFF01, 0xFF5F)):
        letter = unicodedata.normalize("NFKD", chr(code)).casefold()[:1]
        table[code] = known.get(chr(code).lower(), known.get(letter, _OTHER))
    return table


@lru_cache(maxsize=1)
def _short_words() -> NDArray[np.bool_]:
    """Return whether one or two letters are a frequent word; shape (27 * 27,), where 26 stands for no letter."""
    table = np.zeros((_LETTERS + 1, _LETTERS + 1), dtype=np.bool_)
    for word in SHORT:
        table[SYMBOLS.index(word[0]), SYMBOLS.index(word[1]) if len(word) == 2 else _LETTERS] = True
    return table.ravel()


@lru_cache(maxsize=1)
def _costs() -> NDArray[np.uint8]:
    """Return the information of each code point of the first plane that has no symbol."""
    table = np.full(_PLANE, _STRANGE, dtype=np.uint8)
    for code in range(_PLANE):
        kind = unicodedata.category(chr(code))
        if kind[0] in "LM":
            table[code] = _RARE
        elif kind[0] in "PZN" or kind in ("Sc", "Sk"):
            table[code] = _PUNCTUATION
        elif kind in ("Sm", "So") and code < 0x2800:
            table[code] = _SYMBOL
    table[[ord(letter) for letter in LETTERS]] = _FREQUENT
    table[[ord(letter.upper()) for letter in LETTERS if len(letter.upper()) == 1]] = _FREQUENT
    table[0xFE00:0xFE10] = _STRANGE  # variation selectors
    return table


@compiled
def _wordless(
    data: Any, hashes: Any, starts: Any, word: Any, begin: Any, known: Any, maybe: Any, rows: Any
) -> tuple[Any, Any, Any]:
    """Write the stretches without frequent words from a word on; return their number and where to continue."""
    mask = np.uint64(len(known) - 1)
    count, total, most, end = 0, np.int64(0), np.int64(0), np.int64(begin)
    if word == 0:
        total = np.int64(starts[0]) if len(hashes) else np.int64(len(data))
        most, end = total, total
    while word < len(hashes) and count < len(rows) - 1:
        hashed = hashes[word]
        after = np.int64(starts[word + 1]) if word + 1 < len(hashes) else np.int64(len(data))
        length = after - starts[word]
        word += 1
        found = False
        if maybe[(hashed >> np.uint64(1)) & np.uint64(_MAYBE - 1)]:
            slot = (hashed >> np.uint64(1)) & mask
            while known[slot] and not found:
                found = known[slot] == hashed
                slot = (slot + np.uint64(1)) & mask
        digits = data[starts[word - 1]] <= 57
        number = hashed & np.uint64(1) and not digits
        if not found or (number and word > 1 and hashes[word - 2] & np.uint64(1)):
            if number or not digits or length > _LONGEST_WORD:
                total += length
                if total > most:
                    most, end = total, after
            continue
        if length > _LONGEST_ESCAPED:  # something else follows
            total += length - _KNOWN_WORD
        else:  # escapes and letters of several bytes are as much longer in other words
            total -= max(_KNOWN_WORD, _KNOWN_BYTE * length)
        if total > most:
            most, end = total, after
        if total <= 0 or total < most - _FALL:
            if most >= _SHORTEST:
                rows[count, 0], rows[count, 1] = begin, end
                count += 1
            total, most, begin, end = np.int64(0), np.int64(0), after, after
    if most >= _SHORTEST:
        rows[count, 0], rows[count, 1] = begin, end
        count += 1
    return count, word, end


@compiled
def _unusual(data: Any, rows: Any, count: Any, symbols: Any, pairs: Any, some: Any) -> Any:
    """Write the parts of stretches of which a sample may be in no known language; return their number."""
    kept = np.int64(0)
    for row in range(count):
        start, end = rows[row, 0], rows[row, 1]
        while start < end:
            part = min(start + _PART, end)
            if _has_unusual_block(data, start, part, symbols, pairs):
                if kept > 0 and some[kept - 1, 1] == start and start > rows[row, 0]:
                    some[kept - 1, 1] = part
                else:
                    some[kept, 0], some[kept, 1] = start, part
                    kept += 1
            start = part
    return kept


@compiled
def _has_unusual_block(data: Any, start: Any, end: Any, symbols: Any, pairs: Any) -> Any:
    """Return True if a block of a part has much information, the form of prose, or other characters than ASCII."""
    step = _BLOCK if end - start < 4 * _BLOCK else _BLOCK_STEP
    place = start
    while True:
        block = max(min(place, end - _BLOCK), start)
        stop = min(block + _BLOCK, end)
        before: Any = _SPACE
        total, plain, spaces, others = before * 0, before * 0, before * 0, before * 0
        for position in range(block, stop):
            byte = np.int64(data[position])
            symbol = np.int64(symbols[byte]) if byte < 128 else _OTHER
            others += (byte >= 128 and (position < 3 or data[position - 3] != byte)) or byte == 92 or byte == 38
            spaces += symbol == _SPACE
            plain += symbol <= _DIGIT or (symbol == _SPACE and byte == 32)
            if symbol != _SPACE or before != _SPACE:
                total += np.int64(pairs[before * 64 + symbol])
            before = symbol
        size = stop - block
        if total > _USUAL_IN_BLOCK * size or 8 * others > size or 2 * spaces > size or 8 * plain > 7 * size:
            return True
        place += step
        if place >= end:
            return False


@inlined
def _character(data: Any, position: Any, end: Any) -> Any:
    """Return code point and length of a character, which may be written as an escape or an entity."""
    byte = np.int64(data[position])
    code: Any = byte
    size: Any = np.int64(1)
    if byte >= 128:
        code, size = utf8(data, position, end)
    elif byte == 92:
        after = position + 1
        while after < end and data[after] == 92:
            after += 1
        if after < end and (data[after] == 110 or data[after] == 116 or data[after] == 114):
            code, size = np.int64(9 if data[after] == 116 else 10), after + 1 - position
        elif after + 4 < end and data[after] == 117:
            value: Any = np.int64(0)
            for place in range(after + 1, after + 5):
                digit = np.int64(data[place])
                digit = digit - 48 if digit < 58 else (digit | 32) - 87
                value = -1 if value < 0 or not 0 <= digit < 16 else value * 16 + digit
            if value >= 0:
                code, size = value, after + 5 - position
    elif byte == 38 and position + 3 < end and data[position + 1] == 35:
        hexadecimal = data[position + 2] | 32 == 120
        after, value = position + 2 + hexadecimal, np.int64(0)
        while after < end and after < position + 9:
            digit = np.int64(data[after])
            digit = digit - 48 if digit < 58 else (digit | 32) - 87
            if not 0 <= digit < (16 if hexadecimal else 10):
                break
            value = value * (16 if hexadecimal else 10) + digit
            after += 1
        if after < end and data[after] == 59:
            code, size = value, after + 1 - position
    return code, size


@compiled
def _measured(data: Any, rows: Any, count: Any, symbols: Any, costs: Any, pairs: Any, short: Any, marks: Any) -> Any:
    """Write which parts of stretches are in no known language; return their number."""
    found = 0
    for row in range(count):
        position, end = rows[row, 0], rows[row, 1]
        total: Any = 0
        most, begin, peak = total, position, position
        prose, most_prose, prose_begin, prose_peak = total, total, position, position
        before: Any = _SPACE
        second: Any = 0
        beyond_f: Any = False
        first_letter, form, digits, letters, in_run = before, total, total, total, total
        word, kept, kept_prose, kept_most, kept_peak = position, total, total, total, position
        long_before, last_code, high = True, np.int64(0), np.int64(_SURROGATES)
        while position < end and found < len(marks) - 2:
            code, size = _character(data, position, end)
            if _SURROGATES <= code < _SURROGATES + 0x800:
                if code < _SURROGATES + 0x400:
                    high, position = code, position + size
                    continue
                code = _PLANE + (high - _SURROGATES << 10) + (code & 0x3FF)
            symbol = np.int64(symbols[code]) if code < _PLANE else _OTHER
            if _BOLD_A <= code < _BEHIND_BOLD:
                symbol = (code - _BOLD_A) % _LETTERS
            after = position + size
            if code < 9 or 14 <= code < 27 or 28 <= code < 32:  # binary data
                total, prose = 0, 0
            elif symbol == _OTHER:
                total += (np.int64(costs[code]) if code < _PLANE else _STRANGE) - _USUAL
                prose = prose - _NO_PROSE
            elif symbol == _SPACE and before == _SPACE:
                if (code == 9 or code == 32) and code + last_code == 41:
                    total += _TAB_AND_SPACE
            else:
                both = form >= _FEW_IN_PROSE and before <= _SPACE and symbol <= _SPACE
                total += np.int64(pairs[before * 64 + symbol]) - (_USUAL_IN_PROSE if both else _USUAL)
                if code == 10:
                    prose -= _NEW_LINE
                elif symbol < _LETTERS or (symbol == _SPACE and (code == 32 or code == 160) and before < _LETTERS):
                    prose += 1
                else:
                    prose -= _NO_PROSE
            if symbol < _LETTERS or (symbol == _SPACE and (code == 32 or code == 160)):
                form = min(form + 1, _MOST_IN_PROSE)
            else:
                form = max(form - _NOT_IN_PROSE, 0)
            in_word = symbol <= _DIGIT or code == 45 or code == 95 or code == 43 or code == 47 or code == 61
            if in_word and after < end:
                if word < 0:
                    word, digits, in_run, beyond_f = position, 0, 0, False
                    kept, kept_prose, kept_most, kept_peak = total, prose, most, peak
                digits += symbol == _DIGIT
                beyond_f |= _F < symbol < _LETTERS
                in_run += symbol <= _DIGIT
                if symbol < _LETTERS and not (65 <= code <= 90 and 97 <= last_code <= 122):  # part of a name
                    letters += 1
                else:
                    letters = 1 if symbol < _LETTERS else 0
                if letters <= 1:
                    first_letter = symbol
                if in_run > _LONGEST_ID and symbol <= _DIGIT:
                    total += _IN_LONG_RUN
                    if total > _MIN_INFORMATION:  # the rest of the digits tells nothing more
                        while after + 1 < end and _OF_DIGITS[data[after]]:
                            after += 1
                elif letters > _LONGEST_WORD:
                    total += _IN_LONG_WORD
            else:
                length = position - word if word >= 0 and digits > 0 else 0
                hashed = length <= _LONGEST_NAME or _HASH_512 <= length <= _HASH_512 + _PREFIX
                if _ID <= length <= _LONGEST_ID and (hashed or not beyond_f):
                    if total > kept:
                        total, most, peak = max(kept - _IN_ID * (position - word), 0), kept_most, kept_peak
                    prose = min(prose, kept_prose)
                if 0 < letters <= 2 and long_before:
                    second = before if letters == 2 else _LETTERS
                    prose -= _SHORT_WORD * short[first_letter * (_LETTERS + 1) + second]
                elif letters == 2:
                    prose += _SECOND_SHORT_WORD
                if letters > 0:
                    long_before = letters > 2
                    if letters == 1:  # separated letters are decoded
                        prose -= _LETTER_WORD
                word, letters = np.int64(-1), 0
            before, last_code = symbol, code
            position = after
            if total > most:
                most, peak = total, after
            if total <= 0 or total < most - _MIN_INFORMATION // 2 or position >= end:
                if most >= _MIN_INFORMATION:
                    marks[found, 0], marks[found, 1] = begin, peak
                    found += 1
                total, most, begin = 0, 0, after
            if prose > most_prose:
                most_prose, prose_peak = prose, after
            if prose <= 0 or prose < most_prose - _MIN_PROSE // 2 or position >= end:
                if most_prose >= _MIN_PROSE:
                    marks[found, 0], marks[found, 1] = prose_begin, prose_peak
                    found += 1
                prose, most_prose, prose_begin = 0, 0, after
    return found
