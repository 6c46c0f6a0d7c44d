"""What the scaffolds that drive a model have in common."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from posttrainbench.agents.base import NOWHERE, Access, Launch, Need
from posttrainbench.agents.programs import Program, find
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.agents.settings import Choices, Settings, read_settings
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.gateway.prices import load_prices
from posttrainbench.records import AgentSpec
from posttrainbench.sandbox import Sandbox

PLAIN_TERMINAL: Mapping[str, str] = {"TERM": "dumb", "NO_COLOR": "1"}


class CommandLineAgent:
    """An agent CLI from npm. Subclasses say how it is configured and called."""

    program: ClassVar[Program]
    choices: ClassVar[Choices]
    trajectory: str
    sessions: tuple[str, ...]

    def gateway(self, spec: AgentSpec) -> GatewayConfig | None:
        """See `Scaffold.gateway`."""
        return self.provider(read_settings(spec, self.choices))

    def launch(self, spec: AgentSpec, sandbox: Sandbox, access: Access = NOWHERE) -> Launch:
        """See `Scaffold.launch`."""
        settings = read_settings(spec, self.choices)
        installed = find(self.program, settings.path, settings.version)
        command = installed.argv(sandbox)
        return Launch(
            argv=[*command, *self.arguments(settings, resume=False)],
            resume=[*command, *self.arguments(settings, resume=True)],
            mounts=installed.mounts(),
            environment={**PLAIN_TERMINAL, **self.environment(settings, access)},
            files=self.files(settings, access),
            reprompt=settings.reprompt,
            versions={self.program.name: installed.version},
        )

    def needs(self, spec: AgentSpec) -> list[Need]:
        """See `Scaffold.needs`."""
        if is_open(spec, self.choices):
            return [self._program_need(None, None), any_key()]
        settings = read_settings(with_model(spec), self.choices)
        return [self._program_need(settings.path, settings.version), key_need(self.provider(settings))]

    def _program_need(self, path: Path | None, version: str | None) -> Need:
        problem = ""
        try:
            find(self.program, path, version)
        except InputError as error:
            problem = str(error)
        return Need(f"{self.program.command} {version or self.program.version}", problem)

    def provider(self, settings: Settings) -> GatewayConfig:
        """The way to the provider."""
        return settings.gateway()

    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        """The command line behind the program's name: of the first start, or of one that goes on."""
        raise NotImplementedError

    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        """The environment that it needs."""
        raise NotImplementedError

    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        """The settings files that it needs, relative to its home."""
        return {}


def any_key() -> Need:
    """Of an agent whose model, and with it the provider, is open."""
    variables = [provider.key_variable for provider in PROVIDERS.values()]
    problem = f"No provider's key is here; put one into an environment variable such as {', '.join(variables[:3])}."
    found = any(os.environ.get(variable, "").strip() for variable in variables)
    return Need("the key of the model's provider", "" if found else problem)


def is_open(spec: AgentSpec, choices: Choices) -> bool:
    """Whether nothing says which provider it will use."""
    return "model" not in spec.settings and choices.provider is None


def with_model(spec: AgentSpec) -> AgentSpec:
    """An agent whose model is open, with some model of its usual provider."""
    return spec.model_copy(update={"settings": {"model": "MODEL", **spec.settings}})


def key_need(config: GatewayConfig) -> Need:
    """Whether the host has the provider's key, and whether the budgets can be kept."""
    variable = config.key_variable or ""
    what = f"the file {config.key_file}" if config.key_file else f"the key {variable}"
    try:
        config.check(load_prices())
        config.read_key()
    except InputError as error:
        return Need(what, str(error))
    return Need(what)
