"""`ptb judge`: an LLM reads a run and decides what the detectors leave open."""

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.audit.judge import Judgement, Vote
    from posttrainbench.audit.judge.calibration.calibrate import Calibration, CaseResult
    from posttrainbench.audit.judge.calibration.figures import Interval
    from posttrainbench.audit.judge.records import JudgeUsage

REASON = 300
QUOTES = 3


class _Group(TyperGroup):
    """`ptb judge RUN` is short for `ptb judge run RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, no_args_is_help=True, rich_markup_mode="rich")

JudgeName = Annotated[
    str,
    typer.Option(
        "--judge",
        metavar="MODEL|URL|AGENT",
        help="A model as Inspect names it (openai/gpt-5-mini), URL#MODEL with the key in PTB_JUDGE_API_KEY, or an "
        "agent (claude-code/claude-opus-4-6).",
    ),
]
Votes = Annotated[int, typer.Option(min=1, max=25, help="How often it judges, each time anew.")]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0.0, metavar="USD", help="Ask no more once all votes have cost so much."),
]


@app.callback()
def judge() -> None:
    """Have an LLM read a run and decide, rule by rule, what the detectors leave open; its quotations are checked.

    Example:  [bold]ptb judge runs/demo/RUN --judge openai/gpt-5-mini --votes 3[/bold]
    """


@app.command()
def run(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="An audited run's directory.")],
    judge: JudgeName,
    votes: Votes = 1,
    max_cost: MaxCost = None,
    json: Json = False,
) -> None:
    """Have a run judged, join what was found to its audit, and settle it anew.

    Votes that answered are kept, so that the same command goes on where it was stopped. Ends with 0 when the judge
    finds all rules kept, 1 when it flags one, 2 when it could not decide one, or did not answer.

    Example:  [bold]ptb judge runs/demo/RUN --judge openai/gpt-5-mini --votes 3[/bold]
    """
    from posttrainbench.run import Run
    from posttrainbench.run.judge import judge_run
    from posttrainbench.run.judge_agent import load_judge

    found = Run(path)
    try:
        reviewed = judge_run(found, load_judge(judge, max_cost), votes, _tell_vote)
    except KeyboardInterrupt:
        print("\nptb: stopped; votes that answered are kept, and the same command goes on.", file=sys.stderr)
        raise typer.Exit(130) from None
    judgement, result = reviewed.judgement, reviewed.result
    if json:
        settled = None if result is None else result.model_dump(mode="json")
        print_json({"judgement": judgement.model_dump(mode="json"), "result": settled})
    else:
        _show(judgement)
        if result is None:
            print("\nToo few votes answered: the audit stays as it was, with the earlier judge's word.")
        else:
            print(f"\nThe run is {result.status.value.replace('_', ' ')}; `ptb audit {found.root}` shows all findings.")
    raise typer.Exit(_exit_code(judgement))


@app.command()
def calibrate(
    judge: JudgeName,
    votes: Votes = 1,
    max_cost: MaxCost = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where votes and figures are kept; goes on with what is there. judge-calibration/JUDGE."),
    ] = None,
    json: Json = False,
) -> None:
    """Have a judge decide small runs with known answers, more than half of them innocent, and say how well it does.

    The figures hold for this set of cases alone. Ends with 0 when every vote answered, else 1.

    Example:  [bold]ptb judge calibrate --judge openai/gpt-5-mini --votes 3[/bold]
    """
    from posttrainbench.audit.judge.calibration.calibrate import calibrate as measure
    from posttrainbench.audit.judge.calibration.cases import cases
    from posttrainbench.run.judge_agent import load_judge

    loaded = load_judge(judge, max_cost)
    folder = out or Path("judge-calibration", re.sub(r"[^\w.-]+", "-", judge).strip("-"))
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is no directory; choose another: --out DIR.")
    done: list[CaseResult] = []
    number = len(cases())

    def tell(result: "CaseResult") -> None:
        done.append(result)
        wrong = [one for one in result.decisions if one.decided != one.label]
        said = ", ".join(f"{one.rule} {one.decided} instead of {one.label}" for one in wrong) or "as labelled"
        print(f"{len(done)}/{number} {result.case}: {said}", file=sys.stderr, flush=True)

    try:
        calibration = asyncio.run(measure(loaded, votes, folder, tell))
    except KeyboardInterrupt:
        print(f"\nptb: stopped; the votes in {folder} are kept, and the same command goes on.", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        print_json(calibration.model_dump(mode="json"))
    else:
        _show_calibration(calibration)
        print(f"\nKept in {folder}/calibration.json")
    raise typer.Exit(1 if calibration.failed_votes else 0)


def _tell_vote(vote: "Vote") -> None:
    from posttrainbench.report.text import plain

    said = f"failed: {plain(vote.problem, REASON)}" if vote.problem else "answered"
    print(f"Vote {vote.number} {said}, {vote.seconds:.0f} s, {_cost(vote.usage)}", file=sys.stderr, flush=True)


def _exit_code(judgement: "Judgement") -> int:
    states = {one.state for one in judgement.rules}
    return 1 if "flagged" in states else 0 if states == {"clean"} else 2


def _show(judgement: "Judgement") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.report.tables import RULE_STYLE
    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    table = Table(box=None)
    for column in ("rule", "judged", "votes", "level"):
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
    answered = f"{judgement.answered} of {judgement.asked} votes of {plain(judgement.judge)} answered"
    print(f"\n{answered}; {_cost(judgement.usage)}")


def _show_calibration(calibration: "Calibration") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    table = Table(box=None)
    for column in ("rule", "found", "false", "recall", "precision", "kappa"):
        table.add_column(column, no_wrap=True)
    for name, one in [*calibration.rules.items(), ("all rules", calibration.overall)]:
        found = f"{one.flagged_broken} of {one.broken}"
        kappa = "–" if one.kappa.value is None else f"{one.kappa.value:.2f}"
        table.add_row(name, found, str(one.flagged_kept), _interval(one.recall), _interval(one.precision), kappa)
    console.print(table)
    print(f"\nkappa over all rules: {_interval(calibration.overall.kappa)}")
    print(
        f"{calibration.cases} cases, {calibration.innocent} innocent: {_interval(calibration.clean_innocents)} "
        f"of these without a flag\n{calibration.undecided} decisions not made, {calibration.failed_votes} votes "
        "failed; intervals of 95 %, for these cases alone"
    )
    if calibration.pairwise is not None:
        kappa = "" if calibration.fleiss is None else f", Fleiss' kappa {calibration.fleiss:.2f}"
        print(f"Votes agree in {calibration.pairwise:.1%} of pairs{kappa}.")
    print(f"{calibration.judge}: {_cost(calibration.usage)}, {calibration.seconds:.0f} s of judging in all.")
    for wrong in calibration.disagreements:
        about = f"{wrong.case} ({wrong.about}): {wrong.rule} {wrong.decided} instead of {wrong.label}"
        console.print(
            Text(f"{about}: {plain('; '.join(filter(None, (wrong.reasons, wrong.note))), REASON)}"), soft_wrap=True
        )


def _interval(one: "Interval") -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:.2f} {one.low:.2f}–{one.high:.2f}"


def _cost(usage: "JudgeUsage") -> str:
    cost = "price not known" if usage.cost is None else f"${usage.cost:.4f}"
    return f"{usage.input} tokens in ({usage.cached} cached), {usage.output} out, {cost}"
