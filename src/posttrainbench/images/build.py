"""Build an image with podman, docker or Apptainer."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.images.definition import apptainer_definition, containerfile
from posttrainbench.images.pins import VariantName, load_variant

EngineName = Literal["podman", "docker", "apptainer"]


def build_image(
    name: VariantName, engine: EngineName, tag: str, base: str | None = None, options: Sequence[str] = ()
) -> None:
    """Build an image. The engine's output goes to standard error.

    Args:
        name: the variant.
        engine: the program that builds the image.
        tag: name of the image; for Apptainer the file to write.
        base: base image; None for the variant's own.
        options: extra options of the engine, placed before all others.

    Raises:
        InputError: the engine is not installed.
        InfrastructureError: the build failed.
    """
    if shutil.which(engine) is None:
        raise InputError(f"`{engine}` is not installed; install it or choose another --engine.")
    variant = load_variant(name)
    with tempfile.TemporaryDirectory(prefix="ptb-image-") as scratch:
        folder = Path(scratch)
        if engine == "apptainer":
            definition = folder / "image.def"
            definition.write_text(apptainer_definition(variant, name, base))
            command = ["apptainer", "build", *options, tag, str(definition)]
        else:
            definition = folder / "Containerfile"
            definition.write_text(containerfile(variant, name, base))
            command = [engine, "build", *options, "--tag", tag, "--file", str(definition), str(folder)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if result.returncode != 0:
        raise InfrastructureError(
            "install_failed", f"{engine} could not build the image; it exited with code {result.returncode}."
        )
