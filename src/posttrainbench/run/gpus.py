"""The NVIDIA GPUs of this machine: taking free ones for a run, and seeing that they are free again.

With `nvidia-ml-py` (`pip install posttrainbench[gpu]`) a GPU counts as free when no process computes on it and its
memory is all but empty; without, what other programs do with it is not seen. In either case no two runs of one user
take the same GPU at a time. Only GPUs that `CUDA_VISIBLE_DEVICES` names are taken, where a scheduler has set it.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError

DRIVER = Path("/proc/driver/nvidia/gpus")
EMPTY = 0.1
"""Share of a GPU's memory up to which it counts as empty: the driver, and a desktop, keep some."""
WAIT_SECONDS = 120.0
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class GpuUse:
    """What a GPU is at.

    Attributes:
        memory: bytes in use.
        total: bytes it has.
        busy: share of the time in which it computed, of late; None where it does not tell.
        processes: numbers of the processes that compute on it, as the host counts them.
    """

    memory: int
    total: int
    busy: float | None
    processes: tuple[int, ...]

    @property
    def free(self) -> bool:
        """Whether nobody uses it."""
        return not self.processes and self.memory <= EMPTY * self.total


class Nvml:
    """NVIDIA's management library."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def use(self, index: int) -> GpuUse:
        """What a GPU is at; indices as `nvidia-smi` counts."""
        nvml = self.library
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        try:
            busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        except nvml.NVMLError:
            busy = None
        pids = tuple(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        return GpuUse(memory.used, memory.total, busy, pids)


def load_nvml() -> Nvml | None:
    """The library; None where it, the driver or the package `nvidia-ml-py` is missing."""
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
    """How many GPUs this machine has."""
    return len(list(driver.glob("*")))


def require_gpus(wanted: Sequence[int] | int, why: str, driver: Path = DRIVER) -> None:
    """Check that there are as many.

    Args:
        wanted: indices, or how many.
        why: who wants them.
        driver: where the kernel's driver lists them.

    Raises:
        InputError: there are not.
    """
    count = gpu_count(driver)
    need = wanted if isinstance(wanted, int) else max(wanted, default=-1) + 1
    if need > count:
        number = f"{wanted} GPU" + "s" * (wanted > 1) if isinstance(wanted, int) else f"GPU {need - 1}"
        has = f"has {count}, counted from 0" if count else "has none"
        raise InputError(f"{why} {number}, and this machine {has}; to run without: --gpus none.")


@contextmanager
def take_gpus(wanted: Sequence[int] | int, driver: Path = DRIVER) -> Iterator[list[int]]:
    """Hold some GPUs against this user's other runs.

    Args:
        wanted: indices, or how many free ones.
        driver: where the kernel's driver lists them.

    Yields:
        Their indices.

    Raises:
        InfrastructureError: they are in use.
    """
    nvml = load_nvml() if wanted else None
    with ExitStack() as stack:
        taken: list[int] = []
        need = wanted if isinstance(wanted, int) else len(wanted)
        for index in _visible(gpu_count(driver)) if isinstance(wanted, int) else wanted:
            free = nvml is None or not isinstance(wanted, int) or nvml.use(index).free
            if len(taken) < need and free and stack.enter_context(_held(index)):
                taken.append(index)
        if len(taken) < need:
            raise InfrastructureError(
                "gpu_busy", f"The run needs {need} free GPU{'s' * (need > 1)}, and only {len(taken)} could be taken."
            )
        yield taken


def wait_until_free(gpus: Sequence[int], seconds: float = WAIT_SECONDS) -> None:
    """Wait until nobody uses some GPUs; a no-op where that cannot be seen.

    Raises:
        InfrastructureError: somebody still does.
    """
    nvml = load_nvml() if gpus else None
    end = time.monotonic() + seconds
    if nvml is None:
        return
    for index in gpus:
        while not (use := nvml.use(index)).free:
            if time.monotonic() > end:
                who = f" by process {', '.join(map(str, use.processes))}" if use.processes else ""
                raise InfrastructureError("gpu_busy", f"{use.memory / 2**30:.1f} GiB of GPU {index} are held{who}.")
            time.sleep(POLL_SECONDS)


@contextmanager
def only_gpus(gpus: Sequence[int]) -> Iterator[None]:
    """Have the programs that this process starts see some GPUs alone; all that they saw before where none is named."""
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
def _held(index: int) -> Iterator[bool]:
    """Whether a GPU could be locked; it is until the end."""
    folder = Path(tempfile.gettempdir(), f"ptb-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder} belongs to somebody else; set TMPDIR to a directory of yours.")
    with (folder / str(index)).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _visible(count: int) -> list[int]:
    """The GPUs that may be taken."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return list(range(count))
    return [int(word) for word in named.split(",") if word.strip().isdigit() and int(word) < count]
