"""Control groups (versions 1 and 2): limits on a whole process tree and counters of exceeded limits.

A group is created below this process's own group, so that the limits of a scheduler's job stay in force. With version
2, where a group that contains processes cannot delegate controllers, it is created beside it if necessary.
"""

import contextlib
import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.sandbox.base import Enforcement, LimitHit, Limits

PERIOD_MICROSECONDS = 100_000
CONTROLLERS = {"memory": "memory", "processes": "pids", "cpus": "cpu"}
"""Field of `Limits` -> controller."""
PROC_DIR = Path("/proc/self")


@dataclass(frozen=True)
class Cgroup:
    """The control groups of one process tree.

    Attributes:
        folders: controller -> directory of its group; the same directory for all controllers in version 2.
    """

    folders: dict[str, str]

    def join(self, pid: int) -> None:
        """Move a process into the groups; its future children start in them."""
        for folder in set(self.folders.values()):
            Path(folder, "cgroup.procs").write_text(str(pid))

    def limit_hits(self) -> list[LimitHit]:
        """Return the limits that processes of the groups have exceeded so far."""
        hits: list[LimitHit] = []
        if _count(self.folders.get("memory"), ("memory.events", "memory.oom_control"), "oom_kill"):
            hits.append("oom-killed")
        if _count(self.folders.get("pids"), ("pids.events",), "max"):
            hits.append("pids-limit")
        return hits

    def kill(self) -> None:
        """Send SIGKILL to all processes of the groups until none is left; the controller `pids` prevents new ones."""
        if "pids" in self.folders:
            with contextlib.suppress(OSError):
                Path(self.folders["pids"], "pids.max").write_text("0")
        for folder in map(Path, set(self.folders.values())):
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
            foreign: set[int] = set()
            while members := [pid for pid in _members(folder) if pid not in foreign]:
                for pid in members:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    except PermissionError:
                        foreign.add(pid)
                time.sleep(0.005)

    def remove(self) -> None:
        """Remove the groups, whose processes must be dead. A group that cannot be removed stays, empty."""
        for folder in map(Path, set(self.folders.values())):
            for _ in range(20):  # the kernel removes a process from its group shortly after its death
                with contextlib.suppress(FileNotFoundError):
                    try:
                        folder.rmdir()
                    except OSError:
                        time.sleep(0.005)
                        continue
                break


def create_cgroup(limits: Limits, proc_dir: Path = PROC_DIR) -> tuple[Cgroup, dict[str, Enforcement]]:
    """Create groups that enforce as many of the limits as this machine allows.

    Args:
        limits: the limits; `disk` is ignored.
        proc_dir: directory with this process's `cgroup` and `mountinfo`.

    Returns:
        The groups, possibly none, and the limits that they enforce: field of `Limits` -> "cgroup".
    """
    name = f"ptb-{os.getpid()}-{secrets.token_hex(4)}"
    group = Cgroup({})
    enforcement: dict[str, Enforcement] = {}
    own = _own_folders(proc_dir)
    for field, controller in CONTROLLERS.items():
        value = getattr(limits, field)
        if value is None:
            continue
        for folder in [parent / name for parent in _parents(own, controller)]:
            others = [Path(other) for other in group.folders.values() if _is_unified(Path(other))]
            if others and controller not in own and folder not in others:
                continue  # in version 2, a process is in only one group
            try:
                folder.mkdir(exist_ok=True)
                _limit(folder, controller, value)
            except OSError:
                if str(folder) not in group.folders.values():
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                continue
            group.folders[controller] = str(folder)
            enforcement[field] = "cgroup"
            break
    return group, enforcement


def cgroup_of(pid: int) -> Cgroup:
    """Return the groups that contain a process, such as those of a container."""
    own = _own_folders(Path("/proc", str(pid)), mounts=PROC_DIR / "mountinfo")
    unified = {} if "" not in own else dict.fromkeys(("memory", "pids"), str(own[""]))
    return Cgroup(unified | {name: str(folder) for name, folder in own.items() if name in ("memory", "pids")})


def _own_folders(proc_dir: Path, mounts: Path | None = None) -> dict[str, Path]:
    """Return controller -> directory of the process's group, with the version 2 group under the key ""."""
    roots: dict[str, tuple[Path, str]] = {}
    for line in (mounts or proc_dir / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        if kind == "cgroup2":
            roots[""] = Path(point), root
        elif kind == "cgroup":
            roots |= dict.fromkeys(options.split(","), (Path(point), root))
    candidates = {}
    for line in (proc_dir / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in roots:
                mounted, root = roots[controller]
                inner = path.removeprefix(root if root != "/" else "")
                candidates[controller] = mounted / inner.lstrip("/")
    return candidates


def _parents(own: dict[str, Path], controller: str) -> list[Path]:
    """Return the directories in which a group with the controller can be created, best first."""
    if controller in own:
        return [own[controller]]
    candidates = []
    for folder in [own[""], own[""].parent] if "" in own else []:
        try:
            available = (folder / "cgroup.controllers").read_text().split()
            if controller not in (folder / "cgroup.subtree_control").read_text().split():
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue
        if controller in available and os.access(folder / "cgroup.procs", os.W_OK):
            candidates.append(folder)
    return candidates


def _is_unified(folder: Path) -> bool:
    """Return True for a version 2 group."""
    return (folder / "cgroup.controllers").exists()


def _limit(folder: Path, controller: str, value: float) -> None:
    version_2 = _is_unified(folder)
    if controller == "pids":
        settings = {"pids.max": value}
    elif controller == "memory" and version_2:
        settings = {"memory.max": value, "memory.swap.max": 0}
    elif controller == "memory":
        settings = {"memory.limit_in_bytes": value, "memory.memsw.limit_in_bytes": value}
    elif version_2:
        (folder / "cpu.max").write_text(f"{value * PERIOD_MICROSECONDS:.0f} {PERIOD_MICROSECONDS}")
        return
    else:
        settings = {"cpu.cfs_period_us": PERIOD_MICROSECONDS, "cpu.cfs_quota_us": value * PERIOD_MICROSECONDS}
    for name, number in settings.items():
        if "sw" in name and not (folder / name).exists():  # the kernel does not count swap
            continue
        (folder / name).write_text(f"{number:.0f}")


def _members(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _count(folder: str | None, names: tuple[str, ...], key: str) -> int:
    """Return the counter `key` from the first of these files that has it; 0 if none does."""
    for name in names if folder else ():
        with contextlib.suppress(OSError):
            for line in Path(folder or "", name).read_text().splitlines():
                if line.startswith(f"{key} "):
                    return int(line.split()[1])
    return 0
