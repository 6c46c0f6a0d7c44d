"""The result of a scan, as JSON and SARIF."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from posttrainbench.sarif import log, result

Verdict = Literal["clean", "flagged", "not_checked"]
EXIT_CODES: dict[Verdict, int] = {"clean": 0, "flagged": 1, "not_checked": 2}


class Hit(BaseModel):
    """The best match of a unit of a test item in a file.

    Attributes:
        file: relative to the searched path, followed by `!` and the name of a content inside an archive.
        document: 1-based number of the line, where lines are documents, else of the stretch of 4,096 bytes.
        line: 1-based line number in that content.
        item: id of the test item.
        unit: `question`, `docstring`, `program`, `tests`, `tool`, `rubric`, `choices` or `answer`.
        method: `5-gram`, `masked 8-gram`, `exact`, `identifiers`, `rewording` or `numbers`.
        score: containment or cosine, 0 to 1.
        text: the matching text, shortened.
        item_text: the text of the unit, shortened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    document: int
    line: int
    item: str
    unit: str
    method: str
    score: float
    text: str
    item_text: str


class NotRead(BaseModel):
    """A file that was not searched, or not completely.

    Attributes:
        path: name of the file.
        reason: why it was not searched.
        lost: whether it should have been readable, so that it may contain test items.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    reason: str
    lost: bool


class ScanReport(BaseModel):
    """Result of a scan.

    Attributes:
        verdict: `flagged`, `clean`, or `not_checked` if nothing was flagged and not everything could be searched.
        documents: number of documents searched.
        counted_documents: number of different documents with enough words to contain a test item.
        bytes: bytes of decompressed content.
        seconds: wall-clock time.
        flagged_documents: number of documents that contain a test item.
        test_items: number of different test items.
        test_items_hit: number of distinct test items in flagged documents.
        test_items_verbatim: number of them with a near-verbatim match.
        basis: evidence on which the verdict `flagged` rests, in words.
        chance: largest number of flagged documents in all files that tolerance or the background rate explains.
        unsearchable: ids of test items that cannot be distinguished from permitted text.
        hits: best match for each file and unit; matches of answers are listed but do not count.
        skipped: files that were not searched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    documents: int
    counted_documents: int
    bytes: int
    seconds: float
    flagged_documents: int
    test_items: int
    test_items_hit: int
    test_items_verbatim: int
    basis: str
    chance: int
    unsearchable: list[str]
    hits: list[Hit]
    skipped: list[NotRead]


def sarif(report: ScanReport, version: str) -> dict[str, Any]:
    """Return the report as a SARIF 2.1.0 log with one result for each hit: errors if the verdict is `flagged`."""
    level = "error" if report.verdict == "flagged" else "note"
    rule = "test_data_in_training"
    return log(
        tool="ptb scan",
        version=version,
        rules={rule: "Training data contains a test item."},
        results=[
            result(
                rule,
                level,
                f"{hit.unit} of {hit.item} ({hit.method}, {hit.score:.2f}): {hit.text}",
                [(hit.file, hit.line)],
                {"item": hit.item, "item_text": hit.item_text, "document": hit.document, "score": hit.score},
            )
            for hit in report.hits
        ],
        notices=[("error" if skip.lost else "note", f"{skip.path}: {skip.reason}") for skip in report.skipped],
        successful=report.verdict != "not_checked",
        properties={
            "verdict": report.verdict,
            "documents": report.documents,
            "flagged_documents": report.flagged_documents,
            "test_items_hit": report.test_items_hit,
            "basis": report.basis,
        },
    )
