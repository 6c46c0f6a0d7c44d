"""The evaluator: what it answers, what it counts, and what it writes down."""

import json
import shutil
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import GraderError
from posttrainbench.engines import EngineLoadError
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation.attempt import EvaluationError
from posttrainbench.evaluation.progress import Progress
from posttrainbench.feedback.checkpoint_copy import CheckpointRefusedError
from posttrainbench.feedback.evaluator_server import (
    MAX_REFUNDS,
    EngineFailedError,
    Evaluator,
    HostFailedError,
    measurement,
    serve,
)
from posttrainbench.files import read_jsonl

SECRET = "How many legs has the test item?"


class Bench:
    """An evaluator over a workspace with copies of the micro model, and a measure that says what it is told to."""

    def __init__(self, root: Path, budget: int = 2) -> None:
        self.root, self.budget = root, budget
        self.says: list[float | Exception] = []
        self.measured = 0
        self.base = catalog.models()["micro-base"].directory
        (root / "workspace").mkdir()
        (root / "scratch").mkdir()
        self.evaluator = self.new()

    def new(self) -> Evaluator:
        place, budget = self.root, self.budget
        return Evaluator(
            *(place / "workspace", "/workspace", self.base, 200, budget),
            *(self._measure, place / "scratch", place / "evaluations.jsonl"),
        )

    def _measure(self, checkpoint: Path, work: Path) -> float:
        self.measured += 1
        assert (checkpoint / "model.safetensors").is_file()
        assert list(work.iterdir()) == []
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def checkpoint(self, name: str, temperature: float | None = None) -> str:
        """A copy of the base model, told apart by its temperature."""
        folder = self.root / "workspace" / name
        shutil.copytree(self.base, folder)
        if temperature is not None:
            (folder / "generation_config.json").write_text(json.dumps({"temperature": temperature}))
        return f"/workspace/{name}"

    def ask(self, path: str) -> dict:
        return self.evaluator.answer(json.dumps({"checkpoint": path}).encode())

    def log(self) -> list[dict]:
        return list(read_jsonl(self.root / "evaluations.jsonl"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_score_comes_back_and_nothing_else(bench: Bench) -> None:
    bench.says = [0.25]
    assert bench.ask(bench.checkpoint("one")) == {"accuracy": 0.25, "items": 200, "left": 1}
    [entry] = bench.log()
    assert (entry["items"], entry["score"], entry["left"]) == (200, 0.25, 1)
    assert len(entry["checkpoint"]) == 64
    assert list((bench.root / "scratch").iterdir()) == []


def test_same_checkpoint_again_costs_nothing(bench: Bench) -> None:
    bench.says = [0.25]
    bench.ask(bench.checkpoint("one"))
    assert bench.ask(bench.checkpoint("two")) == {"accuracy": 0.25, "items": 200, "left": 1}
    assert bench.measured == 1


def test_other_decoding_is_another_checkpoint(bench: Bench) -> None:
    bench.says = [0.25, 0.5]
    bench.ask(bench.checkpoint("one"))
    assert bench.ask(bench.checkpoint("two", temperature=0.5)) == {"accuracy": 0.5, "items": 200, "left": 0}


def test_budget_ends_but_what_is_known_is_still_told(bench: Bench) -> None:
    bench.says = [0.1, 0.2]
    for number in range(2):
        bench.ask(bench.checkpoint(str(number), temperature=1 + number))
    said = bench.ask(bench.checkpoint("third"))
    assert (said["code"], said["left"]) == (2, 0)
    assert "used up" in said["error"]
    assert bench.ask("/workspace/0")["accuracy"] == 0.1
    assert bench.measured == 2


def test_budget_survives_the_process(bench: Bench) -> None:
    bench.says = [0.1, 0.2]
    bench.ask(bench.checkpoint("one"))
    bench.evaluator = bench.new()
    assert bench.ask(bench.checkpoint("two", temperature=0.5))["left"] == 0


def test_failure_of_the_host_before_items_were_posed_costs_nothing_and_tells_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.says = [*(HostFailedError(SECRET, posed=False) for _ in range(MAX_REFUNDS + 2)), 0.5]
    path = bench.checkpoint("one")
    for _ in range(MAX_REFUNDS + 2):
        said = bench.ask(path)
        assert (said["code"], said["left"]) == (1, 2)
    assert SECRET not in json.dumps([said, bench.log()])
    assert SECRET in capsys.readouterr().err
    assert bench.ask(path) == {"accuracy": 0.5, "items": 200, "left": 1}


def test_failure_of_the_host_while_items_were_posed_is_refunded_three_times(bench: Bench) -> None:
    bench.says = [HostFailedError(SECRET, posed=True) for _ in range(MAX_REFUNDS + 1)]
    path = bench.checkpoint("one")
    left = []
    for _ in range(MAX_REFUNDS + 1):
        bench.evaluator = bench.new()  # refunds are counted after a restart, too
        said = bench.ask(path)
        assert said["code"] == 1
        left.append(said["left"])
    assert left == [2, 2, 2, 1]
    assert [entry["charged"] for entry in bench.log()] == [0, 0, 0, 1]
    assert SECRET not in json.dumps([said, bench.log()])


@pytest.mark.parametrize(
    "failure",
    [
        InfrastructureError("grader_failed", SECRET),
        InfrastructureError("sandbox_failed", SECRET),
        OSError(28, SECRET),
        MemoryError(SECRET),
        KeyError(SECRET),
    ],
)
def test_evaluation_that_fails_on_purpose_on_some_items_is_not_free(failure: Exception, bench: Bench) -> None:
    bench.says = [failure, failure]
    for number in range(2):
        said = bench.ask(bench.checkpoint(str(number), temperature=1 + number))
        assert (said["code"], said["left"]) == (2, 1 - number)
    assert "used up" in bench.ask(bench.checkpoint("third"))["error"]
    assert bench.measured == 2
    assert SECRET not in json.dumps([said, bench.log()])


class Evaluation:
    """Replaces `evaluate`: the submission and the base model fail as told, after items were posed or before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.posed, self.fails, self.base_fails = True, None, None
        self.probes = 0
        monkeypatch.setattr("posttrainbench.evaluation.evaluate.evaluate", self)
        base = SimpleNamespace(directory=Path("base"))
        plan = Plan(base)
        monkeypatch.setattr("posttrainbench.evaluation.plan.run_plan", lambda spec: plan)
        spec = SimpleNamespace(benchmark="tiny", sandbox="process")
        self.measure = measurement(spec)

    def __call__(self, checkpoint: Path, *more: object) -> dict:
        if checkpoint == Path("base"):
            self.probes += 1
            if self.base_fails:
                raise self.base_fails
            return {}
        more[-1](Progress("loading the checkpoint"))
        if self.posed:
            more[-1](Progress("tiny, seed 0", 0, 200))
        if isinstance(self.fails, GraderError):
            raise InfrastructureError("grader_failed", "no verdict") from self.fails
        if self.fails:
            raise self.fails
        return {"tiny": SimpleNamespace(score=0.5)}


@dataclass(frozen=True)
class Plan:
    base: object
    limit: int | None = None
    tries: tuple[int, ...] = (1,)
    only: tuple[str, ...] = ()


BROKEN = InfrastructureError("engine_failed", "broken")


@pytest.mark.parametrize(
    ("posed", "fails", "base_fails", "expected"),
    [
        (False, EngineLoadError("no"), None, CheckpointRefusedError),
        (False, EngineLoadError("no GPU"), EngineLoadError("no GPU"), HostFailedError),
        (False, BROKEN, None, HostFailedError),
        (False, OSError("disk"), None, HostFailedError),
        (True, EvaluationError("crash"), None, EngineFailedError),
        (True, EvaluationError("crash"), EvaluationError("crash"), HostFailedError),
        (True, EvaluationError("crash"), OSError("disk"), HostFailedError),
        (True, EngineLoadError("second try"), None, EngineFailedError),
        (True, BROKEN, None, InfrastructureError),
        (True, BROKEN, BROKEN, HostFailedError),
        (True, GraderError("content policy"), None, InfrastructureError),
        (True, GraderError("content policy"), BROKEN, InfrastructureError),
        (True, GraderError("overloaded", outage=True), None, HostFailedError),
    ],
)
def test_reason_of_a_failed_evaluation(
    posed: bool,
    fails: Exception,
    base_fails: Exception | None,
    expected: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    evaluation = Evaluation(monkeypatch)
    assert evaluation.measure(tmp_path, tmp_path) == 0.5
    evaluation.posed, evaluation.fails, evaluation.base_fails = posed, fails, base_fails
    with pytest.raises(expected) as raised:
        evaluation.measure(tmp_path, tmp_path)
    assert type(raised.value) is expected
    if isinstance(raised.value, HostFailedError):
        assert raised.value.posed == posed


def test_checkpoint_that_breaks_the_engine_uses_one_up(bench: Bench) -> None:
    """Whether it does may depend on what the items say, so it must not be free."""
    bench.says = [EngineFailedError(SECRET)]
    said = bench.ask(bench.checkpoint("one"))
    assert (said["code"], said["left"]) == (2, 1)
    assert SECRET not in json.dumps([said, bench.log()])
    assert [entry["score"] for entry in bench.log()] == [None]


def test_checkpoint_that_cannot_be_loaded_costs_nothing(bench: Bench) -> None:
    bench.says = [CheckpointRefusedError("The engine cannot load this checkpoint.")]
    said = bench.ask(bench.checkpoint("one"))
    assert said == {"error": "The engine cannot load this checkpoint.", "code": 2, "left": 2}
    assert bench.log() == []


def _other_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 4}))


def _code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.py"}}))


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("harm", [_other_shape, _code, _no_weights])
def test_what_could_not_be_submitted_is_not_evaluated(harm: Callable[[Path], None], bench: Bench) -> None:
    path = bench.checkpoint("one")
    harm(bench.root / "workspace" / "one")
    said = bench.ask(path)
    assert (said["code"], said["left"]) == (2, 2)
    assert said["error"].startswith("This checkpoint would not be accepted: ")
    assert bench.measured == 0


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"checkpoint": 1}', b'{"checkpoint": "/x", "limit": 1}', b"\xff"])
def test_call_that_makes_no_sense_is_refused(line: bytes, bench: Bench) -> None:
    said = bench.evaluator.answer(line)
    assert (said["code"], said["left"]) == (2, 2)


def test_refusals_do_not_fill_the_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("posttrainbench.feedback.evaluator_server.REFUSALS_KEPT", 3)
    for _ in range(5):
        bench.ask("/etc/\x1b[2J")
    assert bench.log() == []
    said = capsys.readouterr().err
    assert said.count('refused "/etc/\\u001b[2J": Only directories in /workspace') == 3
    assert "\x1b" not in said


def test_callers_that_go_or_say_nothing_do_not_stop_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posttrainbench.feedback.evaluator_server.CALL_SECONDS", 0.2)
    path = tmp_path / "s"
    ready = threading.Event()
    server = threading.Thread(target=serve, args=(path, lambda line: {"n": len(line)}, ready.set), daemon=True)
    server.start()
    assert ready.wait(10)
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(str(path))
    with socket.socket(socket.AF_UNIX) as gone:
        gone.connect(str(path))
        gone.sendall(b"bye\n")
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(b"hel")
        one.sendall(b"lo\n")
        assert json.loads(one.makefile().readline()) == {"n": 6}
    silent.close()
