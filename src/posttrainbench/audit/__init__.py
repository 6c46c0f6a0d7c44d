"""The audit: detectors state facts with evidence, and a rule set turns them into a verdict.

`audit.audit` runs the detectors, `policy` decides, `submission` makes data out of what an agent left. Only
the types that other rooms name are repeated here; the rest is imported from those modules.
"""

from posttrainbench.audit.base import AuditInput, Detector, detectors

__all__ = ["AuditInput", "Detector", "detectors"]
