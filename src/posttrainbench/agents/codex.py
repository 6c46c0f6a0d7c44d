"""The scaffold `codex`: OpenAI's CLI, for any provider of the Responses API."""

import json
import os
from pathlib import Path

from typing_extensions import override

from posttrainbench.agents.base import Access
from posttrainbench.agents.codex_login import CodexLogin
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.agents.settings import Choices, Settings
from posttrainbench.gateway import GatewayConfig

SUBSCRIPTION_URL = "https://chatgpt.com/backend-api/codex"
TOKEN_VARIABLE = "GATEWAY_TOKEN"  # noqa: S105  (a name)


class Codex(CommandLineAgent):
    """`codex exec`."""

    program = Program("codex", "@openai/codex", "0.169.0", "codex")
    choices = Choices(
        provider="openai",
        protocols={"": "openai"},
        efforts=("minimal", "low", "medium", "high", "xhigh"),
        subscription=True,
    )
    clients = ("codex_exec/", "codex_cli_rs/")
    trajectory = "codex"
    sessions = (".home/.codex/*",)

    @override
    def provider(self, settings: Settings) -> GatewayConfig:
        config = settings.gateway()
        if settings.login == "api_key":
            return config
        login = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "auth.json"
        is_default = settings.base_url == PROVIDERS["openai"].urls["openai"]
        base_url = SUBSCRIPTION_URL if is_default else settings.base_url
        overrides = {"base_url": base_url, "key_file": settings.key_file or login}
        return CodexLogin.model_validate(config.model_dump() | overrides)

    @override
    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        return [
            *(("exec", "resume", "--last") if resume else ("exec",)),
            *("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
            *settings.arguments,
            "-",
        ]

    @override
    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        return {TOKEN_VARIABLE: access.token}

    @override
    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        provider: dict[str, str] = {
            "name": "gateway",
            "base_url": f"{access.address}/v1",
            "wire_api": "responses",
            "env_key": TOKEN_VARIABLE,
        }
        lines = [
            _entry("model", settings.model),
            _entry("model_provider", "gateway"),
            *([_entry("model_reasoning_effort", settings.effort)] if settings.effort else []),
            *([] if access.provider_tools else [_entry("web_search", "disabled")]),
            "check_for_update_on_startup = false",
            "[model_providers.gateway]",
            *(_entry(key, value) for key, value in provider.items()),
        ]
        login = self.provider(settings)
        if isinstance(login, CodexLogin) and (account := login.account()):
            lines += ["[model_providers.gateway.http_headers]", _entry("chatgpt-account-id", account)]
        # Without network access, codex would wait five seconds for its analytics and look for plugins.
        lines += ["[analytics]", "enabled = false", "[features]", "plugins = false"]
        return {".codex/config.toml": "\n".join(lines) + "\n"}


def _entry(key: str, value: str) -> str:
    """Return a line of TOML; basic strings have the same syntax as in JSON."""
    return f"{key} = {json.dumps(value)}"
