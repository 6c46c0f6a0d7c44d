"""The common settings of agents with a model: `SCAFFOLD/MODEL?key=value&key=value`."""

import glob
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.gateway.protocols import PROTOCOLS, ProtocolName
from posttrainbench.records import AgentSpec
from posttrainbench.redaction import has_credentials

Login = Literal["api_key", "subscription"]


@dataclass(frozen=True)
class Choices:
    """The settings that a scaffold supports, and its defaults.

    Attributes:
        provider: provider of models that are named without one; None if models must be named as `PROVIDER/MODEL`.
        protocols: provider -> protocol that the scaffold uses for it; "" stands for all other providers.
        efforts: supported reasoning efforts.
        program: whether the scaffold is a separate program, with a path and a version.
        subscription: whether the scaffold supports subscription logins.
    """

    provider: str | None
    protocols: Mapping[str, ProtocolName]
    efforts: tuple[str, ...] = ()
    program: bool = True
    subscription: bool = False

    @property
    def keys(self) -> list[str]:
        """Names of the supported settings."""
        keys = ["model", "reprompt", "arguments", "base_url", "key_variable", "key_file", "max_tokens", "max_dollars"]
        keys += ["effort"] if self.efforts else []
        keys += ["path", "version"] if self.program else []
        return keys + (["login"] if self.subscription else [])


@dataclass(frozen=True)
class Settings:
    """The settings of one agent.

    Attributes:
        provider: name in `PROVIDERS`; `custom` for a base URL set by the user.
        model: the provider's name of the model.
        protocol: protocol between the gateway and the provider.
        base_url: base URL as the provider's own clients expect it.
        key_variable: environment variable of the host that holds the key, unless `key_file` is set.
        effort: reasoning effort; None for the scaffold's default.
        reprompt: seconds; see `Launch.reprompt`.
        arguments: additional command-line arguments of the scaffold.
        max_tokens: token budget of all model calls together.
        max_dollars: budget of all model calls together, in US dollars.
        path: path of the program.
        version: required version of the program; None for the pinned one.
    """

    provider: str
    model: str
    protocol: ProtocolName
    base_url: str
    key_variable: str
    key_file: Path | None
    login: Login
    effort: str | None
    reprompt: float | None
    arguments: list[str]
    max_tokens: int | None
    max_dollars: float | None
    path: Path | None
    version: str | None

    def gateway(self) -> GatewayConfig:
        """Return the gateway configuration, which allows only this model."""
        return GatewayConfig(
            protocol=self.protocol,
            models=[glob.escape(self.model)],
            provider=self.provider,
            base_url=self.base_url,
            key_variable=self.key_variable,
            key_file=self.key_file,
            # Other providers with Anthropic's API expect the key as a bearer token; Anthropic itself accepts only
            # subscription tokens that way.
            bearer=self.login == "subscription" or (self.protocol == "anthropic" and self.provider != "anthropic"),
            max_tokens=self.max_tokens,
            max_dollars=self.max_dollars,
        )


def read_settings(spec: AgentSpec, choices: Choices) -> Settings:
    """Parse the settings of an agent.

    Raises:
        InputError: a setting is unknown, missing or invalid.
    """
    values = dict(spec.settings)
    for key in values:
        if key not in choices.keys:
            raise _invalid(spec, f"`{key}` is not a setting of {spec.scaffold}; choose from: {', '.join(choices.keys)}")
    provider, model, base_url = _provider(spec, choices)
    protocol = choices.protocols.get(provider) or choices.protocols.get("")
    known = PROVIDERS.get(provider)
    if protocol is None or (known and protocol not in known.urls and not base_url):
        raise _invalid(spec, f"{spec.scaffold} does not support {provider}; set base_url, or use another scaffold")
    effort = values.get("effort")
    if effort is not None and effort not in choices.efforts:
        raise _invalid(spec, f"effort must be one of {', '.join(choices.efforts)}, not `{effort}`")
    login = values.get("login", "api_key")
    if login not in ("api_key", "subscription"):
        raise _invalid(spec, f"login must be api_key or subscription, not `{login}`")
    reprompt = _number(spec, "reprompt")
    max_tokens = _number(spec, "max_tokens")
    try:
        arguments = shlex.split(values.get("arguments", ""))
    except ValueError as error:
        raise _invalid(spec, f"arguments cannot be read: {error}") from None
    return Settings(
        provider=provider,
        model=model,
        protocol=protocol,
        base_url=base_url or (known.urls[protocol] if known else PROTOCOLS[protocol].base_url),
        key_variable=values.get("key_variable") or (known or PROTOCOLS[protocol]).key_variable,
        key_file=Path(values["key_file"]).expanduser() if "key_file" in values else None,
        login="subscription" if login == "subscription" else "api_key",
        effort=effort,
        reprompt=None if reprompt is None else reprompt * 60,
        arguments=arguments,
        max_tokens=None if max_tokens is None else math.ceil(max_tokens),
        max_dollars=_number(spec, "max_dollars"),
        path=Path(values["path"]).expanduser().absolute() if "path" in values else None,
        version=values.get("version"),
    )


def _provider(spec: AgentSpec, choices: Choices) -> tuple[str, str, str]:
    """Return the provider, its name of the model, and the base URL or ""."""
    base_url = spec.settings.get("base_url", "")
    if has_credentials(base_url):
        raise _invalid(
            spec, "base_url must not contain a user, a password or a query; put the key into an environment variable"
        )
    model = spec.settings.get("model", "")
    if not model:
        raise _invalid(
            spec, f"a model is required; write {spec.scaffold}/{'' if choices.provider else 'PROVIDER/'}MODEL"
        )
    first, slash, rest = model.partition("/")
    if slash and rest and first in PROVIDERS:
        return first, rest, base_url
    if base_url:
        return "custom", model, base_url
    if slash or choices.provider is None:
        raise _invalid(
            spec, f"the provider of `{model}` is unknown; write PROVIDER/MODEL with one of: {', '.join(PROVIDERS)}"
        )
    return choices.provider, model, base_url


def _number(spec: AgentSpec, key: str) -> float | None:
    text = spec.settings.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise _invalid(spec, f"{key} must be a number above zero, not `{text}`")
    return value


def _invalid(spec: AgentSpec, problem: str) -> InputError:
    # The name contains the settings.
    name = spec.scaffold if has_credentials(spec.settings.get("base_url", "")) else spec.name
    return InputError(f"Agent `{name}`: {problem}.")
