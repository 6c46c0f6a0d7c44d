"""The kit's `evaluate.py`, as far as it goes without a model."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.kit import evaluate

EVALUATE = Path(evaluate.__file__)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit with a checkpoint in name."""
    shutil.copy(EVALUATE, tmp_path)
    (tmp_path / "final_model").mkdir()
    (tmp_path / "final_model" / "config.json").write_text("{}")
    return tmp_path


def task(kit: Path, **facts: Any) -> None:
    first = {"engine": "transformers", "max_tokens": 8, "evaluation_seed": 0, "feedback": "open", "evaluations": None}
    (kit / "task.json").write_text(json.dumps(first | facts))


def call(kit: Path, *words: str, environment: dict[str, str] | None = None, code: str = "pass") -> Any:
    program = f"import sys; sys.path.insert(0, {str(kit)!r}); import evaluate; {code}; sys.exit(evaluate.main())"
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment or {}, cwd=kit
    )


def test_vllm_in_an_environment_of_its_own_is_gone_on_with(kit: Path) -> None:
    task(kit, engine="vllm")
    other = kit / "other-python"
    other.write_text('#!/bin/sh\necho "$@"\n')
    other.chmod(0o755)
    code = f"evaluate.VLLM_PYTHON = evaluate.Path({str(other)!r})"
    said = call(kit, "--model-path", "final_model", code=code)
    assert said.stdout.split()[-2:] == ["--model-path", "final_model"]


def test_without_that_environment_it_stays(kit: Path) -> None:
    task(kit, engine="vllm")
    said = call(kit, "--model-path", "absent", code="evaluate.VLLM_PYTHON = evaluate.Path('/nonexistent')")
    assert (said.returncode, said.stderr) == (2, "absent holds no config.json; give the directory of a saved model.\n")


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

        server = threading.Thread(target=serve)
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
