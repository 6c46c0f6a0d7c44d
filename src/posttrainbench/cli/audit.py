"""`ptb audit` and `ptb adjudicate`: finished runs, looked at again."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError
from posttrainbench.records import Adjudication, Result, Stage, Status

if TYPE_CHECKING:
    from posttrainbench.audit.summary import AuditSummary, JudgedFinding
    from posttrainbench.run import Run

Sarif = Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log alone on standard output.")]


def audit(
    path: Annotated[Path, typer.Argument(metavar="RUN|EXPERIMENT", help="A run's directory, or an experiment's.")],
    rules: Annotated[
        str | None,
        typer.Option(
            metavar="RULE_SET", help="Judge the facts of the last audit by these rules, without a new search."
        ),
    ] = None,
    json: Json = False,
    sarif: Sarif = False,
) -> None:
    """Audit finished runs again, with this installation's detectors, and settle them anew.

    Ends with 0 when all rules of all runs are clean, 1 when one is flagged, 2 when one could not be checked.

    Example:  [bold]ptb audit runs/demo[/bold]
    """
    from posttrainbench import __version__, catalog
    from posttrainbench.audit.summary import as_sarif, exit_code
    from posttrainbench.cli.audit_view import show_audit, show_line, show_next
    from posttrainbench.run import find_runs

    if json and sarif:
        raise InputError("Give --json or --sarif, not both.")
    if rules is not None:
        catalog.find(catalog.rule_sets(), rules, "rule set")
    runs = find_runs(path)
    quiet = json or sarif
    done: list[tuple[AuditSummary, Result]] = []
    results: list[dict[str, object]] = []
    code = 0
    for run in runs:
        try:
            result = _look(run, rules)
        except InputError as error:
            if len(runs) == 1:
                raise
            print(f"ptb: {error}", file=sys.stderr)
            code = 2
            continue
        if result.status is Status.INFRASTRUCTURE_ERROR:
            code = 2
            results.append(result.model_dump(mode="json"))
            if not quiet:
                show_line(run, result, None)
            continue
        summary = summary_of(run)
        done.append((summary, result))
        results.append(result.model_dump(mode="json") | {"audit": summary.model_dump(mode="json")})
        one = exit_code(summary.verdict)
        code = max(code, 2 if result.status is Status.NOT_AUDITED else one)
        if quiet:
            continue
        if len(runs) > 1:
            show_line(run, result, summary)
        if len(runs) == 1 or one == 1:
            show_audit(run, result, summary)
    if json:
        print_json(results)
    elif sarif:
        used = {summary.rule_set for summary, _ in done}
        print_json(as_sarif(done, [catalog.rule_sets()[name] for name in sorted(used)], __version__))
    else:
        show_next(path, done, len(runs) > 1)
    raise typer.Exit(code)


def adjudicate(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    finding: Annotated[
        str, typer.Argument(metavar="FINDING", help="Id of a finding, or how it begins: `ptb audit RUN`.")
    ],
    why: Annotated[str, typer.Option(help="Your reason, for whoever reads the result.")],
    dismiss: Annotated[bool, typer.Option("--dismiss", help="The finding does not count.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="The finding counts, whatever its level.")] = False,
    json: Json = False,
) -> None:
    """Overrule or confirm a finding, under your git identity, and settle the run anew.

    The last word on a finding counts. It is kept with the run and survives later audits; a dismissal does not cover a
    finding that has grown since. Signed where git is set up to sign commits.

    Example:  [bold]ptb adjudicate runs/demo/RUN 3f2a --dismiss --why "the train split shares these rows"[/bold]
    """
    from posttrainbench.audit.adjudication import identity, sign
    from posttrainbench.cli.audit_view import show_audit
    from posttrainbench.run import Run
    from posttrainbench.run.again import adjudicate as decide
    from posttrainbench.run.directory import now

    if dismiss == confirm:
        raise InputError("Give either --dismiss or --confirm.")
    if not why.strip():
        raise InputError("Give your reason: --why TEXT.")
    run = Run(path)
    meant = _finding(run, finding)
    name, email = identity()
    word = sign(
        Adjudication(
            time=now(),
            run=run.spec.run,
            finding=meant.id,
            decision="dismiss" if dismiss else "confirm",
            why=" ".join(why.split()),
            name=name,
            email=email,
            level=meant.level,
            count=meant.count,
        )
    )
    result = decide(run, word)
    summary = summary_of(run)
    if json:
        print_json(result.model_dump(mode="json") | {"audit": summary.model_dump(mode="json")})
        return
    show_audit(run, result, summary)
    how = "signed" if word.signature else "unsigned: git is not set up to sign (`git config user.signingkey`)"
    print(f"\nKept in {run.stage(Stage.AUDIT)}/adjudications.jsonl as {name} <{email}>, {how}.", file=sys.stderr)


def summary_of(run: "Run") -> "AuditSummary":
    """The last audit of a run, with each finding as the rules of its verdict judge it."""
    from posttrainbench import catalog
    from posttrainbench.audit.adjudication import read_adjudications
    from posttrainbench.audit.summary import summarise
    from posttrainbench.run.audit import read_audit

    folder = run.stage(Stage.AUDIT)
    findings, coverage, verdict = read_audit(folder)
    rule_set = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
    return summarise(str(run.root), rule_set, findings, coverage, verdict, read_adjudications(folder))


def _look(run: "Run", rules: str | None) -> Result:
    """Audit a run, or judge its last audit by other rules."""
    from posttrainbench.cli.progress import Progress
    from posttrainbench.run.again import judge, repeat

    if not run.is_done(Stage.COLLECT):
        raise InputError(f"{run.root} has nothing to audit yet; continue it with `ptb resume {run.root}`.")
    title = f"auditing {run.root.name}"
    with Progress(title) as watch:
        if rules is None:
            return repeat(run, Stage.AUDIT, watch)
        if not run.is_done(Stage.AUDIT):
            result = repeat(run, Stage.AUDIT, watch)
            if result.status is Status.INFRASTRUCTURE_ERROR and not run.is_done(Stage.AUDIT):
                return result
        return judge(run, rules, watch)


def _finding(run: "Run", prefix: str) -> "JudgedFinding":
    """The one finding whose id begins so.

    Raises:
        InputError: there is none, or several.
    """
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{run.root} has not been audited; type `ptb audit {run.root}`.")
    found = summary_of(run).findings
    exact = [one for one in found if one.id == prefix]
    near = exact or [one for one in found if prefix and one.id.startswith(prefix)]
    if len(near) != 1:
        ids = ", ".join(one.id for one in (near or found)) or "none"
        what = "several findings" if near else "no finding"
        raise InputError(f"`{prefix}` names {what} of {run.root}; there are: {ids}.")
    return near[0]
