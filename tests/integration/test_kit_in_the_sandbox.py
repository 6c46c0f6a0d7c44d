"""What an agent finds: a kit that it can read, a clock, and a prompt that tells the rules and the right paths."""

import json
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.records import Stage, Task
from posttrainbench.run import Run
from posttrainbench.run.canaries import canary_pool
from posttrainbench.run.pipeline import STAGES
from posttrainbench.run.prepare import render_prompt
from posttrainbench.run.progress import ProgressListener
from support import agent, make_run, printed, settle

pytestmark = pytest.mark.sandbox

LOOK_AROUND = """
kit = pathlib.Path(task["kit"])
seen = {}
def tell(name, value): seen[name] = value
tell("prompt", sys.stdin.read())
tell("task", task)
tell("items", {split: (kit / "data" / f"{split}.jsonl").read_text() for split in ("train", "test")})
tell("exist", list(filter(os.path.isdir, [task["base_model"], *task["models"].values(), task["workspace"]])))
tell("timer", subprocess.run(["sh", kit / "timer.sh"], capture_output=True, text=True).stdout)
time.sleep(1.1)
tell("timer later", subprocess.run(["sh", kit / "timer.sh"], capture_output=True, text=True).stdout)
tell("place", os.getcwd())
tell("environment", dict(os.environ))
writable = []
for path in [kit, *kit.rglob("*")]:
    try:
        (path / "mine" if path.is_dir() else path).open("ab").close()
    except OSError:
        continue
    writable.append(str(path))
tell("writable", writable)
pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("kit")
    made = make_run(folder / "run", agent(folder, LOOK_AROUND), benchmark="micro-code", budget=90)
    prepare_and_solve(made)
    return made


def prepare_and_solve(run: Run) -> None:
    for stage in (Stage.PREPARE, Stage.SOLVE):
        STAGES[stage](run, run.begin(stage), ProgressListener())
        run.finish(stage)


@pytest.fixture(scope="module")
def seen(run: Run) -> dict:
    return json.loads((run.workspace / "seen.json").read_text())


def test_items_are_those_of_the_benchmark_and_the_canaries(seen: dict, run: Run) -> None:
    train, test = ([json.loads(line) for line in seen["items"][split].splitlines()] for split in ("train", "test"))
    assert train == [item.row for item in load_benchmark("micro-code").load("train")]
    drawn = {item.question for item in canary_pool(run.spec).drawn}
    real = [row["question"] for row in test if row["question"] not in drawn]
    assert real == [item.question for item in load_benchmark("micro-code").load("test")]
    assert len(test) == len(real) + len(drawn)


def test_nothing_in_the_kit_is_writable(seen: dict) -> None:
    assert seen["writable"] == []


def test_timer_tells_the_time_left_and_less_later(seen: dict) -> None:
    first, later = (int(seen[name].split()[0]) for name in ("timer", "timer later"))
    assert 0 < later < first <= 90
    assert seen["timer"].split(maxsplit=1)[1].startswith("seconds left")


def test_prompt_arrives_on_standard_input_and_is_kept(seen: dict, run: Run) -> None:
    assert seen["prompt"] == (run.stage(Stage.SOLVE) / "prompt.md").read_text() == render_prompt(run.spec, run.root)


def test_prompt_tells_every_rule_and_every_path(seen: dict) -> None:
    prompt, task = seen["prompt"], Task.model_validate(seen["task"])
    for rule in catalog.rule_sets()["v1"].rules.values():
        assert f"* {rule.text}\n" in prompt
    for path in (task.workspace, task.base_model, task.submission, *task.models.values()):
        assert f"`{path}`" in prompt
    for name in ("evaluate.py", "timer.sh", "task.json", "data/train.jsonl", "data/test.jsonl"):
        assert f"{task.kit}/{name}" in prompt
    assert "1 minute 30 seconds" in prompt
    assert "The evaluation uses the base model's tokenizer and configuration" in prompt
    assert "`evaluate.py` reports what is ignored." in prompt
    assert catalog.benchmarks()["micro-code"].title in prompt


def test_paths_that_the_task_names_exist(seen: dict) -> None:
    task = Task.model_validate(seen["task"])
    assert set(seen["exist"]) == {task.base_model, *task.models.values(), task.workspace}
    assert seen["place"] == task.workspace
    assert task.submission == f"{task.workspace}/final_model"


def test_environment_holds_only_what_the_run_gives(seen: dict) -> None:
    assert seen["environment"]["OMP_NUM_THREADS"] == "1"
    assert seen["environment"]["OMP_WAIT_POLICY"] == "passive"
    assert set(seen["environment"]) <= {
        *("PATH", "HOME", "TMPDIR", "USER", "LANG", "LC_CTYPE", "PWD", "HF_HUB_OFFLINE", "PYTHONUNBUFFERED"),
        *("TOKENIZERS_PARALLELISM", "PTB_KIT", "PTB_DEADLINE", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "HF_HOME"),
    }


@pytest.mark.training
def test_evaluate_py_runs_in_the_sandbox_also_from_a_copy(tmp_path: Path) -> None:
    source = """
copy = shutil.copytree(task["kit"], "copy")
for place in (task["kit"], copy):
    options = ["--model-path", task["models"]["micro-instruct"], "--limit", "6", "--json-output-file", "out.json"]
    done = subprocess.run([sys.executable, f"{place}/evaluate.py", *options], capture_output=True, text=True)
    print(done.stdout.strip() or done.stderr)
    print(open("out.json").read().strip())
command = [sys.executable, f"{task['kit']}/evaluate.py", "--model-path", "absent"]
done = subprocess.run(command, capture_output=True, text=True)
print(done.returncode, done.stderr.strip())
"""
    run = make_run(tmp_path / "run", agent(tmp_path, source), benchmark="micro-code", budget=280)
    prepare_and_solve(run)
    *results, refusal = printed(run)
    assert len(set(results)) == 1, results
    assert json.loads(results[0])["accuracy"] >= 0.5
    assert refusal == "2 absent does not exist; give the directory of a saved model."
    notes = (run.stage(Stage.SOLVE) / "evaluations.jsonl").read_text().splitlines()
    assert [json.loads(note)["items"] for note in notes] == [6, 6]


def test_kit_of_another_installation_is_an_infrastructure_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", "recipe-noop")
    monkeypatch.setattr("posttrainbench.run.prepare.render_prompt", lambda *_: "another prompt")
    result = settle(run)
    assert result.status == "infrastructure_error"
    assert result.score is None
    assert "Install the version of posttrainbench that created the run." in result.reasons[0]
