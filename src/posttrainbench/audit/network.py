"""Rule `hosted_models`: could the agent have had a hosted model write its training data?

All that is known here is whether the sandbox had a network at all. Without one the answer is no; with one it
is open, since nothing recorded what was requested.
"""

from posttrainbench.audit.base import AuditInput
from posttrainbench.records import Coverage, Finding

RULE = "hosted_models"
DETECTOR = "network"


def detect(evidence: AuditInput) -> tuple[list[Finding], Coverage]:
    """Checked exactly when there was no network."""
    closed = evidence.outcome.network == "none"
    note = "the sandbox had no network" if closed else "the network was not restricted or recorded"
    return [], Coverage(
        detector=DETECTOR, rule=RULE, checked=closed, documents=0, size=0, seconds=0.0, skipped=[], note=note
    )
