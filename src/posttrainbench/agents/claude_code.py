"""The scaffold `claude-code`: Anthropic's CLI, for any provider of the Messages API."""

from typing_extensions import override

from posttrainbench.agents.base import Access
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.agents.settings import Choices, Settings
from posttrainbench.gateway import GatewayConfig

SUBSCRIPTION_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"
"""Holds the token that `claude setup-token` prints, which is valid for a year."""

SESSION = "5e5510a0-0000-4000-8000-000000000001"
"""Id of the session; every run has a home directory of its own."""

TEN_HOURS = str(36_000_000)
"""Milliseconds: commands of the agent do not time out before the run ends."""


class ClaudeCode(CommandLineAgent):
    """`claude --print`, with the chosen model also in place of the small and sub-agent models."""

    program = Program("claude-code", "@anthropic-ai/claude-code", "2.1.197", "claude")
    choices = Choices(
        provider="anthropic",
        protocols={"": "anthropic"},
        efforts=("low", "medium", "high", "xhigh", "max"),
        subscription=True,
    )
    clients = ("claude-cli/",)
    trajectory = "claude-code"
    sessions = (".home/.claude/*", ".tmp/claude-*/*")

    @override
    def provider(self, settings: Settings) -> GatewayConfig:
        config = settings.gateway().model_copy(update={"models": [_plain(settings.model)]})
        if settings.login == "subscription":
            return config.model_copy(update={"key_variable": SUBSCRIPTION_VARIABLE})
        return config

    @override
    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        session = "--resume" if resume else "--session-id"
        effort = ["--effort", settings.effort] if settings.effort else []
        return [
            *("--print", "--verbose", "--output-format", "stream-json", "--dangerously-skip-permissions"),
            *("--model", settings.model, session, SESSION),
            *effort,
            *settings.arguments,
        ]

    @override
    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        token = SUBSCRIPTION_VARIABLE if settings.login == "subscription" else "ANTHROPIC_API_KEY"
        models = ("DEFAULT_OPUS_MODEL", "DEFAULT_SONNET_MODEL", "DEFAULT_HAIKU_MODEL", "SMALL_FAST_MODEL")
        return {
            "ANTHROPIC_BASE_URL": access.address,
            token: access.token,
            **{f"ANTHROPIC_{name}": settings.model for name in models},
            "CLAUDE_CODE_SUBAGENT_MODEL": settings.model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "IS_SANDBOX": "1",
            "BASH_MAX_TIMEOUT_MS": TEN_HOURS,
        }


def _plain(model: str) -> str:
    """Return the model name sent to the provider: a suffix `[1m]` only selects the longer context."""
    return model.partition("[")[0]
