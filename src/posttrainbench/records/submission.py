"""Records of the submission."""

from typing import Literal

from posttrainbench.records.base import Record

FINAL, KEPT = "final_model", "kept_model"
"""Directories of the stage `solve`: `final_model` at the agent's end, and the last whole one that it evaluated."""


class Failure(Record):
    """`evaluate/failure.json`: why an accepted submission could not be evaluated, if the submission is the cause."""

    cause: str
    message: str


class Refusal(Record):
    """A file that a submission must not contain, with the reason."""

    path: str
    reason: str


class SubmissionManifest(Record):
    """`submission/manifest.json`.

    Attributes:
        state: `accepted`: can be evaluated; `missing`: the agent left no `final_model`; `refused`: contains forbidden
            files; `broken`: is not a complete checkpoint of the base model's architecture.
        files: relative path -> SHA-256 of each collected file.
        refused: files that were not collected.
        problems: reasons for any state other than `accepted`, one sentence each.
        facts: harmless changes worth reporting, such as changed decoding settings.
        kept: note that the last whole checkpoint that the agent evaluated is used, and why; "" if the final one is.
    """

    state: Literal["accepted", "missing", "refused", "broken"]
    files: dict[str, str]
    refused: list[Refusal]
    problems: list[str]
    facts: list[str]
    kept: str = ""
