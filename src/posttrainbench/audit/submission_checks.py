"""Whether the parsed files of a submission are a complete checkpoint of the base model's architecture.

Each check raises `BrokenError` or `RefusedError` with one sentence, or returns facts worth knowing. All
content is hostile: nothing is taken to have the type that it should have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.audit.tensors import (
    INDEX,
    JSON_LIMIT,
    PRECISION,
    Tensor,
    all_finite,
    read_checkpoint,
    read_header,
)
from posttrainbench.audit.untrusted import UnreadableError, printable, read_json
from posttrainbench.errors import InfrastructureError

# Settings of config.json that make two models different ones.
IDENTITY = (
    "architectures", "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "intermediate_size", "hidden_act", "hidden_activation",
    "tie_word_embeddings", "n_embd", "n_layer", "n_head", "n_inner", "num_experts", "num_local_experts",
    "num_experts_per_tok", "layer_types",
)  # fmt: skip
BOOKKEEPING = {
    "_name_or_path",
    "torch_dtype",
    "dtype",
    "transformers_version",
    "use_cache",
    *IDENTITY,
    "vocab_size",
}
# Keys by which loading would fetch or run code, in the files that configure loading.
CODE_KEYS = {"auto_map", "custom_pipelines", "trust_remote_code", "custom_generate", "kernel_config"}
CONFIGURING = ("config.json", "generation_config.json", "tokenizer_config.json")
LARGEST_ELEMENT, SLACK = 4, 1.1  # bytes: weights may be saved in 32 bits, whatever the base model's type


class BrokenError(Exception):
    """It is no complete checkpoint of the base model's architecture."""


class RefusedError(Exception):
    """It holds what no submission may hold."""


@dataclass(frozen=True)
class Base:
    """The base model's config and tensors."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def text_part(self) -> "Base":
        """The language model of a Gemma 3 checkpoint as a model of its own: an allowed form of submission."""
        config = self.config["text_config"] | {
            "architectures": ["Gemma3ForCausalLM"],
            "model_type": "gemma3_text",
        }
        renamed = {
            name.replace("language_model.model.", "model.").replace("model.language_model.", "model."): tensor
            for name, tensor in self.tensors.items()
            if "language_model." in name
        }
        return Base(config, renamed)


def read_base(directory: Path) -> Base:
    """Read the trusted base model.

    Raises:
        InfrastructureError: it cannot be read.
    """
    try:
        config = read_json((directory / "config.json").resolve(), JSON_LIMIT)
        return Base(config, read_checkpoint(directory))
    except (UnreadableError, OSError, KeyError, TypeError, AttributeError) as error:
        raise InfrastructureError("data_changed", f"The base model cannot be read: {error}.") from None


def parse(path: Path) -> dict[str, Any]:
    """A JSON file of the submission; it must hold an object."""
    try:
        value = read_json(path, JSON_LIMIT)
    except UnreadableError as error:
        raise BrokenError(f"{path.name} cannot be used: {error}.") from None
    if not isinstance(value, dict):
        raise BrokenError(f"{path.name} cannot be used: it holds no JSON object.")
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
                        raise RefusedError(f"{name} asks for code by its key {printable(key[:100])}.")
                pending += value.values()
            elif isinstance(value, list):
                pending += value


def _names_code(value: Any) -> bool:
    # Kernels from the Hub are named as owner/repository; built-in ones are plain words.
    return not (value is None or (isinstance(value, str) and value.isidentifier()))


def index_files(index: dict[str, Any]) -> set[str]:
    """The file names in an index of shards."""
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise BrokenError(f"{INDEX} has no usable weight_map.")
    return set(names.values())


def check_config(config: dict[str, Any], base: Base) -> list[str]:
    """Compare the architecture with the base model's; returns facts."""
    expected = _form(config, base).config
    for key in IDENTITY:
        if (
            key in expected
            and config.get(key, None if key != "tie_word_embeddings" else expected[key]) != expected[key]
        ):
            shown = "missing" if key not in config else short(config[key])
            raise BrokenError(f"config.json: {key} is {shown}, the base model's is {short(expected[key])}.")
    if config.get("quantization_config"):
        raise BrokenError("config.json: the weights are quantised; save them in bfloat16, float16 or float32.")
    rest = sorted((config.keys() | expected.keys()) - BOOKKEEPING)
    missing = object()
    changed = [key for key in rest if config.get(key, missing) != expected.get(key, missing)]
    return [f"config.json differs from the base model's in {listed(changed)}."] if changed else []


