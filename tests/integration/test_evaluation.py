"""An evaluation as a whole: seeds, the retry ladder, interruption, few-shot prompts, and what is recorded."""

import gc
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from dummy_engine import Answer, DummyEngine, question
from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Grade, GraderError, Item, Services
from posttrainbench.benchmarks.base import Grader
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.attempt import EvaluationError
from posttrainbench.evaluation.evaluate import evaluate
from posttrainbench.evaluation.plan import EvaluationPlan, suite_plan
from posttrainbench.evaluation.progress import Progress
from posttrainbench.files import read_jsonl
from posttrainbench.records import Metrics
from posttrainbench.sandbox import load_sandbox
from support import eventually

BENCHMARK = "micro-math"
CHECKPOINT = catalog.models()["micro-base"].directory
LIMIT = 12

Run = Callable[..., Metrics]


@pytest.fixture
def plan() -> EvaluationPlan:
    return replace(suite_plan(catalog.suites()["micro"], catalog.models()["micro-base"]), limit=LIMIT)


@pytest.fixture
def answers() -> dict[str, str]:
    """Question -> right answer."""
    return {item.question: item.answer for item in load_benchmark(BENCHMARK).load("test")}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    def evaluated(engine: DummyEngine, plan: EvaluationPlan, told: list[Progress] | None = None) -> Metrics:
        monkeypatch.setattr(evaluating, "load_engine", lambda name: engine.engine)
        moments: list[Progress] = [] if told is None else told
        return evaluate(CHECKPOINT, [BENCHMARK], plan, load_sandbox("process"), tmp_path, moments.append)[BENCHMARK]

    return evaluated


def failing_from(number: int, right: Answer) -> Answer:
    """Right until so many have been answered, and then never again."""
    answered = 0

    def answer(body: dict) -> str:
        nonlocal answered
        answered += 1
        if answered > number:
            raise RuntimeError("out of memory")
        return right(body)

    return answer


