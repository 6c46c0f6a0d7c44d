"""Log-likelihoods of questions and answers under checkpoints, computed with transformers in a process of its own.

`python -m posttrainbench.evaluation.likelihood` reads a `Request` from standard input and prints the values as JSON.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from posttrainbench.benchmarks import Item
from posttrainbench.engines.base import host_environment
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation.canonical_form import canonical_form
from posttrainbench.evaluation.plan import EvaluationPlan
from posttrainbench.records import Record
from posttrainbench.untrusted import printable

FLOOR = -1e6
"""Value of an answer to which a checkpoint gives no finite log-likelihood."""
BATCH_VALUES = 2**25
"""Maximum number of logits of one batch."""


class Question(Record):
    """An item: the messages before the completion, the tools, and the reference answer."""

    messages: list[dict[str, str]]
    tools: list[dict[str, object]]
    answer: str


class Request(Record):
    """Checkpoints to load one after another, and the items whose answers they score."""

    checkpoints: list[Path]
    template: str
    threads: int | None
    dtype: str
    items: list[Question]


def log_likelihoods(
    submission: Path,
    benchmark_id: str,
    items: Sequence[Item],
    plan: EvaluationPlan,
    references: Sequence[Path],
    scratch: Path,
) -> list[list[tuple[float, float]]]:
    """Return the natural logarithms of the probabilities of each item's question and answer.

    Args:
        submission: an accepted submission.
        benchmark_id: the items' benchmark.
        items: with their prompts and reference answers.
        plan: the template, the number of threads and the number format.
        references: further checkpoints to measure.
        scratch: an existing directory for temporary files.

    Returns:
        For the submission and each of the references: `(question, answer)` of each item.

    Raises:
        EngineLoadError: the submission is not accepted.
        InfrastructureError: the process failed.
    """
    with canonical_form(submission, [benchmark_id], plan, scratch) as canonical:
        request = Request(
            checkpoints=[canonical, *references],
            template=plan.template(tools=any(item.tools for item in items)),
            threads=plan.threads,
            dtype=plan.dtype,
            items=[Question(messages=item.conversation, tools=item.tools, answer=item.answer) for item in items],
        )
        return measure_in_process(request)


def measure_in_process(request: Request) -> list[list[tuple[float, float]]]:
    """Return the values of all items under each of the checkpoints, measured in a process of its own.

    Raises:
        InfrastructureError: the process failed.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "posttrainbench.evaluation.likelihood"],
        input=request.model_dump_json().encode(),
        env=host_environment(),
        capture_output=True,
        check=False,
    )
    try:
        return [[(float(question), float(answer)) for question, answer in rows] for rows in json.loads(done.stdout)]
    except ValueError:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InfrastructureError(
            "engine_failed", f"The log-likelihoods of the canaries cannot be computed: {printable(last)[:300]}"
        ) from None


def measure(request: Request, checkpoint: Path) -> list[tuple[float, float]]:
    """Return the values of all items under one of the checkpoints, in this process."""
    import torch

    from posttrainbench.engines.generation import Generator

    generator = Generator(checkpoint, request.template, dtype=request.dtype)
    rows: list[tuple[list[int], int]] = []  # token ids, and the number of those of the prompt
    for item in request.items:
        prompt = list(generator.encode(item.messages, item.tools))
        answer = generator.tokenizer(item.answer, add_special_tokens=False)["input_ids"]
        rows.append(([*prompt, *answer], len(prompt)))
    vocabulary = generator.model.config.get_text_config().vocab_size
    size = max(1, BATCH_VALUES // (max(len(ids) for ids, _ in rows) * vocabulary))
    order = sorted(range(len(rows)), key=lambda number: len(rows[number][0]))
    values = [(FLOOR, FLOOR)] * len(rows)
    for start in range(0, len(order), size):
        numbers = order[start : start + size]
        width = max(len(rows[number][0]) for number in numbers)
        # Padding follows the text, so no position of the text sees it.
        batch = torch.tensor([rows[number][0] + [0] * (width - len(rows[number][0])) for number in numbers])
        with torch.inference_mode():
            logits = generator.model(input_ids=batch.to(generator.device), use_cache=False).logits.float().cpu()
        for number, row in zip(numbers, logits, strict=True):
            ids, length = rows[number]
            scores = row[: len(ids) - 1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
            values[number] = (_finite(float(scores[: length - 1].sum())), _finite(float(scores[length - 1 :].sum())))
    return values


def _finite(value: float) -> float:
    return max(value, FLOOR) if math.isfinite(value) else FLOOR


def _main() -> None:
    request = Request.model_validate_json(sys.stdin.read())
    reply_to = os.dup(1)
    os.dup2(2, 1)  # keep output of libraries out of the reply
    if request.threads:
        import torch

        torch.set_num_threads(request.threads)
    reply = [measure(request, checkpoint) for checkpoint in request.checkpoints]
    with os.fdopen(reply_to, "w") as file:
        json.dump(reply, file)


if __name__ == "__main__":
    _main()
