"""Decide whether a submission is accepted, and write it in the one form that every engine evaluates.

The canonical checkpoint holds the submission's weights under the names of a text-only model, the base model's
configuration with the changes in `checks.LEGAL`, the base model's tokenizer with the submission's added tokens, and
decoding settings whose values are legal. Nothing else of a submission reaches an engine.

This module, with those that it imports, also lies in the agent's kit, where `evaluate.py` uses it in the same way: what
`evaluate.py` accepts, the final check accepts, and both evaluate the same files. It needs numpy and the standard
library only, and never executes or unpickles what it reads.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal

from posttrainbench.engines.sampling import TOKEN_KEYS
from posttrainbench.submission import checks, tensors, tokens
from posttrainbench.submission.checks import Base, BrokenError, RefusedError, Weights
from posttrainbench.submission.facts import are_token_ids, sampling_settings, template_facts, tokenizer_facts
from posttrainbench.submission.names import EMBEDDINGS, text_config
from posttrainbench.submission.tensors import INDEX, PRECISION, SINGLE, WIDTHS, Tensor
from posttrainbench.untrusted import UnreadableError, kind, open_regular, printable, read_json

CONFIG, DECODING, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
SIDE_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json")
JSON_FILES = (CONFIG, DECODING, TOKENIZER, *SIDE_FILES, INDEX)
TEXT_FILES = ("merges.txt", "chat_template.jinja")
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack")
_CODE = (".py", ".pyc", ".so", ".sh", ".ipynb", ".pth")
_PIECE = 2**22
_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
CONVERT = (
    "python -c \"from transformers import AutoModelForCausalLM as M; m = M.from_pretrained('final_model'); "
    "m.save_pretrained('final_model')\""
)
"""Command that saves weights from pickles as safetensors, for the agent to run."""


@dataclass(frozen=True)
class Plan:
    """Content of the canonical checkpoint.

    Attributes:
        base: the base model.
        base_model: its directory.
        weights: the tensors.
        files: name -> weight file of the submission, to be used as they are if `weights.unchanged`.
        config: content of config.json.
        added: entries of the tokens that the submission adds.
        decoding: content of generation_config.json; None if the submission has none.
    """

    base: Base
    base_model: Path
    weights: Weights
    files: dict[str, Path]
    config: dict[str, Any]
    added: list[dict[str, Any]]
    decoding: dict[str, Any] | None


@dataclass(frozen=True)
class Examination:
    """The decision on a submission.

    Attributes:
        state: `accepted`; `missing`: no checkpoint was left; `refused`: it contains something forbidden; `broken`: it
            is not a complete checkpoint of the base model's architecture.
        problems: why the state is not `accepted`, one sentence each.
        refused: (name, reason) of files that are left behind.
        facts: harmless changes, for the manifest.
        plan: how to write the canonical checkpoint; None unless accepted.
    """

    state: Literal["accepted", "missing", "refused", "broken"]
    problems: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    plan: Plan | None = None


def examine(source: Path, base_model: Path, inside: Sequence[Path] = ()) -> Examination:
    """Decide on a submission. Nothing is copied, executed or unpickled.

    Args:
        source: the directory `final_model`; it need not exist.
        base_model: directory of the base model; trusted. Links to its files count as those files.
        inside: further directories; links to files in them count as those files.

    Raises:
        InfrastructureError: the base model cannot be read.
    """
    if source.is_symlink():
        source = _followed_directory(source, base_model, inside)
    if source.is_symlink() or not source.is_dir():
        return Examination("missing", ["The agent left no directory `final_model`."])
    base = checks.read_base(base_model)
    try:
        candidates, refused = _sort(source, (base_model, *inside))
    except OSError as error:
        return Examination("broken", [f"The directory `final_model` cannot be read ({error.strerror})."])
    if not candidates and not refused:
        return Examination("missing", ["The agent left an empty `final_model`."])
    try:
        plan, facts = _plan(candidates, refused, base, base_model)
    except RefusedError as error:
        return Examination("refused", [str(error)], refused)
    except BrokenError as error:
        whole = CONFIG in candidates and any(is_weight_file(name) for name in candidates)
        if not whole and (nested := _nested(source)):
            problem = f"There is a complete checkpoint in final_model/{nested}; move it up to final_model."
            return Examination("refused", [problem], refused)
        return Examination("broken", [str(error)], refused)
    except UnreadableError as error:
        return Examination("broken", [f"A file of the submission cannot be read: {error}."], refused)
    except RecursionError:
        return Examination("broken", ["A JSON file of the submission is nested too deeply."], refused)
    return Examination("accepted", [], refused, facts, plan)


def _plan(
    candidates: dict[str, Path], refused: list[tuple[str, str]], base: Base, base_model: Path
) -> tuple[Plan, list[str]]:
    """Check all parts of the submission. Returns the plan and facts."""
    parsed = {name: checks.parse(candidates[name]) for name in (CONFIG, INDEX) if name in candidates}
    ignored = [_parse_ignored(name, candidates, parsed) for name in (DECODING, TOKENIZER, "tokenizer_config.json")]
    checks.refuse_code(parsed)
    files = _weights(candidates, refused, parsed.get(INDEX))
    if CONFIG not in parsed:
        raise BrokenError(f"{CONFIG} is missing; save the whole model with save_pretrained().")
    config_facts = checks.check_config(parsed[CONFIG], base)
    weights = checks.check_tensors(files, parsed[CONFIG], base)
    rows = max(weights.rows, base.rows)
    facts = [fact for fact in ignored if fact] + config_facts + weights.facts
    added: list[dict[str, Any]] = []
    if TOKENIZER in parsed:
        facts += tokenizer_facts(parsed[TOKENIZER], base_model)
        added, token_facts = tokens.added_tokens(parsed[TOKENIZER], base.tokens, weights.rows)
        facts += token_facts
    facts += template_facts(candidates, parsed, base_model)
    decoding = None
    if DECODING in parsed:
        decoding, decoding_facts = sampling_settings(parsed[DECODING], base_model, rows)
        facts += decoding_facts
    return (
        Plan(
            base=base,
            base_model=base_model,
            weights=weights,
            files=files,
            config=_config(parsed[CONFIG], base, weights, rows),
            added=added,
            decoding=decoding,
        ),
        facts,
    )


def _parse_ignored(name: str, candidates: dict[str, Path], parsed: dict[str, Any]) -> str:
    """Add a file to `parsed` whose absence does no harm; returns a fact if it cannot be read."""
    if name not in candidates:
        return ""
    try:
        if name == TOKENIZER:
            value = read_json(candidates[name], tensors.JSON_LIMIT, tensors.JSON_CONTAINERS)
        else:
            value = read_json(candidates[name], tensors.SETTINGS_LIMIT, tensors.SETTINGS_CONTAINERS)
    except UnreadableError as error:
        return f"{name} is ignored: {error}."
    if not isinstance(value, dict):
        return f"{name} is ignored: it does not contain a JSON object."
    parsed[name] = value
    return ""


def _config(submitted: dict[str, Any], base: Base, weights: Weights, rows: int) -> dict[str, Any]:
    """Return the base model's configuration with the submission's legal changes."""
    config = dict(base.config)
    given = text_config(submitted)
    config |= {key: given[key] for key in TOKEN_KEYS if key in given and are_token_ids(key, given[key], rows)}
    if rows:
        config["vocab_size"] = rows
    types = {tensor.dtype for tensor in weights.tensors.values()}
    widest = max(types, key=lambda dtype: (WIDTHS[dtype], PRECISION[dtype]))
    main = weights.tensors[EMBEDDINGS].dtype if EMBEDDINGS in weights.tensors else widest
    config["torch_dtype" if "torch_dtype" in config else "dtype"] = _DTYPES[main]
    return config


def _sort(source: Path, inside: Sequence[Path]) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """Return the files whose names and kinds are allowed, and a reason for each of the others."""
    candidates: dict[str, Path] = {}
    refused: list[tuple[str, str]] = []
    for child in sorted(os.scandir(source), key=lambda entry: os.fsencode(entry.name)):
        path = Path(child.path)
        if path.is_symlink():
            path = _followed(path, inside)
        reason = _reason(child.name, kind(path.lstat().st_mode))
        if reason:
            refused.append((printable(child.name), reason))
        else:
            candidates[child.name] = path
    return candidates, refused


def _followed_directory(link: Path, base_model: Path, inside: Sequence[Path]) -> Path:
    """Return the base model's directory or the one in `inside` to which a link leads, else the link itself."""
    target = Path(os.path.normpath(link.parent / link.readlink()))
    try:
        real = target.resolve()
        if base_model in (target, real) or real == base_model.resolve():
            return base_model
        return real if any(real.is_relative_to(folder.resolve()) for folder in inside) else link
    except (OSError, RuntimeError):  # a loop of links
        return link


