"""What a scaffold offers."""

from dataclasses import dataclass, field
from typing import Protocol

from posttrainbench.plugins import load_plugin
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox


@dataclass(frozen=True)
class Launch:
    """How to start an agent; the prompt arrives on its standard input.

    Attributes:
        argv: the command, with paths as the sandbox shows them.
        mounts: what the agent needs besides the run's own mounts.
        environment: added to the run's own.
    """

    argv: list[str]
    mounts: list[Mount] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


class Scaffold(Protocol):
    """A way of driving a model, or a script, as an agent."""

    def launch(self, spec: AgentSpec, sandbox: Sandbox) -> Launch:
        """How to start the agent.

        Raises:
            InputError: a setting is wrong, or something that it needs is missing.
        """
        ...


def load_scaffold(name: str) -> Scaffold:
    """Find a scaffold among the entry points `posttrainbench.agents`.

    Raises:
        InputError: no installed package registers it.
    """
    scaffold: type[Scaffold] = load_plugin("agents", name)
    return scaffold()
