"""Compare our GSM8K, BFCL and HumanEval with inspect_evals, item by item, through one engine.

    PTB_TEST_DATA=DIR python bench/other_harnesses.py --model DIR [--items 20] [--template FILE]

Each harness poses its own prompt for the same items to the same checkpoint, greedily and in float32. Each completion is
scored by our scorer and by that of the other harness. Prints the scores, and every item on which the two scorers differ
for the same completion; all other differences are those of the prompts. `PTB_TEST_DATA` names the directory with the
published files. Programs run in the sandbox, in both harnesses.
"""

import argparse
import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inspect_ai.model import ChatMessageAssistant, ModelName, ModelOutput
from inspect_ai.scorer import Target, match
from inspect_ai.solver import TaskState
from inspect_ai.tool import ToolCall
from inspect_evals.bfcl.bfcl import bfcl_scorer, single_turn_record_to_sample
from inspect_evals.bfcl.data import BFCLRecord
from inspect_evals.gsm8k.gsm8k import MATH_PROMPT_TEMPLATE, record_to_sample, sample_to_fewshot
from inspect_evals.humaneval.humaneval import INSTRUCTION, find_code
from openai import AsyncOpenAI

from posttrainbench import catalog
from posttrainbench.benchmarks import Item
from posttrainbench.benchmarks.gsm8k import SHOTS
from posttrainbench.benchmarks.importing import import_files
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.scorers import bfcl as bfcl_calls
from posttrainbench.benchmarks.scorers import final_number
from posttrainbench.benchmarks.scorers.humaneval import judge
from posttrainbench.engines import MODEL_NAME, Endpoint, Serving, load_engine
from posttrainbench.evaluation.items import load_items
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.executor import code_executor

FILES = {
    "gsm8k": ("gsm8k_test.jsonl",),
    "bfcl": ("bfcl_exec_simple.jsonl", "bfcl_exec_simple_answers.jsonl"),
    "humaneval": ("HumanEval.jsonl.gz",),
}
GREEDY = {"temperature": 0.0}
CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
Messages = list[dict[str, Any]]


@dataclass
class Case:
    """An item as one harness poses it."""

    name: str
    messages: Messages
    tools: list[dict[str, Any]] | None = None
    completion: str = ""


def rows_of(name: str) -> list[dict[str, Any]]:
    """Read a published file."""
    path = Path(os.environ["PTB_TEST_DATA"], name)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.decode().splitlines()]


async def complete(engine: Endpoint, cases: list[Case], max_tokens: int) -> None:
    """Let the engine answer all cases."""
    async with AsyncOpenAI(base_url=engine.base_url, api_key=engine.api_key, timeout=36000) as client:

        async def one(case: Case) -> None:
            tools: dict[str, Any] = {"tools": case.tools, "tool_choice": "none"} if case.tools else {}
            messages: Any = case.messages
            reply = await client.chat.completions.create(
                model=MODEL_NAME, messages=messages, max_tokens=max_tokens, **tools
            )
            case.completion = reply.choices[0].message.content or ""

        await asyncio.gather(*map(one, cases))


def report(
    benchmark: str,
    harness: str,
    ours: list[Case],
    theirs: list[Case],
    our_score: Callable[[int, str], bool],
    their_score: Callable[[int, str], bool],
) -> None:
    """Print scores, agreement, and the items on which the scorers differ."""
    verdicts = [
        [our_score(n, ours[n].completion), their_score(n, ours[n].completion),
         our_score(n, theirs[n].completion), their_score(n, theirs[n].completion)]
        for n in range(len(ours))
    ]  # fmt: skip
    count = len(ours)
    right = [sum(column) for column in zip(*verdicts, strict=True)]
    same = sum(own[0] == own[3] for own in verdicts)
    alike = sum(own[0] == own[1] for own in verdicts) + sum(own[2] == own[3] for own in verdicts)
    print(
        f"| {benchmark} | {harness} | {count} | {right[0]} | {right[3]} | {same} of {count} | {alike} of {2 * count} |",
        flush=True,
    )
    for number, own in enumerate(verdicts):
        for prompt, case, first in (("ours", ours[number], 0), ("theirs", theirs[number], 2)):
            if own[first] != own[first + 1]:
                found = {"item": case.name, "prompt": prompt, "our scorer": own[first], "their scorer": own[first + 1]}
                print(json.dumps(found | {"completion": case.completion[-300:]}))


def gsm8k(engine: Endpoint, items: list[Item], max_tokens: int) -> None:
    """Compare GSM8K."""
    rows, train = rows_of("gsm8k_test.jsonl")[: len(items)], rows_of("gsm8k_train.jsonl")
    system = "\n\n".join(sample_to_fewshot(record_to_sample(train[index])) for index in SHOTS)
    ours = [Case(item.id, list(item.conversation)) for item in items]
    theirs = [
        Case(
            item.id,
            [
                {"role": "system", "content": system},
                {"role": "user", "content": MATH_PROMPT_TEMPLATE.format(prompt=row["question"])},
            ],
        )
        for item, row in zip(items, rows, strict=True)
    ]
    asyncio.run(complete(engine, ours + theirs, max_tokens))
    scorer = match(numeric=True)

    def their_score(number: int, completion: str) -> bool:
        target = record_to_sample(rows[number]).target
        return verdict(scorer, completion, str(target))

    def our_score(number: int, completion: str) -> bool:
        return final_number.score(completion, items[number].target)

    report("gsm8k", "inspect_evals", ours, theirs, our_score, their_score)


