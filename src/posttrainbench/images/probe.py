"""Runs in a sandbox and tells what is there. Stand-alone: `python3 probe.py WANTED`, where WANTED is JSON.

`{"packages": {INTERPRETER: [NAME, ...]}, "commands": {COMMAND: PACKAGE}}` gives `{"python": VERSION, "packages":
{INTERPRETER: {NAME: VERSION or null}}, "commands": {COMMAND: [VERSION of PACKAGE or null, what it says itself]}}`.
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
found = {}
for name in json.loads(sys.argv[1]):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
SECONDS = 60


def main() -> None:
    """Look, and print."""
    wanted = json.loads(sys.argv[1])
    found: dict[str, Any] = {"python": platform.python_version(), "packages": {}, "commands": {}}
    for interpreter, names in wanted["packages"].items():
        said = _say([interpreter, "-c", PACKAGES, json.dumps(names)])
        found["packages"][interpreter] = json.loads(said) if said.startswith("{") else dict.fromkeys(names)
    for command, package in wanted["commands"].items():
        found["commands"][command] = [_version(command, package), _say([command, "--version"])]
    print(json.dumps(found))


def _version(command: str, package: str) -> Any:
    """Of the npm package that a command belongs to."""
    place = shutil.which(command)
    for folder in Path(place).resolve().parents if place else []:
        description = folder / "package.json"
        if description.is_file():
            content = json.loads(description.read_text())
            if content.get("name") == package:
                return content.get("version")
    return None


def _say(command: list[str]) -> str:
    """What a command prints; nothing where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    main()
