"""What was submitted."""

from typing import Literal

from posttrainbench.records.base import Record


class Failure(Record):
    """`evaluate/failure.json`: why an accepted submission has no metrics, for a reason of its own."""

    cause: str
    message: str


class Refusal(Record):
    """A file that the submission may not contain, and why."""

    path: str
    reason: str


class SubmissionManifest(Record):
    """`submission/manifest.json`.

    Attributes:
        state: `accepted`: it may be evaluated; `missing`: no `final_model` was left; `refused`: it holds what no
            submission may hold; `broken`: it is no complete checkpoint of the base model's architecture.
        files: relative path -> SHA-256 of every file taken over.
        refused: files that were left behind.
        problems: why the state is not `accepted`, one sentence each.
        facts: harmless changes worth knowing, such as changed decoding settings.
    """

    state: Literal["accepted", "missing", "refused", "broken"]
    files: dict[str, str]
    refused: list[Refusal]
    problems: list[str]
    facts: list[str]
