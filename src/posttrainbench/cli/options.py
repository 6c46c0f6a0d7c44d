"""What several commands share: options, and the parsing of budgets."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from posttrainbench.errors import InputError

Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Out = Annotated[
    Path | None, typer.Option("--out", help="Directory to write; must be new or empty.", show_default=False)
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure-no-sandbox", help="Run without isolation: the agent can do whatever you can."),
]

EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="vllm|transformers", help="What generates; the suite's engine if not given."),
]
EngineSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-setting",
        metavar="KEY=VALUE",
        help="Setting of the engine, such as memory_fraction=0.8 or python=/opt/vllm/bin/python; repeatable.",
        show_default=False,
    ),
]
GraderName = Annotated[
    str | None,
    typer.Option(
        "--grader",
        metavar="MODEL|URL",
        help="Grader of open-ended answers: a model as Inspect names it (openai/gpt-5-mini if not given), or URL#MODEL "
        "with the key in PTB_GRADER_API_KEY.",
    ),
]

SandboxName = Annotated[
    str | None,
    typer.Option("--sandbox", metavar="NAME", help="bubblewrap (if not given), podman, docker, apptainer or process."),
]
Image = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="What the sandbox's root is made of; the host's programs if not given."),
]
Memory = Annotated[
    str | None, typer.Option(help="The agent's memory, such as 64G; 90 % of the machine's if not given.")
]
Cpus = Annotated[float | None, typer.Option(min=0.1, help="The agent's CPUs, such as 8; all if not given.")]
Pids = Annotated[
    int | None, typer.Option(min=1, help="The agent's processes and threads at a time; 16384 if not given.")
]
Disk = Annotated[
    str | None, typer.Option(help="What the agent may store, such as 500G; 90 % of what is free if not given.")
]
Gpus = Annotated[
    str | None,
    typer.Option(help="The agent's GPUs as nvidia-smi counts, such as 0,1, or none; free ones if not given."),
]

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
NetworkName = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="open|allowlist|none",
        help="What the agent reaches of the internet, all of it recorded; the suite's choice if not given.",
    ),
]
DenyTestData = Annotated[bool, typer.Option("--deny-test-data", help="Withhold the test data, with HTTP 451.")]
DenyInstruct = Annotated[
    bool, typer.Option("--deny-instruct", help="Withhold the base model's instruct counterpart, with HTTP 451.")
]
ColdCache = Annotated[
    bool, typer.Option("--cold-cache", help="Show nothing of this machine's model cache but the base model.")
]

SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_budget(text: str) -> float:
    """Seconds from `30s`, `10m`, `1.5h` or a number of seconds.

    Raises:
        InputError: it is nothing of the kind, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not (0 < seconds < math.inf):
        raise InputError(f"`{text}` is no budget; write a time above zero such as 30s, 10m or 10h.")
    return seconds


def parse_size(text: str) -> int:
    """Bytes from `64G`, `1.5T`, `500M` (powers of 1024) or a number of bytes.

    Raises:
        InputError: it is nothing of the kind, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * SIZES[match[2].upper()]) if match else 0
    if size < 1:
        raise InputError(f"`{text}` is no size; write one such as 500M, 64G or 2T.")
    return size


def parse_network(text: str | None) -> Literal["open", "allowlist", "none"] | None:
    """A network by its name; None stays None.

    Raises:
        InputError: it is none.
    """
    if text in ("open", "allowlist", "none", None):
        return text  # type: ignore[return-value]
    raise InputError(f"`{text}` is no network; choose open, allowlist or none.")


def parse_gpus(text: str) -> list[int]:
    """Indices from `0,1`; none from `none`.

    Raises:
        InputError: it is nothing of the kind.
    """
    if text.strip() == "none":
        return []
    if not re.fullmatch(r"\d+(,\d+)*", text.strip()):
        raise InputError(f"`{text}` names no GPUs; write their numbers such as 0,1, or none.")
    return sorted({int(number) for number in text.split(",")})


def parse_settings(pairs: list[str] | None) -> dict[str, str]:
    """Settings from `KEY=VALUE` pairs.

    Raises:
        InputError: one is no such pair.
    """
    settings = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"`{pair}` is no setting; write --engine-setting KEY=VALUE.")
        settings[key] = value
    return settings


def print_json(value: Any) -> None:
    """JSON, and nothing else, on standard output."""
    json.dump(value, sys.stdout, indent=2)  # ASCII: what an agent wrote cannot steer a terminal
    sys.stdout.write("\n")
