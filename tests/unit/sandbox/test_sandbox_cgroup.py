"""Control groups: discovery and creation, on simulated kernel file systems."""

from pathlib import Path

import pytest

from posttrainbench.sandbox import Limits
from posttrainbench.sandbox.cgroup import Cgroup, create_cgroup


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """`/proc/self` of a process in a job's version 1 group, with a mount of part of the hierarchy."""
    lines = []
    for controller in ("memory", "pids", "cpu,cpuacct"):
        (tmp_path / "groups" / controller / "job").mkdir(parents=True)
        lines.append(f"30 20 0:3 /outer {tmp_path}/groups/{controller} rw - cgroup cgroup rw,{controller}")
    (tmp_path / "mountinfo").write_text("\n".join(["20 1 8:1 / / rw - ext4 /dev/vda rw", *lines]))
    (tmp_path / "cgroup").write_text("3:memory:/outer/job\n2:pids:/outer/job\n1:cpu,cpuacct:/outer/job\n")
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    """The same for version 2; the group's parent delegates `memory` and `pids`."""
    top = tmp_path / "groups"
    (top / "slice" / "job").mkdir(parents=True)
    for folder in (top / "slice", top / "slice" / "job"):
        (folder / "cgroup.controllers").write_text("memory pids\n")
        (folder / "cgroup.procs").write_text("")
    (top / "slice" / "cgroup.subtree_control").write_text("memory pids\n")
    (tmp_path / "mountinfo").write_text(f"30 20 0:3 / {top} rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "cgroup").write_text("0::/slice/job\n")
    return tmp_path


def settings(folder: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in Path(folder).iterdir() if path.is_file()}


def test_groups_of_version_1_are_made_below_the_own_ones(version_1: Path) -> None:
    group, held = create_cgroup(Limits(memory=2**20, processes=7, cpus=1.5), version_1)
    assert held == {"memory": "cgroup", "processes": "cgroup", "cpus": "cgroup"}
    folders = {name: Path(folder).parent for name, folder in group.folders.items()}
    names = {"memory": "memory", "pids": "pids", "cpu": "cpu,cpuacct"}
    assert folders == {short: version_1 / "groups" / name / "job" for short, name in names.items()}
    assert settings(group.folders["memory"]) == {"memory.limit_in_bytes": str(2**20)}
    assert settings(group.folders["pids"]) == {"pids.max": "7"}
    assert settings(group.folders["cpu"]) == {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}


def test_group_of_version_2_is_made_beside_the_own_one(version_2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def mkdir(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        make(self, mode, parents, exist_ok)
        if not (self / "cgroup.controllers").exists():  # as the kernel does
            (self / "cgroup.controllers").write_text("memory pids\n")
            (self / "memory.swap.max").write_text("max\n")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    group, held = create_cgroup(Limits(memory=2**20, processes=7), version_2)
    assert held == {"memory": "cgroup", "processes": "cgroup"}
    assert len(set(group.folders.values())) == 1
    folder = group.folders["memory"]
    assert Path(folder).parent == version_2 / "groups" / "slice"
    found = settings(folder)
    assert (found["memory.max"], found["memory.swap.max"], found["pids.max"]) == (str(2**20), "0", "7")


def test_undelegated_controller_is_not_used(version_2: Path) -> None:
    group, held = create_cgroup(Limits(cpus=2), version_2)
    assert (group.folders, held) == ({}, {})


def test_without_limits_no_group_is_made(version_1: Path) -> None:
    assert create_cgroup(Limits(disk=1), version_1) == (Cgroup({}), {})


def test_unwritable_groups_enforce_nothing(version_1: Path) -> None:
    (version_1 / "cgroup").write_text("3:memory:/outer/gone/deep\n")
    assert create_cgroup(Limits(memory=2**20), version_1) == (Cgroup({}), {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}, ["oom-killed"]),
        ({"memory.events": "low 0\noom 1\noom_kill 1\noom_group_kill 0\n"}, ["oom-killed"]),
        ({"memory.events": "low 0\noom 1\noom_kill 0\n"}, []),
        ({"pids.events": "max 3\n"}, ["pids-limit"]),
        ({"pids.events": "max 0\n", "memory.oom_control": "oom_kill_disable 1\n"}, []),
    ],
)
def test_hits(files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert Cgroup({"memory": str(tmp_path), "pids": str(tmp_path)}).limit_hits() == expected
