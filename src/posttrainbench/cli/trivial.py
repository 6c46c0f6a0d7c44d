"""Trivial answers on the command line: `ptb baseline --kind trivial` and the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from posttrainbench.cli.options import print_json
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.catalog import BenchmarkFacts, Suite
    from posttrainbench.records import TrivialAnswer, TrivialScores

TRIVIAL = "trivial"


def trivial_baselines(suite: Suite, benchmark: str | None, limit: int | None, sandbox: str, json: bool) -> None:
    """Compute and print the scores of trivial answers, with warnings about benchmarks on which they score high.

    Args:
        benchmark: only this benchmark; None for all of the suite.
        sandbox: runs the programs of benchmarks that execute code.

    Raises:
        InputError: the only benchmark needs a grader, or the data of one is not on this machine.
    """
    from posttrainbench.benchmarks.registry import load_benchmark
    from posttrainbench.evaluation.trivial import needs_grader, trivial_scores
    from posttrainbench.sandbox import load_sandbox
    from posttrainbench.scoring.luck import luck_warning

    graded = {} if benchmark else {name: text for name in suite.benchmarks if (text := needs_grader(name))}
    names = [name for name in ([benchmark] if benchmark else suite.benchmarks) if name not in graded]
    backend = load_sandbox(sandbox)
    if any(load_benchmark(name).executes for name in names):
        backend.check()
    rows = []
    warnings: dict[str, str | None] = {}
    uncompared = []
    for name in names:
        rows.append(trivial_scores(name, suite, limit, backend))
        instruct = _instruct_scores(name, [suite], limit, stored=True)
        warnings[name] = luck_warning(name, rows[-1].scores, instruct)
        uncompared += [f"{name} ({model})" for model in suite.models if model not in instruct]
    notes = [*filter(None, warnings.values()), *graded.values()]
    if uncompared:
        notes.append(
            "Not compared with the instruct model, because its score is neither published nor stored: "
            f"{', '.join(uncompared)}. Compute it with `ptb baseline --suite {suite.id} --kind instruct`."
        )
    if json:
        scored = [row.model_dump(mode="json") | {"note": warnings[row.benchmark]} for row in rows]
        return print_json(
            [*scored, *({"benchmark": name, "scores": {}, "note": text} for name, text in graded.items())]
        )
    return _print(rows, notes)


def catalog_fields(facts: BenchmarkFacts) -> dict[str, Any]:
    """Return what the catalog shows of trivial answers: `trivial`, their scores, and `trivial_note`, a sentence."""
    from posttrainbench import catalog
    from posttrainbench.evaluation.trivial import known_trivial_scores, needs_grader
    from posttrainbench.scoring.luck import luck_warning

    suites = [suite for suite in catalog.suites().values() if facts.id in suite.benchmarks]
    note = None
    scores: Mapping[TrivialAnswer, float] = facts.trivial
    try:
        note = needs_grader(facts.id)
    except InputError:  # the package that defines the benchmark is not installed
        suites = []
    if note is None:
        scores = next(filter(None, (known_trivial_scores(facts.id, suite) for suite in suites)), scores)
        command = f"ptb baseline --kind {TRIVIAL} --suite {suites[0].id if suites else 'SUITE'} --benchmark {facts.id}"
        if scores:
            instruct = _instruct_scores(facts.id, suites, None, stored=False)
            note = luck_warning(facts.id, scores, instruct)
            if note is None and not instruct:
                note = f"Not compared: no instruct score is published; `{command}` compares with a stored one."
        else:
            note = f"Not computed on this machine; run `{command}`."
    return {"trivial": {str(answer): score for answer, score in scores.items()}, "trivial_note": note}


def _instruct_scores(benchmark: str, suites: list[Suite], limit: int | None, stored: bool) -> dict[str, float]:
    """Return base model -> score of its instruct counterpart: the published one, otherwise a stored one.

    Args:
        limit: number of items; published scores are of all items.
        stored: whether to look for a stored baseline, which needs the hash of the model's files.
    """
    return dict(_known_instruct_scores(benchmark, suites, limit, stored))


def _known_instruct_scores(
    benchmark: str, suites: list[Suite], limit: int | None, stored: bool
) -> Iterator[tuple[str, float]]:
    from dataclasses import replace

    from posttrainbench import catalog
    from posttrainbench.evaluation.baselines import stored_baseline
    from posttrainbench.evaluation.plan import suite_plan
    from posttrainbench.records import Baseline
    from posttrainbench.run.evaluate import published_baseline

    for suite in suites:
        for base in catalog.base_models(suite):
            known = None if limit else published_baseline(suite.id, base.id, benchmark, Baseline.INSTRUCT)
            if known is None and stored:
                plan = replace(suite_plan(suite, base), limit=limit)
                known = stored_baseline(plan, Baseline.INSTRUCT, benchmark)
            if known is not None:
                yield base.id, known.score


def _print(rows: list[TrivialScores], notes: list[str]) -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.records import TrivialAnswer
    from posttrainbench.report.layout import Paragraph, columns
    from posttrainbench.report.text import percent

    console = Console(highlight=False)
    header = ["score, %", *(str(answer).replace("_", " ") for answer in TrivialAnswer), "items"]
    table = [[Text(name, style="bold") for name in header]]
    for row in rows:
        scores = [percent(row.scores.get(answer)) for answer in TrivialAnswer]
        table.append([Text(cell) for cell in (row.benchmark, *scores, str(row.items))])
    for line in columns(table, right=range(1, len(header))) if rows else ():
        console.print(line, soft_wrap=True)
    for note in notes:
        console.print()
        console.print(Paragraph(Text(note)), soft_wrap=True)
