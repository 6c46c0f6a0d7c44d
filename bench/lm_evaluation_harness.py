"""Compare with lm-evaluation-harness through one engine: GSM8K item by item, and the speed.

    PTB_TEST_DATA=DIR python bench/lm_evaluation_harness.py --python PYTHON [--model DIR] [--items 20]

`PYTHON` is the interpreter of an environment with lm-evaluation-harness, such as `pip install "lm_eval[api]==0.4.13"
"transformers<5"` makes. Its model is `local-chat-completions`, which calls our server of the checkpoint.

Speed: the items of micro-math, without worked examples, by micro-instruct. lm-evaluation-harness by default has one
request at a time; it is also measured with as many as `ptb evaluate` has. From the seconds that it reports,
those of a run with four items are subtracted: loading the items, imports and statistics. Ours are those of answering
and scoring.

GSM8K (with `--model`): its task `gsm8k` with five worked examples, and our items. Each completion is scored by our
scorer and by both filters of lm-evaluation-harness; each difference is printed.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation import CHECKPOINT, MAX_TOKENS, run
from posttrainbench import catalog
from posttrainbench.benchmarks.importing import import_files
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.scorers import final_number
from posttrainbench.engines import MODEL_NAME, Endpoint, Serving, load_engine
from posttrainbench.evaluation.items import load_items

GREEDY = {"temperature": 0.0}
TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{"train": "{train}", "test": "{test}"}}
"""
GSM8K = "include: {package}/tasks/gsm8k/gsm8k.yaml\ndataset_name: null\n" + TASK
MICRO = (
    TASK
    + """
output_type: generate_until
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{"until": [], "do_sample": false, "temperature": 0.0}}
filter_list:
  - name: last
    filter:
      - {{"function": "regex", "group_select": -1, "regex_pattern": "(-?[0-9]+)"}}
      - {{"function": "take_first"}}
metric_list:
  - {{"metric": "exact_match"}}
"""
)


def harness(
    python: str, task: str, folder: Path, engine: Endpoint, options: Sequence[str], max_tokens: int, concurrent: int
) -> tuple[float, list[dict[str, Any]]]:
    """Run a task with lm-evaluation-harness; return its seconds and its samples."""
    out = Path(tempfile.mkdtemp(dir=folder))
    arguments = {
        "model": MODEL_NAME,
        "base_url": f"{engine.base_url}/chat/completions",
        "num_concurrent": concurrent,
        "max_gen_toks": max_tokens,
        "timeout": 36000,
        "max_retries": 1,
        "tokenized_requests": False,
    }
    command = [python, "-m", "lm_eval", "--model", "local-chat-completions", "--tasks", task, "--apply_chat_template"]
    command += ["--model_args", ",".join(f"{name}={value}" for name, value in arguments.items())]
    command += ["--include_path", str(folder), "--output_path", str(out), "--log_samples", *options]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "OPENAI_API_KEY": engine.api_key}
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"lm-evaluation-harness failed:\n{done.stderr[-3000:]}")
    [results] = out.rglob("results_*.json")
    [samples] = out.rglob("samples_*.jsonl")
    seconds = float(json.loads(results.read_bytes())["total_evaluation_time_seconds"])
    return seconds, [json.loads(line) for line in samples.read_text().splitlines()]


