"""The scaffold `react`: a small built-in agent for any model with an OpenAI-compatible chat API."""

from pathlib import Path

from posttrainbench.agents.base import NO_ACCESS, Access, Launch, Requirement
from posttrainbench.agents.model_agent import any_key_requirement, has_no_provider, key_requirement
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
    """Runs `react_loop.py` in the sandbox: the model thinks, runs a command, reads its output, and repeats.

    The events that it prints are in codex's format, for which there is a reader.
    """

    trajectory = "codex"
    sessions = (".home/.react/*",)

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """Return the gateway configuration; see `Scaffold.gateway`."""
        return read_settings(spec, CHOICES).gateway()

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        """Return how to start the loop; see `Scaffold.launch`."""
        settings = read_settings(spec, CHOICES)
        loop = Mount("agent/react_loop.py", LOOP)
        argv = [sandbox.python, sandbox.locate(loop), "--model", settings.model]
        argv += ["--effort", settings.effort] if settings.effort else []
        argv += settings.arguments
        return Launch(
            argv=argv,
            resume=[*argv, "--resume"],
            clients=("ptb-react/",),
            mounts=[loop],
            environment={"OPENAI_BASE_URL": f"{access.address}/v1", "OPENAI_API_KEY": access.token},
            reprompt=settings.reprompt,
        )

    def requirements(self, spec: AgentSpec) -> list[Requirement]:
        """Return the key that the agent requires; see `Scaffold.requirements`."""
        return [
            any_key_requirement()
            if has_no_provider(spec, CHOICES)
            else key_requirement(read_settings(spec, CHOICES).gateway())
        ]
