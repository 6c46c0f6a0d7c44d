"""Compare the answers of the engines `transformers` and `vllm`, greedy and in float32.

    python bench/engine_agreement.py [--items 50] [--vllm PYTHON]
    PTB_TEST_DATA=DIR python bench/engine_agreement.py --model DIR [--template FILE] [--items 100] [--max-tokens 64]

Without `--model`, items of the four benchmarks of the suite micro are posed to micro-instruct. With it, the first real
GSM8K and BFCL items are posed to that checkpoint, with its own chat template; `PTB_TEST_DATA` names the directory with
the published files. For each difference, prints by how much transformers prefers its own token to vLLM's at the first
token that differs, in logits; a tie within numerical noise is below 0.001. The rates are items per second, and per
second of CPU time that the engine's processes used.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from openai import OpenAI

from posttrainbench import catalog
from posttrainbench.benchmarks.importing import import_files
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import MODEL_NAME, Serving, load_engine
from posttrainbench.engines.generation import Generator
from posttrainbench.evaluation.items import load_items

MICRO = ("micro-math", "micro-calls", "micro-code", "micro-choice")
REAL = {"gsm8k": ("gsm8k_test.jsonl",), "bfcl": ("bfcl_exec_simple.jsonl", "bfcl_exec_simple_answers.jsonl")}
TRAIN = "gsm8k_train.jsonl"
"""With the worked examples of GSM8K's prompts."""
GREEDY = {"temperature": 0.0}
NOISE = 1e-3
PYTHON = Path(__file__).parents[1] / ".venv-vllm" / "bin" / "python"
Prompt = tuple[list[dict[str, Any]], list[dict[str, Any]] | None]


def prompts(benchmark: str, count: int) -> list[Prompt]:
    """Return messages and tools of a benchmark's first items."""
    if benchmark in REAL:
        import_files(benchmark, [Path(os.environ["PTB_TEST_DATA"]) / name for name in REAL[benchmark]], "test")
        if benchmark == "gsm8k":
            import_files(benchmark, [Path(os.environ["PTB_TEST_DATA"]) / TRAIN], "train")
    items = load_benchmark(benchmark).build_prompts(load_items(catalog.benchmarks()[benchmark], "test")[:count], 0)
    return [(item.conversation, item.tools or None) for item in items]


@dataclass(frozen=True)
class Answers:
    """An engine's answers to the items of a benchmark, and the time that they took."""

    texts: list[str]
    seconds: float
    cpu_seconds: float

    @property
    def rates(self) -> str:
        """Items per second, and per CPU second, as two cells of a table."""
        return f"{len(self.texts) / self.seconds:.2f} | {len(self.texts) / self.cpu_seconds:.2f}"


def cpu_seconds() -> float:
    """Return the CPU time of the processes that this one started."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in times)


def answers(engine: str, serving: Serving, posed: dict[str, list[Prompt]], max_tokens: int) -> dict[str, Answers]:
    """Return the engine's answers to each benchmark."""
    results = {}
    with (
        load_engine(engine).serve(serving) as endpoint,
        OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key, timeout=36000) as client,
        ThreadPoolExecutor(128) as pool,
    ):

        def ask(prompt: Prompt) -> str:
            body: Any = {"messages": prompt[0]} | ({"tools": prompt[1], "tool_choice": "none"} if prompt[1] else {})
            reply = client.chat.completions.create(model=MODEL_NAME, max_tokens=max_tokens, **body)
            return str(reply.choices[0].message.content)

        for benchmark, questions in posed.items():
            started, cpu = time.monotonic(), cpu_seconds()
            texts = list(pool.map(ask, questions))
            results[benchmark] = Answers(texts, time.monotonic() - started, cpu_seconds() - cpu)
    return results


def margin(generator: Generator, prompt: Prompt, own: str, other: str) -> float:
    """Return by how many logits transformers prefers its token at the first difference of two answers."""
    start = list(generator.encode(*prompt))
    mine, theirs = (generator.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (own, other))
    end = next(iter(generator.ends))
    at = next((i for i, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(mine), len(theirs)) if at is None else at
    with torch.inference_mode():
        logits = generator.model(torch.tensor([start + mine[:at]])).logits[0, -1].float()
    first, second = ((row[at] if at < len(row) else end) for row in (mine, theirs))
    return float(logits[first] - logits[second])


def main() -> int:
    """Print a row for each benchmark, and the differences. Return 1 if any difference is not a tie."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--model", type=Path, help="checkpoint with chat_template.jinja, for GSM8K and BFCL")
    parser.add_argument("--template", type=Path, help="chat template for --model; default: its chat_template.jinja")
    parser.add_argument("--vllm", type=Path, default=PYTHON, metavar="PYTHON", help="interpreter that has vLLM")
    args = parser.parse_args()
    checkpoint = args.model or catalog.models()["micro-instruct"].directory
    template = (args.template or checkpoint / "chat_template.jinja").read_text()
    settings = {"python": str(args.vllm), "memory_fraction": "0.1", "enforce_eager": "1"}
    generator = Generator(checkpoint, template, GREEDY)
    unexplained = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PTB_DATA"] = str(Path(folder, "data"))
        posed = {benchmark: prompts(benchmark, args.items) for benchmark in (REAL if args.model else MICRO)}
        serving = Serving(checkpoint, template, Path(folder, "vllm.log"), 2, GREEDY, settings)
        vllm = answers("vllm", serving, posed, args.max_tokens)
        serving = replace(serving, log=Path(folder, "log"), settings={})
        own = answers("transformers", serving, posed, args.max_tokens)
    print("| benchmark | items | equal | transformers, items/s | per CPU s | vLLM, items/s | per CPU s |")
    print("|---|---|---|---|---|---|---|")
    for benchmark, questions in posed.items():
        first, second = own[benchmark].texts, vllm[benchmark].texts
        differ = [number for number in range(len(questions)) if first[number] != second[number]]
        rates = f"{own[benchmark].rates} | {vllm[benchmark].rates}"
        print(f"| `{benchmark}` | {len(questions)} | {len(questions) - len(differ)} | {rates} |")
        for number in differ:
            by = margin(generator, questions[number], first[number], second[number])
            unexplained += abs(by) > NOISE
            print(json.dumps({"item": number, "logits": by, "transformers": first[number], "vllm": second[number]}))
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
