"""`ptb stop EXPERIMENT`: no other run is started, and all agents end."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from posttrainbench.errors import InputError
from posttrainbench.run import Run, find_runs
from posttrainbench.run.solve_supervisor import NOTES, STOP
from posttrainbench.run.stop import stop_experiment
from support import eventually
from trajectory_recordings import make_recorded_run

LAUNCHER = """
import signal, sys, time
from pathlib import Path
from posttrainbench.run import find_runs
from posttrainbench.run.directory import lock_experiments
signal.signal(signal.SIGUSR1, signal.default_int_handler)  # as `ptb` does
with lock_experiments(find_runs(Path(sys.argv[1]))):
    try:
        print("locked", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    for name in ("one", "two"):
        make_recorded_run(tmp_path / "experiment" / name, [], "solve.partial")
    return find_runs(tmp_path / "experiment")


def test_agents_are_asked_to_stop_and_the_launcher_ends_first(runs: list[Run]) -> None:
    experiment, partial = runs[0].root.parent, runs[0].root / "solve.partial"
    with subprocess.Popen([sys.executable, "-c", LAUNCHER, experiment], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "locked\n"
        with (partial / NOTES).open("w") as notes:  # the agent's process
            fcntl.flock(notes, fcntl.LOCK_EX)
            stopped: list[Run] = []
            thread = threading.Thread(target=lambda: stopped.extend(stop_experiment(experiment, runs)))
            thread.start()
            eventually((partial / STOP).exists)
            assert launcher.stdout.readline() == "interrupted\n"
        thread.join(60)
        assert stopped == [runs[0]]
        assert launcher.wait(60) == 0


def test_another_process_with_the_number_in_the_lock_is_left_alone(runs: list[Run]) -> None:
    experiment = runs[0].root.parent
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        for content in (f"{innocent.pid}\n", f"{os.getpid()}\n", "x", ""):
            (experiment / "lock").write_text(content)
            with pytest.raises(InputError, match=r"No agent in .* is running"):
                stop_experiment(experiment, runs)
        assert innocent.poll() is None
        innocent.communicate(b"\n")
