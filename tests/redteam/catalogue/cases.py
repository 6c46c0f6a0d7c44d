"""All cases, in the order of the list of known cheats."""

from catalogue import compute, contamination, innocent, process_integrity, substitution, tampering, variants
from catalogue.case import CASES

__all__ = [
    "CASES",
    "compute",
    "contamination",
    "innocent",
    "process_integrity",
    "substitution",
    "tampering",
    "variants",
]
