"""`ptb audit` and `ptb adjudicate`: audit finished runs again, and decide on findings."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RunPath, RunsPath
from posttrainbench.errors import InputError
from posttrainbench.records import Adjudication, Result, Stage, Status

if TYPE_CHECKING:
    from posttrainbench.audit.summary import AuditSummary, FindingSummary
    from posttrainbench.run import Run

Sarif = Annotated[bool, typer.Option("--sarif", help="Print only a SARIF 2.1.0 log on standard output.")]


SEVERITY = (0, 3, 1, 2)
"""Exit codes, from the least to the most serious one."""


def audit(
    path: RunsPath,
    rules: Annotated[
        str | None,
        typer.Option(
            metavar="RULE_SET", help="Apply this rule set to the findings of the last audit, without searching again."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the audit and the result that follows from it there, and leave the run unchanged.",
        ),
    ] = None,
    json: Json = False,
    sarif: Sarif = False,
) -> None:
    """Audit finished runs again with the installed detectors, and re-score them.

    Of a run whose evaluation is in progress, show the audit that the run has made.

    Exit codes: 0 all rules of all runs are clean, 1 a rule is flagged, 2 a rule could not be checked, 3 a rule is only
    suspected. Of several runs, 2 comes before 1 before 3.

    Example:  [bold]ptb audit demo/recipe-sft-micro-math-seed0[/bold]
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
    done: list[tuple[AuditSummary, Result | None]] = []
    results: list[dict[str, object]] = []
    codes = [0]
    for run in runs:
        try:
            folder = None if out is None else out if len(runs) == 1 else out / run.root.name
            stored = rules is None and folder is None and _is_being_evaluated(run)
            result = None if stored else _audit(run, rules, folder)
        except InputError as error:
            if len(runs) == 1:
                raise
            print(f"ptb: {error}", file=sys.stderr)
            codes.append(2)
            continue
        if result is not None and result.status is Status.INFRASTRUCTURE_ERROR:
            codes.append(2)
            results.append(result.model_dump(mode="json"))
            if not quiet:
                show_line(run, result, None)
            continue
        summary = summary_of(run, folder)
        done.append((summary, result))
        outcome = {"run": run.spec.run, "status": "unfinished"} if result is None else result.model_dump(mode="json")
        results.append(outcome | {"audit": summary.model_dump(mode="json")})
        one = exit_code(summary.verdict)
        codes.append(2 if result is not None and result.status is Status.NOT_AUDITED else one)
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
    elif out is not None:
        print(f"\nWritten to {out}; the run is unchanged." if done else "\nNothing was audited.", file=sys.stderr)
    else:
        if rules is not None and done:
            _announce(path, rules, {run.spec.rules for run in runs})
        show_next(path, done, len(runs) > 1)
    raise typer.Exit(max(codes, key=SEVERITY.index))


def _announce(path: Path, rules: str, stated: set[str]) -> None:
    """Say that the stored results have changed, and how to change them back."""
    text = f"\nThe stored results are now those under the rule set {rules}."
    if len(others := stated - {rules}) == 1:
        text += f" To return to the agents' rules: ptb audit {shlex.quote(str(path))} --rules {others.pop()}"
    print(text, file=sys.stderr)


