"""Read the steps of a trajectory file one by one, and turn each into what the trace viewer shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from posttrainbench.report.site.run_data import to_json, visible

TEXT_CHARACTERS = 200_000
"""Most characters of one text that the viewer shows; the raw trajectory has all."""
ARGUMENTS = 40
"""Most arguments of a call that the viewer shows."""
NAME = 80
LINE = 150
"""Characters of a line in the viewer, about."""
MAX_LINE = 2**27
SOURCES = ("user", "agent", "system")
EVALUATION = "evaluate.py"
FAILED, EVALUATED = 1, 2
"""Bits of `StepFacts.flags`."""


class RawStep(NamedTuple):
    """A step as it is in the file.

    Attributes:
        thread: "" for the main agent, else the id of the subagent.
        line: 1-based line of the file.
        step: its JSON object.
    """

    thread: str
    line: int
    step: dict[str, Any]


@dataclass
class StepFacts:
    """What the viewer knows of a step before its text is loaded.

    Attributes:
        thread: as in `RawStep`.
        number: number within its agent's steps, from 1.
        line: as in `RawStep`.
        seconds: since the agent's start; None if unknown.
        tools: names of the called tools.
        calls: ids of the calls, and of subagents that its results refer to.
        flags: `FAILED`, `EVALUATED`.
        prompt, completion: tokens; None if the scaffold did not print them.
        cost: US dollars.
        characters: size of its texts.
        lines: height of its message in lines.
    """

    thread: str
    number: int
    line: int
    source: int
    seconds: float | None
    tools: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    flags: int = 0
    prompt: int | None = None
    completion: int | None = None
    cost: float | None = None
    characters: int = 0
    lines: int = 0


@dataclass
class Subagent:
    """A subagent, with its description by the scaffold."""

    thread: str
    text: str


def read_steps(path: Path, subagents: list[Subagent]) -> Iterator[RawStep]:
    """Yield the steps of a `trajectory.json`, which has one step in each line.

    Lines that cannot be read are skipped.

    Args:
        path: the file, as `trajectory.writer` writes it.
        subagents: gets the subagents, whose steps follow those of the main agent.
    """
    thread = ""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if line.startswith(b'{"step_id":'):
                try:
                    step = json.loads(line.rstrip(b"\n,"))
                except (ValueError, RecursionError):
                    continue
                yield RawStep(thread, number, step)
            elif (start := line.find(b'{"schema_version":')) >= 0 and number > 1:
                subagent = _subagent(line[start:])
                thread = subagent.thread
                subagents.append(subagent)


def _subagent(line: bytes) -> Subagent:
    """Parse the beginning of an embedded trajectory, up to its steps."""
    try:
        head = json.loads(line.rstrip().rstrip(b"[").rstrip().removesuffix(b'"steps":').rstrip(b",") + b"}")
    except (ValueError, RecursionError):
        return Subagent("?", "")
    about = (head.get("agent") or {}).get("extra") or {}
    words = [str(about[key]) for key in ("description", "type") if about.get(key)]
    return Subagent(str(head.get("trajectory_id")), visible(" · ".join(words), 200))


class Started:
    """Seconds since the first time stamp."""

    def __init__(self) -> None:
        self.first: datetime | None = None

    def seconds(self, stamp: Any) -> float | None:
        """Return the seconds of a step's `timestamp`; None if it has none."""
        try:
            moment = datetime.fromisoformat(stamp)
        except (TypeError, ValueError):
            return None
        if self.first is None:
            self.first = moment
        try:
            return round((moment - self.first).total_seconds(), 3)
        except TypeError:  # with and without a time zone
            return None


def display(raw: RawStep, seconds: float | None) -> tuple[StepFacts, str]:
    """Return the facts of a step, and its texts as JSON for a data file."""
    step = raw.step
    source = step.get("source")
    facts = StepFacts(
        raw.thread,
        int(step.get("step_id") or 0),
        raw.line,
        SOURCES.index(source) if source in SOURCES else 2,
        seconds,
    )
    shown: dict[str, Any] = {}
    if message := _text(step.get("message")):
        shown["message"] = message
        facts.lines = message.count("\n") + 1 + len(message) // LINE
    if thought := _text(step.get("reasoning_content")):
        shown["reasoning"] = thought
    if model := step.get("model_name"):
        shown["model"] = visible(str(model), NAME)
    extra = step.get("extra")
    if isinstance(extra, dict) and "event" in extra:
        shown["event"] = _text(extra["event"])
    results = _results(step)
    for result in results:
        if result.get("failed"):
            facts.flags |= FAILED
        facts.calls += result.pop("subagents")
    calls = [_call(call, results, facts) for call in step.get("tool_calls") or () if isinstance(call, dict)]
    if calls:
        shown["calls"] = calls
    if rest := [result for result in results if "call" not in result]:
        shown["results"] = rest
    for result in results:
        result.pop("call", None)
    _usage(step.get("metrics"), facts)
    text = to_json(shown)
    facts.characters = len(text)
    return facts, text


def _call(call: dict[str, Any], results: list[dict[str, Any]], facts: StepFacts) -> dict[str, Any]:
    name = visible(str(call.get("function_name") or "?"), NAME)
    identity = str(call.get("tool_call_id"))
    facts.tools.append(name)
    facts.calls.append(identity)
    arguments = call.get("arguments")
    pairs = list(arguments.items()) if isinstance(arguments, dict) else [("arguments", arguments)]
    shown = [[visible(str(key), NAME), _text(value)] for key, value in pairs[:ARGUMENTS]]
    if len(pairs) > ARGUMENTS:
        shown.append(["…", f"{len(pairs) - ARGUMENTS:,} more arguments"])
    if any(EVALUATION in text for key, text in shown if key in ("command", "cmd", "arguments")):
        facts.flags |= EVALUATED
    entry: dict[str, Any] = {"name": name, "arguments": shown}
    if own := [result for result in results if result.get("call") == identity]:
        entry["results"] = own
    return entry


def _results(step: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a step; `call` is the call of the same step that each belongs to."""
    observation = step.get("observation")
    entries = observation.get("results") if isinstance(observation, dict) else None
    known = {call.get("tool_call_id") for call in step.get("tool_calls") or () if isinstance(call, dict)}
    results = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        extra = entry.get("extra")
        extra = extra if isinstance(extra, dict) else {}
        code = extra.get("exit_code")
        refs = entry.get("subagent_trajectory_ref")
        result: dict[str, Any] = {"text": _text(entry.get("content")), "subagents": _subagents(refs)}
        if extra.get("is_error") is True or code not in (None, 0) or "status" in extra:
            result["failed"] = True
        if isinstance(code, int):
            result["code"] = code
        if (call := entry.get("source_call_id")) in known and call is not None:
            result["call"] = str(call)
        results.append(result)
    return results


def _subagents(refs: Any) -> list[str]:
    entries = refs if isinstance(refs, list) else []
    return [str(entry.get("trajectory_id")) for entry in entries if isinstance(entry, dict)]


def _usage(metrics: Any, facts: StepFacts) -> None:
    if isinstance(metrics, dict):
        facts.prompt = _number(metrics.get("prompt_tokens"))
        facts.completion = _number(metrics.get("completion_tokens"))
        cost = metrics.get("cost_usd")
        facts.cost = float(cost) if isinstance(cost, int | float) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str:
    """Return a text as the viewer shows it, and anything else as JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return visible(text, TEXT_CHARACTERS)
