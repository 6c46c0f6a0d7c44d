"""Limits in real sandboxes: each is exceeded, nothing of the host suffers, and the report names the cause."""

import secrets
import sys
from pathlib import Path

import pytest

from container_engines import ISOLATING, backend
from posttrainbench.sandbox import Limits, Mount, Report
from posttrainbench.sandbox.cgroup import create_cgroup
from posttrainbench.sandbox.disk import disk_usage
from posttrainbench.sandbox.limit_checks import check_limits
from support import marked

ALL = [*ISOLATING, "process"]
MIB = 2**20

BOMB = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""
ALLOCATE = "held = [bytes([1]) * 2**20 for _ in range(400)]"
CHILD_ALLOCATES = f"""
import subprocess, sys
print(subprocess.run([sys.executable, "-I", "-c", {ALLOCATE!r}]).returncode)
"""
FILL = """
import os, time
with open("file", "wb") as file:
    if {deleted}:
        os.unlink("file")
    for _ in range(2000):
        file.write(bytes(2**20))
        file.flush()
        time.sleep(0.002)
print("all of it")
"""


@pytest.fixture(autouse=True)
def _needs_groups(request: pytest.FixtureRequest) -> None:
    """Skip tests of bubblewrap and `process` if control groups are not writable."""
    group, held = create_cgroup(Limits(memory=2**30, processes=1000))
    group.remove()
    if len(held) < 2 and request.node.callspec.params["name"] in ("bubblewrap", "process"):
        pytest.skip("this machine lets us write no control groups with memory and pids")


def run(name: str, code: str, folder: Path, limits: Limits) -> tuple[str, Report]:
    sandbox = backend(name)
    workspace = Mount("workspace", folder, writable=True)
    argv = [sys.executable, "-I", "-c", code]
    process = sandbox.start(argv, [workspace], {"PATH": "/usr/bin:/bin"}, sandbox.locate(workspace), limits=limits)
    out, _ = process.popen.communicate(timeout=60)
    process.kill(0)
    report = process.report()
    assert report is not None
    return out.decode().strip(), report


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ALL)
def test_fork_bomb_is_bounded_and_ends(name: str) -> None:
    marker = f"bomb-{secrets.token_hex(8)}"
    argv = [sys.executable, "-I", "-c", f"print('up', flush=True)\n{BOMB}", marker]
    process = backend(name).start(argv, [], {}, "/", limits=Limits(processes=40))
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == b"up\n"
    seen = 0
    for _ in range(20):
        seen = max(seen, len(marked(marker)))
    process.kill(0)
    report = process.report()
    assert report is not None
    assert seen <= 40
    assert report.limit == "pids-limit"
    assert report.ended_by == "host"
    assert marked(marker) == []


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ALL)
def test_command_that_takes_too_much_memory_is_killed(name: str, tmp_path: Path) -> None:
    _, report = run(name, ALLOCATE, tmp_path, Limits(memory=100 * MIB))
    assert (report.limit, report.ended_by, report.exit_code) == ("oom-killed", "itself", 137)


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ALL)
def test_child_that_takes_too_much_memory_is_killed_alone(name: str, tmp_path: Path) -> None:
    out, report = run(name, CHILD_ALLOCATES, tmp_path, Limits(memory=100 * MIB))
    assert out == "-9"
    assert (report.limit, report.ended_by, report.exit_code) == ("oom-killed", "itself", 0)


@pytest.mark.sandbox
@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_full_disk_ends_the_tree(name: str, deleted: bool, tmp_path: Path) -> None:
    out, report = run(name, FILL.format(deleted=deleted), tmp_path, Limits(disk=32 * MIB))
    assert out == ""
    assert (report.limit, report.ended_by, report.exit_code) == ("disk-full", "limit", None)
    assert disk_usage([tmp_path]) < 2000 * MIB


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ALL)
def test_within_its_limits_nothing_is_reported(name: str, tmp_path: Path) -> None:
    limits = Limits(memory=500 * MIB, processes=40, cpus=1, disk=32 * MIB)
    out, report = run(name, "open('file', 'wb').write(bytes(2**20)); print('done')", tmp_path, limits)
    assert out == "done"
    assert (report.limit, report.exit_code) == (None, 0)
    assert set(report.enforcement) == {"memory", "processes", "cpus", "disk"}
    assert "none" not in report.enforcement.values()


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_check_finds_all_limits_held(name: str) -> None:
    tried = check_limits(backend(name))
    assert len(tried) == 5
    assert [one for one in tried if not one.blocked] == []


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_a_run_directory_that_others_may_enter_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.sandbox.limit_checks.close_to_others", lambda directory: directory.chmod(0o755))
    assert [one.name for one in check_limits(backend(name)) if not one.blocked] == [
        "let other users of this machine write its files"
    ]


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ALL)
def test_stats_of_a_running_tree(name: str) -> None:
    code = "import time\nheld = bytes([1]) * (100 * 2**20)\nprint('up', flush=True)\ntime.sleep(600)"
    process = backend(name).start([sys.executable, "-I", "-c", code], [], {}, "/")
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == b"up\n"
    while process.stats().processes == 0:
        assert process.popen.poll() is None
    stats = process.stats()
    process.kill(0)
    assert 100 * MIB < stats.memory < 300 * MIB
    assert stats.cpu_seconds > 0
    assert process.stats().processes == 0
