"""The validator of submissions alone, for whoever wants to know before a run's end whether a checkpoint would count."""

import os
from pathlib import Path
from typing import Any

from posttrainbench import catalog
from posttrainbench.audit.integrity_checkpoint import dangerous_pickles
from posttrainbench.audit.sarif import log, result
from posttrainbench.audit.submission import examine
from posttrainbench.audit.submission_checks import IDENTITY
from posttrainbench.audit.tensors import JSON_LIMIT
from posttrainbench.audit.untrusted import UnreadableError, read_json
from posttrainbench.errors import InputError
from posttrainbench.records import Record, SubmissionManifest

RULE = "submission"


class Validation(Record):
    """What a checkpoint would be as a submission.

    Attributes:
        path: the directory.
        model: id of the base model.
        verdict: `clean`: it would be accepted; `flagged`: it would not.
        manifest: state, problems, what would be left behind and why, and facts worth knowing; no files.
        taken: names of the files that would be evaluated.
        pickles: file -> the names that it would call when loaded, of those that would run code.
    """

    path: str
    model: str
    verdict: str
    manifest: SubmissionManifest
    taken: list[str]
    pickles: dict[str, str]


def validate(folder: Path, model: str | None) -> Validation:
    """Look at a checkpoint as a run would at `final_model`.

    Args:
        folder: its directory; links to files beside it count as those files.
        model: id of the base model; None to take the one whose architecture and sizes it has.

    Raises:
        InputError: there is no such directory, no such model, or none to go by.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no directory; give that of a saved model.")
    base = catalog.find(catalog.models(), model or _base_of(folder), "model")
    found = examine(folder.resolve(), base.directory, folder.resolve().parent)
    names = {*found.taken} | ({"generation_config.json"} if found.decoding is not None else set())
    return Validation(
        path=str(folder),
        model=base.id,
        verdict="clean" if found.manifest.state == "accepted" else "flagged",
        manifest=found.manifest,
        taken=sorted(names),
        pickles=dangerous_pickles(sorted(folder.iterdir())),
    )


def as_sarif(found: Validation, version: str) -> dict[str, Any]:
    """As a SARIF 2.1.0 log: an `error` for what decides, a `warning` for pickles, a `note` for the rest."""
    manifest = found.manifest
    results = [result(RULE, "error", problem, [(found.path, None)], {}) for problem in manifest.problems]
    results += [
        result(RULE, "warning", f"It runs code when it is loaded: {names}", [(f"{found.path}/{name}", None)], {})
        for name, names in found.pickles.items()
    ]
    results += [
        result(RULE, "note", f"Left behind: {one.reason}.", [(f"{found.path}/{one.path}", None)], {})
        for one in manifest.refused
    ]
    results += [result(RULE, "note", fact, [(found.path, None)], {}) for fact in manifest.facts]
    return log(
        tool="ptb check-submission",
        version=version,
        rules={RULE: "A submission is a complete checkpoint of the base model's architecture, as data only."},
        results=results,
        notices=[],
        successful=True,
        properties={"state": manifest.state, "model": found.model, "verdict": found.verdict},
    )


def _base_of(folder: Path) -> str:
    """The base model whose architecture and sizes a checkpoint has.

    Raises:
        InputError: none on this machine has, or its config cannot be read.
    """
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
        alike = (config.get(key) == own[key] for key in IDENTITY if key in own)
        if isinstance(config, dict) and all(alike):
            return model.id
    names = ", ".join(model.id for model in bases)
    raise InputError(f"{folder} has the architecture of no base model on this machine; give --model, one of: {names}.")
