"""Builds an image with podman, docker or Apptainer."""

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
    """Build an image; what the engine prints goes to standard error.

    Args:
        name: the variant.
        tag: what the image is called; for Apptainer the file to write.
        base: in place of the variant's base image.
        options: of the engine's own, put before all others.

    Raises:
        InputError: the engine is not on this machine.
        InfrastructureError: it failed.
    """
    if shutil.which(engine) is None:
        raise InputError(f"`{engine}` is missing; install it, or choose another --engine.")
    variant = load_variant(name)
    with tempfile.TemporaryDirectory(prefix="ptb-image-") as place:
        folder = Path(place)
        if engine == "apptainer":
            definition = folder / "image.def"
            definition.write_text(apptainer_definition(variant, name, base))
            command = ["apptainer", "build", *options, tag, str(definition)]
        else:
            definition = folder / "Containerfile"
            definition.write_text(containerfile(variant, name, base))
            command = [engine, "build", *options, "--tag", tag, "--file", str(definition), str(folder)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if done.returncode != 0:
        raise InfrastructureError(
            "install_failed", f"{engine} could not build the image; it ended with {done.returncode}."
        )
