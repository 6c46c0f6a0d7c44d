"""The tries of stages in a run's journal, and how long each took."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from posttrainbench.records import JournalEntry


@dataclass(frozen=True)
class StageTry:
    """One try of a stage, or a request to repeat it.

    Attributes:
        first: the entry that began it: `start`, `attached` or `again`; or its end, if no beginning is on record.
        last: the entry that ended it; None if no end is on record.
    """

    first: JournalEntry
    last: JournalEntry | None

    @property
    def seconds(self) -> float:
        """Duration in seconds; 0 if its start or end is missing in the journal."""
        if self.last is None:
            return 0.0
        if self.last.seconds is not None:
            return max(0.0, self.last.seconds)
        return max(0.0, moment(self.last.time) - moment(self.first.time))


def stage_tries(journal: Iterable[JournalEntry]) -> list[StageTry]:
    """Return the tries of all stages, in order."""
    tries: list[StageTry] = []
    for entry in journal:
        if entry.event in ("start", "attached", "again"):
            tries.append(StageTry(entry, None))
        elif tries and tries[-1].last is None and tries[-1].first.stage is entry.stage:
            tries[-1] = StageTry(tries[-1].first, entry)
        else:
            tries.append(StageTry(entry, entry))
    return tries


def moment(time: str) -> float:
    """Return an ISO 8601 time in seconds since 1970; 0 if it is not valid."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return 0.0
