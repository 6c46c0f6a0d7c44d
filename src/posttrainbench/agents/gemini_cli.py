"""The scaffold `gemini-cli`: Google's CLI, for the Gemini API."""

import json
from typing import Any

from typing_extensions import override

from posttrainbench.agents.base import Access
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.agents.settings import Choices, Settings
from posttrainbench.errors import InputError

TEN_HOURS = 36_000
"""Seconds: commands of the agent do not time out before the run ends."""

WITHOUT_PROVIDER_TOOLS = """
[[rule]]
toolName = ["google_web_search", "web_fetch"]
decision = "deny"
priority = 999
"""
"""A policy that hides the tools that the provider executes."""


class GeminiCli(CommandLineAgent):
    """`gemini --yolo`, with API keys only.

    Subscription logins use another protocol, which the gateway does not support.
    """

    program = Program("gemini-cli", "@google/gemini-cli", "0.61.0", "gemini")
    choices = Choices(provider="google", protocols={"": "gemini"}, efforts=("low", "medium", "high"))
    clients = ("GeminiCLI/", "GeminiCLI-")
    trajectory = "gemini-cli"
    sessions = (".home/.gemini/*",)

    @override
    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        session = ["--resume", "latest"] if resume else []
        return ["--yolo", "--model", settings.model, "--output-format", "stream-json", *session, *settings.arguments]

    @override
    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        return {
            "GOOGLE_GEMINI_BASE_URL": access.address,
            "GEMINI_API_KEY": access.token,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }

    @override
    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        content: dict[str, Any] = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "tools": {"shell": {"inactivityTimeout": TEN_HOURS}},
        }
        if settings.effort:
            if settings.model.startswith("gemini-2"):
                raise InputError(
                    f"gemini-cli does not support a reasoning effort for {settings.model}, only for Gemini 3 and later."
                )
            thinking = {"thinkingConfig": {"thinkingLevel": settings.effort.upper()}}
            override = {"match": {"model": settings.model}, "modelConfig": {"generateContentConfig": thinking}}
            content["modelConfigs"] = {"customOverrides": [override]}
        files = {".gemini/settings.json": json.dumps(content, indent=2)}
        if not access.provider_tools:
            files[".gemini/policies/provider-tools.toml"] = WITHOUT_PROVIDER_TOOLS
        return files
