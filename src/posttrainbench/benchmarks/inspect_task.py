"""The Inspect task of all benchmarks: one conversation, one completion, one score. Imported only for evaluations."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from posttrainbench.benchmarks.base import Grade, Item, Message

ScoreCompletion = Callable[[str, dict[str, Any]], bool | float]
"""(completion, target) -> correct or not, or a fraction. Called in a thread, so it may block."""

GradeCompletion = Callable[[str, Item], Awaitable[Grade]]
"""(completion, item) -> grade."""

WEIGHT = "weight"
"""Key of the grade's weight in a score's metadata."""

_MESSAGES: dict[str, type[ChatMessageSystem | ChatMessageUser | ChatMessageAssistant]] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


def scored_task(name: str, items: list[Item], score_completion: ScoreCompletion) -> Task:
    """Return a task with one completion per item, scored without a grader.

    Args:
        name: id of the benchmark, shown in logs.
        items: the samples get the ids of the items.
    """

    async def grade(completion: str, item: Item) -> Grade:
        return Grade(float(await asyncio.to_thread(score_completion, completion, item.target)))

    return graded_task(name, items, grade)


def graded_task(name: str, items: list[Item], grade: GradeCompletion) -> Task:
    """Return a task with one completion per item, scored by a coroutine."""
    by_id = {item.id: item for item in items}
    samples = [
        Sample(
            id=item.id,
            input=[_message(message) for message in item.conversation],
            target=item.answer,
            metadata={"target": item.target},
        )
        for item in items
    ]

    @solver(name=f"{name}-solver")
    def one_completion() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            tools = by_id[str(state.sample_id)].tools
            if not tools:
                return await generate(state)
            # Bypass Inspect's own tools: the model writes its call as text for the scorer, and no parser of the
            # engine must interfere.
            return await generate(state, extra_body={"tools": tools, "tool_choice": "none"})

        return solve

    @scorer(metrics=[mean(), stderr()], name=f"{name}-scorer")
    def completion_scorer() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            completion = state.output.completion
            result = await grade(completion, by_id[str(state.sample_id)])
            return Score(value=result.score, answer=completion, metadata={WEIGHT: result.weight})

        return score

    return Task(
        name=name, dataset=MemoryDataset(samples, name=name), solver=one_completion(), scorer=completion_scorer()
    )


def _message(message: Message) -> ChatMessage:
    return _MESSAGES[message["role"]](content=message["content"])
