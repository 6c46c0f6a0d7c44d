"""The packages in `examples/`, installed as a user would, each used through `ptb`. Nothing in `src/` knows them."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.scorers import number
from posttrainbench.submission.validation import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT = """
cat > prompt.txt
base=$(sed -n 's/.*"base_model": "\\(.*\\)".*/\\1/p' "$PTB_KIT/task.json")
mkdir final_model
cp "$base"/* final_model/
"$PYTHON" "$PTB_KIT/evaluate.py" --model-path final_model --limit 2 --json-output-file scores.json
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment of its own that also sees this one's packages, with all examples installed."""
    folder = tmp_path_factory.mktemp("examples")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next((folder / "lib").glob("python3*")) / "site-packages"
    here = sysconfig.get_path("purelib")
    (packages / "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    install += ["--target", packages]
    subprocess.run([*install, *sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml"))], check=True)
    return folder / "bin" / "python"


def ptb(python: Path, *words: object) -> Any:
    command = [python, "-m", "posttrainbench", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_benchmark_and_an_engine(python: Path) -> None:
    instruct = catalog.find(catalog.models(), "micro-instruct", "model").directory
    words = ("evaluate", instruct, "--benchmark", "example-roman", "--base", "micro-base")
    result = ptb(python, *words, "--engine", "example-greedy", "--limit", 4)
    assert result["benchmark"] == "example-roman"
    assert len(result["items"]) == 4
    assert result["eval-config"]["engine"]["engine"] == "example-greedy"


@pytest.mark.training
def test_the_agent_in_one_script(tmp_path: Path) -> None:
    """Two steps, without a sandbox: the submission is accepted."""
    kit = tmp_path / "kit"
    (kit / "data").mkdir(parents=True)
    (kit / "templates").mkdir()
    models = catalog.models()
    template = (models["micro-instruct"].directory / "chat_template.jinja").read_text()
    (kit / "templates" / "chat_template.jinja").write_text(template)
    items = load_benchmark("micro-math").load("train")[:8]
    rows = [{"question": item.question, "answer": item.answer} for item in items]
    (kit / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"kit": str(kit), "base_model": str(models["micro-base"].directory), "seed": 0}
    (kit / "task.json").write_text(json.dumps(task))
    (tmp_path / "deadline").write_text(str(1e12))
    source = (EXAMPLES / "agent.py").read_text()
    assert "= 80, 16," in source
    (tmp_path / "agent.py").write_text(source.replace("= 80, 16,", "= 2, 4,"))
    variables = {"PTB_KIT": str(kit), "PTB_DEADLINE": str(tmp_path / "deadline")}
    command = [sys.executable, "agent.py"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "step 0, loss " in done.stdout
    assert validate(tmp_path / "final_model", "micro-base").manifest.state == "accepted"


@pytest.mark.training
def test_the_engines_part_of_the_kit_answers_as_its_server_does(python: Path, tmp_path: Path) -> None:
    instruct = catalog.find(catalog.models(), "micro-instruct", "model").directory
    template = (instruct / "chat_template.jinja").read_text()
    (item, *_) = load_benchmark("micro-math").load("test")
    program = "import json, sys; from pathlib import Path; from example_greedy.kit import complete; "
    program += "a = json.load(sys.stdin); print(json.dumps(complete(Path(a[0]), a[1], a[2], 96, 0, None)))"
    message = json.dumps([str(instruct), template, [[item.conversation, None]]])
    done = subprocess.run([python, "-c", program], input=message, capture_output=True, text=True, check=True)
    (text,) = json.loads(done.stdout)
    words = ("evaluate", instruct, "--benchmark", "micro-math", "--base", "micro-base", "--engine", "example-greedy")
    result = ptb(python, *words, "--limit", 1)
    assert result["items"] == {item.id: float(number.score(text, item.target))}


@pytest.mark.sandbox
@pytest.mark.training
def test_a_scaffold_and_a_detector(python: Path, tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_text(SCRIPT)
    words = ("run", "--agent", f"example-shell?script={script}", "--model", "micro-base", "--benchmark", "micro-choice")
    result = ptb(python, *words, "--budget", "200s", "--out", tmp_path / "run")
    assert (result["status"], result["raw_score"]) == ("scored", result["base_score"])
    workspace = tmp_path / "run" / "workspace"
    assert json.loads((workspace / "scores.json").read_text())["accuracy"] == 0.0
    findings = (tmp_path / "run" / "audit" / "findings.jsonl").read_text().splitlines()
    (found,) = [finding for finding in map(json.loads, findings) if finding["detector"] == "example-unchanged"]
    assert "unchanged" in found["summary"]
