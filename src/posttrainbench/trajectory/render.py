"""Reads recorded output back, for rendering and for conversion, in constant memory."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from posttrainbench.files import read_jsonl
from posttrainbench.records import OutputLine


def read_output(path: Path) -> Iterator[OutputLine]:
    """The lines of an `output.jsonl`, also of a run that is still going on."""
    for entry in read_jsonl(path):
        try:
            yield OutputLine.model_validate(entry)
        except ValidationError:
            continue
