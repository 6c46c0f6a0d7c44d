"""Print the installed versions in a sandbox. Stand-alone: `python3 probe.py QUERY`, where QUERY is JSON.

`{"packages": {INTERPRETER: [NAME, ...]}, "commands": {COMMAND: PACKAGE}}` gives `{"python": VERSION, "packages":
{INTERPRETER: {NAME: VERSION or null}}, "commands": {COMMAND: [VERSION of PACKAGE or null, OUTPUT]}}`, with the output
of `COMMAND --version`.
"""

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = """
import importlib.metadata, json, sys
versions = {}
for name in json.loads(sys.argv[1]):
    try:
        versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        versions[name] = None
print(json.dumps(versions))
"""
SECONDS = 60


def main() -> None:
    """Find the versions and print them as JSON."""
    query = json.loads(sys.argv[1])
    versions: dict[str, Any] = {"python": platform.python_version(), "packages": {}, "commands": {}}
    for interpreter, names in query["packages"].items():
        output = _run([interpreter, "-c", PACKAGES, json.dumps(names)])
        versions["packages"][interpreter] = json.loads(output) if output.startswith("{") else dict.fromkeys(names)
    for command, package in query["commands"].items():
        versions["commands"][command] = [_version(command, package), _run([command, "--version"])]
    print(json.dumps(versions))


def _version(command: str, package: str) -> Any:
    """Return the version of the npm package that provides a command; None if it is not that package."""
    path = shutil.which(command)
    for folder in Path(path).resolve().parents if path else []:
        description = folder / "package.json"
        if description.is_file():
            content = json.loads(description.read_text())
            if content.get("name") == package:
                return content.get("version")
    return None


def _run(command: list[str]) -> str:
    """Return the output of a command; an empty string if it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


if __name__ == "__main__":
    main()
