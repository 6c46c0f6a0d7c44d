"""The interface of a benchmark: items, grades, and the `Benchmark` object that an entry point names."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from posttrainbench.files import sha256_bytes

if TYPE_CHECKING:
    from inspect_ai import Task

Split = Literal["train", "test"]
Message = dict[str, str]
"""`{"role": "system"|"user"|"assistant", "content": text}`"""

Row = dict[str, Any]
"""A row of a benchmark's published files."""

Execute = Callable[[dict[str, Any]], dict[str, Any]]
"""Run model-written code in a sandbox: send a request to the benchmark's runner and return its reply."""

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One item of a benchmark.

    Attributes:
        id: unique over all splits, such as `micro-math/test/0007`.
        question: the whole question; it is the user's message if `messages` is empty.
        answer: a reference completion; "" if there is none.
        target: what the scorer compares a completion with; the keys depend on the scorer.
        messages: the conversation before the completion, if it is more than the question.
        tools: functions that may be called, in the format of OpenAI's `tools`.
    """

    id: str
    question: str
    answer: str
    target: dict[str, Any]
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)

    @property
    def conversation(self) -> list[Message]:
        """The messages that the model completes."""
        return self.messages or [{"role": "user", "content": self.question}]

    @property
    def row(self) -> dict[str, Any]:
        """The item as JSON; `messages` and `tools` are left out if empty."""
        return {key: value for key, value in asdict(self).items() if value or key not in ("messages", "tools")}


def items_sha256(items: Sequence[Item]) -> str:
    """Return the SHA-256 of the items in order, as recorded in the catalog."""
    return sha256_bytes("\n".join(json.dumps(item.row, sort_keys=True) for item in items).encode())


@dataclass(frozen=True)
class Source:
    """The published files of a split.

    Attributes:
        repository: dataset repository on the Hub.
        revision: commit of the repository.
        files: paths in the repository, or URLs that end in `#sha256=HASH`. The split is made of the rows of all files.
        gated: whether the Hub requires a login and an accepted license.
    """

    repository: str
    revision: str
    files: tuple[str, ...]
    gated: bool = False


@dataclass(frozen=True)
class Grade:
    """The score of one item.

    Attributes:
        score: a fraction 0-1; negative if the benchmark deducts points.
        weight: weight of the item in the mean.
    """

    score: float
    weight: float = 1.0


class GraderError(Exception):
    """The grader gave no usable verdict on any try. The evaluation is invalid and has no score.

    Attributes:
        outage: True if every try failed because of the provider, whatever the answer to grade: it could not be reached,
            was overloaded, or did not accept the key. False if the answer may be the reason.
    """

    def __init__(self, message: str, outage: bool = False) -> None:
        super().__init__(message)
        self.outage = outage


class Grader(Protocol):
    """A model that grades answers.

    Attributes:
        name: name for the record, such as `openai/gpt-5-mini`.
    """

    name: str

    async def ask(self, messages: list[Message], parse: Callable[[str], T]) -> T:
        """Return the parsed reply. Retry on a refusal, an error, or a `ValueError` of `parse`.

        Raises:
            GraderError: no try gave a verdict.
        """
        ...

    def usage(self) -> dict[str, Any]:
        """Return the grader's settings, the hash of its prompt, and the requests, tokens and cost so far."""
        ...


GradeWithGrader = Callable[[str, Item, Grader], Awaitable[Grade]]
"""(completion, item, grader) -> grade. Raises `GraderError` if the grader gives no verdict."""


@dataclass(frozen=True)
class Services:
    """Services that a task can use besides the evaluated model; None if the evaluation does not provide it."""

    execute: Execute | None = None
    grader: Grader | None = None


def mean_and_stderr(scores: Sequence[float]) -> tuple[float, float]:
    """Return the mean over items and its standard error (sample standard deviation over the root of the count)."""
    spread = stdev(scores) if len(scores) > 1 else 0.0
    return fmean(scores), spread / math.sqrt(len(scores))


def identity(items: list[Item], seed: int) -> list[Item]:
    """Return the items unchanged; the default of `Benchmark.build_prompts`."""
    return items


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its data, its Inspect task and its stand-alone scorer.

    Attributes:
        load: returns the items of a split, always in the same order; [] if the benchmark does not have the split.
        task: builds the Inspect task over items that `build_prompts` returned.
        scorer: path of a stand-alone module, which is copied into the agent's kit.
        build_prompts: (items, evaluation seed) -> items with their prompts: shuffled choices, worked examples, ...
        summary: scores of the items -> score of the benchmark, a fraction 0-1, and its standard error.
        sources: split -> published files; empty for generated benchmarks.
        parse: converts the rows of those files to items of the split; raises `InputError` for an invalid row.
        examples: returns worked examples for the few-shot baseline (`question` and `answer`), never test items.
        executes: whether scoring runs model-written code.
        grade: grades one completion with a grader model; None if no grader is needed.
        generate: (count, key, items of both splits) -> items that are exchangeable with each other, look like test
            items and are in neither split; the key determines them. None if the benchmark cannot generate them.
    """

    id: str
    load: Callable[[Split], list[Item]]
    task: Callable[[list[Item], Services], Task]
    scorer: Path
    build_prompts: Callable[[list[Item], int], list[Item]] = identity
    summary: Callable[[Sequence[float]], tuple[float, float]] = mean_and_stderr
    sources: dict[Split, Source] = field(default_factory=dict)
    parse: Callable[[Split, list[Row]], list[Item]] | None = None
    examples: Callable[[], list[Item]] = list
    executes: bool = False
    grade: GradeWithGrader | None = None
    generate: Callable[[int, str, Sequence[Item]], list[Item]] | None = None

    @property
    def graded(self) -> bool:
        """True if a grader model scores the completions."""
        return self.grade is not None
