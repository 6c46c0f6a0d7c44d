from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench.audit.base import AuditInput
from posttrainbench.benchmarks.base import Item
from posttrainbench.records import AgentEnd, Outcome, SubmissionManifest


@pytest.fixture
def evidence(tmp_path: Path) -> Callable[..., AuditInput]:
    """Builds the evidence of a run with an empty workspace; keywords replace parts of it."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    base = AuditInput(
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
