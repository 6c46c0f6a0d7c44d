"""The scaffold `recipe`: an agent that is a Python script, with the rights, the clock and the rules of any agent."""

from pathlib import Path

from posttrainbench.agents.base import NOWHERE, Access, Launch, Need
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox

RECIPES = Path(__file__).with_name("recipes")


class Recipe:
    """Runs `script`, one of the shipped recipes or a path, with the other settings as `--key value`."""

    trajectory = "plain"
    sessions = ()

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """See `Scaffold.gateway`: a script has no model."""
        return None

    def needs(self, spec: AgentSpec) -> list[Need]:
        """See `Scaffold.needs`."""
        script = spec.settings.get("script", "")
        if not script:
            return [Need("a script of yours, recipe?script=PATH")]
        there = (RECIPES / f"{script}.py").is_file() or Path(script).is_file()
        if there:
            return [Need(f"the script {script}")]
        return [Need(f"the script {script}", f"{spec.name} needs a Python script that exists: recipe?script=PATH.")]

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NOWHERE) -> Launch:
        """See `Scaffold.launch`. Of a user's own script only that file is shown, never the folder around it."""
        name = spec.settings.get("script", "")
        shipped = RECIPES / f"{name}.py"
        if shipped.is_file():
            mount = Mount("agent", RECIPES)
            program = f"{sandbox.locate(mount)}/{shipped.name}"
        elif name and Path(name).is_file():
            mount = Mount(f"agent/{Path(name).name}", Path(name).resolve())
            program = sandbox.locate(mount)
        else:
            raise InputError(
                f"Agent `{spec.name}` needs a Python script that exists: recipe?script=PATH; "
                "the shipped ones are listed by `ptb catalog agents`."
            )
        argv = [sandbox.python, program]
        for key, value in spec.settings.items():
            if key != "script":
                argv += [f"--{key.replace('_', '-')}", value]
        return Launch(argv=argv, mounts=[mount])
