"""`ptb review`: decide on suspected runs, one after the other."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RunsPath
from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.records import Result
from posttrainbench.untrusted import printable

if TYPE_CHECKING:
    from posttrainbench.audit.summary import AuditSummary, FindingSummary
    from posttrainbench.run import Run

DECISIONS: dict[str, Literal["dismiss", "confirm"]] = {"c": "confirm", "d": "dismiss"}


@dataclass(frozen=True)
class Suspicion:
    """A suspected rule of one run, with the findings that make it suspected."""

    run: "Run"
    result: Result
    audit: "AuditSummary"
    rule: str

    @property
    def findings(self) -> "list[FindingSummary]":
        """The findings on which a person has to decide."""
        return [one for one in self.audit.findings if one.state == "suspects" and one.rule == self.rule]


def review(
    path: RunsPath,
    confirm: Annotated[bool, typer.Option("--confirm", help="The next suspicion is right: reset the score.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="The next suspicion is wrong: the score counts.")] = False,
    why: Annotated[str, typer.Option(help="Your reason, shown with the result.")] = "",
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="Only suspicions on this rule.")] = None,
    json: Json = False,
) -> None:
    """Show the next suspected run with its evidence, and confirm or dismiss the suspicion.

    On a terminal, the command asks for each suspected run. Otherwise it shows the next one, and `--confirm` or
    `--dismiss` decides on it; give it a single run, so that no other run is decided on by mistake. Decisions
    are stored as by `ptb adjudicate`.

    Exit codes: 0 all runs were read, 2 the files of a run are damaged.

    Example:  [bold]ptb review runs/demo[/bold]
    """
    if confirm and dismiss:
        raise InputError("Give either --confirm or --dismiss.")
    if rule is not None:
        _require_rule(rule)
    queue, audited, unread = _queue(path, rule)
    if confirm or dismiss:
        if not why.strip():
            raise InputError("Give your reason: --why TEXT.")
        if len({one.run.root for one in queue}) > 1:
            raise InputError(f"{path} has several suspected runs; name the one that you decide on.")
        if not queue and unread:
            raise InputError(unread[0])
        if not queue:
            raise InputError(f"{path} has no suspicion to decide on; see `ptb audit {shlex.quote(str(path))}`.")
        _decide(queue[0], "confirm" if confirm else "dismiss", why, quiet=json)
        if json:
            print_json(_as_json(_queue(path, rule)[0]))
        return
    for reason in unread:
        print(f"ptb: {reason}", file=sys.stderr)
    if json:
        print_json(_as_json(queue))
    elif not queue:
        found = f"No suspicion is open: {audited} audited run{'' if audited == 1 else 's'}"
        print(f"{found}; {len(unread)} cannot be read and may have one." if unread else f"{found}.")
        print(f"Next: ptb leaderboard {shlex.quote(str(path))}", file=sys.stderr)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _ask(queue)
    else:
        _show(queue[0], 1, len(queue))
        where = shlex.quote(str(queue[0].run.root))
        only = f" --rule {queue[0].rule}" if len({one.rule for one in queue if one.run is queue[0].run}) > 1 else ""
        print(f"Decide: ptb review {where}{only} --dismiss --why TEXT   (or --confirm)", file=sys.stderr)
    if unread:
        raise typer.Exit(2)


def _require_rule(rule: str) -> None:
    """Check that a rule set has a rule of this name.

    Raises:
        InputError: none has; the message lists the names.
    """
    from posttrainbench import catalog

    names = dict.fromkeys(name for rules in catalog.rule_sets().values() for name in rules.rules)
    if rule not in names:
        raise InputError(f"Unknown rule `{printable(rule)}`; choose from {', '.join(names)}.")


def _queue(path: Path, rule: str | None) -> tuple[list[Suspicion], int, list[str]]:
    """Return the open suspicions, the number of audited runs, and why other runs cannot be read."""
    from posttrainbench.cli.audit import summary_of
    from posttrainbench.records import Stage
    from posttrainbench.run import find_runs

    queue: list[Suspicion] = []
    audited = 0
    unread = []
    for run in find_runs(path):
        try:
            result = run.result()
            if result is None or not run.is_done(Stage.AUDIT):
                continue
            _require_readable(run)
            if result.suspected:
                audit = summary_of(run)
                queue += [Suspicion(run, result, audit, name) for name in result.suspected if rule in (None, name)]
        except InputError as error:
            unread.append(str(error))
            continue
        audited += 1
    return queue, audited, unread


def _require_readable(run: "Run") -> None:
    """Check that the specification and the verdict of an audited run can be read.

    Raises:
        InputError: one of them cannot.
    """
    from posttrainbench.records import Stage, Verdict
    from posttrainbench.untrusted import UnreadableError, read_text_below

    path = run.stage(Stage.AUDIT) / "verdict.json"
    try:
        Verdict.model_validate_json(read_text_below(run.root, path))
    except (OSError, ValueError, UnreadableError) as error:
        raise InputError(
            f"{path} is damaged; `ptb audit {shell_quoted(run.root)}` repeats the audit. {one_line(error)}"
        ) from None
    _ = run.spec


def _show(suspicion: Suspicion, number: int, total: int) -> None:
    from posttrainbench.cli.audit_view import show_findings

    show_findings(suspicion.run, suspicion.result, suspicion.rule, suspicion.findings, f"{number} of {total}")


def _ask(queue: list[Suspicion]) -> None:
    for number, suspicion in enumerate(queue, 1):
        _show(suspicion, number, len(queue))
        answer = ""
        while answer not in (*DECISIONS, "s", "q"):
            answer = input("confirm, dismiss, skip or quit [c/d/s/q]? ").strip().lower()[:1]
        if answer == "q":
            return
        if answer == "s":
            continue
        why = ""
        while not why.strip():
            why = input("Your reason: ")
        _decide(suspicion, DECISIONS[answer], why, quiet=False)


def _decide(suspicion: Suspicion, decision: Literal["dismiss", "confirm"], why: str, *, quiet: bool) -> None:
    from posttrainbench.cli.audit import record_decision
    from posttrainbench.report.text import percent

    result, saved = record_decision(suspicion.run, suspicion.findings, decision, why)
    if not quiet:
        state = result.verdict[suspicion.rule].replace("_", " ")
        print(f"{suspicion.rule} is now {state}, score {percent(result.score)}.")
        print(saved, file=sys.stderr)


def _as_json(queue: list[Suspicion]) -> list[dict[str, object]]:
    return [
        {
            "run": str(one.run.root),
            "rule": one.rule,
            "score": one.result.score,
            "findings": [finding.model_dump(mode="json") for finding in one.findings],
        }
        for one in queue
    ]