def _followed(path: Path, inside: Sequence[Path]) -> Path:
    """Return the file to which a link leads if it lies in one of these directories, else the link itself."""
    target = Path(os.path.normpath(path.parent / path.readlink()))
    try:
        real = target.resolve()
        allowed = any(target.is_relative_to(folder) or real.is_relative_to(folder.resolve()) for folder in inside)
        return real if allowed and real.is_file() else path
    except (OSError, RuntimeError):  # a loop of links
        return path


def is_weight_file(name: str) -> bool:
    """Return whether a file name is that of the weights or of one of their shards."""
    return name == SINGLE or SHARD.fullmatch(name) is not None


def is_checkpoint_file(name: str) -> bool:
    """Return whether files of this name are read from a submission."""
    return name in JSON_FILES or name in TEXT_FILES or is_weight_file(name)


def _reason(name: str, found_kind: str) -> str:
    """Return the reason why a top-level file is left behind; "" if it is used."""
    suffix = PurePath(name).suffix.lower()
    if found_kind == "symbolic link":
        return "it is a symbolic link that leads out of the workspace"
    if found_kind == "directory":
        return "it is a directory; only files directly in final_model are used"
    if found_kind:
        return f"it is a {found_kind}, not a regular file"
    if is_checkpoint_file(name):
        return ""
    if name.startswith("adapter_"):
        return "adapters are not evaluated; merge them into the weights"
    if suffix in _PICKLES:
        return "it may be a pickle, which can run code when it is loaded; only safetensors weights are used"
    if suffix in _CODE:
        return "a submission must not contain code"
    return "the evaluation does not read it"


