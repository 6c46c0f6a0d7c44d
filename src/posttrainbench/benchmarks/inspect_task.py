"""The Inspect task that benchmarks with a stand-alone scorer share. Imported only when something is evaluated."""

import asyncio
from collections.abc import Callable
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, scorer, stderr
from inspect_ai.solver import TaskState, generate

from posttrainbench.benchmarks.base import Item

ScoreCompletion = Callable[[str, dict[str, Any]], bool]
"""(completion, target) -> right or wrong; may block, since it is called in a thread."""


def scored_task(name: str, items: list[Item], score_completion: ScoreCompletion) -> Task:
    """One user message per item, one completion, right or wrong.

    Args:
        name: the benchmark's id, as logs show it.
        items: become samples of the same ids.
    """
    samples = [
        Sample(id=item.id, input=item.question, target=item.answer, metadata={"target": item.target}) for item in items
    ]

    @scorer(metrics=[accuracy(), stderr()], name=f"{name}-scorer")
    def completion_scorer() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            completion = state.output.completion
            right = await asyncio.to_thread(score_completion, completion, state.metadata["target"])
            return Score(value=CORRECT if right else INCORRECT, answer=completion)

        return score

    return Task(name=name, dataset=MemoryDataset(samples, name=name), solver=generate(), scorer=completion_scorer())
