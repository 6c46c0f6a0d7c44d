"""Tasks of Harbor: their files, Harbor's own models, and a verifier whose reward an agent cannot pre-empt."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import write_json
from posttrainbench.launch import harbor_verify
from posttrainbench.launch.harbor import GRADED, export_suite
from posttrainbench.launch.harbor_verify import verify
from posttrainbench.records import Metrics, RunSpec, Stage, Verdict
from posttrainbench.run import Run, pipeline
from posttrainbench.run.progress import ProgressListener

HARBOR = """
import sys, warnings
from pathlib import Path
from harbor.models.task.task import Task
from harbor.models.task.verifier_mode import resolve_verifier_environment_definition
warnings.simplefilter("error")
for path in map(Path, sys.argv[1:]):
    task = Task(path)
    definition = resolve_verifier_environment_definition(task.config, task.paths)
    assert Task.is_valid_dir(path) and task.instruction
    assert definition is not None and definition.bundled_tests and definition.directory == path / "tests"
"""

DAEMON = """
import subprocess, sys
from pathlib import Path
import psutil
from posttrainbench.errors import InfrastructureError
from posttrainbench.launch import harbor_verify
from posttrainbench.run.progress import ProgressListener

def leave_a_daemon(run, listener):
    subprocess.run(["setsid", "sh", "-c", "sleep 600 > /dev/null 2>&1 & echo $! > pid"], check=True)
    raise InfrastructureError("engine_failed", "No engine.")

harbor_verify.advance = leave_a_daemon
try:
    harbor_verify.verify(Path(sys.argv[1]), Path("workspace"), Path("verifier"), ProgressListener())
