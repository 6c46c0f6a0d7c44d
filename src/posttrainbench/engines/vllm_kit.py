"""Generation with vLLM in the agent's kit, in one process and with the decoding settings of the engine's server."""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from .sampling import SAMPLING_KEYS, TOKEN_KEYS

VLLM_PYTHON = Path("/opt/vllm/bin/python")
"""Interpreter of the images' separate environment for vLLM, which needs another version of torch."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the engine's own options to the command line of `evaluate.py`."""
    parser.add_argument("--gpu-memory-utilization", type=float, default=None, help="share of the GPU's memory")
    parser.add_argument("--max-connections", type=int, default=None, help="number of concurrent completions")


def enter() -> None:
    """Continue in the separate environment if vLLM is not installed in this one."""
    if importlib.util.find_spec("vllm") is None and VLLM_PYTHON.is_file():
        os.execv(VLLM_PYTHON, [str(VLLM_PYTHON), *sys.argv])  # noqa: S606  (this program, with that interpreter)


def complete(
    checkpoint: Path,
    template: str,
    conversations: list[tuple[list[dict[str, Any]], list[dict[str, Any]] | None]],
    max_tokens: int,
    seed: int,
    options: argparse.Namespace,
) -> list[str]:
    """Return one completion for each conversation, in order.

    Args:
        checkpoint: directory of a saved model.
        template: chat template (Jinja), used instead of the checkpoint's own.
        conversations: messages, and tools if there are any.
        max_tokens: limit of one completion.
        seed: sampling seed of every completion.
        options: the parsed command line, and `dtype`: number format of weights and computations.
    """
    from transformers import AutoTokenizer
    from vllm import LLM, SamplingParams
    from vllm.platforms import current_platform

    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    tokenizer.chat_template = template
    prompts = [
        tokenizer(
            tokenizer.apply_chat_template(messages, tools=tools or None, add_generation_prompt=True, tokenize=False),
            add_special_tokens=False,
        )["input_ids"]
        for messages, tools in conversations
    ]
    path = checkpoint / "generation_config.json"
    own = json.loads(path.read_bytes()) if path.is_file() else {}
    decoding = {key: own[key] for key in (*SAMPLING_KEYS, *TOKEN_KEYS) if own.get(key) is not None}
    sampling = {key: value for key, value in decoding.items() if key in SAMPLING_KEYS}
    limits: dict[str, Any] = {} if options.max_connections is None else {"max_num_seqs": options.max_connections}
    if "vision_config" in json.loads((checkpoint / "config.json").read_bytes()):
        limits["limit_mm_per_prompt"] = {"image": 0}
    on_cpu = current_platform.device_type == "cpu"
    if on_cpu:
        limits["enforce_eager"] = True  # compiling takes longer than a small evaluation
    if on_cpu and decoding.get("temperature") != 0:
        limits["enable_chunked_prefill"] = False  # the random generators of a CPU cannot be rewound, as vLLM then does
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "generation_config.json").write_text(json.dumps(decoding))
        model = LLM(
            str(checkpoint),
            dtype=options.dtype,
            gpu_memory_utilization=options.gpu_memory_utilization or (0.2 if on_cpu else 0.9),
            generation_config=scratch,
            trust_remote_code=False,
            **limits,
        )
    outputs = model.generate(
        [{"prompt_token_ids": list(prompt)} for prompt in prompts],
        [SamplingParams(max_tokens=max_tokens, seed=seed, **sampling) for _ in prompts],
    )
    return [output.outputs[0].text for output in outputs]
