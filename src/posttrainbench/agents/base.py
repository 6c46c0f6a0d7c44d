"""The interface of scaffolds."""

from dataclasses import dataclass, field
from typing import Protocol

from posttrainbench.gateway import GatewayConfig
from posttrainbench.plugins import load_plugin
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox


@dataclass(frozen=True)
class Access:
    """An agent's access to its models.

    Attributes:
        address: `http://127.0.0.1:PORT` inside the sandbox, where the gateway or a forwarder to it listens.
        token: credential for the gateway, in place of a key.
        provider_tools: whether the agent may use tools that its provider runs, such as web search; see `GatewayConfig`.
    """

    address: str
    token: str = field(repr=False)
    provider_tools: bool = False


NO_ACCESS = Access("http://127.0.0.1:0", "")
"""Placeholder access for dry runs."""


@dataclass(frozen=True)
class Launch:
    """The command, mounts and files with which an agent is started. The prompt is written to its standard input.

    Attributes:
        argv: the command, with paths inside the sandbox.
        mounts: additional mounts.
        environment: additional environment variables.
        files: files to write into the agent's home before its first start, relative path -> content. The token is the
            only secret that they may contain.
        resume: the command that resumes the latest session, with the next prompt on standard input; None if the agent
            does not support sessions.
        clients: beginnings of the scaffold's User-Agent, such as `claude-cli/`, which distinguish its model calls from
            those of other programs; empty to infer them from the first calls, see `usage.clients.scaffold_clients`.
        reprompt: an agent that exits with more than this many seconds left is prompted to continue; None for never.
        versions: program -> version, to be recorded.
    """

    argv: list[str]
    mounts: list[Mount] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    resume: list[str] | None = None
    clients: tuple[str, ...] = ()
    reprompt: float | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Requirement:
    """Something that an agent requires on this machine.

    Attributes:
        name: such as `codex 0.169.0` or `the key OPENAI_API_KEY`.
        problem: why the requirement is not met, and how to fix that; "" if it is met.
    """

    name: str
    problem: str = ""


class Scaffold(Protocol):
    """A program that drives a model, or a script, as an agent.

    Attributes:
        trajectory: output format, the name of a reader in `trajectory`.
        sessions: shell-style patterns of the workspace files in which the scaffold stores its conversation, relative
            paths. These files repeat everything that the agent has read.
    """

    trajectory: str
    sessions: tuple[str, ...]

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """Return the configuration of the model gateway, or None for an agent without models.

        Raises:
            InputError: a setting is invalid.
        """
        ...

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        """Return how to start the agent.

        Raises:
            InputError: a setting is invalid, or something that the agent requires is missing.
        """
        ...

    def requirements(self, spec: AgentSpec) -> list[Requirement]:
        """Return what the agent requires on this machine and what is missing. No model is called.

        Raises:
            InputError: a setting is invalid.
        """
        ...


def load_scaffold(name: str) -> Scaffold:
    """Load a scaffold from the entry points `posttrainbench.agents`.

    Raises:
        InputError: no installed package registers this name.
    """
    scaffold: type[Scaffold] = load_plugin("agents", name)
    return scaffold()