except InfrastructureError:
    pid = int(Path("pid").read_text())
    print("dead" if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie" else "alive")
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task `micro-math` of the suite `micro`."""
    out = tmp_path_factory.mktemp("harbor") / "tasks"
    written = export_suite("micro", out, "FROM base", benchmarks=["micro-math"], budget=90.0)
    assert written.left_out == {}
    assert [path.name for path in out.iterdir()] == ["micro-micro-base-micro-math"]
    return written.tasks[0]


def test_a_task_has_the_files_of_harbor(task: Path) -> None:
    config = tomllib.loads((task / "task.toml").read_text())
    assert config["agent"] == {"timeout_sec": 90.0, "user": "agent"}
    assert config["verifier"]["environment_mode"] == "separate"
    assert config["artifacts"] == ["/workspace"]
    assert config["environment"]["network_mode"] == "no-network"
    assert "$1 + 90" in config["environment"]["healthcheck"]["command"]
    instruction = (task / "instruction.md").read_text()
    for text in ("/workspace/final_model", "/kit/evaluate.py", "/models/micro-base", "There is no internet access."):
        assert text in instruction
    assert not any(text in instruction for text in ("micro-instruct", "HTTPS_PROXY", "last complete one"))
    assert os.access(task / "tests" / "test.sh", os.X_OK)


def test_the_agent_gets_kit_and_model_and_nothing_of_the_verifier(task: Path) -> None:
    environment = task / "environment"
    assert sorted(path.name for path in environment.iterdir()) == ["Dockerfile", "kit", "model"]
    spec = RunSpec.model_validate_json((task / "tests" / "run" / "run.json").read_text())
    assert spec.canaries is not None
    secret = spec.canaries.key.encode()
    assert not any(secret in path.read_bytes() for path in environment.rglob("*") if path.is_file())
    dockerfile = (environment / "Dockerfile").read_text()
    assert dockerfile.startswith("FROM base\n")
    assert "tests" not in dockerfile
    assert json.loads((environment / "kit" / "task.json").read_text())["models"] == {"micro-base": "/models/micro-base"}
    assert "posttrainbench[local]==" in (task / "tests" / "Dockerfile").read_text()


@pytest.mark.skipif("PTB_HARBOR_PYTHON" not in os.environ, reason="PTB_HARBOR_PYTHON names no Python with Harbor")
def test_harbor_accepts_the_task(task: Path) -> None:
    subprocess.run([os.environ["PTB_HARBOR_PYTHON"], "-c", HARBOR, str(task)], check=True)


def test_what_cannot_be_exported_is_refused_or_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"arenahardwriting: {GRADED}"):
        export_suite("v1", tmp_path / "graded", "FROM base", benchmarks=["arenahardwriting"])
    with pytest.raises(InputError, match="micro has no benchmark gsm8k; choose from micro-math"):
        export_suite("micro", tmp_path / "other", "FROM base", benchmarks=["gsm8k"])
    with pytest.raises(InputError, match=r"The wheel no\.whl does not exist"):
        export_suite("micro", tmp_path / "wheel", "FROM base", benchmarks=["micro-math"], package="no.whl")
    assert not (tmp_path / "wheel").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not empty"):
        export_suite("micro", tmp_path, "FROM base")
    with pytest.raises(InputError, match=r"file is a file; give the path of a new or empty directory with --out\."):
        export_suite("micro", tmp_path / "file", "FROM base")


def forge(out: Path) -> None:
    """Write rewards as an agent would that knows where they are read from."""
    out.mkdir()
    (out / "reward.txt").write_text("1.0")
    (out / "elsewhere").write_text('{"reward": 1.0}')
    (out / "reward.json").symlink_to(out / "elsewhere")


def evaluated(run: Run, out: Path, listener: ProgressListener) -> None:
    """Stands for the stage `evaluate`, which other tests run."""
    for name, score in (("base", 0.1), ("instruct", 0.9), ("metrics", 0.9)):
        values = {"items": {}, "seeds": {}, "eval_config": {}, "stderr": 0.0, "seconds": 0.0}
        write_json(out / f"{name}.json", Metrics(benchmark=run.spec.benchmark, score=score, **values))


def test_forged_rewards_do_not_count(task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.EVALUATE, evaluated)
    monkeypatch.setattr("posttrainbench.run.audit.measure_canaries", lambda *_: "not measured")
    workspace, out = tmp_path / "workspace", tmp_path / "verifier"
    workspace.mkdir()
    shutil.copytree(catalog.models()["micro-instruct"].directory, workspace / "final_model")  # another's model
    forge(workspace / "verifier")
    os.mkfifo(workspace / "pipe")
    forge(out)
    reward = verify(task / "tests" / "run", workspace, out, ProgressListener(), alone=False)
    assert (reward["flagged"], reward["reward"], reward["raw_score"]) == (1.0, 0.1, 0.9)
    assert not (out / "reward.txt").exists()
    assert not (out / "reward.json").is_symlink()
    assert json.loads((out / "reward.json").read_text()) == reward
    assert json.loads((out / "elsewhere").read_text()) == {"reward": 1.0}
    result = json.loads((out / "posttrainbench" / "result.json").read_text())
    assert result["verdict"]["model_substitution"] == "flagged"


def test_without_a_grade_there_is_no_reward(task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        (out / "reward.json").mkdir()  # as late as possible
        raise InfrastructureError("engine_failed", "No engine.")

    (tmp_path / "workspace").mkdir()
    out = tmp_path / "verifier"
    forge(out)
    monkeypatch.setattr(harbor_verify, "advance", fail)
    with pytest.raises(InfrastructureError, match="No engine"):
        verify(task / "tests" / "run", tmp_path / "workspace", out, ProgressListener(), alone=False)
    assert not [path for path in out.iterdir() if path.name.startswith("reward")]


def test_processes_that_escape_the_evaluation_are_dead_before_the_reward_is_written(task: Path, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    command = [sys.executable, "-c", DAEMON, str(task / "tests" / "run")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == "dead\n"


@pytest.mark.parametrize("require", [False, True])
def test_an_incomplete_audit_is_named_and_can_be_refused(
    require: bool, task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipeline.STAGES, Stage.EVALUATE, evaluated)
    monkeypatch.setattr("posttrainbench.run.audit.measure_canaries", lambda *_: "not measured")
    messages: list[str] = []
    listener = ProgressListener()
    monkeypatch.setattr(listener, "on_message", messages.append)
    workspace, out = tmp_path / "workspace", tmp_path / "verifier"
    workspace.mkdir()
    shutil.copytree(catalog.models()["micro-base"].directory, workspace / "final_model")
    described = task / "tests" / "run"
    suite = catalog.suites()["micro"]
    changed = suite.model_copy(update={"required": [*suite.required, "published_runs"]})  # needs a record of requests
    monkeypatch.setattr(catalog, "suites", lambda: {"micro": changed})
    if not require:
        reward = verify(described, workspace, out, listener, alone=False)
        assert (reward["audit_complete"], reward["flagged"], reward["reward"]) == (0.0, 0.0, 0.9)
        assert json.loads((out / "posttrainbench" / "result.json").read_text())["status"] == "not_audited"
    else:
        with pytest.raises(InfrastructureError, match=r"not checked: .*published_runs.*there is no reward"):
            verify(described, workspace, out, listener, alone=False, require_audit=True)
        assert not (out / "reward.json").exists()
        assert (out / "posttrainbench" / "audit").is_dir()
    assert any("published_runs" in text and "does not compare with audited" in text for text in messages)


def test_a_complete_audit_needs_no_note() -> None:
    rules: dict[str, Any] = {"test_data_in_training": "clean", "hosted_models": "not_checked"}
    complete = Verdict(rule_set="v1", rules=rules, required=["test_data_in_training"], reasons=[])
    assert harbor_verify.incomplete(complete) == ""
