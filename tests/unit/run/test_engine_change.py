"""Another engine for an evaluation that could not start: when it is allowed, and how it is recorded."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from posttrainbench.errors import InputError
from posttrainbench.evaluation.plan import run_plan
from posttrainbench.records import EngineChoice, Stage
from posttrainbench.run import Run
from posttrainbench.run.changes import change_engine, describe_changes
from support import contents, make_run

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("made") / "run", "recipe-noop").root


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """A run whose agent has ended, created for an engine that does not work here."""
    spec = json.loads((made / "run.json").read_text())
    spec |= {"engine": "vllm", "engine_settings": {"memory_fraction": "0.9"}}
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text(json.dumps(spec))
    for stage in (Stage.PREPARE, Stage.SOLVE):
        (root / stage.folder).mkdir()
    return Run(root)


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter that says it has vLLM."""
    path = tmp_path / "python"
    path.write_text("""#!/bin/sh\necho '{"vllm": "0.33.0"}'\n""")
    path.chmod(0o755)
    return str(path)


def test_change_is_recorded_beside_the_frozen_run(run: Run, python: str) -> None:
    before = (run.root / "run.json").read_bytes()
    assert (run.engine, describe_changes(run)) == (EngineChoice(engine="vllm", settings={"memory_fraction": "0.9"}), [])
    change_engine(run, None, {"python": python})
    change_engine(run, "transformers", {})
    change_engine(run, "transformers", {})  # no change
    assert (run.root / "run.json").read_bytes() == before
    first, second = map(json.loads, (run.root / "changes.jsonl").read_text().splitlines())
    assert first["old"] == {"engine": "vllm", "settings": {"memory_fraction": "0.9"}}
    assert first["new"] == second["old"] == {"engine": "vllm", "settings": {"memory_fraction": "0.9", "python": python}}
    assert second["new"] == {"engine": "transformers", "settings": {}}
    assert first["time"] < second["time"]
    plan = run_plan(run.evaluated_spec)
    assert (plan.engine, plan.settings) == ("transformers", {})
    assert run.spec.engine == "vllm"
    [note] = describe_changes(run)
    assert "evaluated with engine transformers instead of vllm (memory_fraction=0.9)." in note


def test_change_that_was_taken_back_leaves_no_note(run: Run, python: str) -> None:
    change_engine(run, "transformers", {})
    with pytest.raises(InputError, match="has no vLLM"):
        change_engine(run, "vllm", {"memory_fraction": "0.9"})
    change_engine(run, "vllm", {"python": python, "memory_fraction": "0.9"})
    assert "instead of vllm (memory_fraction=0.9)" in describe_changes(run)[0]
    assert len(run.changes()) == 2


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        ("vlm", {}, "`vlm` is not among the installed engines"),
        ("transformers", {"x": "1"}, "has no setting `x`"),
        (None, {"x": "1"}, "has no setting `x`"),
        (None, {"memory_fraction": "2"}, "`memory_fraction` of the engine vllm must be a number above 0"),
        (None, {"python": "/no/python"}, "/no/python cannot be run"),
    ],
)
def test_refused_changes(engine: str | None, settings: Mapping[str, str], said: str, run: Run) -> None:
    before = contents(run.root)
    with pytest.raises(InputError, match=said):
        change_engine(run, engine, settings)
    assert contents(run.root) == before


def begun(run: Run) -> None:
    run.stage(Stage.SOLVE).rmdir()


def evaluated(run: Run) -> None:
    (run.root / "evaluate").mkdir()


@pytest.mark.parametrize(
    ("change", "said"), [(begun, "has not ended, and its kit is made for the engine vllm"), (evaluated, "is already")]
)
def test_change_at_another_stage(change: Callable[[Run], None], said: str, run: Run) -> None:
    change(run)
    before = contents(run.root)
    with pytest.raises(InputError, match=said):
        change_engine(run, "transformers", {})
    assert contents(run.root) == before


def test_damaged_record_of_changes_is_not_taken_for_none(run: Run) -> None:
    (run.root / "changes.jsonl").write_text('{"time": "')
    with pytest.raises(InputError, match=r"changes\.jsonl is damaged; restore it"):
        _ = run.engine
