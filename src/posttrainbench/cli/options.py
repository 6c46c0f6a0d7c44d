"""Options that several commands share, and the parsing of their values."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from posttrainbench.errors import InputError
from posttrainbench.records.spec import MIN_BYTES
from posttrainbench.records.units import parse_size

Json = Annotated[bool, typer.Option("--json", help="Print only JSON on standard output.")]
Out = Annotated[Path | None, typer.Option("--out", help="Output directory; must be new or empty.", show_default=False)]
RunName = Annotated[
    str | None,
    typer.Option(
        "--name",
        help="Name instead of --out: the run's directory is runs/default/NAME, or runs/NAME for EXPERIMENT/RUN.",
        show_default=False,
    ),
]
ExperimentName = Annotated[
    str | None,
    typer.Option("--name", help="Name instead of --out: the experiment's directory is runs/NAME.", show_default=False),
]
Insecure = Annotated[
    bool,
    typer.Option("--insecure-no-sandbox", help="Run without isolation: the agent has all your permissions."),
]

EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="Inference engine: vllm or transformers. Default: the suite's."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only check that everything the run needs is there; write nothing."),
]
EngineSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-setting",
        metavar="KEY=VALUE",
        help="Setting of the engine, such as memory_fraction=0.8 or python=PATH. Repeatable.",
        show_default=False,
    ),
]
GraderName = Annotated[
    str | None,
    typer.Option(
        "--grader",
        metavar="MODEL|URL",
        help="Grader of open-ended answers: an Inspect model name (default: openai/gpt-5-mini), or URL#MODEL with the "
        "key in PTB_GRADER_API_KEY.",
    ),
]

PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt-file", help="Your own prompt template, like kit/prompt.md.jinja.", show_default=False),
]
SandboxName = Annotated[
    str | None,
    typer.Option("--sandbox", metavar="NAME", help="bubblewrap (default), podman, docker, apptainer or process."),
]
Image = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="Root file system of the sandbox. Default: the host's programs."),
]
Memory = Annotated[
    str | None, typer.Option(help="Memory limit of the agent, such as 64G. Default: 90% of the machine's memory.")
]
Cpus = Annotated[float | None, typer.Option(help="CPU limit of the agent, such as 8. Default: all CPUs.")]
Pids = Annotated[
    int | None,
    typer.Option(help="Limit of the agent's processes and threads. Default: 16384."),
]
Disk = Annotated[
    str | None, typer.Option(help="Disk limit of the agent, such as 500G. Default: 90% of the free space.")
]
Gpus = Annotated[
    str | None,
    typer.Option(help="GPUs of the agent by nvidia-smi index, such as 0,1, or none. Default: free GPUs."),
]

NetworkName = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME",
        help="Network access of the agent: open, allowlist or none. All requests are recorded. Default: the suite's.",
    ),
]
DenyTestData = Annotated[
    bool, typer.Option("--deny-test-data", help="Block requests for the benchmark's test data with HTTP 451.")
]
DenyInstruct = Annotated[
    bool,
    typer.Option("--deny-instruct", help="Block requests for the base model's instruct counterpart (HTTP 451)."),
]
ColdCache = Annotated[
    bool, typer.Option("--cold-cache", help="Hide this machine's model cache except for the base model.")
]
NoProvenance = Annotated[bool, typer.Option("--no-provenance", help="Do not record which process opens which file.")]


def parse_limit(option: str, text: str | None) -> int | None:
    """Parse the value of `--memory` or `--disk`, and return bytes. None is returned unchanged.

    Raises:
        InputError: the text is not a valid size, or too small for any agent.
    """
    if text is None:
        return None
    if (size := parse_size(text)) < MIN_BYTES:
        raise InputError(f"No agent can work with --{option} {text.strip()}; use at least {MIN_BYTES // 2**20}M.")
    return size


def parse_cpus(number: float | None) -> float | None:
    """Return a number of CPUs after checking that it is finite. None is returned unchanged.

    Raises:
        InputError: it is not.
    """
    if number is not None and not math.isfinite(number):
        raise InputError(f"A limit of {number} CPUs is not possible; use a number such as 8.")
    return number


def choose_sandbox(name: str | None, insecure: bool) -> str:
    """Return the name of the sandbox. `process`, which does not isolate, requires --insecure-no-sandbox.

    Raises:
        InputError: the options contradict each other, or `process` was requested without --insecure-no-sandbox.
    """
    if insecure and name not in (None, "process"):
        raise InputError(f"--insecure-no-sandbox turns the sandbox off; leave it out to run in `{name}`.")
    if name == "process" and not insecure:
        raise InputError(
            "`process` does not isolate the agent, which can do whatever you can; add --insecure-no-sandbox."
        )
    return "process" if insecure else name or "bubblewrap"


def parse_network(text: str | None) -> Literal["open", "allowlist", "none"] | None:
    """Return a network name after checking it. None is returned unchanged.

    Raises:
        InputError: the name is unknown.
    """
    if text in ("open", "allowlist", "none", None):
        return text  # type: ignore[return-value]
    raise InputError(f"Unknown network `{text}`; choose from open, allowlist, none.")


def parse_gpus(text: str) -> list[int]:
    """Parse GPU indices such as `0,1`. `none` gives an empty list.

    Raises:
        InputError: the text is not a valid list of indices.
    """
    if text.strip() == "none":
        return []
    if not re.fullmatch(r"\d+(,\d+)*", text.strip()):
        raise InputError(f"`{text}` is not a valid list of GPUs; use indices such as 0,1, or none.")
    return sorted({int(number) for number in text.split(",")})


def parse_settings(pairs: list[str] | None, option: str = "--engine-setting") -> dict[str, str]:
    """Parse `KEY=VALUE` pairs.

    Args:
        pairs: values of an option.
        option: its name, for the message.

    Raises:
        InputError: a text is not such a pair.
    """
    settings = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"`{pair}` is not a valid setting; use {option} KEY=VALUE.")
        settings[key] = value
    return settings


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    print_text(json.dumps(value, indent=2) + "\n")  # ASCII, so that text of an agent cannot control the terminal


def print_text(text: str) -> None:
    """Print text on standard output as it is."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        from posttrainbench.cli.console import discard

        discard(sys.stdout)  # the exit code stays right
