"""The common base of the scaffolds that run an agent CLI."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from posttrainbench.agents.base import NO_ACCESS, Access, Launch, Requirement
from posttrainbench.agents.programs import Program, find_program
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.agents.settings import Choices, Settings, read_settings
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Sandbox
from posttrainbench.usage.prices import load_prices

PLAIN_TERMINAL: Mapping[str, str] = {"TERM": "dumb", "NO_COLOR": "1"}


class CommandLineAgent:
    """An agent CLI from npm. Subclasses define its command line, its environment and its settings files.

    Attributes:
        clients: see `Launch`.
    """

    program: ClassVar[Program]
    choices: ClassVar[Choices]
    clients: ClassVar[tuple[str, ...]]
    trajectory: str
    sessions: tuple[str, ...]

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """Return the gateway configuration; see `Scaffold.gateway`."""
        return self.provider(read_settings(spec, self.choices))

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        """Return how to start the CLI; see `Scaffold.launch`."""
        settings = read_settings(spec, self.choices)
        installed = find_program(self.program, settings.path, settings.version)
        command = installed.argv(sandbox)
        return Launch(
            argv=[*command, *self.arguments(settings, resume=False)],
            resume=[*command, *self.arguments(settings, resume=True)],
            clients=self.clients,
            mounts=installed.mounts(),
            environment={**PLAIN_TERMINAL, **self.environment(settings, access)},
            files=self.files(settings, access),
            reprompt=settings.reprompt,
            versions={self.program.name: installed.version},
        )

    def requirements(self, spec: AgentSpec) -> list[Requirement]:
        """Return the CLI and the key that the agent requires; see `Scaffold.requirements`."""
        if has_no_provider(spec, self.choices):
            return [self._program_requirement(None, None), any_key_requirement()]
        settings = read_settings(with_model(spec), self.choices)
        return [self._program_requirement(settings.path, settings.version), key_requirement(self.provider(settings))]

    def _program_requirement(self, path: Path | None, version: str | None) -> Requirement:
        problem = ""
        try:
            find_program(self.program, path, version)
        except InputError as error:
            problem = str(error)
        return Requirement(f"{self.program.command} {version or self.program.version}", problem)

    def provider(self, settings: Settings) -> GatewayConfig:
        """Return the gateway configuration for these settings."""
        return settings.gateway()

    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        """Return the command-line arguments of the first start, or of one that resumes the session."""
        raise NotImplementedError

    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        """Return the additional environment variables."""
        raise NotImplementedError

    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        """Return the settings files: path relative to the agent's home -> content."""
        return {}


def any_key_requirement() -> Requirement:
    """Return the key requirement of an agent without a chosen model: any provider's key satisfies it."""
    variables = [provider.key_variable for provider in PROVIDERS.values()]
    problem = f"No provider's key is set; put one into an environment variable such as {', '.join(variables[:3])}."
    has_key = any(os.environ.get(variable, "").strip() for variable in variables)
    return Requirement("the key of the model's provider", "" if has_key else problem)


def has_no_provider(spec: AgentSpec, choices: Choices) -> bool:
    """Return whether an agent's provider is undetermined, because neither a model nor a default is chosen."""
    return "model" not in spec.settings and choices.provider is None


def with_model(spec: AgentSpec) -> AgentSpec:
    """Return the agent with a placeholder model if none is chosen, so that its settings can be read."""
    return spec.model_copy(update={"settings": {"model": "MODEL", **spec.settings}})


def key_requirement(config: GatewayConfig) -> Requirement:
    """Check that the host has the provider's key and that the budgets can be enforced."""
    variable = config.key_variable or ""
    name = f"the file {config.key_file}" if config.key_file else f"the key {variable}"
    try:
        config.check(load_prices())
        config.read_key()
    except InputError as error:
        return Requirement(name, str(error))
    return Requirement(name)
