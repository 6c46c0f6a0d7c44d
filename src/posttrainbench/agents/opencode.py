"""The scaffold `opencode`: a CLI for many providers, with OpenCode's own names of providers and models."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import override

from posttrainbench.agents.base import Access
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.agents.settings import Choices, Settings
from posttrainbench.gateway.protocols import ProtocolName

TOKEN_VARIABLE = "GATEWAY_TOKEN"  # noqa: S105  (a name)

CLIENTS: Mapping[ProtocolName, tuple[str, str]] = MappingProxyType(
    {
        "anthropic": ("@ai-sdk/anthropic", "/v1"),
        "openai": ("@ai-sdk/openai-compatible", "/v1"),
        "gemini": ("@ai-sdk/google", "/v1beta"),
    }
)
"""Protocol -> the built-in client for it, and the base path that this client expects below the gateway's address."""

RESPONSES_CLIENT = "@ai-sdk/openai"
"""Client for OpenAI itself, which uses the Responses API."""

DISABLED_FEATURES = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")


class OpenCode(CommandLineAgent):
    """`opencode run`, with API keys only. Efforts select model variants, which differ between providers."""

    program = Program("opencode", "opencode-ai", "1.18.33", "opencode")
    choices = Choices(
        provider=None,
        protocols={"anthropic": "anthropic", "minimax": "anthropic", "google": "gemini", "": "openai"},
        efforts=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    )
    clients = ("opencode/",)
    trajectory = "opencode"
    sessions = (".home/.local/share/opencode/*", ".home/.local/state/opencode/*", ".tmp/opencode/*")

    @override
    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        return [
            *("run", "--model", f"{settings.provider}/{settings.model}", "--format", "json", "--thinking"),
            *(["--variant", settings.effort] if settings.effort else []),
            *(["--continue"] if resume else []),
            *settings.arguments,
        ]

    @override
    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        return {TOKEN_VARIABLE: access.token, **{f"OPENCODE_DISABLE_{feature}": "1" for feature in DISABLED_FEATURES}}

    @override
    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        # OpenCode knows the context limits of most models and has defaults for others.
        client, path = CLIENTS[settings.protocol]
        provider = {
            "npm": RESPONSES_CLIENT if settings.provider == "openai" else client,
            "options": {"baseURL": f"{access.address}{path}", "apiKey": f"{{env:{TOKEN_VARIABLE}}}"},
            "models": {settings.model: {}},
        }
        content = {
            "provider": {settings.provider: provider},
            "enabled_providers": [settings.provider],
            "small_model": f"{settings.provider}/{settings.model}",
            "permission": "allow",
            "share": "disabled",
        }
        return {".config/opencode/opencode.json": json.dumps(content, indent=2)}
