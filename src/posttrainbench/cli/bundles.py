"""`ptb export` and `ptb verify`: share runs as one file or in the formats of other tools, and verify such a file."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import complete_experiments, find_place
from posttrainbench.errors import InputError
from posttrainbench.untrusted import printable

if TYPE_CHECKING:
    from posttrainbench.records import BundleCheck, Verification

HEADINGS = {"fails": "Does not hold", "holds": "Holds", "not_checked": "Cannot be checked"}
STYLES = {"fails": "bold red", "holds": "green", "not_checked": "magenta"}
MAX_ALIKE = 10
"""Statements about the same subject that are printed."""


FORMATS = ("atif", "docent", "scout", "otel")
"""Formats of trajectories; the keys of `exchange.trajectory_export.FORMATS`, which is slow to import."""


def export(
    target: Annotated[
        list[str],
        typer.Argument(
            metavar="[FORMAT] RUN|EXPERIMENT",
            help="A run or an experiment: its directory, or its name if it is in runs/. Two arguments: a format "
            f"({', '.join(FORMATS)}) and a run.",
            autocompletion=complete_experiments,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="What is written. Default: NAME.tar.zst, or NAME with an ending for the format.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a run or an experiment to one file that others can verify, or a run's trajectory for another tool.

    With one argument, a bundle. It contains everything but weights and other binary files, of which it names the
    hashes. With a format before the run, only the trajectory: atif (a file for Harbor), docent (an agent run for
    Docent), scout (a transcript database of Inspect Scout) or otel (OpenTelemetry spans). Secrets are redacted. Both
    contain what the agent wrote, and a bundle the benchmark's test items: read before you publish.

    Example:  [bold]ptb export runs/demo --out demo.tar.zst[/bold]
    """
    import os
    import shlex

    from posttrainbench.cli.console import Console
    from posttrainbench.report.bundle.export import export as write_bundle
    from posttrainbench.report.text import plain
    from posttrainbench.run.recorder import host_secrets

    if len(target) > 1:
        _export_trajectory(target, out, json)
        return
    if target[0] in FORMATS and not find_place(Path(target[0])).exists():
        raise InputError(f"Give the run whose trajectory is to be written: ptb export {target[0]} RUN.")
    written = write_bundle(find_place(Path(target[0])), out, host_secrets(os.environ))
    manifest = written.manifest
    redacted = sum(file.redacted > 0 for file in manifest.files.values())
    weights = sum(file.weights for file in manifest.withheld.values())
    if json:
        print_json(
            {
                "path": str(written.path),
                "sha256": written.sha256,
                "size": written.size,
                "files": len(manifest.files),
                "redacted": redacted,
                "weights": weights,
                "left_out": len(manifest.withheld) - weights,
            }
        )
        return
    others = len(manifest.withheld) - weights
    lines = [
        f"{written.path}: {written.size:,} bytes, {len(manifest.files)} files",
        f"SHA-256: {written.sha256}",
        f"Left out: {weights} files with weights, {others} other{'s' * (others != 1)}; named with their hashes",
        *([f"Secrets were redacted in {redacted} file{'s' * (redacted != 1)}"] if redacted else []),
        f"Next: ptb verify {shlex.quote(str(written.path))}",
    ]
    console = Console()
    for line in lines:
        console.print(plain(line, 4000), markup=False, highlight=False, soft_wrap=True)


def _export_trajectory(target: list[str], out: Path | None, json: bool) -> None:
    import os

    from posttrainbench.cli.console import Console
    from posttrainbench.report.exchange.trajectory_export import export_trajectory
    from posttrainbench.report.text import plain
    from posttrainbench.run import Run
    from posttrainbench.run.recorder import host_secrets

    if len(target) > 2 or target[0] not in FORMATS:
        raise InputError(_wrong_arguments(target))
    run = Run(find_place(Path(target[1])))
    written = export_trajectory(run, target[0], out, host_secrets(os.environ))
    if json:
        print_json({"path": str(written.path), "format": target[0], "redacted": written.redacted})
        return
    text = f"{written.path}: the trajectory as {target[0]}"
    if written.redacted:
        text += f"; secrets were redacted in {written.redacted} line{'s' * (written.redacted != 1)}"
    Console().print(plain(text, 4000), markup=False, highlight=False, soft_wrap=True)


def _wrong_arguments(target: list[str]) -> str:
    """Return a sentence on several arguments that are not a format and one run."""
    if len(target) == 2:
        first, second = target
        if second in FORMATS:
            return f"Give the format before the run: ptb export {second} {printable(first)}."
        if not find_place(Path(first)).exists():
            near = difflib.get_close_matches(first, FORMATS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(FORMATS)}."
            return f"Unknown format `{printable(first[:80])}`; {hint}"
    formats = ", ".join(FORMATS)
    return f"Give one run or experiment for a bundle, or a format ({formats}) and one run: ptb export atif RUN."


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file that `ptb export` wrote.")],
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory with the submitted model; for several runs, with a directory RUN for each.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute hashes, verdicts, scores, results and the leaderboard of a bundle.

    Exit codes: 0 everything that can be checked holds, 1 something does not hold, 2 the file is not an intact bundle.

    Example:  [bold]ptb verify demo.tar.zst[/bold]
    """
    from posttrainbench.report.bundle.verify import verify as verify_bundle

    verification = verify_bundle(bundle, weights)
    if json:
        print_json(verification.model_dump(mode="json"))
    else:
        _show(verification)
    raise typer.Exit(0 if verification.holds else 1)


def _show(verification: "Verification") -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph
    from posttrainbench.report.text import plain

    console = Console()
    number = len(verification.runs)
    runs = f", {number} run{'s' * (number != 1)}" if verification.kind == "experiment" else ""
    title = f"Bundle of the {verification.kind} {plain(verification.name)}{runs}"
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(Text(f"SHA-256: {verification.sha256}"), soft_wrap=True)
    for state, heading in HEADINGS.items():
        checks = [check for check in verification.checks if check.state == state]
        if not checks:
            continue
        console.print()
        console.print(Text(heading, STYLES[state]))
        for line in _lines(checks, all_runs=state == "fails"):
            console.print(Paragraph(Text(plain(line, 1000)), indent=4, head=Text("  - ")), soft_wrap=True)
    console.print()
    held = "Everything that can be checked holds." if verification.holds else "Something does not hold."
    console.print(Text(held, STYLES["holds" if verification.holds else "fails"]))


def _lines(checks: "list[BundleCheck]", all_runs: bool) -> list[str]:
    """Return a line for each check; alike ones of several runs are counted, unless `all_runs`."""
    groups: dict[str, list[BundleCheck]] = {}
    for check in checks:
        groups.setdefault(check.subject, []).append(check)
    lines = []
    for subject, group in groups.items():
        limit = MAX_ALIKE if all_runs else 2
        several = len({check.run for check in group}) > 1
        for check in group[:limit]:
            lines.append(f"{subject}{f', {check.run}' if several else ''}: {check.text}")
        if len(group) > limit:
            lines.append(f"{subject}: likewise {len(group) - limit} more; --json lists all.")
    return lines
