"""Join text whose words are cut into runs by the XML of documents: Word, LibreOffice, spreadsheets, presentations."""

import re

_SAMPLE = 4096  # bytes at the beginning, in the middle and at the end that are tested first
_RUN_END = re.compile(rb"</(?:(?:[\w.-]{1,20}:)?t>|[\w.-]{1,20}:span>)")
_BREAK_TAGS = re.compile(rb"</?(?:[\w.-]{1,20}:)?(?:p|h|br|cr|tab|s|si|tc|line-break)(?:\s[^<>]{0,300})?/?>")
_TAGS = re.compile(rb"<[/\w?!][^<>]{0,2000}>")


def unmarked(data: bytes) -> bytes:
    """Return the text of a stretch of a document's XML without tags, or nothing if it is something else."""
    middle = max(len(data) // 2 - _SAMPLE // 2, 0)
    samples = data[:_SAMPLE], data[middle : middle + _SAMPLE], data[-_SAMPLE:]
    if not any(b"</" in sample for sample in samples) or not _RUN_END.search(data):
        return b""
    return _TAGS.sub(b"", _BREAK_TAGS.sub(b" ", data))
