"""Find agent CLIs on this machine, check their versions, and install the pinned versions from npm."""

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
        name: name of the scaffold.
        package: name of the npm package.
        version: the pinned version.
        command: name of the executable.
    """

    name: str
    package: str
    version: str
    command: str


@dataclass(frozen=True)
class Installed:
    """A CLI on this machine.

    Attributes:
        executable: the file, with all links resolved.
        root: what to mount into a sandbox: the enclosing `node_modules`, or only the file.
    """

    executable: Path
    root: Path
    version: str

    def mounts(self) -> list[Mount]:
        """Return the mounts that a sandbox needs to run the CLI."""
        mounts = [Mount(f"agent/{self.root.name}", self.root)]
        node = _node() if self._is_script() else None
        return mounts if node is None or node.is_relative_to("/usr") else [*mounts, Mount("agent/node", node)]

    def argv(self, sandbox: Sandbox) -> list[str]:
        """Return the command, with paths inside the sandbox."""
        root, *node = self.mounts()
        inside = Path(sandbox.locate(root), *self.executable.relative_to(self.root).parts)
        if not self._is_script():
            return [str(inside)]
        return [f"{sandbox.locate(node[0])}/bin/node" if node else "node", str(inside)]

    def _is_script(self) -> bool:
        with self.executable.open("rb") as file:
            return file.read(2) == b"#!"


def install_directory() -> Path:
    """Return the directory for installed CLIs: `$XDG_DATA_HOME/posttrainbench/clis`."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "posttrainbench" / "clis"


def find_program(program: Program, path: Path | None, version: str | None) -> Installed:
    """Find a CLI: at `path`, otherwise in `install_directory`, otherwise on the search path.

    Args:
        version: required version; None for the pinned one.

    Raises:
        InputError: the CLI was not found, or has another version.
    """
    wanted = version or program.version
    candidate = path or _installed(program, wanted) or shutil.which(program.command)
    option = f"?version={version}" if version else ""
    remedy = f"run `ptb agents install {program.name}{option}`"
    if candidate is None or not Path(candidate).is_file():
        where = f" at {path}" if path else ""
        raise InputError(f"{program.command} is not on this machine{where}; {remedy}.")
    executable = Path(candidate).resolve()
    _require_package(program, executable)
    above = [folder for folder in executable.parents if folder.name == "node_modules"]
    actual = _version(program, executable)
    if actual != wanted:
        raise InputError(
            f"{executable} is {program.command} {actual} and the agent is pinned to {wanted}; "
            f"{remedy}, or set version={actual}."
        )
    return Installed(executable, above[-1] if above else executable, actual)


def install_program(program: Program, version: str | None) -> Installed:
    """Install a CLI from npm unless this version is installed already. Other versions are kept.

    Raises:
        InputError: npm is not installed.
        InfrastructureError: npm failed; the partial installation was removed.
    """
    wanted = version or program.version
    if _installed(program, wanted) is None:
        if shutil.which("npm") is None:
            raise InputError("npm is not on this machine; install Node.js 20 or later, which brings it.")
        install_directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=install_directory(), prefix=".installing-") as directory:
            command = ["npm", "install", "--prefix", directory, "--no-audit", "--no-fund", "--no-save"]
            try:
                subprocess.run(
                    [*command, f"{program.package}@{wanted}"], check=True, capture_output=True, timeout=INSTALL_SECONDS
                )
            except (subprocess.SubprocessError, OSError) as error:
                output = (getattr(error, "stderr", None) or b"").decode(errors="replace")
                reason = " ".join(output.split())[-300:] or type(error).__name__
                raise InfrastructureError("install_failed", f"npm cannot install {program.package}: {reason}") from None
            target = install_directory() / f"{program.name}-{wanted}"
            shutil.rmtree(target, ignore_errors=True)  # remains of a broken installation
            Path(directory).rename(target)
            Path(directory).mkdir()  # so that the temporary directory can be removed
    return find_program(program, _installed(program, wanted), wanted)


def _installed(program: Program, version: str) -> Path | None:
    path = install_directory() / f"{program.name}-{version}" / "node_modules" / ".bin" / program.command
    return path if path.is_file() else None


def _require_package(program: Program, executable: Path) -> None:
    """Check that an executable does not belong to another npm package.

    Raises:
        InputError: the executable belongs to another package.
    """
    for folder in executable.parents:
        description = folder / "package.json"
        if "node_modules" in folder.parts and description.is_file():
            name = json.loads(description.read_text()).get("name", "")
            if name and name != program.package and not name.startswith(f"{program.package}-"):
                raise InputError(f"{executable} is not {program.command}: it belongs to the package {name}.")
            return


def _version(program: Program, executable: Path) -> str:
    """Return the version in the enclosing npm package, or else the one that the program prints."""
    for folder in executable.parents:
        description = folder / "package.json"
        if description.is_file():
            content = json.loads(description.read_text())
            if content.get("name") == program.package:
                return str(content.get("version"))
    return _printed_version(executable)


@cache
def _printed_version(executable: Path) -> str:
    try:
        result = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, stdin=subprocess.DEVNULL
        )
    except (subprocess.SubprocessError, OSError):
        return "unknown"
    match = VERSION.search(result.stdout)
    return match[0] if match else "unknown"


def _node() -> Path | None:
    """Return the directory that contains `bin/node`, or None."""
    path = shutil.which("node")
    return Path(path).resolve().parents[1] if path else None
