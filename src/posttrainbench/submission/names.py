"""Tensor names and configurations in one form, however a library or a trainer wrote them."""

from typing import Any

WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "module.", "base_model.model.")
"""Prefixes of torch.compile, FSDP, activation checkpointing, DataParallel and PEFT."""
UNMERGED = (".lora_A.", ".lora_B.", ".lora_embedding_", ".lora_magnitude_vector", ".base_layer.", ".modules_to_save.")
"""Parts of tensor names that only an adapter has that was not merged into the weights."""
WEIGHTS = frozenset(".safetensors .bin .pt .pth .ckpt .gguf .distcp .npz .msgpack .h5".split())
"""Endings of files that may hold weights."""
HEAD = "lm_head.weight"
EMBEDDINGS = "model.embed_tokens.weight"


def canonical_name(name: str) -> str:
    """Return the name of a tensor as a text-only model of transformers stores it.

    Gemma 3 is stored as `language_model.model.*` (transformers 4), `model.language_model.*` (transformers 5) or, as a
    text-only model, `model.*`; the last form is the canonical one.
    """
    for wrapper in WRAPPERS[:3]:
        name = name.replace(wrapper, "")
    while (shorter := _without_wrapper(name)) != name:
        name = shorter
    for old, new in (("language_model.model.", "model."), ("model.language_model.", "model.")):
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name.removeprefix("language_model.") if name.startswith("language_model.lm_head.") else name


def _without_wrapper(name: str) -> str:
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of the language model alone; for a text-only model, the configuration itself.

    Only Gemma 3 is known in two forms. Token ids and the number type are taken from the outer configuration.
    """
    inner = config.get("text_config")
    if config.get("model_type") != "gemma3" or not isinstance(inner, dict):
        return config
    outer = ("eos_token_id", "bos_token_id", "pad_token_id", "torch_dtype", "dtype", "tie_word_embeddings")
    taken = {key: config[key] for key in outer if key in config}
    return inner | taken | {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"}
