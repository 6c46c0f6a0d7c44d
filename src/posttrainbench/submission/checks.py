"""Check the parsed files of a submission against the base model.

Each check raises `BrokenError` or `RefusedError` with one sentence, or returns facts. All content is hostile: no value
is assumed to have the type that it should have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posttrainbench.errors import InfrastructureError
from posttrainbench.submission.names import EMBEDDINGS, HEAD, UNMERGED, canonical_name, text_config
from posttrainbench.submission.tensors import (
    HEADERS_LIMIT,
    INDEX,
    JSON_LIMIT,
    PRECISION,
    SETTINGS_CONTAINERS,
    SETTINGS_LIMIT,
    Tensor,
    all_finite,
    equal,
    header_size,
    read_checkpoint,
    read_metadata,
)
from posttrainbench.submission.tokens import base_tokenizer, vocabulary
from posttrainbench.untrusted import UnreadableError, printable, read_json

IDENTITY = (
    "architectures", "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "intermediate_size", "hidden_act", "hidden_activation",
    "n_embd", "n_layer", "n_head", "n_inner", "num_experts", "num_local_experts",
    "num_experts_per_tok", "layer_types",
)  # fmt: skip
"""Settings of config.json that make two models different ones."""
OPTIONAL = ("layer_types", "hidden_act", "hidden_activation", "head_dim")
"""Of these, those that some versions of transformers do not write."""
LEGAL = ("vocab_size", "eos_token_id", "bos_token_id", "pad_token_id", "dtype", "torch_dtype")
"""Settings that a submission may change; evaluation takes all others from the base model."""
VERSIONED = {
    "_sliding_window_pattern", "attention_bias", "attention_dropout", "cache_implementation", "initializer_range",
    "max_window_layers", "mlp_bias", "rope_scaling", "sliding_window",
    "sliding_window_pattern", "use_bidirectional_attention", "use_sliding_window",
}  # fmt: skip
"""Settings that some versions of transformers write with their default value."""
DEFAULTS = {"rms_norm_eps": 1e-6, "rope_local_base_freq": 1e4, "rope_theta": 1e6}
"""Settings that the Hub's Gemma 3 lacks, with the values that transformers 5 writes."""
BOOKKEEPING = {"_name_or_path", "transformers_version", "use_cache", "tie_word_embeddings", *LEGAL, *IDENTITY}
CODE_KEYS = {"auto_map", "custom_pipelines", "trust_remote_code", "custom_generate", "kernel_config"}
"""Keys by which loading would fetch or run code."""
CONFIGURING = ("config.json", "generation_config.json", "tokenizer_config.json")
LARGEST_ELEMENT, SLACK = 4, 1.1  # bytes: weights may be saved in 32 bits, whatever the base model's type


class BrokenError(Exception):
    """The submission is not a complete checkpoint of the base model's architecture."""


class RefusedError(Exception):
    """The submission contains something forbidden, such as code."""


@dataclass(frozen=True)
class Base:
    """The base model as a text-only model.

    Attributes:
        config: its canonical config.json.
        tensors: canonical name -> tensor; without the output layer where it is tied to the embeddings.
        stored_bytes: of all its weights in 32 bits, other modalities included.
        tokens: its vocabulary, token -> id.
        other: canonical names of the tensors of other modalities.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    stored_bytes: int
    tokens: dict[str, int]
    other: frozenset[str] = frozenset()

    @property
    def tied(self) -> bool:
        """Return whether the output layer shares the embeddings' weights, which is the default of transformers."""
        return bool(self.config.get("tie_word_embeddings", True))

    @property
    def rows(self) -> int:
        """Return the number of rows of the embeddings."""
        return self.tensors[EMBEDDINGS].shape[0] if EMBEDDINGS in self.tensors else 0

    @property
    def tokens_in_use(self) -> int:
        """Return one more than the largest token id of the tokenizer."""
        return max(self.tokens.values(), default=-1) + 1