def speed(python: str, count: int, rounds: int) -> None:
    """Measure both in turns, on one server."""
    items = load_benchmark("micro-math").load("test")[:count]
    template = catalog.chat_template(catalog.models()["micro-base"])
    print(f"| {count} items of micro-math | requests at a time | seconds | right | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [{"question": item.question, "answer": str(item.target["number"])} for item in items]
        file = folder / "test.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "micro.yaml").write_text(MICRO.format(name="micro_math_here", train=file, test=file))
        serving = Serving(CHECKPOINT, template, folder / "log", threads=1)
        with load_engine("transformers").serve(serving) as engine:
            run("micro-math", items[:4], engine, engine.connections)  # what is done only once
            for _ in range(rounds):
                ours = run("micro-math", items, engine, engine.connections)
                print(f"| `ptb evaluate` | {engine.connections} | {ours:.1f} | | 1 |", flush=True)
                for concurrent in (1, engine.connections):
                    fixed, whole = (
                        harness(python, "micro_math_here", folder, engine, options, MAX_TOKENS, concurrent)
                        for options in (("--limit", "4"), ())
                    )
                    seconds, samples = whole[0] - fixed[0], whole[1]
                    right = sum(sample["exact_match"] for sample in samples)
                    row = f"| {concurrent} | {seconds:.1f} | {right:.0f} | {seconds / ours:.1f} |"
                    print(f"| lm-evaluation-harness {row}", flush=True)


async def complete(engine: Endpoint, conversations: Sequence[Any], max_tokens: int) -> list[str]:
    """Let the engine answer conversations."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=engine.base_url, api_key=engine.api_key, timeout=36000) as client:

        async def one(messages: Any) -> str:
            reply = await client.chat.completions.create(model=MODEL_NAME, messages=messages, max_tokens=max_tokens)
            return reply.choices[0].message.content or ""

        return list(await asyncio.gather(*map(one, conversations)))


def strict(completion: str) -> str:
    """Return what the filter `strict-match` of the task `gsm8k` finds."""
    found = re.findall(r"#### (\-?[0-9\.\,]+)", completion)
    return found[0] if found else "[invalid]"


def flexible(completion: str) -> str:
    """Return what the filter `flexible-extract` of the task `gsm8k` finds."""
    found = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", completion)
    return next((part for part in found[-1] if part), "[invalid]") if found else "[invalid]"


def normal(answer: str) -> str:
    """Remove what the metric of the task `gsm8k` ignores."""
    for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"):
        answer = re.sub(pattern, "", answer)
    return answer.strip().lower()


def gsm8k(python: str, package: Path, model: Path, count: int, max_tokens: int) -> None:
    """Compare GSM8K item by item."""
    data = Path(os.environ["PTB_TEST_DATA"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PTB_DATA"] = str(folder / "data")
        import_files("gsm8k", [data / "gsm8k_test.jsonl"], "test")
        import_files("gsm8k", [data / "gsm8k_train.jsonl"], "train")
        items = load_benchmark("gsm8k").build_prompts(load_items(catalog.benchmarks()["gsm8k"], "test")[:count], 0)
        task = GSM8K.format(
            package=package, name="gsm8k_here", train=data / "gsm8k_train.jsonl", test=data / "gsm8k_test.jsonl"
        )
        (folder / "gsm8k.yaml").write_text(task)
        template = (model / "chat_template.jinja").read_text()
        with load_engine("transformers").serve(Serving(model, template, folder / "log", 2, GREEDY)) as engine:
            options = ("--limit", str(count), "--fewshot_as_multiturn", "True")
            _, samples = harness(python, "gsm8k_here", folder, engine, options, max_tokens, engine.connections)
            mine = asyncio.run(complete(engine, [list(item.conversation) for item in items], max_tokens))
    theirs: dict[int, dict[str, dict[str, Any]]] = {}
    for sample in samples:
        theirs.setdefault(sample["doc_id"], {})[sample["filter"]] = sample
    scores: list[list[bool]] = []
    for number, item in enumerate(items):
        sample = theirs[number]["strict-match"]
        target = normal(sample["target"])
        completions = (mine[number], sample["resps"][0][0])
        row = []
        for prompt, completion in zip(("ours", "theirs"), completions, strict=True):
            own = final_number.score(completion, item.target)
            others = [normal(find(completion)) == target for find in (strict, flexible)]
            row += [own, *others]
            if own != others[0] or own != others[1]:
                found = {
                    "item": item.id,
                    "prompt": prompt,
                    "our scorer": own,
                    "strict": others[0],
                    "flexible": others[1],
                }
                print(json.dumps(found | {"target": target, "completion": completion[-200:]}))
        recorded = [bool(theirs[number][each]["exact_match"]) for each in ("strict-match", "flexible-extract")]
        assert recorded == row[4:], (item.id, recorded, row)
        scores.append(row)
    right = [sum(column) for column in zip(*scores, strict=True)]
    print(f"| {count} items of GSM8K | our scorer | strict-match | flexible-extract |\n|---|---|---|---|")
    print("| our prompts | {} | {} | {} |\n| its prompts | {} | {} | {} |".format(*right))
    alike = [sum(row[0] == row[n] for row in scores) + sum(row[3] == row[3 + n] for row in scores) for n in (1, 2)]
    print(f"verdicts equal to our scorer's: strict-match {alike[0]}, flexible-extract {alike[1]} of {2 * count}")


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="interpreter with lm-evaluation-harness")
    parser.add_argument("--model", type=Path, help="checkpoint with chat_template.jinja, for GSM8K")
    parser.add_argument("--items", type=int, default=20, help="items of GSM8K")
    parser.add_argument("--micro-items", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=256)
    args = parser.parse_args()
    find = "import importlib.util as u; print(u.find_spec('lm_eval').submodule_search_locations[0])"
    package = subprocess.run([args.python, "-c", find], capture_output=True, text=True, check=True).stdout.strip()
    if args.micro_items:
        speed(args.python, args.micro_items, args.rounds)
    if args.model:
        gsm8k(args.python, Path(package), args.model, args.items, args.max_tokens)


if __name__ == "__main__":
    main()
