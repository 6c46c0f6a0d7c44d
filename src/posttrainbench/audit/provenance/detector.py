"""Rule `test_data_in_training`: was file provenance recorded completely?

Makes no findings. What the record says on single files is part of the findings of `contamination`.
"""

import time

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.report import coverage
from posttrainbench.records import Coverage, Finding

RULE = "test_data_in_training"
DETECTOR = "provenance"
REASONS = {"off": "file provenance was not recorded", "unavailable": "file provenance could not be recorded"}


def detect(evidence: Evidence) -> tuple[list[Finding], Coverage]:
    """Report whether the record exists and is complete."""
    started = time.perf_counter()
    outcome = evidence.outcome
    graph = evidence.provenance
    reason = REASONS.get(outcome.provenance, "")
    missing = outcome.provenance_note or "; ".join(graph.missing if graph else [])
    note = ": ".join(filter(None, [reason or ("the record is incomplete" if missing else ""), missing]))
    return [], coverage(
        DETECTOR,
        RULE,
        checked=not note,
        documents=len(evidence.provenance_records),
        seconds=time.perf_counter() - started,
        note=note,
    )
