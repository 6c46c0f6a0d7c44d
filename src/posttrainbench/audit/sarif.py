"""Findings as SARIF 2.1.0, which code hosts and editors show beside the files."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def result(
    rule: str, level: str, message: str, files: Sequence[tuple[str, int | None]], properties: dict[str, Any]
) -> dict[str, Any]:
    """One result.

    Args:
        rule: the rule's name.
        level: `error`, `warning` or `note`.
        message: one sentence.
        files: where, each as a relative path and a 1-based line.
        properties: whatever else is known.
    """
    locations = []
    for file, line in files:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(file.split("!")[0])}}
        if line is not None:
            place["region"] = {"startLine": line}
        locations.append({"physicalLocation": place})
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": locations,
        "properties": properties,
    }


def log(
    tool: str,
    version: str,
    rules: dict[str, str],
    results: list[dict[str, Any]],
    notices: Sequence[tuple[str, str]],
    successful: bool,
    properties: dict[str, Any],
) -> dict[str, Any]:
    """A log of one run of a tool.

    Args:
        tool: its name.
        version: of the tool.
        rules: rule -> what it says.
        results: from `result`.
        notices: (level, message) on what was not looked at.
        successful: whether everything could be checked.
        properties: whatever else is known of the whole.
    """
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": tool,
                        "version": version,
                        "rules": [{"id": name, "shortDescription": {"text": text}} for name, text in rules.items()],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": successful,
                        "toolExecutionNotifications": [
                            {"level": level, "message": {"text": message}} for level, message in notices
                        ],
                    }
                ],
                "results": results,
                "properties": properties,
            }
        ],
    }
