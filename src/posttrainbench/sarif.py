"""Build SARIF 2.1.0 logs, which code hosts and editors show next to the files."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def result(
    rule: str, level: str, message: str, files: Sequence[tuple[str, int | None]], properties: dict[str, Any]
) -> dict[str, Any]:
    """Return one result.

    Args:
        rule: name of the rule.
        level: `error`, `warning` or `note`.
        message: one sentence.
        files: locations, each a relative path and a 1-based line or None.
        properties: additional values.
    """
    locations = []
    for file, line in files:
        location: dict[str, Any] = {"artifactLocation": {"uri": quote(file.split("!")[0])}}
        if line is not None:
            location["region"] = {"startLine": line}
        locations.append({"physicalLocation": location})
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
    """Return a log of one run of a tool.

    Args:
        tool: name of the tool.
        version: version of the tool.
        rules: name -> text of each rule.
        results: results built by `result`.
        notices: (level, message) for everything that was not checked.
        successful: whether everything could be checked.
        properties: additional values.
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
