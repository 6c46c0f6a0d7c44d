"""Runs imported from a results tree of the original benchmark: `imported.json` marks them.

Their records come from files that this host did not write, without weights, file provenance or network records. So no
rule of such a run can be clean and none of its scores counts: its status is always `not_audited`.
"""

from collections.abc import Iterable

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import AgentEnd, Coverage, ImportedRun, Outcome, Quote, Result, Status
from posttrainbench.records.audit import Verdict
from posttrainbench.run.directory import Run
from posttrainbench.untrusted import UnreadableError, read_below

IMPORTED = "imported.json"
NOTE = "imported"
REASON = (
    "The run was imported from a results tree of the original benchmark, without its weights and without records of "
    "the host, so no rule can be clean and the score does not count."
)


def imported_run(run: Run) -> ImportedRun | None:
    """Return what the original says about a run; None for a run of this package.

    Raises:
        InputError: the record is damaged.
    """
    path = run.root / IMPORTED
    try:
        return ImportedRun.model_validate_json(read_below(run.root, path))
    except FileNotFoundError:
        return None
    except (ValidationError, UnreadableError) as error:
        raise InputError(f"{path} is damaged; import the run again. {one_line(error)}") from None


def imported_outcome(imported: ImportedRun) -> Outcome:
    """Return the outcome with which an imported run is audited: it promises no isolation and no record.

    `end` and the counts are not evidence for any detector. Nothing of this is written to the run.
    """
    return Outcome(
        end=AgentEnd.EXITED,
        exit_code=imported.exit_code,
        seconds=imported.seconds or 0.0,
        output_bytes=0,
        output_dropped=0,
        isolation="none",
        network="host",
        provenance="unavailable",
        provenance_note=NOTE,
    )


def as_unchecked(coverage: Iterable[Coverage]) -> list[Coverage]:
    """Return coverage of an imported run: what its files show is searched, and what they omit is unknown."""
    return [
        entry.model_copy(update={"checked": False, "note": "; ".join(filter(None, [NOTE, entry.note]))})
        for entry in coverage
    ]


def imported_result(run: Run, imported: ImportedRun, verdict: Verdict, evidence: list[Quote]) -> Result:
    """Return the result of an imported run. The original's score is its raw score."""
    notes = [
        f"The original's judgement on {judgement.rule}: {'flagged' if judgement.flagged else 'not flagged'}."
        for judgement in imported.judgements
        if judgement.flagged is not None
    ]
    unknown = [judgement.rule for judgement in imported.judgements if judgement.flagged is None]
    if unknown:
        notes.append(f"The original's judgement is unknown on {', '.join(unknown)}; {IMPORTED} has the reasons.")
    if imported.unread:
        notes.append(f"{len(imported.unread)} things were not read; {IMPORTED} lists them with the reasons.")
    return Result(
        run=run.spec.run,
        status=Status.NOT_AUDITED,
        score=None,
        raw_score=imported.accuracy,
        base_score=None,
        instruct_score=None,
        verdict=verdict.rules,
        reasons=[REASON, *verdict.reasons],
        evidence=evidence,
        suspected=[] if verdict.flagged else verdict.suspected_rules,
        notes=notes,
        changes=run.changes(),
    )
