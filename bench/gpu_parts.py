"""The parts of `bench/gpu.sh`; each prints its result in one line, and exits with 1 if it fails.

python bench/gpu_parts.py build NAME DIR [--tiny]       write a random model of an official architecture
python bench/gpu_parts.py throughput ENGINE DIR [--python PATH] [--tiny]
python bench/gpu_parts.py sandbox BACKEND               list GPUs inside a sandbox
python bench/gpu_parts.py monitor                       one sample of the monitor
python bench/gpu_parts.py wait                          occupy a GPU's memory, free it, and wait until it is idle
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from posttrainbench import catalog
from posttrainbench.engines import MODEL_NAME, Serving, load_engine
from posttrainbench.run.gpus import DRIVER, gpu_count, load_nvml, wait_until_idle
from posttrainbench.sandbox import Mount, load_sandbox

TOKENIZER = catalog.models()["micro-instruct"].directory
SIZES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "Qwen3-1.7B": ("qwen3", (2048, 6144, 28, 16, 8, 128, 151936), {}),
    "Qwen3-4B": ("qwen3", (2560, 9728, 36, 32, 8, 128, 151936), {}),
    "SmolLM3-3B": ("smollm3", (2048, 11008, 36, 16, 4, 128, 128256), {"pad_token_id": 0}),
    "gemma-3-4b": ("gemma3_text", (2560, 10240, 34, 8, 4, 256, 262208), {"sliding_window": 1024}),
}
"""Architecture, and its hidden, intermediate, layer, head, key-value head, head and vocabulary sizes, as published."""
KEYS = (
    "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim vocab_size"
).split()
TINY = (128, 128, 2, 2, 1, 64, 2176)
REQUESTS, TOKENS = 64, 128
HIDDEN_GPUS = "no GPU"


def build(name: str, folder: Path, tiny: bool) -> str:
    """Write a random model in bfloat16, with the tokenizer of the micro models."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, sizes, more = SIZES[name]
    values = dict(zip(KEYS, TINY if tiny else sizes, strict=True))
    config = AutoConfig.for_model(
        kind, **values, **more, max_position_embeddings=4096, tie_word_embeddings=True, eos_token_id=0, bos_token_id=0
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / file, folder)
    return f"{sum(tensor.numel() for tensor in model.parameters()) / 1e9:.2f} billion parameters"


def throughput(engine: str, folder: Path, python: str | None, tiny: bool) -> str:
    """Serve a model, complete prompts at once, and return the rate."""
    from openai import OpenAI

    settings = {}
    if engine == "vllm":
        settings = {"enforce_eager": "1", "max_model_len": "1024", "memory_fraction": "0.1" if tiny else "0.85"}
        settings |= {"python": python} if python else {}
    count, tokens = (8, 8) if tiny else (REQUESTS, TOKENS)
    template = (TOKENIZER / "chat_template.jinja").read_text()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        serving = Serving(folder, template, Path(scratch, "log"), None, {"temperature": 0.0}, settings, "bfloat16")
        with (
            load_engine(engine).serve(serving) as endpoint,
            OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, timeout=300, max_retries=0) as client,
            ThreadPoolExecutor(count) as pool,
        ):

            def ask(number: int) -> int:
                reply = client.chat.completions.create(
                    model=MODEL_NAME,
                    max_tokens=tokens,
                    messages=[{"role": "user", "content": f"What is {number} plus {number}? " * 20}],
                )
                return reply.usage.completion_tokens if reply.usage else 0

            ask(0)
            ready = time.monotonic()
            made = sum(pool.map(ask, range(count)))
            seconds = time.monotonic() - ready
    return f"{made / seconds:.0f} tokens/s, {count / seconds:.2f} requests/s, ready after {ready - began:.0f} s"


def sandbox(name: str) -> str:
    """Return the GPUs that a program in a sandbox sees."""
    backend = load_sandbox(name)
    backend.check()
    gpus = list(range(gpu_count(DRIVER)))
    with tempfile.TemporaryDirectory() as workspace:
        command = ["sh", "-c", f"nvidia-smi --list-gpus 2>/dev/null || echo {HIDDEN_GPUS}"]
        mount = Mount("workspace", Path(workspace), writable=True)
        process = backend.start(command, [mount], {}, "/workspace", gpus=gpus)
        output = process.popen.communicate(timeout=60)[0]
    text = output.decode() if isinstance(output, bytes) else str(output)
    if gpus and HIDDEN_GPUS in text:
        raise SystemExit(f"{len(gpus)} GPUs on the host, none in the sandbox")
    return " / ".join(text.split("\n")).strip(" /")


def monitor() -> str:
    """Return the use of each GPU as the monitor reads it."""
    nvml = load_nvml()
    if nvml is None:
        return "NVIDIA's library is not available"
    uses = [nvml.use(index) for index in range(gpu_count(DRIVER))]
    return json.dumps([{"memory": use.memory, "total": use.total, "busy": use.busy} for use in uses])


def wait() -> str:
    """Occupy a fifth of a GPU's memory for five seconds, and return how long `wait_until_idle` waited."""
    if not gpu_count(DRIVER):
        return HIDDEN_GPUS
    code = (
        "import time, torch; n = torch.cuda.mem_get_info()[1] // 5;"
        "x = torch.empty(n, dtype=torch.uint8, device='cuda'); print(flush=True); time.sleep(5)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit("the GPU's memory could not be occupied")
        began = time.monotonic()
        wait_until_idle([0], 60)
        waited = time.monotonic() - began
    if waited < 3:
        raise SystemExit(f"waited only {waited:.1f} s for memory that was occupied for 5 s")
    return f"waited {waited:.1f} s for memory that was occupied for 5 s"


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("build", "throughput", "models", "sandbox", "monitor", "wait"))
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--python", help="interpreter that has vLLM")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script without a GPU")
    args = parser.parse_args()
    parts: dict[str, Callable[[], str]] = {
        "build": lambda: build(args.name, args.folder, args.tiny),
        "throughput": lambda: throughput(args.name, args.folder, args.python, args.tiny),
        "sandbox": lambda: sandbox(args.name),
        "monitor": monitor,
        "wait": wait,
        "models": lambda: " ".join(SIZES),
    }
    print(parts[args.part]())


if __name__ == "__main__":
    main()
