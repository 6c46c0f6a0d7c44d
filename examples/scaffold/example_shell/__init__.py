"""The scaffold `example-shell`: an agent that is a shell script, without a model."""

from pathlib import Path

from posttrainbench.agents.base import NO_ACCESS, Access, Launch, Requirement
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox


class ShellScript:
    """Run `script` with bash. The prompt arrives on its standard input; $PYTHON has torch and transformers."""

    trajectory = "plain"
    sessions = ()

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """Return None: a script calls no model."""
        return None

    def requirements(self, spec: AgentSpec) -> list[Requirement]:
        """Return the script, and whether it exists."""
        script = spec.settings.get("script", "")
        problem = "" if Path(script).is_file() else "Give a script that exists: example-shell?script=PATH."
        return [Requirement(f"the script {script}", problem)]

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        """Return the command.

        Raises:
            InputError: the script does not exist.
        """
        (requirement,) = self.requirements(spec)
        if requirement.problem:
            raise InputError(requirement.problem)
        script = Path(spec.settings["script"])
        mount = Mount(f"agent/{script.name}", script.resolve())
        return Launch(argv=["bash", sandbox.locate(mount)], mounts=[mount], environment={"PYTHON": sandbox.python})
