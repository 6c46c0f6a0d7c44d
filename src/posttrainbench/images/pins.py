"""The list of pins: `pins.toml`, with the versions that have another home put in."""

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
    """What one image holds.

    Attributes:
        base: the image that it is made of.
        python: version of the interpreter that the base's packages bring.
        torch_backend: of `uv pip install`: which builds of torch; None for the usual ones.
        system: packages of the base's distribution.
        required: Python packages in the very versions that posttrainbench requires.
        packages: Python package -> version.
        apart: name -> packages of an environment of its own, `/opt/NAME`.
        commands: scaffolds whose command lines it has.
    """

    title: str
    base: str
    python: str
    torch_backend: str | None = Field(default=None, alias="torch-backend")
    system: list[str]
    required: list[str] = Field(default_factory=list)
    packages: dict[str, str]
    apart: dict[str, dict[str, str]] = Field(default_factory=dict)
    commands: list[str] = Field(default_factory=list)

    def python_packages(self) -> dict[str, str]:
        """Python package -> version, of the environment that agents work in."""
        own = own_requirements()
        return dict(sorted((self.packages | {name: own[name] for name in self.required}).items()))

    def programs(self) -> list[Program]:
        """The agents' command lines."""
        scaffolds = [load_scaffold(name) for name in self.commands]
        return [one.program for one in scaffolds if isinstance(one, CommandLineAgent)]


def load_variant(name: VariantName) -> Variant:
    """One of the images."""
    return Variant.model_validate(tomllib.loads(PINS.read_text())[name])


def own_requirements() -> Mapping[str, str]:
    """Python package -> version, of what posttrainbench requires in one version alone."""
    matches = [EXACT.fullmatch(line) for line in requires("posttrainbench") or []]
    return {match[1]: match[2] for match in matches if match}
