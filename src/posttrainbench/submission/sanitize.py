"""Write the canonical checkpoint of a submission, and its manifest."""

from collections.abc import Callable, Iterable
from pathlib import Path

from posttrainbench.records import Refusal, SubmissionManifest
from posttrainbench.submission.canonical import Examination, examine, write
from posttrainbench.untrusted import UnreadableError

MAX_REFUSALS = 200
"""Files left behind that the manifest lists."""


def sanitize(
    source: Path,
    destination: Path,
    base_model: Path,
    prompts: Callable[[], Iterable[str]] | None = None,
) -> SubmissionManifest:
    """Write the canonical checkpoint of `source` to `destination` if it is accepted, and return the manifest.

    Args:
        source: snapshot of the agent's `final_model`; it need not exist. Links inside the workspace are already
            resolved; of the others, those to the base model's files count as those files.
        destination: an existing, empty directory.
        base_model: directory of the base model; trusted.
        prompts: see `canonical.write`.

    Raises:
        InfrastructureError: the base model cannot be read.
        OSError: `destination` cannot be written.
    """
    examination = examine(source, base_model)
    if examination.plan is None:
        return manifest_of(examination)
    try:
        files, facts = write(examination.plan, destination, prompts)
    except UnreadableError as error:
        return manifest_of(
            Examination("broken", [f"A file of the submission cannot be read: {error}."], examination.refused)
        )
    manifest = manifest_of(examination)
    return manifest.model_copy(update={"files": files, "facts": [*manifest.facts, *facts]})


def manifest_of(examination: Examination) -> SubmissionManifest:
    """Return the manifest of a decision, without files."""
    refused = [Refusal(path=path, reason=reason) for path, reason in examination.refused[:MAX_REFUSALS]]
    if len(examination.refused) > MAX_REFUSALS:
        refused.append(Refusal(path="...", reason=f"and {len(examination.refused) - MAX_REFUSALS} more"))
    return SubmissionManifest(
        state=examination.state, files={}, refused=refused, problems=examination.problems, facts=examination.facts
    )