@dataclass(frozen=True)
class Weights:
    """The weights of a submission that evaluation uses.

    Attributes:
        tensors: canonical name -> tensor.
        rows: of the embeddings as submitted.
        unchanged: the files can be used as they are: no tensor has to be renamed, dropped or padded, and the metadata
            name no other framework than PyTorch.
        facts: what was dropped or changed.
    """

    tensors: dict[str, Tensor]
    rows: int
    unchanged: bool
    facts: list[str]


def read_base(directory: Path) -> Base:
    """Read the trusted base model.

    Raises:
        InfrastructureError: it cannot be read.
    """
    try:
        config = read_json((directory / "config.json").resolve(), JSON_LIMIT)
        stored = read_checkpoint(directory)
        base = Base(
            config=text_config(config),
            tensors={canonical_name(name): tensor for name, tensor in stored.items()},
            stored_bytes=LARGEST_ELEMENT * sum(tensor.elements for tensor in stored.values()),
            tokens=vocabulary(base_tokenizer(directory)),
        )
    except (UnreadableError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InfrastructureError("data_changed", f"The base model cannot be read: {error}.") from None
    if config.get("model_type") == "gemma3":  # evaluation reads the language model alone
        text = {name: tensor for name, tensor in base.tensors.items() if name.startswith(("model.layers.", "lm_head."))}
        text |= {name: base.tensors[name] for name in (EMBEDDINGS, "model.norm.weight") if name in base.tensors}
        base = replace(base, tensors=text, other=frozenset(base.tensors.keys() - text.keys()))
    if base.tied and HEAD in base.tensors:
        base = replace(base, tensors={name: tensor for name, tensor in base.tensors.items() if name != HEAD})
    return base


def parse(path: Path) -> dict[str, Any]:
    """Read a JSON file of the submission, which must hold an object."""
    try:
        value = read_json(path, SETTINGS_LIMIT, SETTINGS_CONTAINERS)
    except UnreadableError as error:
        raise BrokenError(f"{path.name} cannot be used: {error}.") from None
    if not isinstance(value, dict):
        raise BrokenError(f"{path.name} cannot be used: it does not contain a JSON object.")
    return value


def refuse_code(parsed: Mapping[str, Any]) -> None:
    """Refuse every setting by which loading the checkpoint would fetch or run code."""
    for name in CONFIGURING:
        pending = [parsed.get(name)]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                for key, inner in value.items():
                    if (key in CODE_KEYS and inner) or ("_implementation" in key and _names_code(inner)):
                        raise RefusedError(f"{name} requests code with the key {printable(key[:100])}.")
                pending += value.values()
            elif isinstance(value, list):
                pending += value


def _names_code(value: Any) -> bool:
    # Kernels from the Hub are named as owner/repository; built-in ones are plain words.
    return not (value is None or (isinstance(value, str) and value.isidentifier()))


def index_files(index: dict[str, Any]) -> set[str]:
    """Return the file names in an index of shards."""
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise BrokenError(f"{INDEX} has no valid weight_map.")
    return set(names.values())


def check_config(config: dict[str, Any], base: Base) -> list[str]:
    """Compare the architecture with the base model's; returns facts on settings that evaluation ignores."""
    given = text_config(config)
    if key := different_setting(given, base.config):
        value = "missing" if key not in given else short(given[key])
        raise BrokenError(f"config.json: {key} is {value}, the base model's is {short(base.config[key])}.")
    if config.get("quantization_config") or given.get("quantization_config"):
        raise BrokenError("config.json: the weights are quantized; save them in bfloat16, float16 or float32.")
    mine, theirs = _settings(given), _settings(base.config)
    changed = sorted(
        key
        for key, value in mine.items()
        if key not in BOOKKEEPING
        and (value != theirs[key] if key in theirs else value not in (None, DEFAULTS.get(key)) and key not in VERSIONED)
    )
    if changed:
        return [f"config.json differs from the base model's in {listed(changed)}; evaluation uses the base model's."]
    return []


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with its rotary settings in the form of transformers 4, whichever version wrote it."""
    rotary = config.get("rope_parameters")
    if not isinstance(rotary, dict):
        return config
    full, sliding = rotary.get("full_attention", rotary), rotary.get("sliding_attention")
    if not isinstance(full, dict) or "rope_type" not in full:
        return config
    scaling = {key: value for key, value in full.items() if key != "rope_theta"}
    settings = {key: value for key, value in config.items() if key != "rope_parameters"} | {
        "rope_theta": full.get("rope_theta"),
        "rope_scaling": None if scaling == {"rope_type": "default"} else scaling,
    }
    return settings | {"rope_local_base_freq": sliding.get("rope_theta")} if isinstance(sliding, dict) else settings


def different_setting(config: dict[str, Any], base: dict[str, Any]) -> str | None:
    """Return the first setting by which a configuration describes another model than the base's; None if it does not.

    Args:
        config: as `text_config` returns it, like `base`.
    """
    for key in IDENTITY:
        absent = key in OPTIONAL and key not in config
        if key in base and not absent and config.get(key) != base[key]:
            return key
    return None


def check_tensors(files: Mapping[str, Path], config: dict[str, Any], base: Base) -> Weights:
    """Check names, shapes, types, sizes and values of the weights, and choose those that evaluation uses.

    Args:
        files: weight file name -> path.
        config: the submission's config.json.
    """
    embeddings = LARGEST_ELEMENT * (base.tensors[EMBEDDINGS].elements if EMBEDDINGS in base.tensors else 0)
    # The output layer of a tied model may be saved once more; a larger vocabulary is covered by the slack.
    allowed = SLACK * (base.stored_bytes + embeddings) + 2**20
    if (size := sum(path.lstat().st_size for path in files.values())) > allowed:
        raise BrokenError(f"The weights take {size} bytes, more than the base model has in any precision.")
    stored, for_torch = _read_files(files)
    named = _canonical_tensors(stored, base)
    if absent := base.tensors.keys() - named.keys():
        raise BrokenError(f"{len(absent)} tensors of the base model are missing, such as {_first(absent)}.")
    facts = []
    known = {*base.tensors, *base.other, *(f"model.{name}" for name in base.other), HEAD}
    if extra := named.keys() - known:
        facts.append(
            f"{len(extra)} tensors are ignored, since the base model does not have them: {listed(sorted(extra))}."
        )
    tensors = {name: named[name] for name in base.tensors}
    rows, row_facts = _check_rows(tensors, config, base)
    for name, tensor in sorted(tensors.items()):
        expected = base.tensors[name].shape
        shape = (rows, *expected[1:]) if name in (EMBEDDINGS, HEAD) else expected
        if tensor.shape != shape:
            raise BrokenError(
                f"The tensor {printable(name)} has the shape {list(tensor.shape)} instead of {list(shape)}."
            )
        _check_values(name, tensor)
    facts += _check_head(named, base)
    unchanged = for_torch and stored.keys() == tensors.keys() and rows >= base.rows
    return Weights(tensors, rows, unchanged, [*facts, *row_facts])


def _read_files(files: Mapping[str, Path]) -> tuple[dict[str, Tensor], bool]:
    """Return all tensors, and whether loaders take the files for weights of PyTorch."""
    tensors: dict[str, Tensor] = {}
    for_torch, headers = True, 0
    for name, path in files.items():
        try:
            headers += header_size(path)
            if headers > HEADERS_LIMIT:
                raise BrokenError(f"The headers of the weight files take more than {HEADERS_LIMIT / 2**20:.0f} MiB.")
            metadata, read = read_metadata(path)
        except UnreadableError as error:
            raise BrokenError(f"{name} cannot be used: {error}.") from None
        if twice := tensors.keys() & read.keys():
            raise BrokenError(f"The tensor {_first(twice)} is in two shards.")
        tensors |= read
        for_torch = for_torch and (not metadata or metadata.get("format") == "pt") and _is_unicode(metadata)
    return tensors, for_torch


def _is_unicode(metadata: dict[str, str]) -> bool:
    """Return whether no text contains a lone surrogate, with which the safetensors library does not read a file."""
    return not any(0xD800 <= ord(character) < 0xE000 for text in (*metadata, *metadata.values()) for character in text)


def _canonical_tensors(stored: dict[str, Tensor], base: Base) -> dict[str, Tensor]:
    """Map the stored tensors to canonical names."""
    adapters = {name for name in stored if any(part in name for part in UNMERGED)}
    if adapters:
        raise BrokenError(
            f"The weights hold an adapter that is not merged, such as {_first(adapters)}; "
            "call merge_and_unload() and save the whole model."
        )
    named: dict[str, Tensor] = {}
    for stored_name, tensor in stored.items():
        name = canonical_name(stored_name)
        if name not in base.tensors and f"model.{name}" in base.tensors:
            name = f"model.{name}"  # saved from the model without its output layer
        if name in named:
            raise BrokenError(f"The tensor {printable(name[:100])} is stored twice, under two names.")
        named[name] = tensor
    return named


def _check_rows(tensors: Mapping[str, Tensor], config: dict[str, Any], base: Base) -> tuple[int, list[str]]:
    """Check the size of the vocabulary; returns the rows of the embeddings, and facts."""
    if EMBEDDINGS not in tensors:
        return 0, []
    rows = tensors[EMBEDDINGS].shape[0] if tensors[EMBEDDINGS].shape else 0
    claimed = text_config(config).get("vocab_size", rows)
    if type(claimed) is not int or claimed != rows:
        raise BrokenError(
            f"config.json: vocab_size is {short(claimed)}, but {EMBEDDINGS} has the shape "
            f"{list(tensors[EMBEDDINGS].shape)}."
        )
    if rows < base.tokens_in_use or (rows < base.rows and not base.tokens):
        raise BrokenError(
            f"The vocabulary has {rows} rows, fewer than the {base.tokens_in_use or base.rows} tokens of the base "
            "model's tokenizer."
        )
    if rows < base.rows:
        return rows, [f"The vocabulary was cut from {base.rows} to {rows} rows; the base model's rows are put back."]
    return rows, [f"The vocabulary was extended from {base.rows} to {rows} rows."] if rows > base.rows else []


def _check_head(named: Mapping[str, Tensor], base: Base) -> list[str]:
    """Drop an output layer that equals the embeddings to which the base model ties it, and refuse another."""
    if not base.tied or HEAD not in named:
        return []
    _check_values(HEAD, named[HEAD])
    try:
        same = equal(named[HEAD], named[EMBEDDINGS])
    except UnreadableError as error:
        raise BrokenError(f"{named[HEAD].path.name} cannot be used: {error}.") from None
    if not same:
        raise RefusedError(
            f"{HEAD} differs from {EMBEDDINGS}, but the base model ties the two; train with tied embeddings."
        )
    return [f"{HEAD} equals the embeddings, to which the base model ties it, and is left out."]


def _check_values(name: str, tensor: Tensor) -> None:
    if tensor.dtype not in PRECISION:
        raise BrokenError(f"The tensor {printable(name)} is of type {tensor.dtype}, not bfloat16, float16 or float32.")
    try:
        finite = all_finite(tensor)
    except UnreadableError as error:
        raise BrokenError(f"{tensor.path.name} cannot be used: {error}.") from None
    if not finite:
        raise BrokenError(f"The tensor {printable(name)} contains NaN or infinite values.")


def _first(names: set[str]) -> str:
    return printable(min(names)[:100])


def short(value: Any) -> str:
    """Return a value as it may be displayed."""
    try:
        return printable(repr(value)[:80])
    except (RecursionError, ValueError):
        return "a nested value"


def listed(names: list[str]) -> str:
    """Return at most ten names as they may be displayed."""
    display = [printable(name[:60]) for name in names[:10]]
    return ", ".join(display) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
