"""Records of bundles: runs in one file, and what another machine recomputes from it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from posttrainbench.records.base import Record
from posttrainbench.untrusted import printable


class BundledFile(Record):
    """A file in a bundle.

    Attributes:
        sha256: of the file in the bundle.
        size: of the file in the bundle, in bytes.
        redacted: number of lines in which secrets were replaced; 0 if the file is the original.
    """

    sha256: str
    size: int = Field(ge=0)
    redacted: int = Field(default=0, ge=0)


class WithheldFile(Record):
    """A file of a run that its bundle does not contain.

    Attributes:
        reason: why it was left out.
        sha256: of the original; empty if it cannot be read or is not a regular file.
        size: of the original, in bytes; 0 if it cannot be read or is not a regular file.
        weights: True for a model's weights.
    """

    reason: str
    sha256: str = ""
    size: int = Field(default=0, ge=0)
    weights: bool = False


class BundleManifest(Record):
    """`bundle.json`, the first file in a bundle.

    Attributes:
        format: version of the format.
        version: version of posttrainbench that wrote it.
        kind: one run with its earlier attempts, or all runs of an experiment.
        name: name of the run or the experiment.
        files: path -> file, for all files but this one.
        withheld: path -> file that was left out.
        rule_sets: id -> SHA-256 of each rule set that a verdict of these runs uses, as the exporting machine has it.
    """

    format: Literal[1] = 1
    version: str
    kind: Literal["run", "experiment"]
    name: str
    files: dict[str, BundledFile]
    withheld: dict[str, WithheldFile]
    rule_sets: dict[str, str]


CheckState = Literal["holds", "fails", "not_checked"]


class BundleCheck(Record):
    """Something that was recomputed from a bundle, or cannot be.

    Attributes:
        run: the run; "" if the check concerns the whole bundle.
        subject: what was checked, such as `verdict`.
        state: `not_checked`: it cannot be checked, and `text` says why.
        text: one sentence, in which control characters are escaped.
    """

    run: str = ""
    subject: str
    state: CheckState
    text: Annotated[str, BeforeValidator(printable)]


class Verification(Record):
    """`ptb verify --json`.

    Attributes:
        sha256: of the bundle.
        version: version of posttrainbench that wrote the bundle.
        kind: see `bundle.json`.
        name: name of the run or the experiment.
        runs: directories of the runs in the bundle.
        holds: False if any check fails.
        checks: everything that was checked or cannot be.
    """

    sha256: str
    version: str
    kind: Literal["run", "experiment"]
    name: str
    runs: list[str]
    holds: bool
    checks: list[BundleCheck]
