"""Base64 and hexadecimal digits of binary data in a text, such as images in notebooks: of a known format or not."""

import base64
import re

from posttrainbench.audit.contamination.scan.encoded_digits import binary_runs
from posttrainbench.audit.contamination.scan.opaque import is_floats, is_textless

_SAMPLE = 2**11  # digits that are decoded
_BREAKS = re.compile(rb"\\+[rn]|[^A-Za-z0-9+/_-]")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+\Z")
_KNOWN = (
    *(b"\x30\x82", b"\x30\x81", b"\0\0\0\x07ssh-", b"\0\0\0\x0bssh-", b"openssh-key"),  # certificates and keys
    *(b"\0asm", b"<svg", b"<?xml", b"\x1aE\xdf\xa3", b"\x04\x22\x4d\x18"),
)


def known_binary(data: bytes, *, first: bool) -> list[tuple[int, int]]:
    """Return start and end of each stretch of digits of binary data that carries no text.

    Args:
        data: the text.
        first: whether the content begins with this text; else digits at its start belong to what was judged before.
    """
    return [
        (start, end)
        for start, end in binary_runs(data)
        if (start == 0 and not first) or _is_known(_BREAKS.sub(b"", data[start : min(end, start + _SAMPLE)]))
    ]


def _is_known(digits: bytes) -> bool:
    if _HEXADECIMAL.match(digits):
        decoded = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        if _carries_no_text(decoded):
            return True
    plain = digits.translate(bytes.maketrans(b"-_", b"+/"))
    return any(
        _carries_no_text(base64.b64decode(plain[skipped : skipped + (len(plain) - skipped) // 4 * 4]))
        for skipped in range(4)
    )


def _carries_no_text(decoded: bytes) -> bool:
    return is_textless(decoded) or decoded.startswith(_KNOWN) or is_floats(decoded)
