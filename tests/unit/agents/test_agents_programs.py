"""Finding, checking and installing an agent's CLI."""

import json
from pathlib import Path

import pytest

from posttrainbench.agents import programs
from posttrainbench.agents.programs import Program, find_program, install_program
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.bubblewrap import Bubblewrap

TOOL = Program("tool", "@maker/tool", "1.2.3", "tool")

NPM = """#!/bin/sh
case "$*" in *broken*) echo "npm error: no such package" >&2; exit 1;; esac
for last; do :; done
version="${last##*@}"
prefix=$3
mkdir -p "$prefix/node_modules/@maker/tool" "$prefix/node_modules/.bin"
echo "{\\"name\\": \\"@maker/tool\\", \\"version\\": \\"$version\\"}" > "$prefix/node_modules/@maker/tool/package.json"
printf '#!/usr/bin/env node\\n' > "$prefix/node_modules/@maker/tool/cli.js"
chmod +x "$prefix/node_modules/@maker/tool/cli.js"
ln -s ../@maker/tool/cli.js "$prefix/node_modules/.bin/tool"
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but a shell and an npm that makes packages up."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "npm").write_text(NPM)
    (place / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return place


def package(root: Path, version: str = TOOL.version) -> Path:
    """The link to a CLI in a global npm prefix."""
    folder = root / "lib" / "node_modules" / "@maker" / "tool"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "@maker/tool", "version": version}))
    (folder / "cli.js").write_text("#!/usr/bin/env node\n")
    (folder / "cli.js").chmod(0o755)
    link = root / "tool"
    link.symlink_to(folder / "cli.js")
    return link


def test_what_is_missing_is_said_with_the_mend() -> None:
    with pytest.raises(InputError, match=r"tool is not on this machine; run `ptb agents install tool`\."):
        find_program(TOOL, None, None)
    with pytest.raises(InputError, match="not on this machine at /nowhere"):
        find_program(TOOL, Path("/nowhere"), None)


def test_a_program_of_another_package_is_refused(tmp_path: Path) -> None:
    other = Program("other", "@other/thing", TOOL.version, "other")
    with pytest.raises(InputError, match="is not other: it belongs to the package @maker/tool"):
        find_program(other, package(tmp_path / "global"), None)


def test_it_is_found_on_the_search_path(machine: Path) -> None:
    package(machine)
    found = find_program(TOOL, None, None)
    assert found.version == "1.2.3"
    assert found.root == machine / "lib" / "node_modules"


def test_another_version_is_refused_unless_it_is_asked_for(machine: Path) -> None:
    link = package(machine, "1.3.0")
    with pytest.raises(InputError, match=r"is tool 1\.3\.0 and the agent is pinned to 1\.2\.3.* version=1\.3\.0"):
        find_program(TOOL, None, None)
    assert find_program(TOOL, link, "1.3.0").version == "1.3.0"


def test_a_program_of_its_own_says_its_version(machine: Path) -> None:
    (machine / "tool").write_text("#!/bin/sh\necho 'tool, version 1.2.3 (stable)'\n")
    (machine / "tool").chmod(0o755)
    found = find_program(TOOL, None, None)
    assert (found.version, found.root) == ("1.2.3", found.executable)


def test_installed_versions_lie_beside_each_other(machine: Path) -> None:
    pinned, other = install_program(TOOL, None), install_program(TOOL, "2.0.0")
    assert (pinned.version, other.version) == ("1.2.3", "2.0.0")
    assert find_program(TOOL, None, None) == pinned
    assert find_program(TOOL, None, "2.0.0") == other
    package(machine, "9.9.9")  # on the search path: what was installed for this goes before it
    assert find_program(TOOL, None, None) == pinned
    assert sorted(path.name for path in programs.install_directory().iterdir()) == ["tool-1.2.3", "tool-2.0.0"]


def test_what_is_installed_is_not_installed_again(machine: Path) -> None:
    install_program(TOOL, None)
    (machine / "npm").write_text("#!/bin/sh\nexit 1\n")
    assert install_program(TOOL, None).version == "1.2.3"


def test_nothing_is_left_of_an_installation_that_fails() -> None:
    with pytest.raises(InfrastructureError, match="npm cannot install @maker/broken: npm error: no such package"):
        install_program(Program("broken", "@maker/broken", "1.0.0", "broken"), None)
    assert list(programs.install_directory().iterdir()) == []


def test_no_npm(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.parent))
    with pytest.raises(InputError, match="npm is not on this machine; install Node"):
        install_program(TOOL, None)


def test_a_sandbox_shows_the_program_and_a_node_from_elsewhere(machine: Path) -> None:
    package(machine)
    prefix = machine.parent / "node-22"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "node").write_text("#!/bin/sh\n")
    (prefix / "bin" / "node").chmod(0o755)
    (machine / "node").symlink_to(prefix / "bin" / "node")
    found = find_program(TOOL, None, None)
    assert [mount.source for mount in found.mounts()] == [machine / "lib" / "node_modules", prefix]
    assert not any(mount.writable for mount in found.mounts())
    inside = found.argv(Bubblewrap())
    assert inside == ["/agent/node/bin/node", "/agent/node_modules/@maker/tool/cli.js"]
    assert found.argv(load_sandbox("process"))[1] == str(found.executable)
