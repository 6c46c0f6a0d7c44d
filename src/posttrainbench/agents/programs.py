"""Agent CLIs on this machine: finding them, their versions, and installing the pinned one from npm."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox import Mount, Sandbox

INSTALL_SECONDS = 900
VERSION_SECONDS = 30
VERSION = re.compile(r"\d+\.\d+\.\d+[\w.-]*")


@dataclass(frozen=True)
class Program:
    """An agent CLI.

    Attributes:
        name: the scaffold's.
        package: on npm.
        version: the pinned one.
        command: what it is called.
    """

    name: str
    package: str
    version: str
    command: str


@dataclass(frozen=True)
class Installed:
    """A CLI on this machine.

    Attributes:
        executable: the file itself, all links followed.
        root: what a sandbox must show: the `node_modules` around it, or the file alone.
    """

    executable: Path
    root: Path
    version: str

    def mounts(self) -> list[Mount]:
        """What a sandbox must show."""
        mounts = [Mount(f"agent/{self.root.name}", self.root)]
        node = _node() if self._is_script() else None
        return mounts if node is None or node.is_relative_to("/usr") else [*mounts, Mount("agent/node", node)]

    def argv(self, sandbox: Sandbox) -> list[str]:
        """The command, as the sandbox shows it."""
        root, *more = self.mounts()
        inside = Path(sandbox.locate(root), *self.executable.relative_to(self.root).parts)
        if not self._is_script():
            return [str(inside)]
        return [f"{sandbox.locate(more[0])}/bin/node" if more else "node", str(inside)]

    def _is_script(self) -> bool:
        with self.executable.open("rb") as file:
            return file.read(2) == b"#!"


def home() -> Path:
    """Where `install` puts CLIs: `$XDG_DATA_HOME/posttrainbench/clis`."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "posttrainbench" / "clis"


def find(program: Program, path: Path | None, version: str | None) -> Installed:
    """The CLI: at `path`, else as `install` left it, else on the search path.

    Args:
        version: in place of the pinned one.

    Raises:
        InputError: there is none, or it has another version.
    """
    wanted = version or program.version
    place = path or _installed(program, wanted) or shutil.which(program.command)
    option = f"?version={version}" if version else ""
    mend = f"type `ptb agents install {program.name}{option}`"
    if place is None or not Path(place).is_file():
        where = f" at {path}" if path else ""
        raise InputError(f"{program.command} is not on this machine{where}; {mend}.")
    executable = Path(place).resolve()
    _require_same(program, executable)
    above = [folder for folder in executable.parents if folder.name == "node_modules"]
    found = _version(program, executable)
    if found != wanted:
        raise InputError(
            f"{executable} is {program.command} {found} and the agent is pinned to {wanted}; "
            f"{mend}, or write version={found}."
        )
    return Installed(executable, above[-1] if above else executable, found)


def install(program: Program, version: str | None) -> Installed:
    """Install a CLI from npm, beside other versions of it; one that is there already is left alone.

    Raises:
        InputError: there is no npm.
        InfrastructureError: npm failed; nothing is left of the attempt.
    """
    wanted = version or program.version
    if _installed(program, wanted) is None:
        if shutil.which("npm") is None:
            raise InputError("npm is not on this machine; install Node.js 20 or later, which brings it.")
        home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home(), prefix=".installing-") as place:
            command = ["npm", "install", "--prefix", place, "--no-audit", "--no-fund", "--no-save"]
            try:
                subprocess.run(
                    [*command, f"{program.package}@{wanted}"], check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (subprocess.SubprocessError, OSError) as error:
                said = (getattr(error, "stderr", None) or b"").decode(errors="replace")
                reason = " ".join(said.split())[-300:] or type(error).__name__
                raise InfrastructureError("install_failed", f"npm cannot install {program.package}: {reason}") from None
            target = home() / f"{program.name}-{wanted}"
            shutil.rmtree(target, ignore_errors=True)  # what a broken installation left
            Path(place).rename(target)
            Path(place).mkdir()  # for the temporary directory's own end
    return find(program, _installed(program, wanted), wanted)


def _installed(program: Program, version: str) -> Path | None:
    place = home() / f"{program.name}-{version}" / "node_modules" / ".bin" / program.command
    return place if place.is_file() else None


def _require_same(program: Program, executable: Path) -> None:
    """Refuse an executable that belongs to another package of npm's.

    Raises:
        InputError: it does.
    """
    for folder in executable.parents:
        description = folder / "package.json"
        if "node_modules" in folder.parts and description.is_file():
            name = json.loads(description.read_text()).get("name", "")
            if name and name != program.package and not name.startswith(f"{program.package}-"):
                raise InputError(f"{executable} is no {program.command}: it belongs to the package {name}.")
            return


def _version(program: Program, executable: Path) -> str:
    """From the package around it; of a program without one, by its own word."""
    for folder in executable.parents:
        description = folder / "package.json"
        if description.is_file():
            content = json.loads(description.read_text())
            if content.get("name") == program.package:
                return str(content.get("version"))
    return _spoken_version(executable)


@cache
def _spoken_version(executable: Path) -> str:
    try:
        said = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, stdin=subprocess.DEVNULL
        )
    except (subprocess.SubprocessError, OSError):
        return "unknown"
    match = VERSION.search(said.stdout)
    return match[0] if match else "unknown"


def _node() -> Path | None:
    """The directory with `bin/node`."""
    place = shutil.which("node")
    return Path(place).resolve().parents[1] if place else None
