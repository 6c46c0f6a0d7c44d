"""The scaffold `gemini-cli`: Google's CLI, with the Gemini API."""

import json
from typing import Any

from posttrainbench.agents.base import Access
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import Program
from posttrainbench.agents.settings import Choices, Settings
from posttrainbench.errors import InputError

TEN_HOURS = 36_000
"""Seconds: no command of an agent is cut off before its run is."""


class GeminiCli(CommandLineAgent):
    """`gemini --yolo`. It has no subscription login here: that speaks another protocol than the API."""

    program = Program("gemini-cli", "@google/gemini-cli", "0.61.0", "gemini")
    choices = Choices(provider="google", protocols={"": "gemini"}, efforts=("low", "medium", "high"))
    trajectory = "gemini-cli"
    sessions = (".home/.gemini/*",)

    def arguments(self, settings: Settings, resume: bool) -> list[str]:
        """See `CommandLineAgent.arguments`."""
        session = ["--resume", "latest"] if resume else []
        return ["--yolo", "--model", settings.model, "--output-format", "stream-json", *session, *settings.arguments]

    def environment(self, settings: Settings, access: Access) -> dict[str, str]:
        """See `CommandLineAgent.environment`."""
        return {
            "GOOGLE_GEMINI_BASE_URL": access.address,
            "GEMINI_API_KEY": access.token,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }

    def files(self, settings: Settings, access: Access) -> dict[str, str]:
        """See `CommandLineAgent.files`."""
        content: dict[str, Any] = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "tools": {"shell": {"inactivityTimeout": TEN_HOURS}},
        }
        if not access.provider_tools:
            content["tools"]["exclude"] = ["google_web_search", "web_fetch"]
        if settings.effort:
            if settings.model.startswith("gemini-2"):
                raise InputError(f"{settings.model} has no reasoning effort for gemini-cli; Gemini 3 and later have.")
            thinking = {"thinkingConfig": {"thinkingLevel": settings.effort.upper()}}
            override = {"match": {"model": settings.model}, "modelConfig": {"generateContentConfig": thinking}}
            content["modelConfigs"] = {"customOverrides": [override]}
        return {".gemini/settings.json": json.dumps(content, indent=2)}
