"""Notes every few seconds what the agent uses, at a cost of at most half a per cent of one processor core.

A sample is taken every `SECONDS`, or less often where it costs more than its share; the workspace is counted less
often still, since that takes as long as it has files.
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
"""Before the first sample, so that short runs have one too."""
COST = 400
"""Between two samples, and between two counts, at least so many times the CPU time that the last one took."""
COUNT_SECONDS = 60.0

NOTHING = Stats(0, 0, 0.0)


class Monitor:
    """Takes the samples.

    Attributes:
        processes: gives the agent's latest start.
        requests: `egress.jsonl`, should there be one.
    """

    def __init__(
        self,
        processes: Callable[[], SandboxProcess | None],
        workspace: Path,
        requests: Path,
        gpus: Sequence[int],
        shared_network: bool,
        seconds: float = SECONDS,
    ) -> None:
        """`shared_network`: whether the agent is in the machine's own network."""
        self.processes = processes
        self.workspace = workspace
        self.requests = requests
        self.gpus = gpus
        self.nvml: Nvml | None = load_nvml() if gpus else None
        self.shared_network = shared_network
        self.seconds = seconds
        self.began = clock()
        self._disk: int | None = None
        self._next_count = 0.0
        self._last = (self.began, 0.0)
        self._read = 0
        self._traffic: tuple[int, int] | None = None

    def sample(self) -> MonitorSample:
        """What the agent uses now."""
        process = self.processes()
        stats = NOTHING if process is None else process.stats()
        before, spent = self._last
        self._last = (now := clock(), stats.cpu_seconds)
        sent, received = self._network() or (None, None)
        return MonitorSample(
            t=round(now - self.began, 3),
            processes=stats.processes,
            memory=stats.memory,
            cpu=round(max(0.0, stats.cpu_seconds - spent) / max(now - before, 1e-3), 3),
            disk=self._count(),
            free_memory=psutil.virtual_memory().available,
            free_disk=psutil.disk_usage(str(self.workspace)).free,
            sent=sent,
            received=received,
            gpus=[self._gpu(self.nvml, index) for index in self.gpus] if self.nvml is not None else [],
        )

    def watch(self, path: Path, stopped: threading.Event) -> None:
        """Write samples until the end; one that cannot be taken or written is left out."""
        wait = min(FIRST_SECONDS, self.seconds)
        while not stopped.wait(wait):
            began = time.thread_time()
            with contextlib.suppress(OSError, psutil.Error), path.open("ab") as file:
                file.write(self.sample().model_dump_json().encode() + b"\n")
            wait = max(self.seconds, COST * (time.thread_time() - began))

    def _count(self) -> int | None:
        if time.monotonic() >= self._next_count:
            began = time.thread_time()
            with contextlib.suppress(OSError):
                self._disk = disk_usage([self.workspace])
            self._next_count = time.monotonic() + max(COUNT_SECONDS, COST * (time.thread_time() - began))
        return self._disk

    def _network(self) -> tuple[int, int] | None:
        """Bytes sent and received so far."""
        if self.shared_network:
            counters = psutil.net_io_counters()
            return (counters.bytes_sent, counters.bytes_recv) if counters else None
        if self.requests.exists():
            sent, received = self._traffic or (0, 0)
            with self.requests.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    request = json.loads(line)
                    sent, received = sent + request["sent"], received + request["received"]
            self._traffic = sent, received
        return self._traffic

    @staticmethod
    def _gpu(nvml: Nvml, index: int) -> GpuSample:
        use = nvml.use(index)
        return GpuSample(index=index, memory=use.memory, busy=use.busy)


@contextmanager
def monitoring(monitor: Monitor, path: Path) -> Iterator[None]:
    """Have a monitor write to `path` in a thread."""
    stopped = threading.Event()
    thread = threading.Thread(target=monitor.watch, args=(path, stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@dataclass(frozen=True)
class Peaks:
    """What an agent used at most, and of processors on average; zeros where nothing was sampled.

    Attributes:
        cpu: CPU seconds a second.
        gpu_memory: bytes, of all its GPUs together.
        gpu_busy: share of the time in which a GPU computed; None without GPUs.
    """

    memory: int
    processes: int
    cpu: float
    disk: int
    gpu_memory: int
    gpu_busy: float | None


def peaks(path: Path) -> Peaks:
    """A summary of `monitor.jsonl`."""
    samples = [MonitorSample.model_validate(line) for line in read_jsonl(path)]
    busy = [gpu.busy for sample in samples for gpu in sample.gpus if gpu.busy is not None]
    return Peaks(
        memory=max((sample.memory for sample in samples), default=0),
        processes=max((sample.processes for sample in samples), default=0),
        cpu=sum(sample.cpu for sample in samples) / max(1, len(samples)),
        disk=max((sample.disk or 0 for sample in samples), default=0),
        gpu_memory=max((sum(gpu.memory for gpu in sample.gpus) for sample in samples), default=0),
        gpu_busy=sum(busy) / len(busy) if busy else None,
    )
