"""Files of unknown content: of a binary format that no reader understands, with token ids of an unknown tokenizer, or
with text in an unknown encoding.

Such a file may contain test items, so the rule is not checked, unless the file was certainly not trained on.
"""

from collections.abc import Sequence

from posttrainbench.audit.behavior.training_files import TrainingFiles
from posttrainbench.audit.contamination.feeding import Feeding
from posttrainbench.audit.contamination.scan.opaque import UNKNOWN
from posttrainbench.audit.contamination.scan.report import NotRead
from posttrainbench.audit.contamination.scan.search import NO_TOKENIZER
from posttrainbench.audit.contamination.scan.unreadable import UNREADABLE
from posttrainbench.audit.contamination.sources import Source
from posttrainbench.audit.evidence import Evidence


def is_of_unknown_content(skip: NotRead) -> bool:
    """Return True if a file could be opened, but not understood."""
    return skip.lost and skip.reason in (UNKNOWN, NO_TOKENIZER, UNREADABLE)


def lost_files(
    skipped: Sequence[NotRead], sources: Sequence[Source], evidence: Evidence, training: TrainingFiles
) -> int:
    """Return how many of the files that were not searched completely may have been trained on."""
    feeding = None if evidence.provenance is None else Feeding(evidence, evidence.provenance)
    by_name = {source.entry.relative: source for source in sources}
    lost = 0
    for skip in skipped:
        source = by_name.get(skip.path)
        if source is not None and is_of_unknown_content(skip):
            lost += not _is_elsewhere(source, feeding, training)
        else:
            lost += skip.lost
    return lost


def _is_elsewhere(source: Source, feeding: Feeding | None, training: TrainingFiles) -> bool:
    """Return True if nothing of a file reached the submission, or if all trainings were seen and read other files."""
    if feeding is not None:
        fed = feeding.of_copy(source.copy) if source.copy else feeding.of_file(source.entry.path, source.names[0])
        if fed.kind != "unproven":
            return fed.kind == "no path"
    return all(map(training.trained_on_others, source.names))
