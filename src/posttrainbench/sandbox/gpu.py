"""Device files of selected NVIDIA GPUs and the driver's files, for sandboxes without a container toolkit.

Covers: exactly the requested GPUs, since no other device file exists inside. Does not cover: partitions of a GPU (MIG)
and GPUs of other vendors.
"""

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from posttrainbench.errors import InputError

SHARED_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
"""Device files that all GPUs need; the first two must exist."""
DRIVER_LIBRARY = re.compile(
    r"lib(cuda|cudadebugger|nvidia-ml|nvidia-ptxjitcompiler|nvidia-nvvm|nvidia-gpucomp|nvidia-cfg|nvidia-allocator)"
    r"\.so[.\d]*"
)
SYSFS_DIRS = ("/sys/devices/system", "/sys/bus/pci", "/sys/module/nvidia", "/sys/module/nvidia_uvm")
"""Hardware topology that the driver and NCCL read, besides `/sys/devices/pci*`, the target of links in these."""


def nvidia_devices(
    gpus: Sequence[int], dev: Path = Path("/dev"), driver: Path = Path("/proc/driver/nvidia")
) -> list[Path]:
    """Return the device files of some GPUs.

    Args:
        gpus: indices in the order of `nvidia-smi`, which is the order of PCI addresses.
        dev: directory of the device files.
        driver: directory in which the kernel driver lists the GPUs and their device numbers.

    Raises:
        InputError: a GPU or one of its device files does not exist.
    """
    if not gpus:
        return []
    minors = [_device_minor(folder / "information") for folder in sorted((driver / "gpus").glob("*"))]
    if missing := sorted({index for index in gpus if not 0 <= index < len(minors)}):
        available = f"has {len(minors)}, numbered from 0" if minors else "has none"
        raise InputError(f"GPU {', '.join(map(str, missing))} was requested, but this machine {available}.")
    paths = [dev / name for name in SHARED_DEVICES] + [dev / f"nvidia{minors[index]}" for index in sorted(set(gpus))]
    devices = [path for path in paths if path.exists()]
    if absent := [path for path in paths if path not in devices and path.name not in SHARED_DEVICES[2:]]:
        raise InputError(f"{absent[0]} does not exist; run `nvidia-modprobe -u -c 0` as root to create it.")
    return devices


def driver_files() -> list[Path]:
    """Return the driver's libraries and `nvidia-smi` on this machine, for a root file system without them."""
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    cache = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    smi = shutil.which("nvidia-smi")
    return driver_libraries(cache) + ([Path(smi)] if smi else [])


def driver_libraries(cache: str, machine: str = platform.machine()) -> list[Path]:
    """Return the driver's libraries for this processor, given the output of `ldconfig -p`."""
    libraries: dict[str, Path] = {}
    for line in cache.splitlines():
        tags, arrow, path = line.partition(" => ")
        if arrow and DRIVER_LIBRARY.fullmatch(Path(path).name) and ("x86-64" in tags) == (machine == "x86_64"):
            libraries.setdefault(Path(path).name, Path(path))
    return list(libraries.values())


def gpu_sysfs_paths() -> list[Path]:
    """Return the directories of `/sys` to mount read-only along with GPUs."""
    return [path for path in (*map(Path, SYSFS_DIRS), *sorted(Path("/sys/devices").glob("pci*"))) if path.exists()]


def _device_minor(information: Path) -> int:
    """Return the number of a GPU's device file from the driver's `information` file."""
    try:
        match = re.search(r"^Device Minor:\s*(\d+)", information.read_text(), re.MULTILINE)
    except OSError:
        match = None
    if match is None:
        raise InputError(f"{information} does not contain the GPU's device number; is the NVIDIA driver loaded?")
    return int(match[1])
