"""What a scaffold offers."""

from dataclasses import dataclass, field
from typing import Protocol

from posttrainbench.gateway import GatewayConfig
from posttrainbench.plugins import load_plugin
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox


@dataclass(frozen=True)
class Access:
    """The way to its models that an agent is given.

    Attributes:
        address: `http://127.0.0.1:PORT` as the agent sees it: the gateway, or a forwarder to it.
        token: what it gives there instead of a key.
        provider_tools: whether it may use tools that its provider runs, such as a web search; see `GatewayConfig`.
    """

    address: str
    token: str = field(repr=False)
    provider_tools: bool = False


NOWHERE = Access("http://127.0.0.1:0", "")
"""For looking at a launch that is not started."""


@dataclass(frozen=True)
class Launch:
    """How to start an agent; the prompt arrives on its standard input.

    Attributes:
        argv: the command, with paths as the sandbox shows them.
        mounts: what the agent needs besides the run's own mounts.
        environment: added to the run's own.
        files: written into the agent's home before its first start, relative path -> content. No secrets but the token.
        resume: the command that goes on with its latest session, the next prompt on standard input; None where it
            has no sessions.
        reprompt: while more seconds than this are left when the agent ends by itself, it is asked to go on.
        versions: of the programs that it runs by, for the record.
    """

    argv: list[str]
    mounts: list[Mount] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    resume: list[str] | None = None
    reprompt: float | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Need:
    """Something that an agent cannot do without.

    Attributes:
        what: such as `codex 0.169.0` or `the key OPENAI_API_KEY`.
        problem: why it is not met, with the mend; "" where it is.
    """

    what: str
    problem: str = ""


class Scaffold(Protocol):
    """A way of driving a model, or a script, as an agent.

    Attributes:
        trajectory: the format of what it prints, as `trajectory` names its readers.
        sessions: shell-style patterns of the files of the workspace in which it keeps its own record of what was said,
            relative paths; they repeat whatever the agent has looked at.
    """

    trajectory: str
    sessions: tuple[str, ...]

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """The way to its provider; None for an agent without models.

        Raises:
            InputError: a setting is wrong.
        """
        ...

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NOWHERE) -> Launch:
        """How to start the agent.

        Raises:
            InputError: a setting is wrong, or something that it needs is missing.
        """
        ...

    def needs(self, spec: AgentSpec) -> list[Need]:
        """What it needs on this machine, and whether that is there. Looks only, and calls nothing.

        Raises:
            InputError: a setting is wrong.
        """
        ...


def load_scaffold(name: str) -> Scaffold:
    """Find a scaffold among the entry points `posttrainbench.agents`.

    Raises:
        InputError: no installed package registers it.
    """
    scaffold: type[Scaffold] = load_plugin("agents", name)
    return scaffold()
