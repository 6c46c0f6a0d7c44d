"""How a run tells a watcher how it goes. The command line draws it; programs may ignore it."""

from posttrainbench.records import Stage


class Watch:
    """Receives progress; does nothing with it. Subclasses show it."""

    def stage(self, stage: Stage) -> None:
        """A stage begins."""

    def say(self, text: str) -> None:
        """A short sentence on what is being done."""

    def agent(self, line: str) -> None:
        """The agent printed a line. Hostile text."""

    def left(self, seconds: float) -> None:
        """So much of the agent's budget is left."""
