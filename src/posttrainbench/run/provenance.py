"""File provenance of a run: one record for each start of the agent, and what the outcome says of them.

A recorder that dies while the agent works is an infrastructure error. The agent can neither signal it nor make it fail:
whatever goes wrong while it answers a call is noted in the record. An agent can make a record incomplete, by flooding
it, but that costs it only the proof of its innocence.
"""

from pathlib import Path
from typing import Literal

from posttrainbench.errors import InfrastructureError
from posttrainbench.records import Outcome, RunSpec
from posttrainbench.sandbox import Sandbox, SandboxProcess
from posttrainbench.sandbox.provenance.launch import why_unrecorded
from posttrainbench.sandbox.provenance.record import NAME
from posttrainbench.sandbox.provenance.state import FOLDER, record_state

DIED = "The recorder of file provenance died, and the agent cannot be blamed for that."


class Provenance:
    """The records of an agent's starts.

    Attributes:
        state: see `Outcome.provenance`.
        note: see `Outcome.provenance_note`.
    """

    def __init__(self, spec: RunSpec, sandbox: Sandbox, out: Path) -> None:
        """Prepare records in `out`, the directory of the stage `solve`."""
        self.state: Literal["recorded", "off", "unavailable"] = "recorded"
        self.note = ""
        self._root = out / FOLDER
        self._records: list[Path] = []
        if not spec.provenance:
            self.state, self.note = "off", "it was turned off (--no-provenance)"
        elif reason := why_unrecorded(sandbox):
            self.state, self.note = "unavailable", reason

    def begin(self) -> Path | None:
        """Return the directory for the record of the next start; None if nothing is to be recorded.

        The record of an only start is in the root directory; those of several are in `1`, `2` and so on.
        """
        if self.state != "recorded":
            return None
        if self._records == [self._root]:
            first = self._root.rename(self._root.with_name(f"{FOLDER}.first"))
            self._root.mkdir(mode=0o700)
            self._records = [first.rename(self._root / "1")]
        self._records.append(self._root / str(len(self._records) + 1) if self._records else self._root)
        return self._records[-1]

    def check(self, process: SandboxProcess) -> None:
        """Check that the recorder has not died.

        Raises:
            InfrastructureError: it has.
        """
        if process.recorder_died():
            raise InfrastructureError("recorder_failed", DIED)

    def end(self, process: SandboxProcess) -> None:
        """Examine the record of a start that has ended.

        Raises:
            InfrastructureError: the recorder died.
        """
        if self.state != "recorded":
            return
        found = record_state(self._records[-1] / NAME)
        if not found.ended:
            self.check(process)
        if found.unavailable:
            self.state, self.note = "unavailable", found.unavailable
        elif found.missing and not self.note:
            self.note = found.missing


def describe_provenance(outcome: Outcome) -> list[str]:
    """Return a note for the result if the record is missing or incomplete."""
    note = outcome.provenance_note.rstrip(".")
    if outcome.provenance == "recorded":
        return [f"The record of file provenance is incomplete: {note}."] if note else []
    could = "was not" if outcome.provenance == "off" else "could not be"
    return [f"File provenance {could} recorded{f': {note}' if note else ''}."]
