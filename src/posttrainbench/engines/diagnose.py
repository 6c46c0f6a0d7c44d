"""Find the faulty file of a checkpoint that an engine cannot load. Reads only headers and JSON."""

import json
from pathlib import Path

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def faulty_file(checkpoint: Path) -> str | None:
    """Return a sentence about the first missing or damaged file; None if no problem was found."""
    for name in ("config.json", "tokenizer_config.json"):
        if not (checkpoint / name).is_file():
            return f"{name} is missing."
    for path in sorted(checkpoint.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            return f"{path.name} is not JSON: {error}."
    if not any((checkpoint / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        return "tokenizer.json is missing."
    return _faulty_tokenizer(checkpoint) or _faulty_weights(checkpoint)


def _faulty_tokenizer(checkpoint: Path) -> str | None:
    from tokenizers import Tokenizer

    path = checkpoint / "tokenizer.json"
    if path.is_file():
        try:
            Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            return f"tokenizer.json cannot be read: {error}."
    return None


def _faulty_weights(checkpoint: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    names = [SINGLE]
    if (checkpoint / INDEX).is_file():
        index = json.loads((checkpoint / INDEX).read_bytes())
        weights = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(weights, dict) or not weights:
            return f"{INDEX} has no weight_map."
        names = sorted({str(name) for name in weights.values()})
    for name in names:
        if not (checkpoint / name).is_file():
            return f"{name} is missing."
        try:
            with safe_open(checkpoint / name, framework="numpy") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            return f"{name} is not a complete safetensors file: {error}."
    return None
