"""Builds small runs as their stages leave them, with the functions of the stages, for tests of bundles."""

import json
import zipfile
from pathlib import Path
from typing import Any

from posttrainbench import catalog
from posttrainbench.audit.policy import decide
from posttrainbench.benchmarks import Grade
from posttrainbench.evaluation.evaluate import model_sha256
from posttrainbench.evaluation.ledger import Ledger
from posttrainbench.evaluation.plan import config_sha256
from posttrainbench.files import append_json, sha256_bytes, sha256_file, write_json
from posttrainbench.records import (
    AgentEnd,
    AgentSpec,
    Coverage,
    Finding,
    Level,
    Metrics,
    OffTarget,
    Outcome,
    Quote,
    RunSpec,
    SubmissionManifest,
)
from posttrainbench.run import Run
from posttrainbench.run.settle import result_of

PROMPT = "Train the model.\n"
WEIGHTS = b"\x00\xff" * 500
PROOF = Finding(
    detector="weights",
    rule="model_substitution",
    level=Level.IN_WEIGHTS,
    summary="38 tensors are those of micro-instruct",
    count=38,
    kind="proof",
    outcome="succeeded",
    evidence=[Quote(file="submission/model.safetensors", text="lm_head")],
)


def metrics(score: float, benchmark: str = "micro-math", **settings: Any) -> Metrics:
    """Ten items, of which a share `score` is right."""
    items = {f"{benchmark}/test/{number:04}": float(number < round(10 * score)) for number in range(10)}
    return Metrics(
        benchmark=benchmark,
        score=score,
        stderr=(score * (1 - score) / 9) ** 0.5,
        items=items,
        seeds={"0": score},
        eval_config={"benchmark": benchmark, "seeds": [0], **settings},
        seconds=1.5,
    )


def build_run(root: Path, *, seed: int = 0, findings: tuple[Finding, ...] = (), score: float = 0.4) -> Run:
    """Write a finished run of the suite micro with a score, an audit and files of the agent."""
    kit = {"timer.sh": "echo 60\n", "data/train.jsonl": '{"question": "1+1?"}\n'}
    listed = {name: sha256_bytes(text.encode()) for name, text in kit.items()}
    spec = RunSpec(
        run=f"id-{seed}",
        created="2026-01-01T00:00:00Z",
        agent=AgentSpec(name="recipe-noop", scaffold="recipe"),
        model="micro-base",
        benchmark="micro-math",
        suite="micro",
        budget=60.0,
        seed=seed,
        rules="v1",
        sandbox="process",
        engine="transformers",
        grader="none",
        prompt_sha256=sha256_bytes(PROMPT.encode()),
        kit_sha256=sha256_bytes(json.dumps(listed).encode()),
        model_sha256="0",
        versions={},
        host={},
    )
    write(root, "prepare/prompt.md", PROMPT)
    write_json(root / "prepare" / "kit.json", dict(listed))
    for name, text in kit.items():
        write(root, f"prepare/kit/{name}", text)
    write_json(root / "run.json", spec)
    write(root, "journal.jsonl", "")
    write(root, "lock", "17\n")
    write(root, "workspace/train.py", "print('training')\n")
    write(root, "workspace/final_model/model.safetensors", WEIGHTS)
    write(root, "solve/output.jsonl", '{"t": 0.1, "stream": "stdout", "line": "hello"}\n')
    outcome = Outcome(
        end=AgentEnd.EXITED,
        exit_code=0,
        seconds=3.0,
        output_bytes=5,
        output_dropped=0,
        isolation="none",
        network="none",
    )
    write_json(root / "solve" / "outcome.json", outcome)
    submission = {"model.safetensors": WEIGHTS, "config.json": b"{}\n"}
    for name, data in submission.items():
        write(root, f"submission/{name}", data)
    files = {name: sha256_file(root / "submission" / name) for name in submission}
    manifest = SubmissionManifest(state="accepted", files=files, refused=[], problems=[], facts=[])
    write_json(root / "submission" / "manifest.json", manifest)
    evaluated(root, score)
    audited(root, findings)
    run = Run(root)
    write_json(root / "result.json", result_of(run, root / "audit"))
    return run


def evaluated(root: Path, score: float) -> None:
    """Write the files of the stage `evaluate`, with the hashes that an evaluation uses."""
    folder = root / "evaluate"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    for name, value in (("base", 0.1), ("instruct", 0.9), ("metrics", score)):
        write_json(folder / f"{name}.json", metrics(value))
    recorded(root, folder, metrics(score))
    with zipfile.ZipFile(folder / "logs" / "micro-math-seed0.eval", "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("header.json", '{"model": "checkpoint"}')


def recorded(root: Path, folder: Path, own: Metrics) -> None:
    """Write the results of single items, and the hash of the evaluation."""
    digest = config_sha256(own.eval_config | {"checkpoint": model_sha256(root / "submission")})
    (folder / "items.jsonl").unlink(missing_ok=True)
    with Ledger(folder / "items.jsonl", digest) as ledger:
        for item, value in own.items.items():
            ledger.add(0, item, Grade(value))


def evaluated_off_target(run: Run, score: float) -> Path:
    """Add an evaluation on another benchmark to a finished run, and return its directory."""
    own = metrics(score, "micro-choice")
    folder = run.root / "off_target" / "micro-choice"
    folder.mkdir(parents=True)
    write_json(folder / "metrics.json", own)
    recorded(run.root, folder, own)
    entry = OffTarget(benchmark="micro-choice", score=score, base_score=0.2, instruct_score=0.8)
    write_json(folder.with_suffix(".json"), entry)
    write_json(run.root / "result.json", result_of(run, run.root / "audit"))
    return folder


def audited(root: Path, findings: tuple[Finding, ...]) -> None:
    """Write the files of the stage `audit`, with the verdict that follows from findings."""
    folder = root / "audit"
    folder.mkdir(exist_ok=True)
    rules, suite = catalog.rule_sets()["v1"], catalog.suites()["micro"]
    coverage = [
        Coverage(detector="all", rule=rule, checked=True, documents=1, size=1, seconds=0.1, skipped=[])
        for rule in rules.rules
    ]
    (folder / "findings.jsonl").write_text("")
    for finding in findings:
        append_json(folder / "findings.jsonl", finding)
    write_json(folder / "coverage.json", [entry.model_dump(mode="json") for entry in coverage])
    write_json(folder / "verdict.json", decide(rules, findings, coverage, suite.required, (), suite.tolerates))


def write(root: Path, name: str, data: str | bytes) -> None:
    """Write a file of a run."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
