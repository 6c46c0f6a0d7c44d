"""Samples of the monitor: content, interval, cost."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from posttrainbench.records import GpuSample, MonitorSample
from posttrainbench.run import monitor as module
from posttrainbench.run.gpus import Nvml
from posttrainbench.run.monitor import Monitor, monitor_in_background, peak_usage
from posttrainbench.sandbox import Stats


@dataclass
class Process:
    """A start of an agent that uses what it is told to."""

    uses: list[Stats] = field(default_factory=lambda: [Stats(3, 1000, 2.0)])

    def stats(self) -> Stats:
        return self.uses.pop(0) if len(self.uses) > 1 else self.uses[0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    now = [100.0]
    monkeypatch.setattr(module, "clock", lambda: now[0])
    return now


def make(workspace: Path, process: Process | None = None, **options: object) -> Monitor:
    given: dict = {"gpus": [], "shared_network": False} | options
    return Monitor(lambda: process, workspace, workspace.parent / "egress.jsonl", **given)  # type: ignore[arg-type, return-value]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "file").write_bytes(b"x" * 100_000)
    return folder


def test_a_sample(workspace: Path, clock: list[float]) -> None:
    monitor = make(workspace, Process([Stats(3, 1000, 2.0), Stats(4, 2000, 7.0), Stats(1, 10, 6.0)]))
    clock[0] += 10
    first = monitor.sample()
    assert (first.t, first.processes, first.memory, first.cpu) == (10.0, 3, 1000, 0.2)
    assert first.disk is not None
    assert 100_000 <= first.disk < 200_000
    assert first.free_memory > 0 < first.free_disk
    assert (first.sent, first.received, first.gpus) == (None, None, [])
    clock[0] += 10
    assert monitor.sample().cpu == 0.5
    clock[0] += 10
    assert monitor.sample().cpu == 0.0, "a process that has ended takes no time back"


def test_before_the_start_there_is_nothing(workspace: Path) -> None:
    sample = make(workspace).sample()
    assert (sample.processes, sample.memory, sample.cpu) == (0, 0, 0.0)


def test_files_are_counted_less_often(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(module, "disk_usage", lambda places: counts.append(1) or 5)
    monitor = make(workspace, Process())
    assert [monitor.sample().disk for _ in range(3)] == [5, 5, 5]
    assert len(counts) == 1


def test_traffic_is_that_of_the_requests(workspace: Path) -> None:
    monitor = make(workspace, Process())
    requests = workspace.parent / "egress.jsonl"
    requests.write_text(json.dumps({"sent": 10, "received": 200}) + "\n" + '{"sent": 1, "recei')
    sample = monitor.sample()
    assert (sample.sent, sample.received) == (10, 200)
    with requests.open("a") as file:
        file.write('ved": 2}\n')
    sample = monitor.sample()
    assert (sample.sent, sample.received) == (11, 202)


def test_traffic_of_a_shared_network_is_the_machines(workspace: Path) -> None:
    sample = make(workspace, Process(), shared_network=True).sample()
    assert sample.sent is not None
    assert sample.sent >= 0


class FakeNvml:
    """NVIDIA's library, of a machine with two GPUs."""

    class NVMLError(Exception):
        """As the library's."""

    @staticmethod
    def nvmlDeviceGetHandleByIndex(index: int) -> int:  # noqa: N802
        return index

    @staticmethod
    def nvmlDeviceGetMemoryInfo(handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=(handle + 1) * 100, total=1000)

    @classmethod
    def nvmlDeviceGetUtilizationRates(cls, handle: int) -> SimpleNamespace:  # noqa: N802
        if handle == 1:
            raise cls.NVMLError
        return SimpleNamespace(gpu=75)

    @staticmethod
    def nvmlDeviceGetComputeRunningProcesses(handle: int) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=7, usedGpuMemory=1)] * handle


def test_gpus(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_nvml", lambda: Nvml(FakeNvml))
    sample = make(workspace, Process(), gpus=[0, 1]).sample()
    assert sample.gpus == [
        GpuSample(index=0, memory=100, busy=0.75),
        GpuSample(index=1, memory=200, busy=None),
    ]


def test_what_cannot_be_measured_or_written_stops_nobody(workspace: Path, tmp_path: Path) -> None:
    monitor = make(workspace, Process(), seconds=0.01)
    with monitor_in_background(monitor, tmp_path / "absent" / "monitor.jsonl"):
        threading.Event().wait(0.1)
    assert not (tmp_path / "absent").exists()


def test_samples_cost_at_most_their_share(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that takes long is followed by none for a long time."""
    spent = [0.0]
    waits: list[float] = []

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return len(waits) > 2

    def thread_time() -> float:
        spent[0] += 0.1
        return spent[0]

    monitor = make(workspace, Process(), seconds=10.0)
    monkeypatch.setattr(module.time, "thread_time", thread_time)
    monitor.record(tmp_path / "monitor.jsonl", Stopped())
    assert waits[0] == 1.0
    assert min(waits[1:]) >= 0.1 / 0.005


def test_summary(tmp_path: Path) -> None:
    path = tmp_path / "monitor.jsonl"
    rest: dict = {"free_memory": 1, "free_disk": 1, "sent": None, "received": None}
    busy = [GpuSample(index=index, memory=50, busy=0.5 * index) for index in (0, 1)]
    samples = [
        MonitorSample(t=1, processes=3, memory=10, cpu=1.0, disk=None, gpus=[], **rest),
        MonitorSample(t=2, processes=1, memory=30, cpu=3.0, disk=7, gpus=busy, **rest),
    ]
    path.write_text("".join(sample.model_dump_json() + "\n" for sample in samples) + '{"torn')
    most = peak_usage(path)
    assert (most.memory, most.processes, most.cpu, most.disk) == (30, 3, 2.0, 7)
    assert (most.gpu_memory, most.gpu_busy) == (100, 0.25)
    assert peak_usage(tmp_path / "absent").processes == 0
