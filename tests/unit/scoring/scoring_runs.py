"""Builds runs for tests of scoring and reports, as cells and as directories."""

from pathlib import Path
from typing import Any

from posttrainbench.files import write_json
from posttrainbench.records import AgentSpec, Metrics, Result, RunSpec, Status, Verdict
from posttrainbench.scoring import Cell
from posttrainbench.scoring.cells import VERDICT


def metrics(benchmark: str, score: float, items: list[float] | None = None) -> Metrics:
    """Ten items, whose mean is about `score` unless given."""
    values = items if items is not None else [float(number < round(10 * score)) for number in range(10)]
    return Metrics(
        benchmark=benchmark,
        score=score,
        stderr=0.1,
        items={f"{benchmark}/{number}": value for number, value in enumerate(values)},
        seeds={"0": score},
        eval_config={},
        seconds=1.0,
    )


def build_cell(
    agent: str = "a",
    model: str = "m",
    benchmark: str = "b",
    seed: int = 0,
    status: str | None = "scored",
    raw: float | None = 0.5,
    base: float = 0.1,
    instruct: float = 0.6,
    items: list[float] | None = None,
    **spec: Any,
) -> Cell:
    """A run. `status` None: unfinished; `base_fallback`: reset to `base`."""
    run = spec.pop("run", f"{agent}-{model}-{benchmark}-{seed}")
    reasons = spec.pop("reasons", [])
    suspected = spec.pop("suspected", [])
    judged_by = spec.pop("judged_by", "")
    settings: dict[str, Any] = {"suite": "micro", "budget": 60.0, "rules": "v1", **spec}
    result = None
    if status is not None:
        score = {"scored": raw, "base_fallback": base}.get(status)
        result = Result(
            run=run,
            status=Status(status),
            score=score,
            raw_score=raw,
            base_score=base,
            instruct_score=instruct,
            verdict={"contamination": "flagged" if status == "base_fallback" else "clean"},
            reasons=reasons,
            evidence=[],
            suspected=suspected,
        )
    return Cell(
        spec=RunSpec(
            run=run,
            created="2026-01-01T00:00:00Z",
            agent=AgentSpec(name=agent, scaffold="recipe"),
            model=model,
            benchmark=benchmark,
            seed=seed,
            sandbox="process",
            engine="transformers",
            grader="none",
            prompt_sha256="0",
            kit_sha256="0",
            model_sha256="0",
            versions={},
            host={},
            **settings,
        ),
        result=result,
        base=metrics(benchmark, base),
        instruct=metrics(benchmark, instruct),
        raw_items=None if raw is None else metrics(benchmark, raw, items).items,
        judged_by=judged_by,
    )


def write_run(cell: Cell, parent: Path) -> Path:
    """Write a run as its stages leave it."""
    path = parent / cell.run
    (path / "evaluate").mkdir(parents=True)
    write_json(path / "run.json", cell.spec)
    if cell.result:
        write_json(path / "result.json", cell.result)
    if cell.judged_by:
        (path / VERDICT).parent.mkdir()
        write_json(path / VERDICT, Verdict(rule_set=cell.judged_by, rules={}, reasons=[], required=[]))
    files = {"base": cell.base, "instruct": cell.instruct}
    if cell.raw_items is not None and cell.raw_score is not None:
        files["metrics"] = metrics(cell.benchmark, cell.raw_score, list(cell.raw_items.values()))
    for name, record in files.items():
        if record:
            write_json(path / "evaluate" / f"{name}.json", record)
    return path
