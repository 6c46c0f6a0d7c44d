"""Progress reporting of a run, and durations in words."""

from typing import Literal

from posttrainbench.records import Stage

InterruptChoice = Literal["detach", "stop", "cancel"]
"""Answers to Ctrl-C while an agent works: leave it running, end it and keep its work, or go on as before."""


class ProgressListener:
    """Receives the progress of a run. This base class ignores it; subclasses display or record it."""

    def on_stage(self, stage: Stage) -> None:
        """Called when a stage begins."""

    def on_message(self, text: str) -> None:
        """Called with a short description of the current step."""

    def on_agent_output(self, line: str) -> None:
        """Called with each line that the agent prints. The text is untrusted."""

    def on_time_left(self, seconds: float) -> None:
        """Called several times a second with the time left for the agent."""

    def on_interrupt(self) -> InterruptChoice:
        """Called on Ctrl-C while the agent works. Return what to do; without a person to ask, detach."""
        return "detach"


def format_duration(seconds: float) -> str:
    """Return a duration in words, such as `10 hours`, `1 hour 30 minutes` or `2.5 seconds`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [(hours, "hour"), (minutes, "minute"), (rest, "second")]
    text = " ".join(f"{number:g} {unit}{'' if number == 1 else 's'}" for number, unit in parts if number)
    return text or "0 seconds"
