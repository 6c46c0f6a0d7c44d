"""Convert recorded output to an ATIF trajectory in constant memory."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from posttrainbench.records import RunSpec
from posttrainbench.trajectory.atif import Agent, FinalMetrics
from posttrainbench.trajectory.formats import reader_for
from posttrainbench.trajectory.lines import read_lines
from posttrainbench.trajectory.numbering import StepNumbering, Totals, prompt_step
from posttrainbench.trajectory.reader import Facts, Usage
from posttrainbench.trajectory.writer import trajectory_writer

TEXT_CHARACTERS = 5_000_000
"""Limit for lines that are not events. Text beyond it is only in `output.jsonl`; the trajectory contains its size."""


@dataclass(frozen=True)
class RecordingInfo:
    """Information that the recording does not contain.

    Attributes:
        session: the run's id.
        agent: the agent's name.
        version: version of this package, used if the scaffold does not print its own.
        started: start time of the agent, with a time zone; None if it is unknown.
        prompt: the prompt, which becomes the first step.
    """

    session: str
    agent: str
    version: str
    started: datetime | None
    prompt: str


@dataclass(frozen=True)
class Summary:
    """Summary of a trajectory.

    Attributes:
        steps: steps of the main agent, including the prompt.
        tool_calls: calls of the main agent and its subagents.
        subagents: number of subagents.
        usage: tokens and cost as printed by the scaffold, including subagents. The agent can forge them.
        usage_complete: True if `usage` covers the whole run; a scaffold that is killed prints no totals.
        unknown: name of an unknown event -> count.
        text_lines: number of lines that are not events.
        warning: one sentence if many events are unknown, else "".
    """

    steps: int
    tool_calls: int
    subagents: int
    usage: Usage
    usage_complete: bool
    unknown: dict[str, int]
    text_lines: int
    warning: str


def convert(output: Path, format: str, out: Path, *, info: RecordingInfo) -> Summary:
    """Write the trajectory of a recording.

    Args:
        output: the recorded `output.jsonl`.
        format: output format of the scaffold; a key of `formats.FORMATS`.
        out: the `trajectory.json` to write.
        info: information that the recording does not contain.

    Raises:
        InputError: the format is unknown.
    """
    reader = reader_for(format, info.prompt, TEXT_CHARACTERS)
    numbering = StepNumbering(info.started)
    with trajectory_writer(out, info.session) as writer:
        for timed in chain([prompt_step(info.prompt)], reader.steps(read_lines(output))):
            writer.step(timed.thread, numbering.number(timed))
        facts = reader.facts
        usage = _usage(facts, numbering.threads.values())
        main = numbering.threads[""]
        missing = None if facts.usage_complete else {"usage_complete": False}
        writer.end(
            _agent(info, facts, {"format": format}), _final(Totals(main.steps, usage=usage), missing), _extra(facts)
        )
        writer.embed(
            {thread: _agent(info, facts, extra) for thread, extra in facts.subagents.items()},
            lambda thread: _final(numbering.threads.get(thread, Totals(1))),
        )
    return Summary(
        steps=main.steps,
        tool_calls=sum(totals.tool_calls for totals in numbering.threads.values()),
        subagents=len(facts.subagents),
        usage=usage,
        usage_complete=facts.usage_complete,
        unknown=dict(facts.unknown),
        text_lines=facts.text_lines,
        warning=facts.warning,
    )


def write_trajectory(
    spec: RunSpec, prompt: str, output: Path, destination: Path, format: str, started: datetime | None
) -> Summary:
    """Write a run's trajectory.

    Args:
        spec: the run.
        prompt: the prompt of the agent.
        output: the recorded `output.jsonl`.
        destination: the `trajectory.json` to write.
        format: output format of the agent's scaffold.
        started: start time of the agent, with a time zone; None if it is unknown.
    """
    info = RecordingInfo(
        session=spec.run,
        agent=spec.agent.name,
        version=spec.versions.get("posttrainbench", ""),
        started=started,
        prompt=prompt,
    )
    return convert(output, format, destination, info=info)


def _agent(info: RecordingInfo, facts: Facts, extra: dict[str, Any]) -> Agent:
    known = {key: value for key, value in extra.items() if value is not None}
    return Agent(info.agent, facts.version or info.version, facts.model, known or None)


def _final(totals: Totals, extra: dict[str, Any] | None = None) -> FinalMetrics:
    usage = totals.usage
    return FinalMetrics(usage.prompt, usage.completion, usage.cached, usage.cost, totals.steps, extra)


def _extra(facts: Facts) -> dict[str, Any]:
    return {
        "unknown_events": dict(facts.unknown),
        "text_lines": facts.text_lines,
        "omitted_characters": facts.omitted,
    }


def _usage(facts: Facts, threads: Iterable[Totals]) -> Usage:
    """Return the scaffold's totals if complete, otherwise the larger of these and the sum over all steps."""
    if facts.usage_complete and facts.usage != Usage():
        return facts.usage
    summed = sum((totals.usage for totals in threads), Usage())
    pairs = zip(astuple(facts.usage), astuple(summed), strict=True)
    return Usage(*(max((value for value in pair if value is not None), default=None) for pair in pairs))
