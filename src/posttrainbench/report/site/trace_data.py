"""Write a trajectory as data files for the trace viewer: an index of all steps, and their texts in pages.

The texts are kept in a temporary file until their order is known, so memory grows with the number of steps only.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posttrainbench.report.site.run_data import script, write_data
from posttrainbench.report.site.shell import write_file
from posttrainbench.report.site.trace_steps import (
    EVALUATED,
    FAILED,
    Started,
    StepFacts,
    Subagent,
    display,
    read_steps,
)

PAGE_CHARACTERS, PAGE_STEPS = 160_000, 40
INDEX = "index.js"


@dataclass(frozen=True)
class Score:
    """An evaluation by the agent: the anchor of its step, the score 0-1, the number of items, and the time."""

    anchor: str
    score: float
    items: int
    seconds: float | None


@dataclass
class Trace:
    """A trajectory that was written.

    Attributes:
        steps: number of steps, including those of subagents.
        subagents: number of subagents.
        failed: number of steps with a failed call.
        evaluations: number of steps with an evaluation.
        seconds: time of the last step; None if unknown.
        pages: number of data files with texts.
        size: bytes of all data files.
        anchors: line of the trajectory file -> anchor of its step in the viewer.
        scores: the evaluations whose scores are known, in order.
    """

    steps: int = 0
    subagents: int = 0
    failed: int = 0
    evaluations: int = 0
    seconds: float | None = None
    pages: int = 0
    size: int = 0
    anchors: dict[int, str] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)


@dataclass
class _Stored:
    """A step whose texts are in the temporary file."""

    facts: StepFacts
    offset: int
    size: int


def write_trace(trajectory: Path, directory: Path, evaluations: Sequence[tuple[float, float, int]] = ()) -> Trace:
    """Write the data files of a trajectory.

    Args:
        trajectory: the `trajectory.json`.
        directory: of the data files; created if it does not exist.
        evaluations: (seconds since 1970, score, number of items) of each evaluation by the agent.
    """
    subagents: list[Subagent] = []
    started = Started()
    threads: dict[str, list[_Stored]] = {"": []}
    with tempfile.TemporaryFile() as spool:
        for raw in read_steps(trajectory, subagents):
            facts, text = display(raw, started.seconds(raw.step.get("timestamp")))
            encoded = text.encode("ascii")
            threads.setdefault(raw.thread, []).append(_Stored(facts, spool.tell(), len(encoded)))
            spool.write(encoded)
        order = list(_ordered(threads))
        scores = _scores([stored.facts for stored, _ in order], started, evaluations)

        def text_of(stored: _Stored) -> str:
            spool.seek(stored.offset)
            return spool.read(stored.size).decode("ascii")

        trace = Trace()
        pages = _write_pages([stored for stored, _ in order], text_of, directory, trace)
    numbers = {thread: number for number, thread in enumerate(threads)}
    trace.size += write_data(directory / INDEX, "index", _index(order, numbers, subagents, pages, scores))
    trace.steps, trace.subagents = len(order), len(threads) - 1
    trace.scores = [
        Score(anchor(numbers[facts.thread], facts.number), score, int(items), facts.seconds)
        for facts, score, items in ((order[int(position)][0].facts, score, items) for position, score, items in scores)
    ]
    for stored, _ in order:
        facts = stored.facts
        trace.anchors[facts.line] = anchor(numbers[facts.thread], facts.number)
        trace.failed += bool(facts.flags & FAILED)
        trace.evaluations += bool(facts.flags & EVALUATED)
    trace.seconds = max((one.facts.seconds for one, _ in order if one.facts.seconds is not None), default=None)
    return trace


def anchor(thread: int, number: int) -> str:
    """Return the permanent name of a step: `step-12`, or `step-1.12` of the first subagent."""
    return f"step-{thread}.{number}" if thread else f"step-{number}"


def _write_pages(
    order: Sequence[_Stored], text_of: Callable[[_Stored], str], directory: Path, trace: Trace
) -> list[int]:
    """Write the texts in pages. Return the index of the first step of each page."""
    firsts: list[int] = []
    pending: list[str] = []
    characters = 0

    def write() -> None:
        if pending:
            content = script(f"page-{len(firsts) - 1}", f"[{','.join(pending)}]")
            trace.size += write_file(directory / f"{len(firsts) - 1}.js", content.encode("ascii"))
            pending.clear()

    for position, stored in enumerate(order):
        if not pending or characters + stored.size > PAGE_CHARACTERS or len(pending) >= PAGE_STEPS:
            write()
            firsts.append(position)
            characters = 0
        pending.append(text_of(stored))
        characters += stored.size
    write()
    trace.pages = len(firsts)
    return firsts


def _ordered(threads: dict[str, list[_Stored]]) -> Iterator[tuple[_Stored, int]]:
    """Yield all steps with their depth: those of a subagent follow the step that called it."""
    left = {thread: steps for thread, steps in threads.items() if thread}
    called = {call for steps in threads.values() for stored in steps for call in stored.facts.calls}

    def of(steps: list[_Stored], depth: int) -> Iterator[tuple[_Stored, int]]:
        for position, stored in enumerate(steps):
            yield stored, depth
            for call in stored.facts.calls:
                if call in left:
                    yield from of(left.pop(call), depth + 1)
            if depth == 0:
                after = steps[position + 1].facts.seconds if position + 1 < len(steps) else None
                for thread in [one for one in left if one not in called]:  # nobody is known to have called it
                    begin = left[thread][0].facts.seconds
                    if after is None or (begin is not None and begin < after):
                        yield from of(left.pop(thread), 1)

    yield from of(threads[""], 0)
    while left:
        yield from of(left.pop(next(iter(left))), 1)


def _scores(
    facts: Sequence[StepFacts], started: Started, evaluations: Sequence[tuple[float, float, int]]
) -> list[list[float]]:
    """Return [position of the step, score, items] of each evaluation, and mark the steps."""
    if started.first is None:
        return []
    main = [(one.seconds, position) for position, one in enumerate(facts) if not one.thread and one.seconds is not None]
    main.sort()
    scores = []
    for moment, score, items in evaluations:
        place = bisect_right(main, (moment - started.first.timestamp(), len(facts))) - 1
        if place >= 0:
            position = main[place][1]
            facts[position].flags |= EVALUATED
            scores.append([position, round(score, 5), items])
    return scores


def _index(
    order: Sequence[tuple[_Stored, int]],
    numbers: dict[str, int],
    subagents: Sequence[Subagent],
    pages: list[int],
    scores: list[list[float]],
) -> dict[str, Any]:
    facts = [stored.facts for stored, _ in order]
    tools = sorted({tool for one in facts for tool in one.tools})
    tool_numbers = {tool: number for number, tool in enumerate(tools)}
    texts = {subagent.thread: subagent.text for subagent in subagents}
    return {
        "tools": tools,
        "threads": [texts.get(thread, "") for thread in numbers],
        "pages": pages,
        "scores": scores,
        "thread": [numbers[one.thread] for one in facts],
        "depth": [depth for _, depth in order],
        "number": [one.number for one in facts],
        "source": [one.source for one in facts],
        "seconds": [one.seconds for one in facts],
        "called": [[tool_numbers[tool] for tool in one.tools] for one in facts],
        "flags": [one.flags for one in facts],
        "prompt": [one.prompt for one in facts],
        "completion": [one.completion for one in facts],
        "cost": [one.cost for one in facts],
        "characters": [one.characters for one in facts],
        "lines": [one.lines for one in facts],
    }
