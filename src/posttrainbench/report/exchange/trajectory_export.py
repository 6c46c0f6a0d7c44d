"""Write a run's trajectory for Harbor, Docent, Inspect Scout or an OpenTelemetry collector.

The trajectory is ATIF, which all four read. So this module converts nothing itself: it redacts secrets and calls the
converter that each tool maintains. A converter that is not installed, or cannot represent a trajectory, is one clear
error.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import write_bytes
from posttrainbench.report.bundle.contents import redactor
from posttrainbench.report.site.trace_page import RAW, copy_trajectory
from posttrainbench.run import Run
from posttrainbench.scoring.cells import judged_by
from posttrainbench.untrusted import UnreadableError


@dataclass(frozen=True)
class Written:
    """A trajectory that was written: the file or directory, and the number of lines with secrets."""

    path: Path
    redacted: int


@dataclass(frozen=True)
class Format:
    """A format of trajectories.

    Attributes:
        suffix: end of the default name of the file or directory.
        package: module that converts; "" if none is needed.
        python: oldest version of Python that the package supports.
        write: writes the trajectory to a new path. Arguments: the ATIF file, the path, facts of the run.
    """

    suffix: str
    package: str
    python: tuple[int, int]
    write: Callable[[Path, Path, dict[str, Any]], None]


def export_trajectory(run: Run, format: str, out: Path | None, secrets: Iterable[str]) -> Written:
    """Write a run's trajectory.

    Args:
        run: the run; of one without a trajectory, the recorded output is converted.
        format: a key of `FORMATS`.
        out: the new file, or for `scout` the new directory; None for `NAME` with the format's suffix.
        secrets: secrets to redact in addition to text in the formats of common keys.

    Raises:
        InputError: the run has no trajectory, `out` exists, or the converter is missing or refuses the trajectory.
    """
    chosen = FORMATS[format]
    out = Path(f"{run.root.name}{chosen.suffix}") if out is None else out
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} already exists; give another path with --out, or remove it.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out.absolute().parent} is not a directory; give another path with --out.")
    _require_converter(format, chosen)
    with tempfile.TemporaryDirectory(prefix="ptb-export-") as scratch:
        whole, clean = Path(scratch, "whole.json"), Path(scratch, RAW)
        try:
            if not copy_trajectory(run, whole):
                raise InputError(f"{run.root} has no trajectory, because its agent has not been started.")
        except (UnreadableError, OSError) as error:
            raise InputError(f"The trajectory of {run.root} cannot be read: {error}.") from None
        redacted = _redact(whole, clean, secrets)
        try:
            chosen.write(clean, out, _facts(run))
        except InputError:
            raise
        except Exception as error:  # converters have their own exceptions
            _remove(out)
            raise InputError(
                f"{chosen.package} cannot convert this trajectory: {one_line(error)} The format atif can be written."
            ) from None
    return Written(out, redacted)


def _require_converter(name: str, format: Format) -> None:
    if not format.package or find_spec(format.package) is not None:
        return
    if sys.version_info < format.python:
        needed = ".".join(map(str, format.python))
        raise InputError(f"The converter for {name} needs Python {needed} or newer; use it there, or choose atif.")
    raise InputError(f"The converter for {name} is not installed: pip install 'posttrainbench[{name}]'.")


def _redact(source: Path, destination: Path, secrets: Iterable[str]) -> int:
    """Copy a text without secrets; return the number of lines that had any."""
    hidden, redacted = redactor(secrets), 0
    with source.open(encoding="utf-8", errors="replace") as file, destination.open("w", encoding="utf-8") as clean:
        for line in file:
            written = hidden.line(line)
            redacted += written != line
            clean.write(written)
    return redacted


def _facts(run: Run) -> dict[str, Any]:
    """Return what a trajectory does not contain: the task and the result."""
    spec, result = run.spec, run.result()
    facts: dict[str, Any] = {
        "run": spec.run,
        "agent": spec.agent.name,
        "base_model": spec.model,
        "benchmark": spec.benchmark,
        "suite": spec.suite,
        "rules": spec.rules,
        "seed": spec.seed,
        "budget_seconds": spec.budget,
    }
    if result is not None:
        facts |= {
            "status": str(result.status),
            "score": result.score,
            "raw_score": result.raw_score,
            "judged_by": judged_by(run.root) or spec.rules,
            "verdict": {rule: str(state) for rule, state in result.verdict.items()},
        }
    return facts


def _write_atif(trajectory: Path, out: Path, _: dict[str, Any]) -> None:
    write_bytes(out, trajectory.read_bytes())


def _write_docent(trajectory: Path, out: Path, facts: dict[str, Any]) -> None:
    from docent.sdk.integrations import convert_atif_to_agent_run

    converted = convert_atif_to_agent_run(json.loads(trajectory.read_bytes()))
    converted.metadata["posttrainbench"] = facts
    write_bytes(out, converted.model_dump_json(indent=1).encode())


def _write_scout(trajectory: Path, out: Path, facts: dict[str, Any]) -> None:
    from inspect_scout import transcripts_db
    from inspect_scout.sources import atif

    async def insert() -> None:
        transcripts = [each async for each in atif(trajectory)]
        for each in transcripts:
            each.metadata["posttrainbench"] = facts
        async with transcripts_db(str(out)) as database:
            await database.insert(transcripts)

    asyncio.run(insert())


def _write_otel(trajectory: Path, out: Path, facts: dict[str, Any]) -> None:
    from harbor_atif2otel import convert_trajectory
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    spans = convert_trajectory(json.loads(trajectory.read_bytes()), trace_seed=facts["run"])
    write_bytes(out, TracesData(resource_spans=[spans]).SerializeToString())


def _remove(path: Path) -> None:
    """Remove what a converter left before it failed; the path did not exist before."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        path.unlink()


FORMATS = {
    "atif": Format(".trajectory.json", "", (3, 11), _write_atif),
    "docent": Format(".docent.json", "docent", (3, 11), _write_docent),
    "scout": Format(".scout", "inspect_scout", (3, 12), _write_scout),
    "otel": Format(".otlp.pb", "harbor_atif2otel", (3, 12), _write_otel),
}
