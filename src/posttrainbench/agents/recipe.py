"""The scaffold `recipe`: an agent that is a Python script, with the rights, the clock and the rules of any agent."""

import sys
from pathlib import Path

from posttrainbench.agents.base import Launch
from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox

RECIPES = Path(__file__).with_name("recipes")


class Recipe:
    """Runs `script`, one of the shipped recipes or a path, with the other settings as `--key value`."""

    def launch(self, spec: AgentSpec, sandbox: Sandbox) -> Launch:
        """See `Scaffold.launch`."""
        name = spec.settings.get("script", "")
        shipped = RECIPES / f"{name}.py"
        script = shipped if shipped.is_file() else Path(name)
        if not name or not script.is_file():
            raise InputError(f"Agent `{spec.name}` needs a Python script: write recipe?script=PATH with a file that exists.")
        folder = Mount("agent", script.resolve().parent)
        argv = [sys.executable, f"{sandbox.locate(folder)}/{script.name}"]
        for key, value in spec.settings.items():
            if key != "script":
                argv += [f"--{key.replace('_', '-')}", value]
        return Launch(argv=argv, mounts=[folder])