def _form(config: dict[str, Any], base: Base) -> Base:
    if base.config.get("model_type") == "gemma3" and config.get("model_type") == "gemma3_text":
        return base.text_part
    return base


def check_tensors(files: Mapping[str, Path], config: dict[str, Any], base: Base) -> list[str]:
    """Check names, shapes, types, sizes and values of the weights; returns facts."""
    reference = _form(config, base)
    expected, tied = reference.tensors, bool(reference.config.get("tie_word_embeddings"))
    largest = sorted((tensor.elements for tensor in expected.values()), reverse=True)
    # With tied embeddings the output layer may be saved once more; a padded vocabulary is covered by the
    # slack.
    allowed = SLACK * LARGEST_ELEMENT * (sum(largest) + sum(largest[:1])) + 2**20
    if (size := sum(path.lstat().st_size for path in files.values())) > allowed:
        raise BrokenError(f"The weights take {size} bytes, more than the base model has in any precision.")

    tensors: dict[str, Tensor] = {}
    for name, path in files.items():
        try:
            found = read_header(path)
        except UnreadableError as error:
            raise BrokenError(f"{name} cannot be used: {error}.") from None
        if twice := tensors.keys() & found.keys():
            raise BrokenError(f"The tensor {_first(twice)} is in two shards.")
        tensors |= found
    optional = {"lm_head.weight"} if tied or "lm_head.weight" not in expected else set()
    if absent := expected.keys() - tensors.keys() - optional:
        raise BrokenError(f"{len(absent)} tensors of the base model are missing, such as {_first(absent)}.")
    if strange := tensors.keys() - expected.keys() - optional:
        raise BrokenError(f"{len(strange)} tensors are not the base model's, such as {_first(strange)}.")
    facts = _check_shapes(tensors, expected, config, reference.config)
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype not in PRECISION:
            raise BrokenError(
                f"The tensor {printable(name)} is of type {tensor.dtype}, not bfloat16, float16 or float32."
            )
        try:
            finite = all_finite(tensor)
        except UnreadableError as error:
            raise BrokenError(f"{tensor.path.name} cannot be used: {error}.") from None
        if not finite:
            raise BrokenError(f"The tensor {printable(name)} holds NaN or infinite values.")
    return facts


def _check_shapes(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    config: dict[str, Any],
    base: dict[str, Any],
) -> list[str]:
    rows, base_rows = config.get("vocab_size"), base.get("vocab_size")
    if base_rows is None:
        rows = None
    elif type(rows) is not int or rows < base_rows:
        raise BrokenError(f"config.json: vocab_size is {short(rows)}, the base model's is {base_rows}.")
    for name, tensor in sorted(tensors.items()):
        # The output layer of a tied model has the shape of the embeddings, which the base model stores alone.
        reference = expected.get(name) or next(
            (one for other, one in expected.items() if "embed_tokens" in other), tensor
        )
        shape = reference.shape
        if rows is not None and len(shape) == 2 and shape[0] == base_rows:
            shape = (rows, *shape[1:])
        if tensor.shape != shape:
            raise BrokenError(
                f"The tensor {printable(name)} has the shape {list(tensor.shape)} instead of {list(shape)}."
            )
    return [f"The vocabulary was extended from {base_rows} to {rows} rows."] if rows != base_rows else []


def _first(names: set[str]) -> str:
    return printable(min(names)[:100])


def short(value: Any) -> str:
    """A value as it may be shown."""
    return printable(repr(value)[:80])


def listed(names: list[str]) -> str:
    """Names as they may be shown, at most ten."""
    shown = [printable(name[:60]) for name in names[:10]]
    return ", ".join(shown) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
