"""The scaffold `recipe`: plain Python scripts as agents, with the same sandbox, time limit and rules."""

import importlib.util
import sys
import warnings
from pathlib import Path

from posttrainbench.agents.base import NO_ACCESS, Access, Launch, Requirement
from posttrainbench.agents.recipes.recipe_settings import SETTINGS
from posttrainbench.errors import InputError, one_line
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Mount, Sandbox

RECIPES = Path(__file__).with_name("recipes")
PACKAGES = {"sft_trl": ("trl", "peft")}
"""Shipped recipe -> packages of the extra `training` that it imports. An image has packages of its own."""


class Recipe:
    """Runs `script`, a shipped recipe or a path, and passes the other settings as `--key value`.

    The settings of shipped recipes are checked. What a script of the user's own accepts is unknown.
    """

    trajectory = "plain"
    sessions = ()

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """Return None: a script does not use a model."""
        return None

    def requirements(self, spec: AgentSpec) -> list[Requirement]:
        """Return the script as a requirement; see `Scaffold.requirements`."""
        script = spec.settings.get("script", "")
        if not script:
            return [Requirement("a Python script, recipe?script=PATH")]
        check_settings(spec)
        needed = [Requirement(f"the script {script}", "" if _is_there(script) else _absent(spec))]
        if packages := PACKAGES.get(script):
            missing = ", not installed here" if any(map(_missing, packages)) else ""
            needed.append(
                Requirement(f"{' and '.join(packages)} in the sandbox{missing}")
            )  # `launch` knows the sandbox
        return needed

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        """Return how to start the script. Only the script is mounted, not the directory that contains it."""
        name = spec.settings.get("script", "")
        if not _is_there(name):
            raise InputError(_absent(spec))
        check_settings(spec)
        if name in SETTINGS:
            mount = Mount("agent", RECIPES)
            program = f"{sandbox.locate(mount)}/{name}.py"
        else:
            mount = Mount(f"agent/{Path(name).name}", Path(name).resolve())
            program = sandbox.locate(mount)
            if sandbox.python == sys.executable:
                _require_syntax(spec, Path(name))
        missing = [text for package in PACKAGES.get(name, ()) if (text := _missing(package))]
        if missing and sandbox.python == sys.executable:
            raise InputError(f"Agent `{spec.name}`: {missing[0]}")
        argv = [sandbox.python, program]
        for key, value in spec.settings.items():
            if key != "script":
                argv += [f"--{key.replace('_', '-')}", value]
        return Launch(argv=argv, mounts=[mount])


def check_settings(spec: AgentSpec) -> None:
    """Check the settings of a shipped recipe.

    Raises:
        InputError: a setting is unknown, or its value is invalid.
    """
    script = spec.settings.get("script", "")
    if script not in SETTINGS:
        return
    known = SETTINGS[script]
    for key, value in spec.settings.items():
        if key == "script":
            continue
        if (setting := known.get(key)) is None:
            choices = f"choose from: {', '.join(known)}" if known else "it has none"
            raise InputError(f"Agent `{spec.name}`: `{key}` is not a setting of the recipe {script}; {choices}.")
        try:
            setting.read(value)
        except ValueError:
            raise InputError(f"Agent `{spec.name}`: {key} must be {setting.expected}, not `{value}`.") from None


def _require_syntax(spec: AgentSpec, script: Path) -> None:
    """Check that this Python can compile a script, which it will execute.

    Raises:
        InputError: it cannot.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(script.read_bytes(), script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else one_line(error).rstrip(".")
        raise InputError(f"Agent `{spec.name}`: {script}{line} is not valid Python ({reason}); correct it.") from None


def missing_packages(script: str) -> list[str]:
    """Return the packages of the extra `training` that a shipped recipe imports and this machine does not have."""
    return [package for package in PACKAGES.get(script, ()) if _missing(package)]


def _missing(package: str) -> str:
    """Return a sentence if a package is not installed on this machine, else ""."""
    if importlib.util.find_spec(package) is not None:
        return ""
    return f"The package {package} is not installed; run `pip install 'posttrainbench[training]'`."


def _is_there(script: str) -> bool:
    return script in SETTINGS or Path(script).is_file()


def _absent(spec: AgentSpec) -> str:
    return (
        f"Agent `{spec.name}` needs a Python script that exists: recipe?script=PATH; "
        "shipped ones, such as recipe-sft, are listed by `ptb catalog agents`."
    )
