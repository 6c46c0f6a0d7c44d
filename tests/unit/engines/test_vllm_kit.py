"""Options that the kit's generator passes to vLLM. `tests/integration/test_vllm_real.py` runs it with a real one."""

import argparse
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.engines import vllm_kit

CHECKPOINT = catalog.models()["micro-instruct"].directory


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of `vllm.LLM`, recorded by a stand-in that answers with the number of tokens of the prompt."""
    arguments: dict[str, Any] = {}

    class LLM:
        def __init__(self, model: str, **settings: Any) -> None:
            arguments.update(settings)

        def generate(self, prompts: list[dict[str, list[int]]], sampling: list[Any]) -> list[Any]:
            return [
                SimpleNamespace(outputs=[SimpleNamespace(text=str(len(one["prompt_token_ids"])))]) for one in prompts
            ]

    vllm, platforms = ModuleType("vllm"), ModuleType("vllm.platforms")
    vars(vllm).update(LLM=LLM, SamplingParams=lambda **settings: settings)
    vars(platforms).update(current_platform=SimpleNamespace(device_type="cpu"))
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    return arguments


@pytest.mark.parametrize("has_images", [True, False])
def test_images_are_limited_to_none_where_the_model_takes_them(
    has_images: bool, loaded: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, checkpoint)
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | ({"vision_config": {}} if has_images else {})))
    options = argparse.Namespace(dtype="float32", gpu_memory_utilization=None, max_connections=None)
    chats: Any = [([{"role": "user", "content": "2"}], None)]
    assert vllm_kit.complete(checkpoint, "{{ messages[0].content }}", chats, 8, 0, options) == ["1"]
    assert loaded.get("limit_mm_per_prompt") == ({"image": 0} if has_images else None)
    assert loaded["enforce_eager"]
