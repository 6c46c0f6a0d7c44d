"""GPUs for runs, on a made-up machine: which are taken, and when they count as free."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.run import gpus as module
from posttrainbench.run.gpus import GpuUse, free_gpus, require_gpus, reserve_gpus, restrict_gpus, wait_until_idle

GIB = 2**30
EMPTY = GpuUse(memory=GIB // 2, total=80 * GIB, busy=0.0, processes={})
IN_USE = GpuUse(memory=60 * GIB, total=80 * GIB, busy=1.0, processes={17: 59 * GIB})
HELD = GpuUse(memory=60 * GIB, total=80 * GIB, busy=0.0, processes={})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's list of four GPUs."""
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "load_nvml", lambda: None)
    driver = tmp_path / "driver"
    for number in range(4):
        (driver / f"0000:0{number}:00.0").mkdir(parents=True)
    return driver


class Machine:
    """A GPU as NVIDIA's library reports it."""

    def __init__(self, *uses: GpuUse) -> None:
        self.uses = list(uses)
        self.asked = 0

    def use(self, index: int) -> GpuUse:
        self.asked += 1
        return self.uses[index]


def test_no_two_runs_take_the_same(machine: Path) -> None:
    with reserve_gpus(2, machine) as first, reserve_gpus(2, machine) as second:
        assert (first, second) == ([0, 1], [2, 3])
        with pytest.raises(InfrastructureError, match="needs 1 free GPU, but only 0"), reserve_gpus(1, machine):
            pass
        with pytest.raises(InfrastructureError), reserve_gpus([2], machine):
            pass
    with reserve_gpus([2, 3], machine) as third:
        assert third == [2, 3]


def test_none_are_taken_where_none_are_wanted(machine: Path) -> None:
    with reserve_gpus(0, machine) as first, reserve_gpus([], machine) as second:
        assert first == second == []


def test_those_in_use_are_passed_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_nvml", lambda: Machine(IN_USE, EMPTY, HELD, EMPTY))
    with reserve_gpus(2, machine) as taken:
        assert taken == [1, 3]
    with reserve_gpus([0], machine) as named:
        assert named == [0], "who names one wants that one"


@pytest.mark.parametrize(("named", "taken"), [("3,1", [3, 1]), ("2", [2]), ("", []), ("9", []), ("none", [])])
def test_only_those_that_a_scheduler_gave_are_taken(
    named: str, taken: list[int], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    with reserve_gpus(len(taken), machine) as found:
        assert found == taken
    with pytest.raises(InfrastructureError), reserve_gpus(len(taken) + 1, machine):
        pass


def test_more_than_there_are(machine: Path) -> None:
    require_gpus(4, "The suite gives", machine)
    require_gpus([0, 3], "The run has", machine)
    with pytest.raises(InputError, match="The suite gives 5 GPUs, but this machine has 4, counted from 0"):
        require_gpus(5, "The suite gives", machine)
    with pytest.raises(InputError, match="GPU 4, but this machine has 4"):
        require_gpus([0, 4], "The run has", machine)
    with pytest.raises(InputError, match="1 GPU, but this machine has none; use --gpus none to run without GPUs"):
        require_gpus(1, "The suite gives", machine / "absent")


def test_memory_is_seen_free_before_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Machine(IN_USE)
    monkeypatch.setattr(module, "load_nvml", lambda: seen)

    def sleep(seconds: float) -> None:
        if seen.asked >= 3:
            seen.uses[0] = EMPTY

    monkeypatch.setattr(module.time, "sleep", sleep)
    wait_until_idle([0])
    assert seen.asked == 4


@pytest.mark.parametrize(("use", "who"), [(IN_USE, r"in use by process 17\."), (HELD, r"are in use\.")])
def test_memory_that_somebody_keeps_is_no_fault_of_the_agents(
    use: GpuUse, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_nvml", lambda: Machine(use))
    with pytest.raises(InfrastructureError, match=r"60\.0 GiB of GPU 0 are " + who.removeprefix("are ")) as raised:
        wait_until_idle([0], seconds=-1)
    assert raised.value.cause == "gpu_busy"


def test_nothing_is_waited_for_where_nothing_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_nvml", lambda: None)
    wait_until_idle([0], seconds=-1)
    monkeypatch.setattr(module, "load_nvml", lambda: Machine())
    wait_until_idle([], seconds=-1)


def test_programs_of_the_evaluation_see_the_runs_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    with restrict_gpus([2]):
        assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["CUDA_DEVICE_ORDER"]) == ("2", "PCI_BUS_ID")
    with restrict_gpus([]):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1,2"
    assert "CUDA_DEVICE_ORDER" not in os.environ


def test_a_gpu_in_use_is_waited_for(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = ExitStack()
    held.enter_context(reserve_gpus(4, machine))
    monkeypatch.setattr(module.time, "sleep", lambda seconds: held.close())
    with reserve_gpus(2, machine, wait=60) as taken:
        assert taken == [0, 1]


def test_the_free_ones_are_those_that_nobody_uses(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reserve_gpus(1, machine):
        assert free_gpus(machine) == [1, 2, 3]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert free_gpus(machine) == [2, 3]
    monkeypatch.setattr(module, "load_nvml", lambda: Machine(EMPTY, EMPTY, IN_USE, EMPTY))
    assert free_gpus(machine) == [3]


def test_gpus_that_slurm_counts_from_0_in_each_job_are_different(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("SLURM_JOB_GPUS", "2")
    with reserve_gpus(1, machine) as first:
        assert first == [0]
        monkeypatch.setenv("SLURM_JOB_GPUS", "3")
        with reserve_gpus(1, machine) as second:
            assert second == [0]
        monkeypatch.setenv("SLURM_JOB_GPUS", "2")
        assert free_gpus(machine) == []
