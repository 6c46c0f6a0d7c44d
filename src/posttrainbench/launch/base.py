"""The interface of launchers. A launcher holds no state that matters: everything is in the directories of the runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from posttrainbench.launch.job_process import LOG
from posttrainbench.launch.node_answers import NodeAnswer
from posttrainbench.plugins import load_plugin
from posttrainbench.records import Placement
from posttrainbench.run.directory import Run, last_lines
from posttrainbench.run.preflight import CheckResult
from posttrainbench.run.progress import InterruptChoice

MACHINE_CHECKS = frozenset({"GPUs", "sandbox", "limits", "provenance"})
"""Checks that hold for this machine only; those of other machines are made there, before the agent starts."""


@dataclass(frozen=True)
class LaunchOrder:
    """The runs that a launcher is to execute.

    Attributes:
        root: directory of the experiment.
        retries: how often a run that failed through no fault of its agent is tried again.
        gpus: number of GPUs of a job.
        budget: seconds of an agent.
        off_target: benchmarks on which the submissions are also evaluated.
    """

    runs: Sequence[Run]
    root: Path
    placement: Placement
    retries: int
    gpus: int
    budget: float
    off_target: Sequence[str] = ()


class Watch:
    """Receives the progress of a launcher. This base class ignores it."""

    def on_change(self, active: Sequence[Run], ended: Sequence[Run]) -> None:
        """Called several times a second with the active runs and those that have ended."""

    def on_message(self, text: str) -> None:
        """Called with one sentence on the launcher's work."""

    def on_interrupt(self) -> InterruptChoice:
        """Called on Ctrl-C. `stop` ends the agents of active runs and completes these runs; no others start."""
        return "detach"


class Launcher(Protocol):
    """Executes runs. Registered in the entry points `posttrainbench.launchers`.

    Attributes:
        name: of the entry point.
        options: fields of `Placement`, besides `launcher` and `concurrency`, that the launcher uses.
        elsewhere: whether runs are executed on other machines, which share the file system with this one.
        waits: whether `launch` returns only when all runs have ended.
    """

    name: str
    options: frozenset[str]
    elsewhere: bool
    waits: bool

    def check(self, order: LaunchOrder) -> Iterator[CheckResult]:
        """Yield checks of the scheduler. Nothing is changed."""

    def check_nodes(self, order: LaunchOrder, command: Sequence[str], seconds: float) -> Sequence[NodeAnswer]:
        """Run a command on the nodes that can execute the runs, and return their answers; see `launch.node_answers`.

        Nodes that do not answer in time are named. Empty if the launcher cannot run a command on a node.

        Args:
            order: the order.
            command: the command line.
            seconds: in which all nodes must answer.
        """

    def launch(self, order: LaunchOrder, watch: Watch) -> None:
        """Execute the runs, or submit them.

        Raises:
            KeyboardInterrupt: the user chose to detach, or to stop while runs were waiting. All can be continued.
            InfrastructureError: the scheduler failed.
        """

    def cancel_waiting(self, runs: Sequence[Run]) -> int:
        """Cancel the jobs of these runs that wait in a scheduler, and return their number. Running jobs go on.

        Raises:
            InputError: the scheduler is not installed on this machine.
            InfrastructureError: it does not answer.
        """


def load_launcher(name: str) -> Launcher:
    """Return the launcher with a name.

    Raises:
        InputError: there is none.
    """
    launcher: Launcher = load_plugin("launchers", name)
    return launcher


def left_out_message(runs: int) -> str:
    """Return a sentence about runs that are not submitted because jobs of an earlier launch will execute them."""
    if runs == 1:
        return "1 run is left out: its job is queued or running."
    return f"{runs} runs are left out: their jobs are queued or running."


def last_log_line(run: Run) -> str:
    """Return the last line that the run's process printed, or an empty string."""
    lines = (line.decode(errors="replace").strip() for line in reversed(last_lines(run.root / LOG)))
    return next(filter(None, lines), "")
