"""GPU selection on simulated machines with three GPUs and with none."""

from pathlib import Path

import pytest

from posttrainbench.errors import InputError
from posttrainbench.sandbox import Mount
from posttrainbench.sandbox.bubblewrap import bubblewrap_options
from posttrainbench.sandbox.containers import Docker, Podman
from posttrainbench.sandbox.gpu import driver_libraries, nvidia_devices

CACHE = """3 libs found in cache `/etc/ld.so.cache'
\tlibcuda.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libcuda.so.1
\tlibcuda.so.1 (libc6) => /lib/i386-linux-gnu/libcuda.so.1
\tlibnvidia-ml.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libnvidia-ml.so.1
\tlibc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6
\tlibcudart.so.12 (libc6,x86-64) => /usr/local/cuda/lib64/libcudart.so.12
"""


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """`/dev` and `/proc/driver/nvidia` of a machine whose device files are not in PCI address order."""
    dev, driver = tmp_path / "dev", tmp_path / "driver"
    dev.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"):
        (dev / name).write_text("")
    for address, minor in (("0000:07:00.0", 1), ("0000:0b:00.0", 0), ("0000:a1:00.0", 2)):
        (driver / "gpus" / address).mkdir(parents=True)
        facts = f"Model: \t\t NVIDIA H100\nIRQ:   \t\t 40\nBus Location: \t {address}\nDevice Minor: \t {minor}\n"
        (driver / "gpus" / address / "information").write_text(facts)
    return dev, driver


@pytest.mark.parametrize(
    ("gpus", "expected"), [([0], {"nvidia1"}), ([1, 2], {"nvidia0", "nvidia2"}), ([2, 2], {"nvidia2"})]
)
def test_devices_of_the_gpus_and_no_others(gpus: list[int], expected: set[str], machine: tuple[Path, Path]) -> None:
    found = nvidia_devices(gpus, *machine)
    assert {path.name for path in found} == expected | {"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"}


def test_no_gpus_need_no_driver(tmp_path: Path) -> None:
    assert nvidia_devices([], tmp_path, tmp_path) == []


def test_gpu_that_is_not_there_is_refused(machine: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GPU 3 was requested, but this machine has 3, numbered from 0"):
        nvidia_devices([0, 3], *machine)
    with pytest.raises(InputError, match="has none"):
        nvidia_devices([0], tmp_path, tmp_path)


def test_device_file_that_is_not_there_is_refused(machine: tuple[Path, Path]) -> None:
    (machine[0] / "nvidia-uvm").unlink()
    with pytest.raises(InputError, match="nvidia-modprobe"):
        nvidia_devices([0], *machine)


def test_driver_without_device_numbers_is_refused(machine: tuple[Path, Path]) -> None:
    (machine[1] / "gpus" / "0000:07:00.0" / "information").write_text("Model: unknown\n")
    with pytest.raises(InputError, match="is the NVIDIA driver loaded"):
        nvidia_devices([0], *machine)


def test_bubblewrap_binds_devices_where_programs_look_for_them(machine: tuple[Path, Path]) -> None:
    devices = nvidia_devices([1], *machine)
    options = bubblewrap_options([], {}, "/", devices)
    bound = {options[at + 2]: options[at + 1] for at, word in enumerate(options) if word == "--dev-bind"}
    assert bound == {f"/dev/{path.name}": str(path) for path in devices}
    assert "/dev/nvidia0" in bound
    assert not any("nvidia1" in word or "nvidia2" in word for word in options)
    assert options.index("--dev-bind") > options.index("--dev")


def test_bubblewrap_shows_the_driver_in_an_image(
    machine: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root" / "usr").mkdir(parents=True)
    library = Path("/lib/x86_64-linux-gnu/libcuda.so.1")
    monkeypatch.setattr("posttrainbench.sandbox.bubblewrap.driver_files", lambda: [library])
    options = bubblewrap_options(
        [], {"LD_LIBRARY_PATH": "/opt/lib"}, "/", nvidia_devices([0], *machine), tmp_path / "root"
    )
    assert options[options.index(str(library)) + 1] == "/run/nvidia/libcuda.so.1"
    assert options[options.index("LD_LIBRARY_PATH") + 1] == "/run/nvidia:/opt/lib"


def test_libraries_of_the_driver_for_this_processor() -> None:
    wanted = ["/lib/x86_64-linux-gnu/libcuda.so.1", "/lib/x86_64-linux-gnu/libnvidia-ml.so.1"]
    assert [str(path) for path in driver_libraries(CACHE, "x86_64")] == wanted


def test_docker_asks_for_devices_by_index() -> None:
    assert Docker().gpu_options([2, 0]) == ["--gpus", '"device=0,2"']
    assert Docker().gpu_options([]) == []


def test_podman_asks_for_devices_by_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.sandbox.containers.CDI_DIRS", (str(tmp_path),))
    with pytest.raises(InputError, match="nvidia-ctk cdi generate"):
        Podman().gpu_options([0])
    (tmp_path / "nvidia.yaml").write_text("")
    assert Podman().gpu_options([2, 0]) == ["--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=2"]
    assert Podman().gpu_options([]) == []


def test_engines_without_an_image_show_no_gpus() -> None:
    with pytest.raises(InputError, match="needs an image"):
        Docker().start(["true"], [Mount("workspace", Path("/nowhere"))], {}, "/", gpus=[0])