def test_everything_right_and_all_that_matters_recorded(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    told: list[Progress] = []
    metrics = run(DummyEngine(lambda body: answers[question(body)]), plan, told)
    assert metrics.score == 1
    assert len(metrics.items) == LIMIT
    assert metrics.seeds == {"0": 1.0}
    needed = {"inspect_ai", "items_sha256", "scorer_sha256", "template_sha256", "max_tokens", "seeds", "engine"}
    assert needed <= metrics.eval_config.keys()
    assert "eval-config" in metrics.model_dump(mode="json")
    assert Metrics.model_validate_json(metrics.model_dump_json()) == metrics
    assert told[-1] == Progress(f"{BENCHMARK}, seed 0", LIMIT, LIMIT, 1.0)
    assert told[-1].tokens_per_second is not None
    assert all(one.seconds_left is not None for one in told if one.done)


def test_no_connection_is_left(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    def connections() -> int:
        return len(psutil.Process().net_connections("tcp"))

    gc.collect()  # models of other tests
    before = connections()
    gc.disable()  # garbage collection would close the connections, too
    try:
        run(DummyEngine(lambda body: answers[question(body)], greedy=False), replace(plan, seeds=(0, 1, 2)))
        eventually(lambda: connections() <= before)
    finally:
        gc.enable()


def test_score_is_the_mean_over_seeds_unless_decoding_is_greedy(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    def answer(body: dict) -> str:
        return answers[question(body)] if body["seed"] == 7 else "no idea"

    plan = replace(plan, seeds=(7, 8, 9, 10))
    sampled = DummyEngine(answer, greedy=False)
    metrics = run(sampled, plan)
    assert metrics.seeds == {"7": 1.0, "8": 0.0, "9": 0.0, "10": 0.0}
    assert metrics.score == 0.25
    assert set(metrics.items.values()) == {0.25}
    assert len(sampled.asked) == 4 * LIMIT
    greedy = DummyEngine(answer)
    assert run(greedy, plan).seeds == {"7": 1.0}


def test_items_scored_before_a_failure_are_not_done_again(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    def right(body: dict) -> str:
        return answers[question(body)]

    first = DummyEngine(failing_from(5, right))
    with pytest.raises(EvaluationError, match="out of memory"):
        run(first, plan)
    second = DummyEngine(right)
    assert run(second, plan).score == 1
    assert len(second.asked) == LIMIT - 5


def test_lower_limits_after_so_many_failures(
    run: Run, plan: EvaluationPlan, answers: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    facts = catalog.benchmarks()[BENCHMARK].model_copy(update={"max_tokens": 96, "retry_max_tokens": [64, 32]})
    monkeypatch.setattr(catalog, "benchmarks", lambda: {BENCHMARK: facts})

    def answer(body: dict) -> str:
        if body["max_tokens"] > 40:
            raise RuntimeError("out of memory")
        return answers[question(body)]

    engine = DummyEngine(answer)
    metrics = run(engine, replace(plan, tries=(3, 2, 1)))
    assert metrics.score == 1
    assert metrics.eval_config["max_tokens"] == 32
    assert len(engine.servings) == 3 + 2 + 1, "each try has an engine of its own"
    hopeless = DummyEngine(failing_from(0, answer))
    (tmp_path / "items.jsonl").unlink()
    with pytest.raises(EvaluationError, match="out of memory"):
        run(hopeless, replace(plan, tries=(2, 2, 1)))
    assert len(hopeless.servings) == 5


def test_scores_of_another_configuration_do_not_count(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    assert run(DummyEngine(lambda body: answers[question(body)]), plan).score == 1
    other = DummyEngine(lambda body: "no idea")
    metrics = run(other, replace(plan, threads=2))
    assert metrics.score == 0
    assert len(other.asked) == LIMIT


def test_few_shot_has_examples_and_no_template(run: Run, plan: EvaluationPlan, answers: dict) -> None:
    engine = DummyEngine(lambda body: answers[question(body).rpartition("Question: ")[2].removesuffix("\nAnswer:")])
    metrics = run(engine, replace(plan, few_shot=True))
    assert metrics.score == 1
    [serving] = engine.servings
    assert serving.decoding == {"temperature": 0.6, "top_p": 0.95}
    examples = load_benchmark(BENCHMARK).examples()
    for body in engine.asked:
        assert body["stop"] == ["\n\nQuestion:"]
        assert all(f"Question: {one.question}\nAnswer: {one.answer}\n\n" in question(body) for one in examples)
    tests = {item.question for item in load_benchmark(BENCHMARK).load("test")}
    assert not tests & {one.question for one in examples}


def test_failure_of_the_scorers_sandbox_is_not_the_checkpoints(
    run: Run, plan: EvaluationPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(completion: str, target: dict) -> bool:
        raise InfrastructureError("sandbox_failed", "The code runner does not work.")

    real = load_benchmark(BENCHMARK)

    def task(items: list[Item], services: object) -> object:
        from posttrainbench.benchmarks.inspect_task import scored_task

        return scored_task(BENCHMARK, items, broken)

    def stub(name: str) -> Benchmark:
        return replace(real, task=task)

    monkeypatch.setattr(evaluating, "load_benchmark", stub)
    with pytest.raises(InfrastructureError, match="code runner"):
        run(DummyEngine(lambda body: "ANSWER: 1"), replace(plan, tries=(4, 3)))


@pytest.mark.training
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_evaluation_continues(number: signal.Signals, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "posttrainbench", "evaluate", CHECKPOINT, "--benchmark", BENCHMARK]
    words += ["--out", tmp_path / "out", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ledger = tmp_path / "out" / "items.jsonl"
    while process.poll() is None and sum(1 for _ in read_jsonl(ledger)) < 1:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    before = [(row["seed"], row["item"]) for row in read_jsonl(ledger)]
    assert before  # an interruption may come after the last item was scored
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    metrics = Metrics.model_validate_json(said.stdout)
    assert len(metrics.items) == 200
    after = [(row["seed"], row["item"]) for row in read_jsonl(ledger)]
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == 200
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "finished evaluation" in again.stderr
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == json.loads(said.stdout)


class ScriptedGrader:
    """Says the same each time, and counts."""

    name = "scripted"

    def __init__(self, reply: str) -> None:
        self.reply, self.asks = reply, 0

    async def ask(self, messages: list[dict], parse: Callable[[str], float]) -> float:
        self.asks += 1
        try:
            return parse(self.reply)
        except ValueError as error:
            raise GraderError(f"no verdict: {error}") from None

    def usage(self) -> dict:
        return {"model": self.name, "asks": self.asks}


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch, plan: EvaluationPlan) -> Callable[[str], ScriptedGrader]:
    """Make the benchmark one that a grader scores, every second item weighing three times as much."""

    def script(reply: str) -> ScriptedGrader:
        scripted = ScriptedGrader(reply)
        real = load_benchmark(BENCHMARK)

        async def grade(completion: str, item: Item, used: Grader) -> Grade:
            assert used is scripted
            odd = int(item.id[-1]) % 2
            value = await used.ask([{"role": "user", "content": completion}], float)
            return Grade(value if odd else 0.0, 3.0 if odd else 1.0)

        def task(items: list[Item], services: Services) -> object:
            from posttrainbench.benchmarks.inspect_task import graded_task

            return graded_task(BENCHMARK, items, partial(grade, used=services.grader))

        monkeypatch.setattr(evaluating, "load_benchmark", lambda name: replace(real, task=task, grade=grade))
        monkeypatch.setattr("posttrainbench.evaluation.grader.ModelGrader", lambda name: scripted)
        return scripted

    return script


def test_grades_count_by_their_weight_and_the_grader_is_recorded(
    run: Run, plan: EvaluationPlan, graded: Callable[[str], ScriptedGrader]
) -> None:
    grader = graded("1.0")
    metrics = run(DummyEngine(lambda body: "prose", greedy=False), replace(plan, seeds=(1, 2, 3)))
    assert metrics.score == pytest.approx(0.75)
    assert sum(metrics.items.values()) / LIMIT == pytest.approx(0.75)
    assert metrics.seeds.keys() == {"1"}, "a grader's price allows one seed"
    assert metrics.eval_config["grader"] == {"model": "scripted", "asks": LIMIT}
    assert grader.asks == LIMIT


def test_grader_without_a_verdict_makes_the_evaluation_invalid(
    run: Run, plan: EvaluationPlan, graded: Callable[[str], ScriptedGrader], tmp_path: Path
) -> None:
    graded("I would rather not say")
    engine = DummyEngine(lambda body: "prose")
    with pytest.raises(InfrastructureError, match="no verdict") as error:
        run(engine, replace(plan, tries=(4, 3, 2)))
    assert error.value.cause == "grader_failed"
    assert len(engine.servings) == 1, "a grader's failure is not the checkpoint's, and is not tried with lower limits"
    assert list(read_jsonl(tmp_path / "items.jsonl")) == []
