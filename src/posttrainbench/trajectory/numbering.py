"""Number the steps of a trajectory and compute their totals."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from posttrainbench.trajectory.atif import Step
from posttrainbench.trajectory.reader import Usage
from posttrainbench.trajectory.window import TimedStep


@dataclass
class Totals:
    """Totals over one agent's steps so far."""

    steps: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)


class StepNumbering:
    """Number the steps of each agent from 1 and set their timestamps.

    Attributes:
        threads: totals of the main agent (key "") and of each subagent.
    """

    def __init__(self, started: datetime | None) -> None:
        """Create a numbering.

        Args:
            started: start time of the agent, with a time zone; None if it is unknown: steps then have no timestamp.
        """
        self.started = started
        self.threads: dict[str, Totals] = {}

    def number(self, timed: TimedStep) -> Step:
        """Set the step's number and timestamp, and return it."""
        step, totals = timed.step, self.threads.setdefault(timed.thread, Totals())
        totals.steps += 1
        totals.tool_calls += len(step.tool_calls or ())
        if (used := step.metrics) is not None:
            totals.usage += Usage(used.prompt_tokens, used.completion_tokens, used.cached_tokens, used.cost_usd)
        step.step_id = totals.steps
        if self.started is not None:
            step.timestamp = (self.started + timedelta(seconds=timed.t)).isoformat(timespec="milliseconds")
        return step


def prompt_step(prompt: str) -> TimedStep:
    """Return the first step, which contains the prompt."""
    return TimedStep("", 0.0, Step(step_id=0, source="user", message=prompt))