def _nested(source: Path) -> str:
    """Return the name of a directory in `source` that looks like a complete checkpoint; "" if there is none."""
    for child in sorted(os.scandir(source), key=lambda entry: os.fsencode(entry.name)):
        if child.is_dir(follow_symlinks=False) and _is_complete(Path(child.path)):
            return printable(child.name)
    return ""


def _is_complete(folder: Path) -> bool:
    """Return whether a directory has the files of a checkpoint; the snapshot keeps only their names."""
    try:
        return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (SINGLE, INDEX))
    except OSError:
        return False


def _weights(candidates: dict[str, Path], refused: list[tuple[str, str]], index: Any) -> dict[str, Path]:
    """Return the weight files by name.

    Shards beside a whole model, and shards that the index does not name, are left behind.
    """
    shards = {name: path for name, path in candidates.items() if SHARD.fullmatch(name)}
    if SINGLE in candidates:
        for name in sorted({*shards, *({INDEX} & candidates.keys())}):
            refused.append((name, f"it is not needed beside a whole {SINGLE}"))
        return {SINGLE: candidates[SINGLE]}
    if index is None and not shards:
        raise _no_weights(dict(refused))
    if index is None:
        raise BrokenError(f"The weights are in shards, but {INDEX} is missing.")
    named = checks.index_files(index)
    for name in sorted(named - shards.keys()):
        if "symbolic link" in dict(refused).get(name, ""):
            raise RefusedError(f"The weight file {name} is a symbolic link that leads out of the workspace.")
        raise BrokenError(f"The shard {printable(name[:100])}, which {INDEX} names, is missing.")
    for name in sorted(shards.keys() - named):
        refused.append((name, f"{INDEX} does not name it"))
    return {name: shards[name] for name in sorted(named)}


def _no_weights(reasons: dict[str, str]) -> RefusedError | BrokenError:
    weights = [name for name in reasons if is_weight_file(name)]
    if any("symbolic link" in reasons[name] for name in weights):
        return RefusedError(f"The weight file {weights[0]} is a symbolic link that leads out of the workspace.")
    if weights:
        return BrokenError(f"The weight file {weights[0]} is not a regular file.")
    if any(name.startswith("adapter_") for name in reasons):
        return BrokenError(
            "The submission is only an adapter; merge it into the base model and save the complete model."
        )
    pickles = [name for name, reason in reasons.items() if "pickle" in reason]
    if pickles:
        return RefusedError(f"The only weights are pickles ({pickles[0]}); save them as {SINGLE}: {CONVERT}.")
    return BrokenError(f"The submission has no weights; expected {SINGLE}, or shards with {INDEX}.")


