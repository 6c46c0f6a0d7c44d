"""Small checkpoints made with numpy: a base model, and variations of its weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 32,
    "tie_word_embeddings": True,
    "vocab_size": 40,
}
TOKENIZER: dict[str, Any] = {
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
    "added_tokens": [],
}
SHAPES = {
    "model.embed_tokens.weight": (40, 16),
    "model.layers.0.mlp.up_proj.weight": (32, 16),
    "model.layers.0.mlp.down_proj.weight": (16, 32),
    "model.layers.0.self_attn.q_proj.weight": (16, 16),
    "model.norm.weight": (16,),
}
DTYPES = {"F32": np.uint32, "F16": np.uint16, "BF16": np.uint16, "I8": np.uint8}
Weights = dict[str, np.ndarray]


def random_weights(seed: int, scale: float = 0.1) -> Weights:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, scale, shape).astype(np.float32) for name, shape in SHAPES.items()}


def plus(weights: Weights, seed: int, scale: float, share: float = 1.0) -> Weights:
    """The weights after a training that moves a share of them by about `scale`."""
    rng = np.random.default_rng(seed)
    return {
        name: (value + scale * rng.normal(size=value.shape) * (rng.random(value.shape) < share)).astype(np.float32)
        for name, value in weights.items()
    }


def bf16(values: np.ndarray) -> np.ndarray:
    raw = values.astype(np.float32).view(np.uint32)
    return ((raw + 0x7FFF + ((raw >> 16) & 1)) >> 16).astype(np.uint16)


def safetensors(weights: Weights, dtype: str = "F32") -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, value in weights.items():
        if dtype == "BF16":
            raw = bf16(value).tobytes()
        else:
            raw = value.astype({"F32": np.float32, "F16": np.float16, "I8": np.int8}[dtype]).tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(value.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def write_model(directory: Path, weights: Weights, dtype: str = "F32", **config: Any) -> Path:
    """A complete checkpoint."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.safetensors").write_bytes(safetensors(weights, dtype))
    (directory / "config.json").write_text(json.dumps(CONFIG | config))
    (directory / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    return directory


def write_shards(directory: Path, weights: Weights) -> Path:
    """A complete checkpoint in two shards."""
    write_model(directory, weights)
    (directory / "model.safetensors").unlink()
    weight_map = {}
    names = list(weights)
    for number, part in enumerate((names[:2], names[2:]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        (directory / file).write_bytes(safetensors({name: weights[name] for name in part}))
        weight_map |= dict.fromkeys(part, file)
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return directory
