"""The result of a scan, as JSON, SARIF and for people."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from posttrainbench.audit.sarif import log, result

Verdict = Literal["clean", "flagged", "not_checked"]
EXIT_CODES: dict[Verdict, int] = {"clean": 0, "flagged": 1, "not_checked": 2}


class Hit(BaseModel):
    """A unit of a test item in a file, at its best.

    Attributes:
        file: relative to the path that was given; content of an archive stands behind `!`.
        document: 1-based: the line, where lines are documents; else the stretch of 4,096 bytes.
        line: 1-based, in that content.
        item: id of the test item.
        unit: `question`, `docstring`, `tests`, `tool`, `rubric`, `choices` or `answer`.
        method: `5-gram`, `masked 8-gram`, `exact`, `identifiers`, `rewording` or `numbers`.
        score: containment or likeness, 0 to 1.
        text: what stands there, shortened.
        item_text: the unit, shortened.
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
    """Something that was not searched, or not whole.

    Attributes:
        lost: whether it should have been readable, so that what it holds is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    reason: str
    lost: bool


class ScanReport(BaseModel):
    """What a scan found.

    Attributes:
        verdict: `not_checked` if nothing was flagged and something could not be searched, or nothing was.
        documents: searched.
        bytes: of content, decompressed.
        seconds: wall-clock time.
        flagged_documents: that hold a test item.
        test_items_hit: distinct ones in them.
        chance: flagged documents up to which the background rate explains them.
        unsearchable: ids of test items that cannot be told from legal text.
        hits: one for each file and unit; answers alone are listed and not counted.
        skipped: what was not searched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    documents: int
    bytes: int
    seconds: float
    flagged_documents: int
    test_items_hit: int
    chance: int
    unsearchable: list[str]
    hits: list[Hit]
    skipped: list[NotRead]


def sarif(report: ScanReport, version: str) -> dict[str, Any]:
    """The report as a SARIF 2.1.0 log: one result a hit, a note where the verdict is not `flagged`."""
    level = "error" if report.verdict == "flagged" else "note"
    rule = "test_data_in_training"
    return log(
        tool="ptb scan",
        version=version,
        rules={rule: "A test item stands in training data."},
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
        },
    )
