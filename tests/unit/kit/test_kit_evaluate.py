"""The kit's `evaluate.py`, as far as it goes without a model."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks.scorers import number
from posttrainbench.engines import load_engine
from posttrainbench.kit import evaluate

EVALUATE = Path(evaluate.__file__)
BASE_MODEL = catalog.find(catalog.models(), "micro-base", "model").directory


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit, and the base model as a submission."""
    shutil.copy(EVALUATE, tmp_path)
    shutil.copytree(BASE_MODEL, tmp_path / "final_model")
    return tmp_path


def task(kit: Path, **facts: Any) -> None:
    first = {"engine": "transformers", "max_tokens": 8, "evaluation_seed": 0, "feedback": "open", "evaluations": None}
    first |= {"base_model": str(BASE_MODEL), "workspace": str(kit)}
    (kit / "task.json").write_text(json.dumps(first | facts))


def add_engine(kit: Path, files: Mapping[str, Path]) -> None:
    """The parts of the kit that generation needs, with one item."""
    for name in ("evaluation_code/engine", "data", "templates"):
        (kit / name).mkdir(parents=True)
    for name, source in files.items():
        shutil.copy(source, kit / "evaluation_code" / "engine" / name)
    item = {"id": "t/0", "question": "two?", "answer": "2", "target": {"number": 2}}
    (kit / "data" / "test.jsonl").write_text(json.dumps(item) + "\n")
    (kit / "templates" / "chat_template.jinja").write_text("template")


def call(kit: Path, *words: str, environment: dict[str, str] | None = None, code: str = "pass") -> Any:
    program = f"import sys; sys.path.insert(0, {str(kit)!r}); import evaluate; {code}; sys.exit(evaluate.main())"
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment or {}, cwd=kit
    )


def test_vllm_continues_in_its_own_environment(kit: Path) -> None:
    task(kit, engine="vllm")
    add_engine(kit, load_engine("vllm").kit)
    other = kit / "other-python"
    other.write_text('#!/bin/sh\necho "$@"\n')
    other.chmod(0o755)
    code = f"import engine; engine.VLLM_PYTHON = engine.Path({str(other)!r})"
    output = call(kit, "--model-path", "final_model", code=code)
    assert output.stdout.split()[-2:] == ["--model-path", "final_model"]


def test_a_directory_without_a_checkpoint_is_refused(kit: Path) -> None:
    task(kit, engine="vllm")
    add_engine(kit, load_engine("vllm").kit)
    output = call(kit, "--model-path", "absent", "--gpu-memory-utilization", "0.5")
    assert (output.returncode, output.stderr) == (
        2,
        "absent does not exist; give the directory of a saved model.\n",
    )


OWN_ENGINE = """
def add_options(parser):
    parser.add_argument("--bonus", type=int, default=0)

def complete(checkpoint, template, conversations, max_tokens, seed, options):
    assert ((checkpoint / "model.safetensors").is_file(), template, max_tokens, seed) == (True, "template", 8, 0)
    return [f"ANSWER: {len(messages) + options.bonus}" for messages, tools in conversations]
"""


@pytest.mark.parametrize(("bonus", "accuracy"), [("1", 1.0), ("0", 0.0)])
def test_an_engine_of_another_package_generates(bonus: str, accuracy: float, kit: Path) -> None:
    task(kit, engine="mine")
    (kit / "mine.py").write_text(OWN_ENGINE)
    add_engine(kit, {"__init__.py": kit / "mine.py"})
    shutil.copy(number.__file__, kit / "evaluation_code" / "scorer.py")
    output = call(kit, "--model-path", "final_model", "--bonus", bonus)
    assert (output.returncode, json.loads(output.stdout)) == (0, {"accuracy": accuracy, "stderr": 0.0})


def test_what_the_final_check_refuses_is_not_measured(kit: Path) -> None:
    task(kit, engine="mine")
    (kit / "mine.py").write_text(OWN_ENGINE)
    add_engine(kit, {"__init__.py": kit / "mine.py"})
    (kit / "final_model" / "checkpoint-5").mkdir()
    for name in ("config.json", "model.safetensors"):
        (kit / "final_model" / name).rename(kit / "final_model" / "checkpoint-5" / name)
    output = call(kit, "--model-path", "final_model")
    assert output.returncode == 2
    assert output.stderr == "There is a complete checkpoint in final_model/checkpoint-5; move it up to final_model.\n"


def test_sealed_options_are_few(kit: Path) -> None:
    task(kit, feedback="sealed", evaluations=3)
    said = call(kit, "--model-path", "final_model", "--max-tokens", "5")
    assert said.returncode == 2
    assert "unrecognized arguments: --max-tokens 5" in said.stderr


@pytest.mark.parametrize(
    ("answer", "code", "out", "errors"),
    [
        ({"accuracy": 0.5, "items": 4, "left": 1}, 0, '{"accuracy": 0.5, "items": 4, "left": 1}\n', ""),
        ({"error": "All are used up.", "code": 2, "left": 0}, 2, "", "All are used up.\n"),
        ({"error": "Try again later.", "code": 1, "left": 2}, 1, "", "Try again later.\n"),
    ],
)
def test_sealed_asks_the_host(answer: dict[str, Any], code: int, out: str, errors: str, kit: Path) -> None:
    task(kit, feedback="sealed", evaluations=3)
    asked = []
    (kit / "link").symlink_to("final_model")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(kit / "s"))
        listener.listen()
        listener.settimeout(20)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as file:
                asked.append(json.loads(file.readline()))
                file.write(json.dumps(answer) + "\n")

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        words = ("--model-path", "link", "--json-output-file", "out.json")
        said = call(kit, *words, environment={"PTB_EVALUATOR": str(kit / "s")})
        server.join(30)
    assert (said.returncode, said.stdout, said.stderr) == (code, out, errors)
    assert asked == [{"checkpoint": str(kit / "final_model")}]
    assert (kit / "out.json").exists() == (code == 0)


def test_sealed_without_a_host_is_told(kit: Path) -> None:
    task(kit, feedback="sealed", evaluations=3)
    said = call(kit, "--model-path", "final_model", environment={"PTB_EVALUATOR": str(kit / "nobody")})
    assert said.returncode == 1
    assert said.stderr.startswith("The host cannot be reached: FileNotFoundError")


def test_a_grader_service_grades_whatever_the_scorer_contains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PTB_GRADER", raising=False)
    monkeypatch.setitem(sys.modules, "scorer", number)
    assert not evaluate.is_graded()
    monkeypatch.setenv("PTB_GRADER", "/run/ptb/grader.sock")
    assert evaluate.is_graded()
