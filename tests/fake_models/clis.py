"""The four agent CLIs, real and at pinned versions, pointed at a gateway."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.gateway.protocols import ProtocolName

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posttrainbench" / "test-clis"
"""Directory of the installed CLIs; read on import, because fixtures change the variables later."""

INSTALL_SECONDS = 600
RUN_SECONDS = 120


@dataclass(frozen=True)
class Cli:
    """An agent CLI.

    Attributes:
        version: pinned; all of these run on Node 20.
        model: one that it knows, so that it asks for nothing else.
        prepare: (gateway's address, token, home directory) -> the environment, after writing its settings there.
        arguments: of a run that takes the prompt from standard input.
    """

    name: str
    package: str
    version: str
    program: str
    protocol: ProtocolName
    model: str
    prepare: Callable[[str, str, Path], dict[str, str]]
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """The output of a CLI, one JSON object per line, and its duration."""

    code: int
    events: list[dict[str, Any]]
    output: str
    errors: str
    seconds: float


def _claude(address: str, token: str, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": address,
        "ANTHROPIC_API_KEY": token,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",
    }


def _codex(address: str, token: str, home: Path) -> dict[str, str]:
    settings = home / ".codex" / "config.toml"
    settings.parent.mkdir()
    settings.write_text(
        'model = "gpt-5.1-codex-max"\nmodel_provider = "gateway"\nweb_search = "disabled"\n'
        f'[model_providers.gateway]\nname = "gateway"\nbase_url = "{address}/v1"\n'
        'wire_api = "responses"\nenv_key = "GATEWAY_TOKEN"\n'
        "[analytics]\nenabled = false\n"  # without a network it would wait five seconds for it at the end
        "[features]\nplugins = false\n"
    )
    return {"CODEX_HOME": str(settings.parent), "GATEWAY_TOKEN": token}


def _gemini(address: str, token: str, home: Path) -> dict[str, str]:
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(
        json.dumps(
            {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "privacy": {"usageStatisticsEnabled": False},
                "general": {"enableAutoUpdate": False},
            }
        )
    )
    return {
        "GOOGLE_GEMINI_BASE_URL": address,
        "GEMINI_API_KEY": token,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _opencode(address: str, token: str, home: Path) -> dict[str, str]:
    settings = home / "opencode.json"
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "gateway",
        "options": {"baseURL": f"{address}/v1", "apiKey": "{env:GATEWAY_TOKEN}"},
        "models": {"glm-5": {"name": "glm-5"}},
    }
    settings.write_text(json.dumps({"provider": {"gateway": provider}, "share": "disabled"}))
    switches = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    return {
        "OPENCODE_CONFIG": str(settings),
        "GATEWAY_TOKEN": token,
        **{f"OPENCODE_DISABLE_{switch}": "1" for switch in switches},
    }


CLAUDE_CODE = Cli(
    name="claude-code",
    package="@anthropic-ai/claude-code",
    version="2.1.197",
    program="claude",
    protocol="anthropic",
    model="claude-opus-4-5",
    prepare=_claude,
    arguments=(
        *("--print", "--verbose", "--model", "claude-opus-4-5"),
        *("--output-format", "stream-json", "--dangerously-skip-permissions"),
    ),
)
CODEX = Cli(
    name="codex",
    package="@openai/codex",
    version="0.169.0",
    program="codex",
    protocol="openai",
    model="gpt-5.1-codex-max",
    prepare=_codex,
    arguments=("exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-"),
)
GEMINI_CLI = Cli(
    name="gemini-cli",
    package="@google/gemini-cli",
    version="0.61.0",
    program="gemini",
    protocol="gemini",
    model="gemini-2.5-pro",
    prepare=_gemini,
    arguments=("--yolo", "--model", "gemini-2.5-pro", "--output-format", "stream-json"),
)
OPENCODE = Cli(
    name="opencode",
    package="opencode-ai",
    version="1.18.33",
    program="opencode",
    protocol="openai",
    model="glm-5",
    prepare=_opencode,
    arguments=("run", "--model", "gateway/glm-5", "--format", "json"),
)
CLIS = (CLAUDE_CODE, CODEX, GEMINI_CLI, OPENCODE)


class CannotInstallError(Exception):
    """npm is missing or has no network: a reason to skip tests."""


def install() -> Path:
    """Return the directory of the CLIs, after installing missing ones. Parallel test sessions wait for each other.

    Raises:
        CannotInstallError: it cannot be done here.
    """
    wanted = {cli.package: cli.version for cli in CLIS}
    mark = CACHE / "installed.json"
    programs = CACHE / "node_modules" / ".bin"
    if shutil.which("npm") is None:
        raise CannotInstallError("npm is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.is_file() and json.loads(mark.read_text()) == wanted:
            return programs
        packages = [f"{name}@{version}" for name, version in wanted.items()]
        command = ["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", "--no-save", *packages]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            said = getattr(error, "stderr", None) or b""
            raise CannotInstallError(f"npm cannot install the CLIs: {said.decode(errors='replace')[-300:]}") from None
        mark.write_text(json.dumps(wanted))
    return programs


def command(cli: Cli, programs: Path) -> list[str]:
    """Return the command of a run that reads the prompt from standard input."""
    return [str(programs / cli.program), *cli.arguments]


def environment(cli: Cli, address: str, token: str, home: Path) -> dict[str, str]:
    """Write a CLI's settings below `home` and return its environment variables."""
    home.mkdir(parents=True)
    plain = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "CI": "1"}
    return {**plain, **cli.prepare(address, token, home)}


def run(cli: Cli, programs: Path, address: str, token: str, folder: Path, prompt: str) -> Ran:
    """Run a CLI in `folder/work`, with a home directory of its own."""
    work = folder / "work"
    settings = environment(cli, address, token, folder / "home")
    work.mkdir()
    began = time.monotonic()
    done = subprocess.run(
        command(cli, programs),
        input=prompt,
        capture_output=True,
        text=True,
        cwd=work,
        env=settings,
        timeout=RUN_SECONDS,
    )
    return Ran(done.returncode, events(done.stdout), done.stdout, done.stderr, time.monotonic() - began)


def events(output: str) -> list[dict[str, Any]]:
    """Parse the output of a CLI, one JSON object per line."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]
