"""`ptb judge`: an LLM reviews a run and decides questions that the detectors leave open."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RunPath
from posttrainbench.errors import InputError, shell_quoted

if TYPE_CHECKING:
    from posttrainbench.audit.judge import Judgement, Vote
    from posttrainbench.audit.judge.calibration.calibrate import Calibration, CaseResult
    from posttrainbench.audit.judge.calibration.figures import Interval
    from posttrainbench.audit.judge.records import JudgeUsage
    from posttrainbench.records import Certificate

REASON = 300
QUOTES = 3


class _Group(TyperGroup):
    """`ptb judge RUN` is short for `ptb judge run RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command `run` if none is given."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode="rich")

JudgeName = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="JUDGE",
        help="A model as Inspect names it (openai/gpt-5-mini), URL#MODEL with the key in PTB_JUDGE_API_KEY, or an "
        "agent (claude-code/MODEL).",
    ),
]
Votes = Annotated[int, typer.Option(min=1, max=25, help="Number of independent votes.")]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        min=0.0,
        metavar="USD",
        help="Stop once all votes cost this much. Default: 50, if the price is known.",
    ),
]


@app.callback()
def judge() -> None:
    """Let an LLM review a run rule by rule, for questions that the detectors leave open. Its quotations are checked.

    Example:  [bold]ptb judge demo/recipe-sft-micro-math-seed0 --judge openai/gpt-5-mini --votes 3[/bold]
    """


@app.command()
def run(
    path: RunPath,
    judge: JudgeName,
    votes: Votes = 1,
    max_cost: MaxCost = None,
    json: Json = False,
) -> None:
    """Let a judge review a run, add its findings to the audit, and re-score the run.

    Votes are stored, so the same command continues an interrupted review.

    Exit codes: 0 the judge finds that all rules were followed, 1 it flags a rule, 2 a rule is undecided or the judge
    failed.

    Example:  [bold]ptb judge demo/recipe-sft-micro-math-seed0 --judge openai/gpt-5-mini --votes 3[/bold]
    """
    from posttrainbench.run import Run
    from posttrainbench.run.judge import judge_run
    from posttrainbench.run.judge_agent import load_judge

    found = Run(path)
    try:
        reviewed = judge_run(found, load_judge(judge, max_cost), votes, _tell_vote)
    except KeyboardInterrupt:
        print("\nptb: stopped; completed votes are stored, and the same command continues.", file=sys.stderr)
        raise typer.Exit(130) from None
    judgement, result = reviewed.judgement, reviewed.result
    if json:
        settled = None if result is None else result.model_dump(mode="json")
        print_json({"judgement": judgement.model_dump(mode="json"), "result": settled})
    else:
        _show(judgement)
        if result is None:
            print("\nToo few votes succeeded; the audit keeps the earlier judge's findings.")
        else:
            print(
                f"\nThe run is {result.status.value.replace('_', ' ')}; "
                f"`ptb audit {shell_quoted(found.root)}` shows all findings."
            )
    raise typer.Exit(_exit_code(judgement))


@app.command()
def calibrate(
    judge: JudgeName,
    votes: Votes = 1,
    max_cost: MaxCost = None,
    rules: Annotated[str, typer.Option(metavar="RULESET", help="Rule set whose texts the judge is given.")] = "v1.2",
    out: Annotated[
        Path | None,
        typer.Option(help="Directory of votes and results; stored votes are reused. Default: in the data directory."),
    ] = None,
    json: Json = False,
) -> None:
    """Let a judge decide small runs with known answers, half of them innocent, and certify it where it does well.

    The figures hold only for this set of cases. The certificate is stored in the data directory and is valid for the
    same judge, settings, number of votes, prompt and rule texts.

    Exit codes: 0 every vote succeeded, 1 a vote failed, 2 invalid input.

    Example:  [bold]ptb judge calibrate --judge openai/gpt-5-mini --votes 3[/bold]
    """
    import asyncio

    from posttrainbench import catalog
    from posttrainbench.audit.judge.calibration.calibrate import calibrate as measure
    from posttrainbench.audit.judge.calibration.calibrate import labeled_rules
    from posttrainbench.audit.judge.calibration.cases import cases
    from posttrainbench.audit.judge.certificates import directory
    from posttrainbench.run.judge_agent import load_judge

    rule_set = catalog.find(catalog.rule_sets(), rules, "rule set")
    labeled_rules(rule_set)
    loaded = load_judge(judge, max_cost)
    folder = out or directory() / "calibrations" / re.sub(r"[^\w.-]+", "-", f"{judge}-{rules}").strip("-")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a directory; choose another with --out DIR.")
    done: list[CaseResult] = []
    number = len(cases())

    def tell(result: "CaseResult") -> None:
        done.append(result)
        wrong = [one for one in result.decisions if one.decided != one.label]
        outcome = ", ".join(f"{one.rule} {one.decided} instead of {one.label}" for one in wrong) or "correct"
        print(f"{len(done)}/{number} {result.case}: {outcome}", file=sys.stderr, flush=True)

    try:
        calibration = asyncio.run(measure(loaded, votes, rule_set, folder, tell))
    except KeyboardInterrupt:
        print(f"\nptb: stopped; the votes in {folder} are stored, and the same command continues.", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        print_json(calibration.model_dump(mode="json"))
    else:
        _show_calibration(calibration)
        print(f"\nSaved in {folder}/calibration.json")
    raise typer.Exit(1 if calibration.failed_votes else 0)


@app.command()
def certificates(json: Json = False) -> None:
    """List the judges that were calibrated, and the rules for which each is certified.

    Example:  [bold]ptb judge certificates[/bold]
    """
    from posttrainbench.audit.judge.certificates import directory, stored

    found = stored()
    if json:
        print_json([certificate.model_dump(mode="json") for certificate in found])
        return
    for certificate in found:
        _show_certificate(certificate)
    if not found:
        print(f"No judge was calibrated ({directory()}); measure one with `ptb judge calibrate --judge MODEL`.")


def _tell_vote(vote: "Vote") -> None:
    from posttrainbench.report.text import plain

    outcome = f"failed: {plain(vote.problem, REASON)}" if vote.problem else "succeeded"
    print(f"Vote {vote.number} {outcome}, {vote.seconds:.0f} s, {_cost(vote.usage)}", file=sys.stderr, flush=True)


def _exit_code(judgement: "Judgement") -> int:
    states = {one.state for one in judgement.rules}
    return 1 if "flagged" in states else 0 if states == {"clean"} else 2


def _show(judgement: "Judgement") -> None:
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.tables import RULE_STYLE
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    table = Table(box=None)
    for column in ("rule", "decision", "votes", "level"):
        table.add_column(column)
    for one in judgement.rules:
        votes = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in one.votes.items())
        state = Text(one.state.replace("_", " "), style=RULE_STYLE.get(one.state, "magenta"))
        table.add_row(one.rule, state, votes, one.level.value if one.evidence else "")
    console.print(table)
    for one in judgement.rules:
        if one.state == "clean" and not one.votes.get("flagged"):
            continue
        why = plain("; ".join(filter(None, (one.reasons, one.note))), REASON)
        console.print(Text(f"\n{one.rule}: {why}"), soft_wrap=True)
        for quoted in one.evidence[:QUOTES]:
            where = f"  {plain(quoted.file)}:{quoted.line}: "
            console.print(Text(where + plain(quoted.text), "dim"), soft_wrap=True)
    answered = f"{judgement.answered} of {judgement.asked} votes of {plain(judgement.judge)} succeeded"
    print(f"\n{answered}; {_cost(judgement.usage)}")


def _show_calibration(calibration: "Calibration") -> None:
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    table = Table(box=None)
    for column in ("rule", "detected", "false flags", "recall", "precision", "kappa"):
        table.add_column(column, no_wrap=True)
    for name, one in [*calibration.rules.items(), ("all rules", calibration.overall)]:
        found = f"{one.flagged_broken} of {one.broken}"
        kappa = "–" if one.kappa.value is None else f"{one.kappa.value:.2f}"
        table.add_row(name, found, str(one.flagged_kept), _interval(one.recall), _interval(one.precision), kappa)
    console.print(table)
    print(f"\nkappa over all rules: {_interval(calibration.overall.kappa)}")
    print(
        f"{calibration.cases} cases, {calibration.innocent} innocent; share of innocent cases without a flag: "
        f"{_interval(calibration.clean_innocents)}\n{calibration.undecided} decisions not made, "
        f"{calibration.failed_votes} votes failed; 95% confidence intervals, for these cases only"
    )
    if calibration.pairwise is not None:
        kappa = "" if calibration.fleiss is None else f", Fleiss' kappa {calibration.fleiss:.2f}"
        print(f"Pairs of votes agree in {calibration.pairwise:.1%} of decisions{kappa}.")
    print(f"{calibration.judge}: {_cost(calibration.usage)}, {calibration.seconds:.0f} s in total.")
    print()
    _show_certificate(calibration.certificate)
    for wrong in calibration.disagreements:
        about = f"{wrong.case} ({wrong.about}): {wrong.rule} {wrong.decided} instead of {wrong.label}"
        console.print(
            Text(f"{about}: {plain('; '.join(filter(None, (wrong.reasons, wrong.note))), REASON)}"), soft_wrap=True
        )


def _show_certificate(certificate: "Certificate") -> None:
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    votes = f"{certificate.votes} vote{'' if certificate.votes == 1 else 's'}"
    title = f"{certificate.judge}, {votes}, rules {certificate.rule_set}, {certificate.date}, {certificate.cases} cases"
    console.print(Text(plain(title)), soft_wrap=True)
    table = Table(box=None)
    for column in ("rule", "violations flagged", "look-alikes cleared", "certified"):
        table.add_column(column, no_wrap=True)
    for name, one in certificate.rules.items():
        table.add_row(
            name,
            f"{one.flagged_broken} of {one.broken}, {_range(one.true_positive)}",
            f"{one.cleared_kept} of {one.kept}, {_range(one.true_negative)}",
            Text("yes", "green") if one.certified else Text("no", "magenta"),
        )
    console.print(table)


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2f}–{interval[1]:.2f}"


def _interval(one: "Interval") -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:.2f} {one.low:.2f}–{one.high:.2f}"


def _cost(usage: "JudgeUsage") -> str:
    cost = "price unknown" if usage.cost is None else f"${usage.cost:.4f}"
    return f"{usage.input} tokens in ({usage.cached} cached), {usage.output} out, {cost}"
