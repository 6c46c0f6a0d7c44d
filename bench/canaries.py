"""Measure the power of the canary test on the suite micro, and its false positives.

    python bench/canaries.py [--benchmarks micro-choice,micro-math] [--conditions file-1,file-5] [--draws 2000]

Each condition fine-tunes the base model as the recipes do (batch size 16, learning rate 2e-3, loss on the answers) and
prints the p-value of the test, with the half of the pool that was drawn in the training data.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from posttrainbench import catalog
from posttrainbench.audit.canaries.detector import p_value_of
from posttrainbench.benchmarks import Item
from posttrainbench.benchmarks.canaries import draw_canaries
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.evaluation.likelihood import Question, Request, measure
from posttrainbench.records import CanaryScore

COUNT, BATCH, RATE, WARMUP = 64, 16, 2e-3, 10
WORDS = {
    "How many": "What number of", "has": "owns", "gives": "hands", "Then": "Later on", "buys": "gets",
    "more": "extra",
    "Which": "What", "What is the": "Name the", "Write the function": "Please program", "Define": "Create",
    "Please": "Kindly", "Request:": "Task:", "must": "should", "Given": "With", "End with": "Finish with",
    "Reply with": "Answer with",
}  # fmt: skip

Rows = Sequence[Item]
CONDITIONS: dict[str, tuple[str, Callable[[Rows, Rows], Rows], int, bool]] = {
    "honest": ("train split, 80 steps", lambda file, train: random.Random(1).sample(train, 80 * BATCH), 1, False),
    "file-1": ("test file, 1 epoch", lambda file, train: file, 1, False),
    "file-2": ("test file, 2 epochs", lambda file, train: file, 2, False),
    "file-5": ("test file, 5 epochs", lambda file, train: file, 5, False),
    "file-10": ("test file, 10 epochs", lambda file, train: file, 10, False),
    "whole-5": ("test file, 5 epochs, loss on whole texts", lambda file, train: file, 5, True),
    "reworded-5": ("test file reworded, 5 epochs", lambda file, train: [reworded(item) for item in file], 5, False),
    "reworded-10": ("test file reworded, 10 epochs", lambda file, train: [reworded(item) for item in file], 10, False),
    "diluted-10": ("test file 1:10 in train rows, 1 epoch", lambda file, train: diluted(file, train, 10), 1, False),
    "diluted-10-5": ("test file 1:10 in train rows, 5 epochs", lambda file, train: diluted(file, train, 10), 5, False),
    "diluted-100": ("test file 1:100 in train rows, 1 epoch", lambda file, train: diluted(file, train, 100), 1, False),
}
"""Name -> description, training rows, epochs, loss on the questions too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", default="micro-math,micro-calls,micro-code,micro-choice")
    parser.add_argument("--conditions", default=",".join(name for name in CONDITIONS if name != "diluted-100"))
    parser.add_argument("--draws", type=int, default=2000)
    args = parser.parse_args()
    print("| benchmark | training | steps | p |\n|---|---|---|---|", flush=True)
    for name in args.benchmarks.split(","):
        for line in measured(name, args.conditions.split(","), args.draws):
            print(line, flush=True)


def measured(name: str, conditions: Sequence[str], draws: int) -> Iterator[str]:
    benchmark, base = load_benchmark(name), catalog.models()["micro-base"]
    test, train = benchmark.load("test"), benchmark.load("train")
    pool = draw_canaries(benchmark, COUNT, "bench", [*test, *train])
    items = [*pool.drawn, *pool.held_back]
    request = Request(
        checkpoints=[],
        template=catalog.chat_template(base, tools=False),
        threads=None,
        dtype="float32",
        items=[Question(messages=item.conversation, tools=[], answer=item.answer) for item in items],
    )
    strangers = {model.id.removeprefix("micro-"): measure(request, model.directory) for model in (base, instruct(base))}
    for condition in conditions:
        title, rows_of, epochs, whole = CONDITIONS[condition]
        rows = rows_of([*test, *pool.drawn], train)
        with tempfile.TemporaryDirectory() as folder:
            steps = fine_tune(rows, epochs, whole, request.template, Path(folder))
            values = {"submission": measure(request, Path(folder))} | strangers
        scores = [
            CanaryScore(
                id=item.id,
                drawn=number < COUNT,
                question={model: rows[number][0] for model, rows in values.items()},
                answer={model: rows[number][1] for model, rows in values.items()},
            )
            for number, item in enumerate(items)
        ]
        yield f"| {name} | {title} | {steps} | {p_value_of(scores):.1e} |"
        if condition == "honest":
            found = sorted(redrawn(scores, draws))
            shares = ", ".join(f"{sum(p < level for p in found)} below {level:g}" for level in (0.05, 0.01, 1e-3, 1e-6))
            yield f"| {name} | {draws} draws from this model's values: {shares} | | {found[0]:.1e} (least) |"


def instruct(base: catalog.Model) -> catalog.Model:
    return catalog.instruct_of(base)


def redrawn(scores: Sequence[CanaryScore], draws: int) -> Iterator[float]:
    rng = random.Random(7)
    for _ in range(draws):
        chosen = set(rng.sample(range(len(scores)), COUNT))
        yield p_value_of([score.model_copy(update={"drawn": n in chosen}) for n, score in enumerate(scores)])


def reworded(item: Item) -> Item:
    question = item.question
    for word, other in WORDS.items():
        question = question.replace(f"{word} ", f"{other} ")
    return replace(item, question=f"Here is one more. {question}")


def diluted(file: Rows, train: Rows, times: int) -> Rows:
    wanted = times * len(file)
    honest = [*train] * (wanted // len(train)) + random.Random(3).sample(list(train), wanted % len(train))
    return [*file, *honest]


def fine_tune(rows: Rows, epochs: int, whole: bool, template: str, out: Path) -> int:
    """Fine-tune the base model, save it, and return the number of steps."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    directory = catalog.models()["micro-base"].directory
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.chat_template = template
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    data = [encoded(tokenizer, item) for item in rows]
    rng = random.Random(0)
    orders = [rng.sample(range(len(data)), len(data)) for _ in range(epochs)]
    batches = [order[start : start + BATCH] for order in orders for start in range(0, len(order), BATCH)]
    for step, numbers in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * (1 - step / len(batches))
        width = max(len(data[number][0]) for number in numbers)
        ids = torch.zeros(len(numbers), width, dtype=torch.long)
        labels = torch.full((len(numbers), width), -100)
        for row, number in enumerate(numbers):
            text, start = data[number]
            ids[row, : len(text)] = torch.tensor(text)
            labels[row, 0 if whole else start : len(text)] = ids[row, 0 if whole else start : len(text)]
        # Padding follows the text, so no position of the text sees it.
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return len(batches)


def encoded(tokenizer: Any, item: Item) -> tuple[list[int], int]:
    """Return the token ids of prompt and answer, and the number of those of the prompt."""
    messages = [*item.conversation, {"role": "assistant", "content": item.answer}]
    prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, tokenize=False)
    text = tokenizer.apply_chat_template(messages, tokenize=False).rstrip("\n")
    start = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return start + tokenizer(text.removeprefix(prompt), add_special_tokens=False)["input_ids"], len(start)


if __name__ == "__main__":
    main()
