"""Records of file provenance: paths on which content can have come from a file to the submission."""

from pydantic import Field

from posttrainbench.records.base import Record
from posttrainbench.records.units import short_duration

WORD_CHARACTERS = 80
"""Most characters of a name in `ProvenancePath.in_words`."""
_VERBS = {
    "reads": ("was read by", "read by"),
    "receives": ("was received by", "received by"),
    "executes": ("was executed as", "executed as"),
    "writes": ("which wrote", "written to"),
    "sends": ("which sent to", "sent to"),
    "forks": ("which started", "starts"),
    "passes arguments to": ("which passed arguments to", "passes arguments to"),
    "reaches": ("which shared its memory with", "shares its memory with"),
}
"""Operation -> how it is told between two names: in a sentence, and in a list."""


class PathStep(Record):
    """One place on a path: a file or a program. One of `file` and `process` is set.

    Attributes:
        operation: what brought the content here. At a file, the program before it did so (`writes`, `sends`); at a
            process, it did so itself with the file before it (`reads`, `receives`, `executes`), or the process before
            it did (`forks`, `passes arguments to`). "" at the source.
        file: path relative to the run directory if it is in the workspace, else the path in the sandbox; also a pipe,
            a socket or shared memory.
        process: command line, cut.
        pid: process id on the machine that recorded; None for files.
        seconds: earliest time at which the content was here, since the start of the record, which begins with the
            agent's first start; None for a source that was there before, and if the time is not known.
    """

    operation: str = ""
    file: str = ""
    process: str = ""
    pid: int | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        """The file, or the command line."""
        return self.file or self.process

    @property
    def verb(self) -> str:
        """The operation as it is shown between two names in a list; "" at the source."""
        return _VERBS.get(self.operation, ("", self.operation))[1]


class ProvenancePath(Record):
    """A recorded path from a file to the submission: content can have come this way.

    Attributes:
        steps: from the source to the file of the submission.
    """

    steps: list[PathStep] = Field(min_length=1)

    def in_words(self) -> str:
        """Return the path as one sentence without a full stop."""
        text = _shown(self.steps[0])
        for number, step in enumerate(self.steps[1:]):
            verb = _VERBS.get(step.operation, (f"which {step.operation}", ""))[0]
            if verb.startswith("was ") and number:
                verb = f"which {verb}"
            time = "" if step.seconds is None else f" after {short_duration(step.seconds)}"
            text += f"{' ' if verb.startswith('was ') else ', '}{verb} {_shown(step)}{time}"
        return text


def _shown(step: PathStep) -> str:
    name = step.name if len(step.name) <= WORD_CHARACTERS else f"{step.name[: WORD_CHARACTERS - 3]}..."
    return f"`{name}`" if step.process else name
