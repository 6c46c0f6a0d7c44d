"""NVIDIA GPUs of this machine: reserve free ones for a run, and wait until they are idle again.

With `nvidia-ml-py` (`pip install posttrainbench[gpu]`), a GPU is free if no process computes on it and its memory is
nearly empty. Without it, use by other programs is not detected. In both cases, two runs of one user never use the same
GPU at the same time. If `CUDA_VISIBLE_DEVICES` is set, for example by a scheduler, only those GPUs are used.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError

DRIVER = Path("/proc/driver/nvidia/gpus")
MAX_IDLE_MEMORY = 0.1
"""Share of a GPU's memory that may be in use while it counts as empty: drivers and desktops use some."""
WAIT_SECONDS = 120.0
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class GpuUse:
    """Current use of a GPU.

    Attributes:
        memory: bytes in use.
        total: total bytes.
        busy: recent utilization, 0-1; None if the GPU does not report it.
        processes: id of a process that computes on it, in the host's numbering -> its bytes; None if not reported.
    """

    memory: int
    total: int
    busy: float | None
    processes: Mapping[int, int | None]

    @property
    def free(self) -> bool:
        """True if no process uses the GPU."""
        return not self.processes and self.memory <= MAX_IDLE_MEMORY * self.total


class Nvml:
    """NVIDIA's management library."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def use(self, index: int) -> GpuUse:
        """Return the use of a GPU, by its index in `nvidia-smi`."""
        nvml = self.library
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        try:
            busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        except nvml.NVMLError:
            busy = None
        processes = {one.pid: one.usedGpuMemory for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
        return GpuUse(memory.used, memory.total, busy, processes)


def memory_by_process(nvml: Nvml, gpus: Sequence[int]) -> dict[int, int]:
    """Return process id -> bytes on these GPUs together, without processes whose memory is not reported."""
    totals: dict[int, int] = {}
    for index in gpus:
        for pid, memory in nvml.use(index).processes.items():
            if memory is not None:
                totals[pid] = totals.get(pid, 0) + memory
    return totals


def load_nvml() -> Nvml | None:
    """Return the library; None if the driver or the package `nvidia-ml-py` is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return Nvml(pynvml)


def gpu_count(driver: Path = DRIVER) -> int:
    """Return the number of GPUs of this machine."""
    return len(list(driver.glob("*")))


def require_gpus(wanted: Sequence[int] | int, why: str, driver: Path = DRIVER) -> None:
    """Check that this machine has the requested GPUs.

    Args:
        wanted: indices, or a number of GPUs.
        why: beginning of the error message, such as `The run requests`.
        driver: directory in which the kernel driver lists the GPUs.

    Raises:
        InputError: the machine does not have them.
    """
    count = gpu_count(driver)
    need = wanted if isinstance(wanted, int) else max(wanted, default=-1) + 1
    if need > count:
        number = f"{wanted} GPU" + "s" * (wanted > 1) if isinstance(wanted, int) else f"GPU {need - 1}"
        has = f"has {count}, counted from 0" if count else "has none"
        raise InputError(f"{why} {number}, but this machine {has}; use --gpus none to run without GPUs.")


@contextmanager
def reserve_gpus(wanted: Sequence[int] | int, driver: Path = DRIVER, wait: float = 0.0) -> Iterator[list[int]]:
    """Reserve GPUs against other runs of this user until the context exits.

    The lease is a lock on a file, which ends with the process that holds it, however it ends.

    Args:
        wanted: indices, or a number of free GPUs.
        driver: directory in which the kernel driver lists the GPUs.
        wait: seconds to wait for GPUs that are in use.

    Yields:
        Their indices.

    Raises:
        InfrastructureError: not enough GPUs are free.
    """
    need = wanted if isinstance(wanted, int) else len(wanted)
    end = time.monotonic() + wait
    while True:
        with ExitStack() as stack:
            reserved = _reserve_free(wanted, driver, stack)
            if len(reserved) == need:
                yield reserved
                return
        if time.monotonic() >= end:
            raise InfrastructureError(
                "gpu_busy",
                f"The run needs {need} free GPU{'s' * (need > 1)}, but only {len(reserved)} are available.",
            )
        time.sleep(POLL_SECONDS)


def free_gpus(driver: Path = DRIVER) -> list[int]:
    """Return the visible GPUs that no run and no other program uses now."""
    count = len(_visible(gpu_count(driver)))
    with ExitStack() as stack:
        return _reserve_free(count, driver, stack)


def _reserve_free(wanted: Sequence[int] | int, driver: Path, stack: ExitStack) -> list[int]:
    """Reserve as many of the wanted GPUs as are free, until the stack is closed."""
    nvml = load_nvml() if wanted else None
    reserved: list[int] = []
    need = wanted if isinstance(wanted, int) else len(wanted)
    for index in _visible(gpu_count(driver)) if isinstance(wanted, int) else wanted:
        free = nvml is None or not isinstance(wanted, int) or nvml.use(index).free
        if len(reserved) < need and free and stack.enter_context(_locked(index)):
            reserved.append(index)
    return reserved


def wait_until_idle(gpus: Sequence[int], seconds: float = WAIT_SECONDS) -> None:
    """Wait until GPUs are idle. Do nothing if their use cannot be detected.

    Raises:
        InfrastructureError: a GPU is still in use after `seconds`.
    """
    nvml = load_nvml() if gpus else None
    end = time.monotonic() + seconds
    if nvml is None:
        return
    for index in gpus:
        while not (use := nvml.use(index)).free:
            if time.monotonic() > end:
                who = f" by process {', '.join(map(str, use.processes))}" if use.processes else ""
                raise InfrastructureError("gpu_busy", f"{use.memory / 2**30:.1f} GiB of GPU {index} are in use{who}.")
            time.sleep(POLL_SECONDS)


@contextmanager
def restrict_gpus(gpus: Sequence[int]) -> Iterator[None]:
    """Restrict the programs that this process starts to some GPUs; an empty sequence changes nothing."""
    names = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))} if gpus else {}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _locked(index: int) -> Iterator[bool]:
    """Lock a GPU until the context exits. Yield False if it is locked already."""
    folder = Path(tempfile.gettempdir(), f"ptb-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder} belongs to another user; set TMPDIR to a directory of your own.")
    with (folder / _lock_name(index)).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock_name(index: int) -> str:
    """Return the number of a GPU on its machine. Slurm counts those of a job from 0 if it hides the others."""
    visible, of_job = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(","), os.environ.get("SLURM_JOB_GPUS", "")
    numbers = of_job.split(",")
    if len(numbers) == len(visible) and str(index) in visible and all(number.isdigit() for number in numbers):
        return numbers[visible.index(str(index))]
    return str(index)


def _visible(count: int) -> list[int]:
    """Return the indices of the GPUs that may be used."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(range(count))
    return [int(index) for index in visible.split(",") if index.strip().isdigit() and int(index) < count]
