"""The scaffold `react`: a small agent of ours, for any model behind an OpenAI-compatible chat API."""

from pathlib import Path

from posttrainbench.agents.base import NOWHERE, Access, Launch, Need
from posttrainbench.agents.model_agent import any_key, is_open, key_need
from posttrainbench.agents.settings import Choices, read_settings
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox

LOOP = Path(__file__).with_name("react_loop.py")

CHOICES = Choices(
    provider=None,
    protocols={"": "openai"},
    efforts=("none", "minimal", "low", "medium", "high", "xhigh"),
    program=False,
)


class React:
    """Thinks, runs a command, looks at what it printed, and begins again: `react_loop.py`, run in the sandbox.

    It prints events in codex's format, so that they have a reader.
    """

    trajectory = "codex"
    sessions = (".home/.react/*",)

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """See `Scaffold.gateway`."""
        return read_settings(spec, CHOICES).gateway()

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NOWHERE) -> Launch:
        """See `Scaffold.launch`."""
        settings = read_settings(spec, CHOICES)
        loop = Mount("agent/react_loop.py", LOOP)
        argv = [sandbox.python, sandbox.locate(loop), "--model", settings.model]
        argv += ["--effort", settings.effort] if settings.effort else []
        argv += settings.arguments
        return Launch(
            argv=argv,
            resume=[*argv, "--resume"],
            mounts=[loop],
            environment={"OPENAI_BASE_URL": f"{access.address}/v1", "OPENAI_API_KEY": access.token},
            reprompt=settings.reprompt,
        )

    def needs(self, spec: AgentSpec) -> list[Need]:
        """See `Scaffold.needs`."""
        return [any_key() if is_open(spec, CHOICES) else key_need(read_settings(spec, CHOICES).gateway())]
