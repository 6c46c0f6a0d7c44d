"""The real vLLM that `make vllm` installs, for tests with the marker `vllm`."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from posttrainbench.engines.generation import Generator, Request
from posttrainbench.engines.vllm_engine import versions
from posttrainbench.errors import InputError

PYTHON = Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python"
SETTINGS = {"python": str(PYTHON), "kv_memory": "0.5", "enforce_eager": "1"}

HALF = "\N{REPLACEMENT CHARACTER}"
SIZES = {"hidden_size": 128, "head_dim": 64}
"""Of small models: vLLM has no attention for smaller heads."""


def require_vllm() -> None:
    """Skip the calling test or module, with the reason, if vLLM is not installed."""
    try:
        versions(SETTINGS)
    except InputError as error:
        pytest.skip(f"no real vLLM; `make vllm` installs it: {error}")


def engines_differ(
    checkpoints: Sequence[Path], prompts: Sequence[str], max_tokens: int, python: Path = PYTHON
) -> list[str]:
    """Compare greedy completions of the generator of the transformers engine and of vLLM, in float32.

    Returns:
        For each checkpoint, how they differ; "" if they are equal.
    """
    generators = [Generator(checkpoint, "", {"temperature": 0.0}) for checkpoint in checkpoints]
    ids = [generators[0].tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    order = {"checkpoints": list(map(str, checkpoints)), "prompts": ids, "max_tokens": max_tokens, "dtype": "float32"}
    done = subprocess.run(
        [python, "-I", str(Path(__file__).with_name("vllm_offline.py"))],
        input=json.dumps(order), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    differences = []
    for generator, tokens in zip(generators, json.loads(done.stdout.splitlines()[-1]), strict=True):
        if isinstance(tokens, str):
            differences.append(tokens)
            continue
        texts = [generator.tokenizer.decode(row, skip_special_tokens=True).rstrip(HALF) for row in tokens]
        own = [done.text for done in generator.generate([Request(tuple(prompt), max_tokens, seed=0) for prompt in ids])]
        differences.append("" if texts == own else f"transformers {own}, vLLM {texts}")
    return differences
