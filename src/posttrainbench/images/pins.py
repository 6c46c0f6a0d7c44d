"""Read the pinned versions: `pins.toml`, combined with versions that are defined elsewhere."""

import re
import tomllib
from collections.abc import Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Literal

from pydantic import Field

from posttrainbench.agents import load_scaffold
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.records import Record

VariantName = Literal["full", "small"]
PINS = Path(__file__).with_name("pins.toml")
EXACT = re.compile(r"([\w.-]+)==([\w.!+-]+)(?:\s*;.*)?")


class Variant(Record):
    """Contents of one image.

    Attributes:
        title: one-line description.
        base: base image.
        python: version of the base distribution's Python interpreter.
        torch_backend: `--torch-backend` of `uv pip install`; None for the default builds of torch.
        system: packages of the base distribution.
        required: Python packages in the exact versions that posttrainbench requires.
        packages: Python package -> version.
        separate: name -> packages of a separate environment `/opt/NAME`.
        commands: scaffolds whose command-line programs are installed.
    """

    title: str
    base: str
    python: str
    torch_backend: str | None = Field(default=None, alias="torch-backend")
    system: list[str]
    required: list[str] = Field(default_factory=list)
    packages: dict[str, str]
    separate: dict[str, dict[str, str]] = Field(default_factory=dict)
    commands: list[str] = Field(default_factory=list)

    def python_packages(self) -> dict[str, str]:
        """Return Python package -> version for the environment that agents work in."""
        own = own_requirements()
        return dict(sorted((self.packages | {name: own[name] for name in self.required}).items()))

    def programs(self) -> list[Program]:
        """Return the agents' command-line programs."""
        scaffolds = [load_scaffold(name) for name in self.commands]
        return [scaffold.program for scaffold in scaffolds if isinstance(scaffold, CommandLineAgent)]


def load_variant(name: VariantName) -> Variant:
    """Read a variant from `pins.toml`."""
    return Variant.model_validate(tomllib.loads(PINS.read_text())[name])


def own_requirements() -> Mapping[str, str]:
    """Return Python package -> version for all requirements of posttrainbench that are pinned exactly."""
    matches = [EXACT.fullmatch(line) for line in requires("posttrainbench") or []]
    return {match[1]: match[2] for match in matches if match}
