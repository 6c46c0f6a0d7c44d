"""The contamination scanner: find test items in a corpus, in many formats and encodings, at the speed of reading."""

from posttrainbench.audit.contamination.scan.report import EXIT_CODES, ScanReport, sarif
from posttrainbench.audit.contamination.scan.rows import read_items
from posttrainbench.audit.contamination.scan.scanner import scan
from posttrainbench.audit.contamination.scan.whitelist import Whitelist

__all__ = ["EXIT_CODES", "ScanReport", "Whitelist", "read_items", "sarif", "scan"]