def bfcl(engine: Endpoint, items: list[Item], max_tokens: int) -> None:
    """Compare BFCL's scorers on the same completions: inspect_evals leaves prompts and parsing to the provider."""
    rows = [question | answer for question, answer in zip(*(rows_of(name) for name in FILES["bfcl"]), strict=True)][
        : len(items)
    ]
    ours = [Case(item.id, list(item.conversation), item.tools) for item in items]
    asyncio.run(complete(engine, ours, max_tokens))
    scorer = bfcl_scorer()

    def their_score(number: int, completion: str) -> bool:
        record = BFCLRecord(category_name="exec_simple", turns=1, language="python", **rows[number])
        sample = single_turn_record_to_sample(record)
        calls: list[ToolCall] = []
        for found in CALL.findall(completion):
            try:
                call = json.loads(found)
                calls.append(ToolCall(id=str(len(calls)), function=call["name"], arguments=call["arguments"]))
            except (KeyError, TypeError, ValueError):
                return False
        state = state_of(completion, sample.input, sample.metadata, calls)
        given = asyncio.run(scorer(state, Target(sample.target)))
        return bool(given and given.value)

    def our_score(number: int, completion: str) -> bool:
        return bfcl_calls.score(completion, items[number].target)

    report("bfcl", "inspect_evals", ours, ours, our_score, their_score)


def humaneval(engine: Endpoint, items: list[Item], max_tokens: int) -> None:
    """Compare HumanEval; the programs of both harnesses run in the sandbox."""
    rows = rows_of("HumanEval.jsonl.gz")[: len(items)]
    ours = [Case(item.id, list(item.conversation)) for item in items]
    theirs = [
        Case(item.id, [{"role": "user", "content": INSTRUCTION + row["prompt"]}])
        for item, row in zip(items, rows, strict=True)
    ]
    asyncio.run(complete(engine, ours + theirs, max_tokens))
    benchmark = load_benchmark("humaneval")
    with code_executor(load_sandbox("bubblewrap"), benchmark.scorer) as code:

        def our_score(number: int, completion: str) -> bool:
            return judge(completion, items[number].target, code.run)

        def their_score(number: int, completion: str) -> bool:
            row = rows[number]
            answer = find_code(completion)
            program = row["prompt"] + answer + "\n" + row["test"] + f"\ncheck({row['entry_point']})"
            return runs(program)

        report("humaneval", "inspect_evals", ours, theirs, our_score, their_score)


def runs(program: str) -> bool:
    """Return whether a program exits with 0, in a sandbox without network and files."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    command += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108
    for place in ("/lib", "/lib64", "/bin", sys.base_prefix):
        command += ["--ro-bind-try", place, place]
    python = str(Path(sys.base_prefix, "bin", "python3"))
    try:
        done = subprocess.run([*command, python, "-I", "-c", program], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def state_of(completion: str, prompt: Any, metadata: Any = None, calls: list[ToolCall] | None = None) -> TaskState:
    """Return the state of an Inspect task after a completion."""
    message = ChatMessageAssistant(content=completion, tool_calls=calls)
    output = ModelOutput.from_content(MODEL_NAME, completion)
    return TaskState(
        model=ModelName("none/none"), sample_id=0, epoch=1, input=prompt, messages=[message], output=output,
        metadata=metadata,
    )  # fmt: skip


def verdict(scorer: Any, completion: str, target: str) -> bool:
    """Return an Inspect scorer's verdict on a completion."""
    return bool(asyncio.run(scorer(state_of(completion, "x"), Target(target))).value == "C")


def main() -> None:
    """Print a row for each benchmark and harness, and the items on which scorers differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint with chat_template.jinja")
    parser.add_argument("--template", type=Path, help="chat template with tools, for BFCL")
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--benchmarks", default="bfcl,gsm8k,humaneval")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["PTB_DATA"] = str(Path(name, "data"))
        chosen = {}
        for benchmark in args.benchmarks.split(","):
            data = Path(os.environ["PTB_TEST_DATA"])
            import_files(benchmark, [data / file for file in FILES[benchmark]], "test")
            if benchmark == "gsm8k":
                import_files(benchmark, [data / "gsm8k_train.jsonl"], "train")
            items = load_items(catalog.benchmarks()[benchmark], "test")[: args.items]
            chosen[benchmark] = load_benchmark(benchmark).build_prompts(items, 0)
        serving = Serving(args.model, (args.model / "chat_template.jinja").read_text(), Path(name, "log"), 2, GREEDY)
        tools = replace(serving, template=(args.template or args.model / "chat_template.jinja").read_text())
        print(
            "| benchmark | harness | items | ours | theirs | same | scorers agree |\n|---|---|---|---|---|---|---|",
            flush=True,
        )
        for benchmark, items in chosen.items():
            started = time.monotonic()
            with load_engine("transformers").serve(tools if benchmark == "bfcl" else serving) as engine:
                if benchmark == "gsm8k":
                    gsm8k(engine, items, args.max_tokens)
                elif benchmark == "bfcl":
                    bfcl(engine, items, args.max_tokens)
                else:
                    humaneval(engine, items, args.max_tokens)
            print(f"{benchmark}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
