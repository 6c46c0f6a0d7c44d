"""`ptb reproduce`: repeat a run of somebody's bundle with fresh seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import (
    EngineName,
    EngineSettings,
    Gpus,
    GraderName,
    Image,
    Json,
    NetworkName,
    SandboxName,
    parse_gpus,
    parse_network,
    parse_settings,
    print_json,
)
from posttrainbench.cli.places import RUNS
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.report.bundle.claim import Claim
    from posttrainbench.scoring.reproduction import Reproduction


def reproduce(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file that `ptb export` wrote.")],
    seeds: Annotated[int, typer.Option(min=2, max=1000, help="Number of fresh runs.")] = 3,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Run of the bundle. Default: the only one.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the new experiment. Default: reproduce-RUN.", show_default=False)
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="Agent, as for `ptb run`. Default: the bundle's, if it has no settings.", show_default=False),
    ] = None,
    network: NetworkName = None,
    prompt_file: Annotated[
        Path | None, typer.Option(help="The run's prompt template, if it had its own.", show_default=False)
    ] = None,
    engine: EngineName = None,
    engine_setting: EngineSettings = None,
    grader: GraderName = None,
    sandbox: SandboxName = None,
    image: Image = None,
    gpus: Gpus = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs, their costs and all problems; write nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Repeat a run of a bundle with fresh seeds, and say whether its claimed score lies in what was measured.

    Agent, base model, benchmark, suite and budget are those of the bundle. A bundle is a stranger's file: settings of
    agent and engine, the grader, network access and everything else on this machine are yours. The same command again
    continues.

    Exit codes: 0 the claim lies in the 95% prediction interval, 1 it does not, 2 it could not be decided.

    Example:  [bold]ptb reproduce demo.tar.zst --run recipe-noop-micro-math-seed0 --seeds 2[/bold]
    """
    from posttrainbench.cli.launch import carry_out
    from posttrainbench.cli.options import choose_sandbox
    from posttrainbench.launch.experiment import read_experiment, resolve
    from posttrainbench.launch.plan import standings
    from posttrainbench.report.bundle.claim import experiment_of, read_claim
    from posttrainbench.run.prepare import read_prompt
    from posttrainbench.scoring import load_cells
    from posttrainbench.scoring.reproduction import reproduce as compare

    claim = read_claim(bundle, run)
    if claim.cell.spec.prompt and prompt_file is None:
        raise InputError(f"The run {claim.name} had its own prompt template; get it, and give it with --prompt-file.")
    chosen = {
        "engine": engine,
        "network": parse_network(network),
        "prompt": read_prompt(prompt_file) if prompt_file else None,
        "engine_settings": parse_settings(engine_setting) or None,
        "grader": grader,
        "sandbox": choose_sandbox(sandbox, False) if sandbox else None,
        "image": image,
        "gpus": parse_gpus(gpus) if gpus else None,
    }
    given = experiment_of(claim, name or f"reproduce-{claim.name}"[:80], seeds, agent)
    given |= {key: value for key, value in chosen.items() if value is not None}
    root = (RUNS / str(given["name"])).absolute()
    existing = read_experiment(root)
    if existing is None and root.exists() and any(entry.name != "lock" for entry in root.iterdir()):
        raise InputError(f"{root} is not empty; choose another --name.")
    experiment = resolve(given, existing)
    carry_out(experiment, root, [], dry_run, json)
    cells = load_cells(entry.root for entry in standings(experiment, root) if (entry.root / "run.json").is_file())
    result = compare(claim.score, [cell.raw_score for cell in cells if cell.raw_score is not None], claim.items)
    if json:
        print_json({"claim": claim.name, **result.model_dump(mode="json"), "problems": claim.problems})
    else:
        _show(claim, result, len(cells), root)
    raise typer.Exit({"within": 0, "not_checked": 2}.get(result.state, 1))


def _show(claim: "Claim", result: "Reproduction", runs: int, root: Path) -> None:
    import shlex

    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph
    from posttrainbench.report.text import percent, plain

    console = Console(highlight=False)
    scores = ", ".join(map(percent, result.measured))
    lines = [
        f"Claimed by {claim.name}: {percent(result.claimed)} (the submission's own score).",
        f"Measured in {len(result.measured)} of {runs} fresh runs: {scores or 'nothing'}.",
    ]
    if result.interval is None:
        lines.append("With fewer than two scores, nothing can be said; repeat the command once the runs have results.")
    else:
        low, high = map(percent, result.interval)
        where = "lies within" if result.state == "within" else f"lies {result.state}"
        lines.append(f"The claim {where} the 95% prediction interval of one more run, {low} to {high}.")
    lines += [f"In the bundle, this does not hold: {problem}" for problem in claim.problems]
    console.print()
    for line in lines:
        console.print(Paragraph(Text(plain(line, 1000))))
    console.print(f"\n  Next: ptb leaderboard {shlex.quote(str(root))}", markup=False, soft_wrap=True)
