"""A real Slurm with two nodes on this machine, each with two GPUs that are terminals."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
PATIENCE = 120.0
BEGIN_AGAIN = 30.0
"""Seconds after which a job that waits is told again to begin."""
NODES = ("n1", "n2")

CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
DefMemPerCPU=100
KillWait=10
SlurmdTimeout=120
SchedulerParameters=sched_interval=1,batch_sched_delay=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=4000 Gres=gpu:2"
GRES = "NodeName={name} Name=gpu File=/dev/tty1[{first}-{last}]"


@dataclass
class Slurm:
    """A running Slurm.

    Attributes:
        environment: variables for its commands.
        daemons: node -> its `slurmd`.
        begun: job -> time at which it was last told to begin.
    """

    folder: Path
    environment: dict[str, str]
    daemons: dict[str, "subprocess.Popen[bytes]"]
    begun: dict[str, float] = field(default_factory=dict)

    def call(self, *command: str, check: bool = True) -> str:
        """Return the output of a command of Slurm."""
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def states(self) -> dict[str, str]:
        """Return job -> state of all jobs that Slurm remembers."""
        lines = self.call("squeue", "-h", "-r", "-t", "all", "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def is_idle(self) -> bool:
        """Return True if no job waits or runs."""
        return not {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"} & {*self.states().values()}

    def kill_node(self, name: str) -> None:
        """End a node with everything that runs on it, as a failure of its power would."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()
        jobs = [process for process in psutil.process_iter(["environ"]) if self._is_on(process, name)]
        supervisors = {
            parent.pid: parent for job in jobs for parent in job.parents() if parent.name().startswith("slurmstepd")
        }
        for process in [*supervisors.values(), *jobs]:  # supervisors first: they would report the end of their jobs
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        # As a check of the cluster's health would. A short SlurmdTimeout loses nodes of a busy machine, too.
        self.call("scontrol", "update", f"nodename={name}", "state=down", "reason=no power")

    def _is_on(self, process: psutil.Process, name: str) -> bool:
        environment = process.info["environ"] or {}
        own = environment.get("SLURM_CONF") == self.environment["SLURM_CONF"]
        return own and environment.get("SLURMD_NODENAME") == name

    def idle_nodes(self) -> list[str]:
        """Return the nodes that can execute jobs and do not."""
        return self.call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False).split()

    def start_requeued(self) -> None:
        """Let jobs that were queued again start soon, instead of after two minutes.

        Not at once: a node refuses a job in the second in which it has revoked its credential.
        """
        for line in self.call("squeue", "-h", "-r", "-t", "pending", "-o", "%i %r", check=False).splitlines():
            job, _, reason = line.partition(" ")
            if reason == "BeginTime" and time.monotonic() - self.begun.get(job, 0.0) > BEGIN_AGAIN:
                self.call("scontrol", "update", f"jobid={job}", "StartTime=now+3", check=False)
                self.begun[job] = time.monotonic()

    def start_node(self, name: str) -> None:
        """Start a node."""
        log = (self.folder / f"slurmd-{name}.log").open("ab")
        self.daemons[name] = subprocess.Popen(
            ["slurmd", "-D", "-N", name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self.environment,
            cwd=self.folder,
        )


def why_unavailable() -> str | None:
    """Return why Slurm cannot run here; None if it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"{', '.join(missing)} missing; install slurm-wlm and munge (Debian and Ubuntu: apt)"
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    if not all(Path(f"/dev/tty1{number}").exists() for number in range(4)):
        return "there are no terminals /dev/tty10 to tty13 to stand for GPUs"
    return None


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Slurm]:
    """Start Slurm in a new directory, and end it with all its processes."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    ports = _free_ports(1 + len(NODES))
    nodes = "\n".join(NODE.format(name=name, port=port) for name, port in zip(NODES, ports[1:], strict=True))
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, controller=ports[0], nodes=nodes))
    gres = [GRES.format(name=name, first=2 * number, last=2 * number + 1) for number, name in enumerate(NODES)]
    (folder / "gres.conf").write_text("\n".join(gres) + "\n")
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    (folder / "state").mkdir()
    for name in NODES:
        (folder / f"spool-{name}").mkdir()
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    environment["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    with ExitStack() as stack:
        munge = [f"--{name}={folder}/munge.{suffix}" for name, suffix in MUNGE_FILES.items()]
        stack.callback(_end, _daemon(folder, "munged", ["munged", "-F", "--force", *munge], environment))
        _wait(lambda: (folder / "munge.socket").exists(), folder)
        stack.callback(_end, _daemon(folder, "slurmctld", ["slurmctld", "-D"], environment))
        slurm = Slurm(folder, environment, {})
        stack.callback(lambda: [_end(daemon) for daemon in slurm.daemons.values()])
        stack.callback(slurm.call, "scancel", "--user=root", check=False)
        for name in NODES:
            slurm.start_node(name)
        _wait(
            lambda: slurm.call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False).split() == [*NODES], folder
        )
        yield slurm


MUNGE_FILES = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def _daemon(folder: Path, name: str, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    log = (folder / f"{name}.log").open("ab")
    # A daemon that crashes dumps its memory into its working directory.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(condition: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
        time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
