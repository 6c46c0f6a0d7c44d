"""Ways to write a text that a training script can undo, for the scanner's tests and `bench/scan_encodings.py`."""

import base64
import codecs
import json
import quopri
import re
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
    "binary": lambda text: "".join(f"{byte:08b}" for byte in text.encode()),
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
}
"""Name -> a row's text as it is written."""
