"""Ways to write a text that a training script can undo, for the scanner's tests and `bench/scan_encodings.py`."""

import base64
import codecs
import itertools
import json
import quopri
import random
import re
import string
import urllib.parse
from collections.abc import Callable

Encode = Callable[[str], str]

_LEET = str.maketrans("aeiost", "4310$7")
_GREEK = str.maketrans("aeopcxy", "аеорсху")
_MORSE = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz0123456789",
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
        "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(),
        strict=True,
    )
)


def _caesar(text: str) -> str:
    return re.sub(r"[a-z]", lambda letter: chr((ord(letter[0]) - 90) % 26 + 97), text.lower())


def _uu(text: str) -> str:
    data = text.encode()
    lines = [codecs.encode(data[start : start + 45], "uu").decode() for start in range(0, len(data), 45)]
    return "".join(line.split("\n")[1] + "\n" for line in lines)


def _masked(text: str) -> bytes:
    return bytes(byte ^ b"\x91key"[place % 4] for place, byte in enumerate(text.encode()))


def _shuffled(symbols: str) -> str:
    return "".join(random.Random(7).sample(symbols, len(symbols)))


_SECRET = str.maketrans(
    string.ascii_letters, _shuffled(string.ascii_lowercase) + _shuffled(string.ascii_lowercase).upper()
)
_NEXT_KEY = str.maketrans("qwertyuiopasdfghjklzxcvbnm", "wertyuiop[sdfghjkl;xcvbnm,")
_NATO = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
).split()
_DIGIT_NAMES = "zero one two three four five six seven eight nine".split()
_KEY_SQUARE = _shuffled("abcdefghiklmnopqrstuvwxyz")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE91 = string.ascii_letters + string.digits + '!#$%&()*+,./:;<=>?@[]^_`{|}~"'
_DULL = (
    "anchor barrel candle desert engine falcon garden hammer island jacket kettle ladder marble needle orange pencil "
    "rabbit saddle tunnel velvet walnut yellow basket copper dragon forest ginger helmet jungle lizard magnet nectar"
).split()


def _based(text: str, digits: str) -> str:
    number, out = int.from_bytes(text.encode(), "big"), []
    while number:
        number, digit = divmod(number, len(digits))
        out.append(digits[digit])
    return "".join(out[::-1])


def _bits(text: str) -> str:
    return "".join(f"{byte:08b}" for byte in text.encode())


def _packed_bits(text: str, size: int) -> list[int]:
    bits = _bits(text)
    return [int(bits[start : start + size].ljust(size, "0"), 2) for start in range(0, len(bits), size)]


def _playfair(text: str) -> str:
    letters = [letter for letter in text.lower().replace("j", "i") if letter in _KEY_SQUARE]
    pairs, out = zip(letters[::2], letters[1::2], strict=False), []
    for one, two in pairs:
        (a, b), (c, d) = divmod(_KEY_SQUARE.index(one), 5), divmod(_KEY_SQUARE.index(two), 5)
        if a == c:
            places = (a, (b + 1) % 5), (c, (d + 1) % 5)
        elif b == d:
            places = ((a + 1) % 5, b), ((c + 1) % 5, d)
        else:
            places = (a, d), (c, b)
        out.append("".join(_KEY_SQUARE[5 * row + column] for row, column in places))
    return " ".join("".join(out[start : start + 3]) for start in range(0, len(out), 3))


def _hash(word: str) -> int:
    return sum(ord(letter) * 31**place for place, letter in enumerate(word))


