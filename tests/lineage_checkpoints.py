"""Write checkpoints from numpy arrays for the lineage tests, with any names, types and offsets."""

import json
from pathlib import Path
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


def random_weights(seed: int, layers: int = 2, width: int = 48, inner: int = 96, vocabulary: int = 120) -> Weights:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (64,)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{one}_proj.weight": (width, width) for one in "qkvo"}
        shapes |= {f"{prefix}mlp.{one}_proj.weight": (inner, width) for one in ("gate", "up")}
        shapes |= {f"{prefix}mlp.down_proj.weight": (width, inner)}
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def plus(weights: Weights, seed: int, scale: float) -> Weights:
    """Return the weights after simulated training that changes each by about `scale`."""
    rng = np.random.default_rng(seed)
    return {name: (value + scale * rng.normal(size=value.shape)).astype(np.float32) for name, value in weights.items()}


def merged(first: Weights, second: Weights, share: float) -> Weights:
    return {name: ((1 - share) * value + share * second[name]).astype(np.float32) for name, value in first.items()}


def bf16(values: np.ndarray) -> np.ndarray:
    raw = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((raw + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)


def stored(values: np.ndarray, dtype: str) -> bytes:
    if dtype == "BF16":
        return bf16(values).tobytes()
    return values.astype({"F32": np.float32, "F16": np.float16, "I8": np.int8}[dtype]).tobytes()


def write(directory: Path, weights: Weights, dtype: str = "F32", padding: int | None = None, shards: int = 1) -> Path:
    """Write a checkpoint; the header ends with `padding` spaces, so that tensors may begin at any offset."""
    directory.mkdir(parents=True, exist_ok=True)
    names, weight_map = list(weights), {}
    for number in range(shards):
        file = "model.safetensors" if shards == 1 else f"model-{number + 1:05}-of-{shards:05}.safetensors"
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        data = b""
        for name in names[number::shards]:
            raw = stored(weights[name], dtype)
            header[name] = {
                "dtype": dtype, "shape": list(weights[name].shape), "data_offsets": [len(data), len(data) + len(raw)],
            }  # fmt: skip
            data += raw
            weight_map[name] = file
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8 if padding is None else padding)
        (directory / file).write_bytes(len(text).to_bytes(8, "little") + text + data)
    if shards > 1:
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return directory
