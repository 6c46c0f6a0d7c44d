"""Harmless ways in which a submission differs from its base model, as sentences for the manifest."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from posttrainbench.audit.submission_checks import listed, short
from posttrainbench.audit.tensors import JSON_LIMIT
from posttrainbench.audit.untrusted import UnreadableError, open_regular, read_json

SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "repetition_penalty",
            "eos_token_id", "bos_token_id", "pad_token_id")  # fmt: skip


def tokenizer_facts(tokenizer: dict[str, Any], base_model: Path) -> list[str]:
    """Where tokenizer.json differs from the base model's."""
    base = _optional(base_model / "tokenizer.json")
    facts = []
    if _vocabulary(tokenizer) != _vocabulary(base):
        facts.append("tokenizer.json: the vocabulary is not the base model's.")
    # Truncation and padding are left over from training, and the evaluation sets its own.
    compared = (tokenizer.keys() | base.keys()) - {
        "model",
        "version",
        "added_tokens",
        "truncation",
        "padding",
    }
    if changed := sorted(key for key in compared if tokenizer.get(key) != base.get(key)):
        facts.append(f"tokenizer.json differs from the base model's in {listed(changed)}.")
    return facts


def _vocabulary(tokenizer: dict[str, Any]) -> tuple[Any, Any]:
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    tokens = (
        [(t.get("id"), t.get("content")) for t in added if isinstance(t, dict)] if isinstance(added, list) else added
    )
    return (model.get("vocab"), model.get("merges")) if isinstance(model, dict) else model, tokens


def template_facts(candidates: Mapping[str, Path], parsed: Mapping[str, Any], base_model: Path) -> Iterator[str]:
    """Say where a chat template differs from the base model's; the evaluation uses neither."""
    if "chat_template.jinja" in candidates:
        base_template = _text((base_model / "chat_template.jinja").resolve())
        if _text(candidates["chat_template.jinja"]) != base_template:
            yield "chat_template.jinja is not the base model's; the evaluation uses its own."
    config = _optional(base_model / "tokenizer_config.json")
    base = config.get("chat_template")
    if parsed.get("tokenizer_config.json", {}).get("chat_template", base) != base:
        yield "tokenizer_config.json has a chat template of its own; the evaluation uses its own."


def sampling_settings(settings: dict[str, Any], base_model: Path) -> tuple[dict[str, Any], list[str]]:
    """The sampling settings alone, and facts on what was dropped and what differs from the base model's."""
    kept = {key: settings[key] for key in SAMPLING if key in settings and _is_setting(settings[key])}
    base = {key: value for key, value in _optional(base_model / "generation_config.json").items() if key in SAMPLING}
    noise = ("transformers_version", "_from_model_config")
    facts = []
    if dropped := sorted(key for key in settings if key not in kept and key not in noise):
        facts.append(f"generation_config.json: dropped {listed(dropped)}.")
    changes = [
        f"{key} is {short(kept.get(key))} instead of {short(base.get(key))}"
        for key in SAMPLING
        if kept.get(key) != base.get(key)
    ]
    if changes:
        facts.append(f"The decoding settings were changed: {', '.join(changes)}.")
    return kept, facts


def _is_setting(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 64 and all(type(item) is int for item in value)
    return value is None or (isinstance(value, bool | int | float) and math.isfinite(value))


def _optional(path: Path) -> dict[str, Any]:
    """A JSON file of the trusted base model, or nothing."""
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
