"""Tests of the sample of the agent's processes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from posttrainbench.records import LivingProcess
from posttrainbench.redaction import Redactor
from posttrainbench.run.gpus import GpuUse
from posttrainbench.run.living import MAX_COMMAND, ProcessSampler, Sample, describe_ended
from posttrainbench.sandbox import load_sandbox
from support import eventually

SECRET = "sk-0123456789abcdefghij"
SLEEP = "import time; time.sleep(300)"
"""A program whose further arguments can be anything."""


@contextmanager
def sampler(script: str, folder: Path, gpus: Sequence[int] = ()) -> Iterator[ProcessSampler]:
    process = load_sandbox("process").start(["sh", "-c", script], [], {"PATH": "/usr/bin:/bin"}, str(folder))
    try:
        yield ProcessSampler(process, Redactor([SECRET]), gpus)
    finally:
        process.kill(0)


def test_a_process_in_a_group_of_its_own_is_background_work(tmp_path: Path) -> None:
    script = f"setsid python3 -c '{SLEEP}' '{SECRET}\x1b[2J' {'x' * 500} & sleep 300"

    with sampler(script, tmp_path) as processes:

        def found() -> list[LivingProcess]:
            processes.sample()
            background = processes.latest.background(1.0)
            return [process for process in background if "setsid" not in process.command]

        eventually(found)
        process = found()[0]
    assert process.command.startswith("python3 -c")
    assert process.command.isprintable()
    assert SECRET not in process.command
    assert len(process.command) == MAX_COMMAND + 3
    assert describe_ended([process])[0].startswith("Background processes were ended with the agent: `python3 -c")


def test_the_scaffolds_own_processes_are_not(tmp_path: Path) -> None:
    with sampler("sleep 300 & sleep 300", tmp_path) as processes:

        def three() -> bool:
            processes.sample()
            return len(processes.latest.processes) == 3

        eventually(three)
        assert processes.latest.background(1.0) == []
        assert describe_ended(processes.latest.processes) == []


class Driver:
    """NVIDIA's library, as far as it is used: process 0 of `pids` computes on two GPUs, process 1 reports nothing."""

    class library:  # noqa: N801
        NVMLError = RuntimeError

    def __init__(self) -> None:
        self.pids: list[int] = []

    def use(self, index: int) -> GpuUse:
        if not self.pids:
            raise RuntimeError("GPU is lost")
        return GpuUse(memory=5, total=9, busy=None, processes={self.pids[0]: 2 + index, self.pids[1]: None})


def test_memory_on_gpus_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr("posttrainbench.run.living.load_nvml", lambda: driver)
    with sampler("sleep 300 & sleep 300", tmp_path, gpus=[0, 1]) as processes:

        def three() -> bool:
            processes.sample()
            return len(processes.latest.processes) == 3

        eventually(three)
        assert {one.gpu_memory for one in processes.latest.processes} == {None}, "a lost GPU does not end the run"
        driver.pids = [member.pid for member in processes.process.members()][:2]
        processes.sample()
    assert sorted(one.gpu_memory or 0 for one in processes.latest.processes) == [0, 0, 5]


def test_a_sample_before_the_last_call_is_no_evidence() -> None:
    process = LivingProcess(command="train", seconds=60, cpu_seconds=50, memory=1, background=True)
    sample = Sample(time=100.0, processes=[process])
    assert sample.background(99.0) == [process]
    assert sample.background(101.0) == []
    assert sample.background(0.0) == []
    assert Sample().background(1.0) == []
