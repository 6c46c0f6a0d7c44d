"""Sample the agent's resource usage every few seconds, using at most half a percent of one CPU core.

A sample is taken every `SECONDS`, or less often if sampling is expensive. The size of the workspace is measured less
often, because that takes time proportional to its number of files.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from posttrainbench.files import read_jsonl
from posttrainbench.records import GpuSample, MonitorSample
from posttrainbench.run.gpus import Nvml, load_nvml
from posttrainbench.run.recorder import clock
from posttrainbench.sandbox import SandboxProcess, Stats
from posttrainbench.sandbox.disk import disk_usage

SECONDS = 10.0
FIRST_SECONDS = 1.0
"""Delay of the first sample, so that short runs have one too."""
COST_FACTOR = 400
"""Minimum interval between samples (and disk measurements), as a multiple of the CPU time of the previous one."""
DISK_SECONDS = 60.0

NOTHING = Stats(0, 0, 0.0)


class Monitor:
    """Takes the samples.

    Attributes:
        process: returns the latest start of the agent, or None.
        requests: path of `egress.jsonl`, which may not exist.
    """

    def __init__(
        self,
        process: Callable[[], SandboxProcess | None],
        workspace: Path,
        requests: Path,
        gpus: Sequence[int],
        shared_network: bool,
        seconds: float = SECONDS,
    ) -> None:
        """Create a monitor. `shared_network`: the sandbox shares the machine's network."""
        self.process = process
        self.workspace = workspace
        self.requests = requests
        self.gpus = gpus
        self.nvml: Nvml | None = load_nvml() if gpus else None
        self.shared_network = shared_network
        self.seconds = seconds
        self.began = clock()
        self._disk: int | None = None
        self._next_disk_time = 0.0
        self._last = (self.began, 0.0)
        self._read_bytes = 0
        self._traffic: tuple[int, int] | None = None

    def sample(self) -> MonitorSample:
        """Return the current resource usage."""
        process = self.process()
        stats = NOTHING if process is None else process.stats()
        before, spent = self._last
        self._last = (now := clock(), stats.cpu_seconds)
        sent, received = self._network() or (None, None)
        return MonitorSample(
            t=round(now - self.began, 3),
            processes=stats.processes,
            memory=stats.memory,
            cpu=round(max(0.0, stats.cpu_seconds - spent) / max(now - before, 1e-3), 3),
            disk=self._disk_usage(),
            free_memory=psutil.virtual_memory().available,
            free_disk=psutil.disk_usage(str(self.workspace)).free,
            sent=sent,
            received=received,
            gpus=[self._gpu(self.nvml, index) for index in self.gpus] if self.nvml is not None else [],
        )

    def record(self, path: Path, stopped: threading.Event) -> None:
        """Append samples to `path` until `stopped` is set. Samples that fail are skipped."""
        wait = min(FIRST_SECONDS, self.seconds)
        while not stopped.wait(wait):
            began = time.thread_time()
            with contextlib.suppress(OSError, psutil.Error), path.open("ab") as file:
                file.write(self.sample().model_dump_json().encode() + b"\n")
            wait = max(self.seconds, COST_FACTOR * (time.thread_time() - began))

    def _disk_usage(self) -> int | None:
        if time.monotonic() >= self._next_disk_time:
            began = time.thread_time()
            with contextlib.suppress(OSError):
                self._disk = disk_usage([self.workspace])
            self._next_disk_time = time.monotonic() + max(DISK_SECONDS, COST_FACTOR * (time.thread_time() - began))
        return self._disk

    def _network(self) -> tuple[int, int] | None:
        """Return the total bytes sent and received, or None if unknown."""
        if self.shared_network:
            counters = psutil.net_io_counters()
            return (counters.bytes_sent, counters.bytes_recv) if counters else None
        if self.requests.exists():
            sent, received = self._traffic or (0, 0)
            with self.requests.open("rb") as file:
                file.seek(self._read_bytes)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read_bytes += len(line)
                    request = json.loads(line)
                    sent, received = sent + request["sent"], received + request["received"]
            self._traffic = sent, received
        return self._traffic

    @staticmethod
    def _gpu(nvml: Nvml, index: int) -> GpuSample:
        use = nvml.use(index)
        return GpuSample(index=index, memory=use.memory, busy=use.busy)


@contextmanager
def monitor_in_background(monitor: Monitor, path: Path) -> Iterator[None]:
    """Run `monitor.record` in a thread until the context exits."""
    stopped = threading.Event()
    thread = threading.Thread(target=monitor.record, args=(path, stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@dataclass(frozen=True)
class PeakUsage:
    """Peak resource usage, and average CPU usage. All zero without samples.

    Attributes:
        cpu: average CPU seconds per second.
        gpu_memory: bytes, all GPUs together.
        gpu_busy: average GPU utilization, 0-1; None without GPUs.
    """

    memory: int
    processes: int
    cpu: float
    disk: int
    gpu_memory: int
    gpu_busy: float | None


def peak_usage(path: Path) -> PeakUsage:
    """Summarize `monitor.jsonl`."""
    samples = [MonitorSample.model_validate(line) for line in read_jsonl(path)]
    busy = [gpu.busy for sample in samples for gpu in sample.gpus if gpu.busy is not None]
    return PeakUsage(
        memory=max((sample.memory for sample in samples), default=0),
        processes=max((sample.processes for sample in samples), default=0),
        cpu=sum(sample.cpu for sample in samples) / max(1, len(samples)),
        disk=max((sample.disk or 0 for sample in samples), default=0),
        gpu_memory=max((sum(gpu.memory for gpu in sample.gpus) for sample in samples), default=0),
        gpu_busy=sum(busy) / len(busy) if busy else None,
    )
