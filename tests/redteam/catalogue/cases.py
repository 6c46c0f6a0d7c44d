"""All cases, in the order of the list of known cheats."""

from catalogue import compute, conduct, contamination, innocent, substitution, tampering, variants
from catalogue.case import CASES

__all__ = ["CASES", "compute", "conduct", "contamination", "innocent", "substitution", "tampering", "variants"]
