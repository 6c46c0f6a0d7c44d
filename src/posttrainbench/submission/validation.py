"""Check whether a checkpoint would be accepted as a submission, outside of a run (`ptb check-submission`)."""

import os
from pathlib import Path
from typing import Any

from posttrainbench import catalog
from posttrainbench.errors import InputError
from posttrainbench.files import require_directory
from posttrainbench.records import Record, SubmissionManifest
from posttrainbench.sarif import log, result
from posttrainbench.submission.canonical import examine
from posttrainbench.submission.checks import different_setting
from posttrainbench.submission.names import text_config
from posttrainbench.submission.pickles import dangerous_pickles
from posttrainbench.submission.sanitize import manifest_of
from posttrainbench.submission.tensors import JSON_LIMIT
from posttrainbench.untrusted import UnreadableError, read_json

RULE = "submission"


class Validation(Record):
    """Result of checking a checkpoint as a submission.

    Attributes:
        path: the checkpoint's directory.
        model: id of the base model.
        verdict: `clean` if it would be accepted, `flagged` if not.
        manifest: state, problems, facts, and what would be left behind and why; `files` is empty.
        taken: names of the files that would be evaluated.
        pickles: file -> the code that it would call when loaded.
    """

    path: str
    model: str
    verdict: str
    manifest: SubmissionManifest
    taken: list[str]
    pickles: dict[str, str]


def validate(folder: Path, model: str | None) -> Validation:
    """Check a checkpoint in the same way as a run checks `final_model`.

    Args:
        folder: its directory; links to files in its parent directory are followed.
        model: id of the base model; None to choose the one with the same architecture and sizes.

    Raises:
        InputError: the directory or the model does not exist, or no base model matches.
    """
    require_directory(folder, "the directory of a saved model")
    base = catalog.find(catalog.models(), model or _base_of(folder), "model")
    examination = examine(folder.resolve(), base.directory, [folder.resolve().parent])
    manifest = manifest_of(examination)
    names = {*examination.plan.files, "config.json"} if examination.plan else set()
    if examination.plan and examination.plan.decoding is not None:
        names.add("generation_config.json")
    return Validation(
        path=str(folder),
        model=base.id,
        verdict="clean" if manifest.state == "accepted" else "flagged",
        manifest=manifest,
        taken=sorted(names),
        pickles=dangerous_pickles(sorted(folder.iterdir())),
    )


def as_sarif(validation: Validation, version: str) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log: an `error` per problem, a `warning` per dangerous pickle, a `note` for the rest."""
    manifest = validation.manifest
    results = [result(RULE, "error", problem, [(validation.path, None)], {}) for problem in manifest.problems]
    results += [
        result(RULE, "warning", f"Loading the file runs code: {names}", [(f"{validation.path}/{name}", None)], {})
        for name, names in validation.pickles.items()
    ]
    results += [
        result(RULE, "note", f"Left behind: {one.reason}.", [(f"{validation.path}/{one.path}", None)], {})
        for one in manifest.refused
    ]
    results += [result(RULE, "note", fact, [(validation.path, None)], {}) for fact in manifest.facts]
    return log(
        tool="ptb check-submission",
        version=version,
        rules={RULE: "A submission is a complete checkpoint of the base model's architecture, as data only."},
        results=results,
        notices=[],
        successful=True,
        properties={"state": manifest.state, "model": validation.model, "verdict": validation.verdict},
    )


def _base_of(folder: Path) -> str:
    """Return the id of the base model with the checkpoint's architecture and sizes.

    Raises:
        InputError: no base model on this machine matches, or the config cannot be read.
    """
    if not os.path.lexists(folder / "config.json"):
        raise InputError(
            f"{folder} has no config.json, so it is not a saved model; give the directory that `save_pretrained` wrote."
        )
    try:
        config = read_json(folder / "config.json", JSON_LIMIT)
    except UnreadableError as error:
        raise InputError(f"Give --model: {folder / 'config.json'} cannot be read: {error}.") from None
    bases = [model for model in catalog.models().values() if model.instruct is not None]
    for model in bases:
        try:
            own = read_json(Path(os.path.realpath(model.tokenizer_directory / "config.json")), JSON_LIMIT)
        except (InputError, UnreadableError):
            continue  # it is not on this machine
        if isinstance(config, dict) and not different_setting(text_config(config), text_config(own)):
            return model.id
    names = ", ".join(model.id for model in bases)
    raise InputError(f"{folder} matches no base model on this machine; give --model, one of: {names}.")
