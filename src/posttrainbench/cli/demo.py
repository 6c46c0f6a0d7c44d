"""`ptb demo`: run the micro suite and show its leaderboard."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.dry_run import report
from posttrainbench.cli.options import DryRun, ExperimentName, Insecure, Out
from posttrainbench.cli.places import named_directory
from posttrainbench.errors import InputError, shell_quoted
from posttrainbench.files import require_no_file

if TYPE_CHECKING:
    from posttrainbench.run import Run

QUICK_BENCHMARK = "micro-math"
DEMO = re.compile(r"demo(-\d+)?")
"""Names that `ptb demo` gives to its directories."""


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="One seed of each agent; about two minutes.")] = False,
    out: Out = None,
    name: ExperimentName = None,
    json: Annotated[bool, typer.Option("--json", help="Print the leaderboard as JSON on standard output.")] = False,
    insecure_no_sandbox: Insecure = False,
    dry_run: DryRun = False,
) -> None:
    """Run scripted agents, two of which cheat, on a tiny model and show the leaderboard.

    Runs a benchmark of the suite `micro` on the CPU, without a GPU, API keys or network access, in a few minutes: an
    honest agent, one that does nothing, one that trains on the test set, and one that submits another model. Training,
    evaluation and audit are real.

    Example:  [bold]ptb demo --quick[/bold]
    """
    from posttrainbench import catalog
    from posttrainbench.cli.console import Console
    from posttrainbench.cli.leaderboard import show_leaderboard
    from posttrainbench.cli.many import require_all, run_all
    from posttrainbench.evaluation.prepare import prepare_baselines
    from posttrainbench.run.directory import lock_experiments, require_idle
    from posttrainbench.run.prepare import check_request, create_runs
    from posttrainbench.run.request import RunRequest

    started = time.monotonic()
    suite = catalog.suites()["micro"]
    plan = suite.demo or catalog.DemoPlan(agents=[])
    sandbox = "process" if insecure_no_sandbox else "bubblewrap"
    experiment = (named_directory(out, name, run=False) or _free_directory()).absolute()
    require_no_file(experiment, "--out")
    require_idle(experiment)
    if experiment.exists() and any(experiment.iterdir()):
        raise InputError(
            f"{experiment} is not empty; continue it with `ptb resume {shell_quoted(experiment)}`, or choose another "
            "--out."
        )
    benchmarks = [QUICK_BENCHMARK] if quick else plan.benchmarks or suite.benchmarks
    console = Console(stderr=True, highlight=False)
    requests = {
        experiment / f"{agent}-{benchmark}-seed{seed}": RunRequest(
            agent, suite.models[0], benchmark, suite.id, seed=seed, sandbox=sandbox
        )
        for benchmark in benchmarks
        for agent in plan.agents
        for seed in range(1 if quick else plan.repeats.get(agent, 1))
    }
    if dry_run:
        return report((result for path, request in requests.items() for result in check_request(request, path)), json)
    runs = create_runs(requests)
    console.print(f"{_described(runs)} in {experiment}", markup=False, soft_wrap=True)
    if out is None and name is None:
        for line in _interrupted_demos(experiment):
            console.print(line, markup=False, soft_wrap=True)
    with lock_experiments(runs):
        try:
            with console.status("evaluating the base model and its instruct counterpart (once per machine)"):
                prepare_baselines(suite, benchmarks, sandbox)
        except KeyboardInterrupt:
            print(f"ptb: interrupted. Continue with: ptb resume {shell_quoted(experiment)}", file=sys.stderr)
            raise typer.Exit(130) from None
        run_all(runs, experiment)
    page = experiment / "leaderboard.html"
    show_leaderboard(experiment, page, json)
    if not json:
        console.print(
            f"\n  {time.monotonic() - started:.0f} s. Next: ptb trace {shell_quoted(runs[0].root)}",
            markup=False,
            soft_wrap=True,
        )
    return require_all(runs, f"ptb resume {shell_quoted(experiment)}")


def _described(runs: "list[Run]") -> str:
    """Return a phrase such as `20 runs (4 agents on 4 benchmarks; recipe-sft with 2 seeds)`."""
    seeds: dict[str, set[int]] = {}
    for run in runs:
        seeds.setdefault(run.spec.agent.name, set()).add(run.spec.seed)
    benchmarks = len({run.spec.benchmark for run in runs})
    parts = [f"{len(seeds)} agents on {benchmarks} benchmark{'' if benchmarks == 1 else 's'}"]
    parts += [f"{agent} with {len(own)} seeds" for agent, own in seeds.items() if len(own) > 1]
    return f"{len(runs)} runs ({'; '.join(parts)})"


def _interrupted_demos(experiment: Path) -> Iterator[str]:
    """Yield a line for each earlier demo beside an experiment whose runs no process works on and not all are done."""
    from posttrainbench.errors import PtbError
    from posttrainbench.run.directory import is_active
    from posttrainbench.run.index import summaries

    for folder in sorted(Path("runs").glob("demo*")):
        if folder.absolute() == experiment or not DEMO.fullmatch(folder.name):
            continue
        try:
            runs = summaries(folder)
        except PtbError:  # without runs
            continue
        left = sum(run.state in ("interrupted", "waiting", "infrastructure_error") for run in runs)
        if left and not any(run.live for run in runs) and not is_active(folder):
            count = f"{left} of {len(runs)} runs of the earlier {folder} {'is' if left == 1 else 'are'} not done"
            yield f"{count}; continue it with: ptb resume {shell_quoted(folder)}"


def _free_directory() -> Path:
    """Return `runs/demo`, or the first `runs/demo-N` that does not exist."""
    path, number = Path("runs", "demo"), 2
    while path.exists():
        path = path.with_name(f"demo-{number}")
        number += 1
    return path