def adjudicate(
    path: RunPath,
    finding: Annotated[
        str,
        typer.Argument(metavar="FINDING", help="Id of a finding (see `ptb audit RUN`), or its first characters."),
    ],
    why: Annotated[str, typer.Option(help="Your reason, shown with the result.")],
    dismiss: Annotated[bool, typer.Option("--dismiss", help="The finding does not count.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="The finding counts at any level and count.")] = False,
    json: Json = False,
) -> None:
    """Dismiss or confirm a finding under your git identity, and re-score the run.

    The last decision on a finding counts. It is stored with the run and applies to later audits; a dismissal does not
    cover a finding that has grown since. It is signed if git is configured to sign commits.

    Example:  [bold]ptb adjudicate demo/recipe-cheat-swap-micro-math-seed0 3f2a --confirm --why "same weights"[/bold]
    """
    from posttrainbench.cli.audit_view import show_audit
    from posttrainbench.run import Run

    if dismiss == confirm:
        raise InputError("Give either --dismiss or --confirm.")
    if not why.strip():
        raise InputError("Give your reason: --why TEXT.")
    run = Run(path)
    result, saved = record_decision(run, [_finding(run, finding)], "dismiss" if dismiss else "confirm", why)
    summary = summary_of(run)
    if json:
        print_json(result.model_dump(mode="json") | {"audit": summary.model_dump(mode="json")})
        return
    show_audit(run, result, summary)
    print(f"\n{saved}", file=sys.stderr)


def record_decision(
    run: "Run", findings: Sequence["FindingSummary"], decision: Literal["dismiss", "confirm"], why: str
) -> tuple[Result, str]:
    """Record a person's decision on findings, and re-score the run.

    Returns:
        The new result, and a sentence that says where and how the decision was stored.
    """
    from posttrainbench.audit.adjudication import identity, sign
    from posttrainbench.run.directory import now
    from posttrainbench.run.rerun import adjudicate as decide

    name, email = identity()
    adjudications = [
        sign(
            Adjudication(
                time=now(),
                run=run.spec.run,
                finding=finding.id,
                decision=decision,
                why=" ".join(why.split()),
                name=name,
                email=email,
                level=finding.level,
                count=finding.count,
            )
        )
        for finding in findings
    ]
    result = decide(run, adjudications)
    unsigned = "unsigned: git is not configured to sign (`git config user.signingkey`)"
    how = "signed" if all(adjudication.signature for adjudication in adjudications) else unsigned
    return result, f"Saved in {run.stage(Stage.AUDIT)}/adjudications.jsonl as {name} <{email}>, {how}."


def summary_of(run: "Run", folder: Path | None = None) -> "AuditSummary":
    """Return an audit, by default the run's last one, with each finding under the rule set of its verdict."""
    from posttrainbench import catalog
    from posttrainbench.audit.adjudication import read_adjudications
    from posttrainbench.audit.summary import summarize
    from posttrainbench.run.audit import read_audit

    folder = folder or run.stage(Stage.AUDIT)
    findings, coverage, verdict = read_audit(folder)
    rule_set = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
    return summarize(str(run.root), rule_set, findings, coverage, verdict, read_adjudications(folder))


def _is_being_evaluated(run: "Run") -> bool:
    """Return True if a run was audited and not yet evaluated, and a process is working on it."""
    from posttrainbench.run.directory import is_attended

    return run.is_done(Stage.AUDIT) and not run.is_done(Stage.EVALUATE) and is_attended(run)


def _audit(run: "Run", rules: str | None, out: Path | None) -> Result:
    """Audit a run, or apply a rule set to its last audit; into `out` if given."""
    from posttrainbench.cli.progress import Progress
    from posttrainbench.run.rerun import audit_elsewhere, redecide, rerun_stage
    from posttrainbench.run.status import require_collected

    require_collected(run)
    title = f"auditing {run.root.name}"
    with Progress(title) as listener:
        if out is not None:
            return audit_elsewhere(run, out, rules, listener)
        if rules is None:
            return rerun_stage(run, Stage.AUDIT, listener)
        if not run.is_done(Stage.AUDIT):
            result = rerun_stage(run, Stage.AUDIT, listener)
            if result.status is Status.INFRASTRUCTURE_ERROR and not run.is_done(Stage.AUDIT):
                return result
        return redecide(run, rules, listener)


def _finding(run: "Run", prefix: str) -> "FindingSummary":
    """Return the finding whose id begins with `prefix`.

    Raises:
        InputError: no finding matches, or several do.
    """
    from posttrainbench.run.status import require_audited

    require_audited(run)
    findings = summary_of(run).findings
    exact = [finding for finding in findings if finding.id == prefix]
    matching = exact or [finding for finding in findings if prefix and finding.id.startswith(prefix)]
    if len(matching) != 1:
        ids = ", ".join(finding.id for finding in (matching or findings)) or "none"
        problem = "matches several findings" if matching else "matches no finding"
        raise InputError(f"`{prefix}` {problem} of {run.root}; choose one of: {ids}.")
    return matching[0]
