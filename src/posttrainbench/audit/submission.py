"""What an agent left as `final_model`, taken over as data only.

Taken over: weights in safetensors, JSON and tokenizer files of the base model's own architecture. Left
behind: all else, by name and with the reason, so that harmless leftovers do not spoil a submission. What
decides on the state is in `submission_checks`; the evaluation reads nothing but what this copies.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from posttrainbench.audit import submission_checks as checks
from posttrainbench.audit.submission_checks import BrokenError, RefusedError
from posttrainbench.audit.submission_facts import sampling_settings, template_facts, tokenizer_facts
from posttrainbench.audit.tensors import INDEX, SINGLE
from posttrainbench.audit.untrusted import UnreadableError, kind, open_regular, printable
from posttrainbench.records import Refusal, SubmissionManifest

CONFIG, DECODING, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
SIDE_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")
JSON_FILES = (CONFIG, DECODING, TOKENIZER, *SIDE_FILES, INDEX)
TEXT_FILES = ("merges.txt", "chat_template.jinja")
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
REFUSALS_SHOWN = 200

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack")
_CODE = (".py", ".pyc", ".so", ".sh", ".ipynb", ".pth")
_COPY = 2**20


@dataclass(frozen=True)
class Examined:
    """What a submission is, before anything is copied.

    Attributes:
        manifest: with no `files` yet.
        taken: name -> file, of all that may be evaluated.
        decoding: the sampling settings that are kept; None without generation_config.json.
    """

    manifest: SubmissionManifest
    taken: dict[str, Path] = field(default_factory=dict)
    decoding: dict[str, Any] | None = None


def sanitise(source: Path, destination: Path, base_model: Path) -> SubmissionManifest:
    """Copy what may be evaluated from `source` to `destination`, and say what was left behind and why.

    Nothing is copied unless the state is `accepted`. The content of `source` is never executed or unpickled.

    Args:
        source: snapshot of the agent's `final_model`; it need not exist. Links inside the workspace are
            resolved
            already, so any link that is left leads out of it.
        destination: an existing, empty directory.
        base_model: directory of the base model; trusted.

    Raises:
        InfrastructureError: the base model cannot be read.
        OSError: `destination` cannot be written.
    """
    found = examine(source, base_model)
    manifest = found.manifest
    if manifest.state != "accepted":
        return manifest
    try:
        files = {name: _copy(path, destination / name) for name, path in sorted(found.taken.items())}
    except UnreadableError as error:
        return _manifest("broken", manifest.refused, [f"A file of the submission cannot be read: {error}."])
    if found.decoding is not None:
        data = (json.dumps(found.decoding, indent=2, sort_keys=True) + "\n").encode()
        (destination / DECODING).write_bytes(data)
        files[DECODING] = hashlib.sha256(data).hexdigest()
    return manifest.model_copy(update={"files": dict(sorted(files.items()))})


def examine(source: Path, base_model: Path, inside: Path | None = None) -> Examined:
    """What a submission is. Nothing is copied, executed or unpickled.

    Args:
        source: the directory `final_model`; it need not exist.
        base_model: directory of the base model; trusted.
        inside: a directory; links to files in it count as those files, as in the snapshot of a run.

    Raises:
        InfrastructureError: the base model cannot be read.
    """
    if source.is_symlink() or not source.is_dir():
        return Examined(_manifest("missing", problems=["The agent left no directory `final_model`."]))
    candidates, refused = _sort(source, inside)
    if not candidates and not refused:
        return Examined(_manifest("missing", problems=["The agent left an empty `final_model`."]))
    base = checks.read_base(base_model)
    try:
        parsed = {name: checks.parse(candidates[name]) for name in JSON_FILES if name in candidates}
        checks.refuse_code(parsed)
        taken, shards = _weights(candidates, refused, parsed.get(INDEX))
        for name in (CONFIG, TOKENIZER):
            if name not in parsed:
                raise BrokenError(f"{name} is missing; save the tokenizer and the whole model.")
        facts = checks.check_config(parsed[CONFIG], base)
        facts += checks.check_tensors(shards, parsed[CONFIG], base)
        facts += tokenizer_facts(parsed[TOKENIZER], base_model)
        facts += template_facts(candidates, parsed, base_model)
        settings, decoding_facts = sampling_settings(parsed.get(DECODING, {}), base_model)
    except RefusedError as error:
        return Examined(_manifest("refused", refused, [str(error)]))
    except BrokenError as error:
        return Examined(_manifest("broken", refused, [str(error)]))
    except UnreadableError as error:
        return Examined(_manifest("broken", refused, [f"A file of the submission cannot be read: {error}."]))
    except RecursionError:
        return Examined(_manifest("broken", refused, ["A JSON file of the submission is nested too deeply."]))
    taken |= {name for name in (*JSON_FILES, *TEXT_FILES) if name in candidates} - {INDEX, DECODING}
    return Examined(
        _manifest("accepted", refused, facts=[*facts, *decoding_facts]),
        {name: candidates[name] for name in taken},
        settings if DECODING in parsed else None,
    )


def _sort(source: Path, inside: Path | None) -> tuple[dict[str, Path], list[Refusal]]:
    """The files whose names and kinds are allowed, and a refusal for everything else."""
    candidates: dict[str, Path] = {}
    refused: list[Refusal] = []
    for child in sorted(os.scandir(source), key=lambda entry: os.fsencode(entry.name)):
        path = Path(child.path)
        if inside is not None and path.is_symlink():
            real = path.resolve()
            path = real if real.is_file() and real.is_relative_to(inside.resolve()) else path
        reason = _reason(child.name, kind(path.lstat().st_mode))
        if reason:
            refused.append(Refusal(path=printable(child.name), reason=reason))
        else:
            candidates[child.name] = path
    return candidates, refused


def _reason(name: str, found_kind: str) -> str:
    """Why a file of the top level is left behind; `""` if it is not."""
    suffix = PurePath(name).suffix.lower()
    if found_kind == "symbolic link":
        return "it is a symbolic link that leads out of the workspace"
    if found_kind == "directory":
        return "it is a directory; only files directly in final_model are taken over"
    if found_kind:
        return f"it is a {found_kind}, no regular file"
    if name in JSON_FILES or name in TEXT_FILES or name == SINGLE or SHARD.fullmatch(name):
        return ""
    if name.startswith("adapter_"):
        return "adapters are not evaluated; merge them into the weights"
    if suffix in _PICKLES:
        return "it may be a pickle, which runs code when it is loaded; only safetensors weights are taken over"
    if suffix in _CODE:
        return "a submission is data and holds no code"
    return "it is no file that the evaluation reads"


def _weights(candidates: dict[str, Path], refused: list[Refusal], index: Any) -> tuple[set[str], dict[str, Path]]:
    """The files that make up the weights (index included), and the weight files by name.

    Shards beside a whole model, and shards that the index does not name, are refused as leftovers.
    """
    shards = {name: path for name, path in candidates.items() if SHARD.fullmatch(name)}
    if SINGLE in candidates:
        for name in sorted({*shards, *({INDEX} & candidates.keys())}):
            refused.append(Refusal(path=name, reason=f"it is not needed beside a whole {SINGLE}"))
        return {SINGLE}, {SINGLE: candidates[SINGLE]}
    if index is None and not shards:
        raise _no_weights(refused)
    if index is None:
        raise BrokenError(f"The weights are in shards, but {INDEX} is missing.")
    named = checks.index_files(index)
    for name in sorted(named - shards.keys()):
        if any(refusal.path == name and "symbolic link" in refusal.reason for refusal in refused):
            raise RefusedError(f"The weight file {name} is a symbolic link that leads out of the workspace.")
        raise BrokenError(f"The shard {printable(name[:100])}, which {INDEX} names, is missing.")
    for name in sorted(shards.keys() - named):
        refused.append(Refusal(path=name, reason=f"{INDEX} does not name it"))
    return {INDEX, *named}, {name: shards[name] for name in sorted(named)}


def _no_weights(refused: Iterable[Refusal]) -> RefusedError | BrokenError:
    reasons = {refusal.path: refusal.reason for refusal in refused}
    weights = [name for name in reasons if name == SINGLE or SHARD.fullmatch(name)]
    if any("symbolic link" in reasons[name] for name in weights):
        return RefusedError(f"The weight file {weights[0]} is a symbolic link that leads out of the workspace.")
    if weights:
        return BrokenError(f"The weight file {weights[0]} is no regular file.")
    if any(name.startswith("adapter_") for name in reasons):
        return BrokenError("There is only an adapter; merge it into the base model and save the whole model.")
    pickles = [name for name, reason in reasons.items() if "pickle" in reason]
    if pickles:
        return RefusedError(f"The only weights are pickles ({pickles[0]}); save them as {SINGLE}.")
    return BrokenError(f"There are no weights; expected {SINGLE}, or shards with {INDEX}.")


def _copy(source: Path, target: Path) -> str:
    """Copy a regular file and return its SHA-256; no metadata, never through a link."""
    digest = hashlib.sha256()
    with open_regular(source) as file, target.open("xb") as copy:
        while data := file.read(_COPY):
            digest.update(data)
            copy.write(data)
    return digest.hexdigest()


def _manifest(
    state: str,
    refused: list[Refusal] | None = None,
    problems: list[str] | None = None,
    files: dict[str, str] | None = None,
    facts: list[str] | None = None,
) -> SubmissionManifest:
    shown = (refused or [])[:REFUSALS_SHOWN]
    if refused and len(refused) > REFUSALS_SHOWN:
        shown.append(Refusal(path="...", reason=f"and {len(refused) - REFUSALS_SHOWN} more"))
    return SubmissionManifest.model_validate(
        {
            "state": state,
            "files": files or {},
            "refused": shown,
            "problems": problems or [],
            "facts": facts or [],
        }
    )
