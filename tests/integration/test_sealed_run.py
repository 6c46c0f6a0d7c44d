"""A run whose suite is sealed: the agent has no test items anywhere, and the host evaluates its checkpoints."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.files import read_jsonl
from posttrainbench.records import Metrics, Result, Stage
from posttrainbench.run import Run
from posttrainbench.run.pipeline import STAGES
from posttrainbench.run.prepare import RunRequest, create_run, render_prompt
from posttrainbench.run.progress import ProgressListener
from support import agent, eventually, marked, printed, settle

pytestmark = [pytest.mark.sandbox, pytest.mark.training]

ITEMS = 12
BUDGET = 2
SUITE = f"""
id: secret
title: A sealed suite
models: [micro-base]
benchmarks: [secret-sums]
budget: 200
gpus: 0
rules: v1
required: []
evaluation_seeds: [0]
tries: [1]
engine: transformers
threads: 1
feedback: sealed
sealed_evaluations: {BUDGET}
"""
FACTS = f"""
id: secret-sums
title: Sums that nobody has seen
metric: exact number after ANSWER
max_tokens: 96
train_items: 3
test_items: {ITEMS}
data:
  files: {{train: train.jsonl, test: test.jsonl}}
  question: "{{{{ question }}}}"
  answer: answer
  scorer: number
"""

SOLVER = """
def ask(*words):
    done = subprocess.run([sys.executable, f"{task['kit']}/evaluate.py", *words], capture_output=True, text=True)
    print(done.returncode, (done.stdout or done.stderr).strip().splitlines()[-1])

shutil.copytree(task["models"]["micro-instruct"], "good")
for path in [pathlib.Path("good"), *pathlib.Path("good").iterdir()]:
    path.chmod(0o755)
os.symlink("good", "link")
os.mkdir("thief")
for path in pathlib.Path("good").iterdir():
    os.symlink(f"../good/{path.name}" if path.name != "tokenizer.json" else "/etc/hostname", f"thief/{path.name}")
ask("--model-path", task["base_model"])
ask("--model-path", "thief")
ask("--model-path", "good", "--limit", "1")
ask("--model-path", "link", "--json-output-file", "out.json")
print(open("out.json").read().strip())
shutil.copytree("good", "warm")
pathlib.Path("warm/generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": 1.5}))
ask("--model-path", "warm")
shutil.copytree("good", "third")
pathlib.Path("third/generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": 0.7}))
ask("--model-path", "third")
ask("--model-path", "good")
shutil.copytree("good", "final_model")

said = sys.stdin.read() + json.dumps(task) + json.dumps(dict(os.environ))
print("prompt:", MARK in said)
found, read = [], 0
for top in ("/kit", "/models", "/run", "/etc", "/tmp", "/dev/shm", "/workspace", "/proc/self"):
    for folder, _, names in os.walk(top):
        for name in names:
            path = pathlib.Path(folder, name)
            try:
                if path.is_file() and not path.is_symlink():
                    read += 1
                    if MARK.encode() in path.read_bytes():
                        found.append(str(path))
            except OSError:
                continue