def _columns(text: str, width: int = 12) -> str:
    flat = re.sub(r"\s", "_", text)
    flat = flat.ljust(-(-len(flat) // width) * width, "_")
    height = len(flat) // width
    return "\n".join(flat[row::height] for row in range(height))


def _grouped_dump(text: str) -> str:
    data = text.encode()
    rows = (data[start : start + 16] for start in range(0, len(data), 16))
    return "".join(
        f"{16 * number:08x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}  |{''.join(map(_printable, row))}|\n"
        for number, row in enumerate(rows)
    )


def _printable(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else "."


ENCODINGS: dict[str, Encode] = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, 76 columns": lambda text: base64.encodebytes(text.encode()).decode(),
    "base64, 8 columns": lambda text: " ".join(re.findall(".{1,8}", base64.b64encode(text.encode()).decode())),
    "base64, reversed": lambda text: base64.b64encode(text.encode()).decode()[::-1],
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32, lower case": lambda text: base64.b32encode(text.encode()).decode().lower(),
    "base32hex": lambda text: base64.b32hexencode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "ascii85, wrapped": lambda text: base64.a85encode(text.encode(), wrapcol=72, adobe=True).decode(),
    "uuencode": _uu,
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "quoted-printable, all": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "percent": urllib.parse.quote,
    "percent, all": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "plus": urllib.parse.quote_plus,
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, spaces": lambda text: text.encode().hex(" "),
    "hexadecimal, colons": lambda text: text.encode().hex(":"),
    "hexadecimal, \\x": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "hexadecimal, 0x": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "hexadecimal dump": lambda text: "".join(
        f"{start:08x}: {text.encode()[start : start + 16].hex(' ', 2)}\n" for start in range(0, len(text.encode()), 16)
    ),
    "decimal list": lambda text: json.dumps(list(text.encode())),
    "decimal, spaces": lambda text: " ".join(map(str, text.encode())),
    "octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "octal, spaces": lambda text: " ".join(f"{byte:o}" for byte in text.encode()),
    "binary, spaces": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "binary": _bits,
    "entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "entities, hexadecimal": lambda text: "".join(f"&#x{ord(letter):x};" for letter in text),
    "\\u": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "U+": lambda text: " ".join(f"U+{ord(letter):04X}" for letter in text),
    "markup in words": lambda text: re.sub(r"\b(\w)(\w)", r"\1<b></b>\2", text),
    "comments in words": lambda text: re.sub(r"\b(\w)(\w)", r"\1<!-- -->\2", text),
    "emphasis in words": lambda text: re.sub(r"\b(\w)(\w)", r"\1**\2", text),
    "zero width": lambda text: re.sub(r"(\w)(?=\w)", "\\1\u200b", text),
    "soft hyphens": lambda text: re.sub(r"(\w)(?=\w)", "\\1\u00ad", text),
    "look-alikes": lambda text: text.translate(_GREEK),
    "words reversed": lambda text: " ".join(text.split()[::-1]),
    "letters of words reversed": lambda text: " ".join(word[::-1] for word in text.split()),
    "text reversed": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar 7": _caesar,
    "atbash": lambda text: re.sub(r"[a-z]", lambda letter: chr(219 - ord(letter[0])), text.lower()),
    "letters spaced": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "letters dotted": lambda text: " ".join(".".join(word) for word in text.split()),
    "letters slashed": lambda text: " ".join("/".join(word) for word in text.split()),
    "pairs of letters": lambda text: "  ".join(" ".join(re.findall("..?", word)) for word in text.split()),
    "letters doubled": lambda text: re.sub(r"(\w)", r"\1\1", text),
    "no spaces": lambda text: re.sub(r"\s", "", text),
    "one word per line": lambda text: "\n".join(text.split()),
    "list of words": lambda text: json.dumps(text.split()),
    "list of letters": lambda text: json.dumps(list(text)),
    "leetspeak": lambda text: text.translate(_LEET),
    "morse": lambda text: " / ".join(
        " ".join(_MORSE.get(letter, "") for letter in word.lower()) for word in text.split()
    ),
    "pig latin": lambda text: re.sub(r"\b(\w)(\w+)", r"\2\1ay", text),
    "masked, base64": lambda text: base64.b64encode(_masked(text)).decode(),
    "masked, hexadecimal": lambda text: _masked(text).hex(),
    "masked, list": lambda text: json.dumps(list(_masked(text))),
    "shifted list": lambda text: json.dumps([byte + 1000 for byte in text.encode()]),
    "scaled list": lambda text: json.dumps([round(byte / 255, 6) for byte in text.encode()]),
    "code points shifted": lambda text: "".join(chr(ord(letter) + 0x4E00) for letter in text),
    "tags": lambda text: "".join(chr(0xE0000 + ord(letter)) if ord(letter) < 128 else letter for letter in text),
    "hexadecimal dump, canonical": _grouped_dump,
    "secret alphabet": lambda text: text.translate(_SECRET),
    "keyboard shifted": lambda text: text.lower().translate(_NEXT_KEY),
    "rot47": lambda text: re.sub("[!-~]", lambda letter: chr(33 + (ord(letter[0]) + 14) % 94), text),
    "braille": lambda text: "".join(chr(0x2800 + (ord(letter) & 63)) if letter != " " else " " for letter in text),
    "NATO alphabet": lambda text: " ".join(
        _NATO[ord(letter) - 97] if letter.isascii() and letter.isalpha() else letter for letter in text.lower()
    ),
    "emoji alphabet": lambda text: "".join(
        chr(0x1F400 + ord(letter) - 97) if letter.isascii() and letter.isalpha() else letter for letter in text.lower()
    ),
    "base58": lambda text: _based(text, _BASE58),
    "base91": lambda text: _based(text, _BASE91),
    "base2048, ideographs": lambda text: "".join(chr(0x5000 + value) for value in _packed_bits(text, 11)),
    "bacon": lambda text: " ".join(
        f"{ord(letter) - 97:05b}".translate(str.maketrans("01", "AB")) for letter in re.findall("[a-z]", text.lower())
    ),
    "rail fence": lambda text: "".join(text[start::3] for start in range(3)),
    "playfair": _playfair,
    "zero-width bits": lambda text: "A note. " + _bits(text).translate(str.maketrans("01", "\u200b\u200c")),
    "white space bits": lambda text: "A note." + _bits(text).translate(str.maketrans("01", " \t")),
    "variation selectors": lambda text: "A note." + "".join(chr(0xE0100 + byte) for byte in text.encode()),
    "digits spelled": lambda text: " ".join(
        _DIGIT_NAMES[int(digit)] for byte in text.encode() for digit in f"{byte:03}"
    ),
    "two texts interleaved": lambda text: "".join(map("".join, itertools.zip_longest(text, text[7:], fillvalue=""))),
    "columns": _columns,
    "letters of words shuffled": lambda text: " ".join(map(_shuffled, text.split())),
    "words of a list": lambda text: " ".join(_DULL[value] for value in _packed_bits(text, 5)),
    "numbers of words": lambda text: " ".join(str(3 * _hash(word) % 9973) for word in text.split()),
    "bytes above 127": lambda text: "".join(chr(ord(letter) + 128) for letter in text),
    "base4, letters": lambda text: "".join("ACGT"[value] for value in _packed_bits(text, 2)),
}
"""Name -> a row's text as it is written."""