def write(
    plan: Plan, destination: Path, prompts: Callable[[], Iterable[str]] | None = None, link: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Write the canonical checkpoint.

    Args:
        plan: of an accepted submission.
        destination: an existing, empty directory.
        prompts: returns the benchmark's prompts as the engine renders them; called only if the submission adds tokens.
            None ignores all added tokens.
        link: use links instead of copies for weight files that can be used as they are.

    Returns:
        SHA-256 of each file by name ("" for links), and facts on tokens that are ignored.

    Raises:
        UnreadableError: a weight file changed or cannot be read.
        OSError: `destination` cannot be written.
    """
    plan, facts = _with_tokens(plan, prompts)
    files: dict[str, str] = {}
    if plan.weights.unchanged:
        for name, path in plan.files.items():
            if link:
                (destination / name).symlink_to(path.absolute())
                files[name] = ""
            else:
                files[name] = _copy(path, destination / name)
        contents = {} if SINGLE in plan.files else {INDEX: _index(plan)}
    else:
        files[SINGLE] = _write_weights(plan, destination / SINGLE)
        contents = {}
    contents[CONFIG] = _json(plan.config)
    for name in tokens.TOKENIZER_FILES:
        if (plan.base_model / name).is_file():
            contents[name] = (plan.base_model / name).read_bytes()
    if plan.added and TOKENIZER in contents:
        contents[TOKENIZER] = tokens.extended(tokens.base_tokenizer(plan.base_model), plan.added)
    if plan.decoding is not None:
        contents[DECODING] = _json(plan.decoding)
    for name, data in contents.items():
        (destination / name).write_bytes(data)
        files[name] = hashlib.sha256(data).hexdigest()
    return dict(sorted(files.items())), facts


def _index(plan: Plan) -> bytes:
    """Return the content of the index of shards, from what the shards really hold."""
    names = {path: name for name, path in plan.files.items()}
    stored = plan.weights.tensors
    size = sum(tensor.elements * WIDTHS[tensor.dtype] for tensor in stored.values())
    weight_map = {name: names[tensor.path] for name, tensor in stored.items()}
    return _json({"metadata": {"total_size": size}, "weight_map": weight_map})


def _with_tokens(plan: Plan, prompts: Callable[[], Iterable[str]] | None) -> tuple[Plan, list[str]]:
    if not plan.added:
        return plan, []
    if prompts is None:
        return replace(plan, added=[]), ["Added tokens are ignored: the benchmark's prompts are not known."]
    added, facts = tokens.without_prompt_text(plan.added, prompts())
    return replace(plan, added=added), facts


def _write_weights(plan: Plan, target: Path) -> str:
    """Write all tensors under their canonical names to one file; returns its SHA-256."""
    base, weights = plan.base, plan.weights
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    # Types of the same width follow one another, widest first, so that every tensor is aligned.
    order = sorted(weights.tensors, key=lambda name: (-WIDTHS[weights.tensors[name].dtype], name))
    for name in order:
        tensor, reference = weights.tensors[name], base.tensors[name]
        rows = max(tensor.shape[0], reference.shape[0]) if tensor.shape else 0
        shape = [rows, *tensor.shape[1:]] if tensor.shape else []
        size = WIDTHS[tensor.dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": tensor.dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = _json(header)
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        _put(file, digest, len(text).to_bytes(8, "little") + text)
        for name in order:
            tensor, reference = weights.tensors[name], base.tensors[name]
            for bits in tensors.values(tensor):
                _put(file, digest, bits.tobytes())
            if tensor.shape and tensor.shape[0] < reference.shape[0]:
                _put_rows(file, digest, tensor, reference)
    return digest.hexdigest()


def _put_rows(file: BinaryIO, digest: Any, tensor: Tensor, reference: Tensor) -> None:
    """Append the rows of the base model's tensor that the submission's lacks, in the submission's type."""
    skip = tensor.elements
    at = 0
    for bits in tensors.values(reference):
        wanted = bits[max(0, skip - at) :]
        at += len(bits)
        if len(wanted):
            _put(file, digest, tensors.rounded(wanted, reference.dtype, tensor.dtype).tobytes())


def _put(file: BinaryIO, digest: Any, data: bytes) -> None:
    file.write(data)
    digest.update(data)


def _copy(source: Path, target: Path) -> str:
    """Copy a regular file and return its SHA-256; no metadata, never through a link."""
    digest = hashlib.sha256()
    with open_regular(source) as file, target.open("xb") as copy:
        while data := file.read(_PIECE):
            digest.update(data)
            copy.write(data)
    return digest.hexdigest()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
