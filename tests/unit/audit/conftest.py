from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench.audit.evidence import Evidence
from posttrainbench.benchmarks.base import Item
from posttrainbench.records import AgentEnd, AgentSpec, Outcome, RunSpec, SubmissionManifest

SPEC = RunSpec(
    run="run",
    created="2026-01-01T00:00:00.000+00:00",
    agent=AgentSpec(name="recipe-noop", scaffold="recipe"),
    model="micro-base",
    benchmark="micro-math",
    suite="micro",
    budget=60,
    seed=0,
    rules="v1",
    sandbox="bubblewrap",
    engine="transformers",
    grader="openai/gpt-5-mini",
    prompt_sha256="",
    kit_sha256="",
    model_sha256="",
    versions={},
    host={},
)


@pytest.fixture
def evidence(tmp_path: Path) -> Callable[..., Evidence]:
    """Builds the evidence of a run with an empty workspace; keywords replace parts of it."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "solve").mkdir()
    base = Evidence(
        root=tmp_path,
        workspace=workspace,
        kit=tmp_path / "kit",
        kit_manifest={},
        submission=None,
        manifest=SubmissionManifest(state="missing", files={}, refused=[], problems=[], facts=[]),
        base_model=tmp_path / "base",
        forbidden_models={},
        test_items=[],
        legal_items=[],
        outcome=Outcome(
            end=AgentEnd.EXITED,
            exit_code=0,
            seconds=1.0,
            output_bytes=0,
            output_dropped=0,
            isolation="namespaces",
            network="none",
        ),
        spec=SPEC,
        solve=tmp_path / "solve",
    )
    return lambda **parts: replace(base, **parts)


@pytest.fixture(scope="session")
def micro_items() -> Callable[[str, str], list[Item]]:
    """Items of a generated benchmark's split, generated once per session."""
    import importlib

    made: dict[tuple[str, str], list[Item]] = {}

    def items(name: str, split: str) -> list[Item]:
        if (name, split) not in made:
            module = importlib.import_module(f"posttrainbench.benchmarks.micro_{name}")
            made[name, split] = [Item(**row) for row in module.generate(split)]
        return made[name, split]

    return items
