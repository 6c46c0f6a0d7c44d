"""State how a submission differs from its base model without harm, as sentences for the manifest."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from posttrainbench.engines.sampling import SAMPLING_KEYS, TOKEN_KEYS
from posttrainbench.submission.checks import listed, short
from posttrainbench.submission.tensors import JSON_LIMIT
from posttrainbench.untrusted import UnreadableError, open_regular, read_json

SAMPLING = ("do_sample", *SAMPLING_KEYS, *TOKEN_KEYS)


def tokenizer_facts(tokenizer: dict[str, Any], base_model: Path) -> list[str]:
    """State where tokenizer.json differs from the base model's, added tokens aside."""
    base = _optional(base_model / "tokenizer.json")
    differences = [] if _vocabulary(tokenizer) == _vocabulary(base) else ["the vocabulary"]
    # Truncation and padding are left over from training, and the evaluation sets its own.
    compared = (tokenizer.keys() | base.keys()) - {
        "model",
        "version",
        "added_tokens",
        "truncation",
        "padding",
    }
    differences += sorted(key for key in compared if tokenizer.get(key) != base.get(key))
    if not differences:
        return []
    return [f"tokenizer.json differs from the base model's in {listed(differences)}; evaluation ignores it."]


def _vocabulary(tokenizer: dict[str, Any]) -> Any:
    model = tokenizer.get("model")
    return (model.get("vocab"), model.get("merges")) if isinstance(model, dict) else model


def template_facts(candidates: Mapping[str, Path], parsed: Mapping[str, Any], base_model: Path) -> Iterator[str]:
    """State where a chat template differs from the base model's; evaluation uses the task's."""
    if "chat_template.jinja" in candidates:
        base_template = _text((base_model / "chat_template.jinja").resolve())
        if _text(candidates["chat_template.jinja"]) != base_template:
            yield "chat_template.jinja differs from the base model's; evaluation uses the task's."
    config = _optional(base_model / "tokenizer_config.json")
    base = config.get("chat_template")
    if parsed.get("tokenizer_config.json", {}).get("chat_template", base) != base:
        yield "tokenizer_config.json has its own chat template; evaluation uses the task's."


def sampling_settings(settings: dict[str, Any], base_model: Path, rows: int) -> tuple[dict[str, Any], list[str]]:
    """Keep the decoding settings that are legal.

    Args:
        settings: the parsed generation_config.json; hostile.
        base_model: directory of the base model.
        rows: number of tokens of the model.

    Returns:
        The settings that are kept, and facts on what is ignored and what differs from the base model's.
    """
    kept = {key: settings[key] for key in SAMPLING if key in settings and _is_legal(key, settings[key], rows)}
    base = {key: value for key, value in _optional(base_model / "generation_config.json").items() if key in SAMPLING}
    noise = ("transformers_version", "_from_model_config")
    facts = []
    if ignored := sorted(key for key in settings if key not in kept and key not in noise):
        facts.append(f"generation_config.json: {listed(ignored)} are ignored: unknown, or not a number in range.")
    changes = [
        f"{key} is {short(kept.get(key))} instead of {short(base.get(key))}"
        for key in SAMPLING
        if kept.get(key) != base.get(key)
    ]
    if changes:
        facts.append(f"The decoding settings were changed: {', '.join(changes)}.")
    return kept, facts


RANGES = {
    "temperature": (0.01, 2.0),
    "top_p": (1e-6, 1.0),
    "top_k": (0, 10**6),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.01, 100.0),
}
"""Smallest and largest legal value; a temperature of 0, which means greedy decoding, is legal too.

vLLM refuses higher temperatures.
"""


def _is_legal(key: str, value: Any, rows: int) -> bool:
    if value is None:
        return True
    if key == "do_sample":
        return isinstance(value, bool)
    if key in TOKEN_KEYS:
        return are_token_ids(key, value, rows)
    low, high = RANGES[key]
    if type(value) is int or (type(value) is float and key != "top_k"):
        return low <= value <= high or (key == "temperature" and value == 0)
    return False


def are_token_ids(key: str, value: Any, rows: int) -> bool:
    """Return whether a value of one of `TOKEN_KEYS` is legal: None, an id, or for `eos_token_id` a list of ids."""
    ids = value if isinstance(value, list) and key == "eos_token_id" else [value]
    return value is None or (0 < len(ids) <= 64 and all(type(token) is int and 0 <= token < rows for token in ids))


def _optional(path: Path) -> dict[str, Any]:
    """Read a JSON file of the trusted base model; {} if there is none."""
    try:
        value = read_json(path.resolve(), JSON_LIMIT)
    except UnreadableError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(JSON_LIMIT)
    except UnreadableError:
        return b""