print("files:", read > 20, found)
print("mounts:", MARK in pathlib.Path("/proc/self/mountinfo").read_text())
kit = pathlib.Path(task["kit"])
print("kit:", sorted(str(path.relative_to(kit)) for path in kit.rglob("*") if path.is_file()))
"""


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A catalog with a benchmark that the micro model is good at, whose test set lies in no package."""
    folder = tmp_path_factory.mktemp("secret-catalog")
    for name, content in (("suites/secret.yaml", SUITE), ("benchmarks/secret-sums.yaml", FACTS)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    micro = load_benchmark("micro-math")
    for split, count in (("train", 3), ("test", ITEMS)):
        rows = [{"question": item.question, "answer": item.target["number"]} for item in micro.load(split)[:count]]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PTB_CATALOG", str(folder))
        yield folder


@pytest.fixture(scope="module")
def mark(secret: Path) -> str:
    """Part of a question of the test set."""
    question: str = json.loads((secret / "test.jsonl").read_text().splitlines()[5])["question"]
    return question[:40]


@pytest.fixture(scope="module")
def finished(secret: Path, mark: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Result]:
    folder = tmp_path_factory.mktemp("sealed")
    source = f"MARK = {mark[:20]!r} + {mark[20:]!r}\n{SOLVER}"
    run = create_run(RunRequest(agent(folder, source), "micro-base", "secret-sums"), folder / "run")
    return run, settle(run)


@pytest.fixture(scope="module")
def lines(finished: tuple[Run, Result]) -> list[str]:
    return printed(finished[0])


def test_mark_is_of_the_test_set_and_would_be_found(mark: str, secret: Path, finished: tuple[Run, Result]) -> None:
    assert mark in (secret / "test.jsonl").read_text()
    assert any(mark in item.question for item in load_benchmark("secret-sums").load("test"))


def test_no_file_that_the_agent_sees_holds_a_test_item(lines: list[str]) -> None:
    assert lines[-4:-1] == ["prompt: False", "files: True []", "mounts: False"]
    assert "data/train.jsonl" in lines[-1]
    assert "data/test.jsonl" not in lines[-1]


def test_refusals_cost_nothing(lines: list[str]) -> None:
    base, thief, limited = lines[:3]
    assert base == "2 Only directories in /workspace can be evaluated; copy the checkpoint there."
    assert thief.startswith("2 ")
    assert thief.endswith("is a symbolic link; save the file itself.")
    assert limited.startswith("2 ")
    assert "--limit" in limited


def test_aggregate_is_the_final_score_and_nothing_more(lines: list[str], finished: tuple[Run, Result]) -> None:
    run, result = finished
    code, said = lines[3].split(maxsplit=1)
    assert code == "0"
    answer = json.loads(said)
    assert answer == json.loads(lines[4])
    metrics = Metrics.model_validate_json((run.stage(Stage.EVALUATE) / "metrics.json").read_text())
    assert answer == {"accuracy": metrics.score, "items": ITEMS, "left": BUDGET - 1}
    assert result.raw_score == metrics.score > 0


def test_budget_ends_and_what_is_known_is_still_told(lines: list[str]) -> None:
    first, warm, third, again = lines[3], *lines[5:8]
    assert warm.startswith("0 ")
    assert json.loads(warm[2:])["left"] == 0
    assert third == "2 All evaluations of this run are used up; use your own measurements."
    assert json.loads(again[2:])["accuracy"] == json.loads(first[2:])["accuracy"]


def test_host_writes_down_each_evaluation(finished: tuple[Run, Result]) -> None:
    run, result = finished
    out = run.stage(Stage.SOLVE)
    first, second = read_jsonl(out / "evaluations.jsonl")
    assert (first["items"], first["score"]) == (ITEMS, result.raw_score)
    assert first["checkpoint"] == second["checkpoint"]  # the same weights, other decoding
    assert "is a symbolic link" in (out / "evaluator.log").read_text()
    assert not (out / ".evaluator").exists()


def test_prompt_tells_of_it(finished: tuple[Run, Result]) -> None:
    spec = finished[0].spec
    prompt = render_prompt(spec, finished[0].root)
    assert f"request {BUDGET} evaluations" in prompt
    assert "test.jsonl" not in prompt
    assert "--limit" not in prompt
    assert "The evaluation uses the base model's tokenizer and configuration" in prompt
    assert "reports what is ignored" not in prompt


def test_suite_must_say_how_many(ptb_here: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    text = SUITE.replace("id: secret", "id: careless").replace(f"sealed_evaluations: {BUDGET}", "")
    (tmp_path / "suites" / "careless.yaml").write_text(text)
    said = ptb_here("--catalog", tmp_path, "catalog", "suites")
    assert said.returncode == 2
    assert "sealed_evaluations" in said.stderr


def test_evaluation_that_the_deadline_cuts_off_leaves_nothing(secret: Path, tmp_path: Path) -> None:
    """The agent asks again and again with other checkpoints; the deadline comes amid one of the evaluations."""
    source = """
shutil.copytree(base, "good")
for path in [pathlib.Path("good"), *pathlib.Path("good").iterdir()]:
    path.chmod(0o755)
print("asking")
subprocess.run([sys.executable, f"{task['kit']}/evaluate.py", "--model-path", "good"])
print("answered")
"""
    request = RunRequest(agent(tmp_path, source), "micro-base", "secret-sums", budget=2)
    run = create_run(request, tmp_path / "run")
    for stage in (Stage.PREPARE, Stage.SOLVE):
        STAGES[stage](run, run.begin(stage), ProgressListener())
        run.finish(stage)
    assert "answered" not in printed(run)
    assert not (run.stage(Stage.SOLVE) / ".evaluator").exists()
    assert list(read_jsonl(run.stage(Stage.SOLVE) / "evaluations.jsonl")) == []
    eventually(lambda: not marked(str(run.root)))
