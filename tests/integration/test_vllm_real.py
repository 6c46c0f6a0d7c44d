"""The engine `vllm` with a real vLLM. One server is shared, because its start takes most of the time."""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import Services
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import Endpoint, EngineLoadError, Serving, load_engine
from posttrainbench.evaluation.attempt import EvaluationError, attempt
from posttrainbench.submission.sanitize import sanitize
from submission_variants import CONFIG, PROMPTS, build_base
from support import eventually
from vllm_here import SETTINGS, SIZES, engines_differ, require_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.training, pytest.mark.timeout(900)]
CHECKPOINT = catalog.models()["micro-instruct"].directory
TEMPLATE = (CHECKPOINT / "chat_template.jinja").read_text()
LONG = "Ana has 5 pens. " * 20
QUESTION = "What is 2 plus 2?"


@pytest.fixture(scope="module", autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Directory for temporary files."""
    require_vllm()
    with tempfile.TemporaryDirectory(prefix="vt-") as short, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", short)
        patch.setenv("VLLM_LOG_STATS_INTERVAL", "7")
        patch.setenv("VLLM_S3_ACCESS_KEY", "of the user")
        yield Path(short)


@pytest.fixture(scope="module")
def engine(scratch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with load_engine("vllm").serve(Serving(CHECKPOINT, TEMPLATE, log, threads=2, settings=SETTINGS)) as endpoint:
        yield endpoint


def ask(engine: Endpoint, question: str = QUESTION, **more: Any) -> str:
    body = {"model": "checkpoint", "messages": [{"role": "user", "content": question}], "max_tokens": 24}
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{engine.base_url}/chat/completions", json.dumps(body | more).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as reply:
        return str(json.load(reply)["choices"][0]["message"]["content"])


def test_configuration_records_everything_that_can_change_a_score(engine: Endpoint) -> None:
    config = engine.config
    assert config["engine"] == "vllm"
    assert all(config[name] for name in ("vllm", "torch", "transformers"))
    assert (config["platform"] == "cpu") == ("cpu" in config["vllm"])
    assert (config["dtype"], config["flags"]["dtype"]) == ("float32", "float32")
    assert config["flags"]["kv-cache-memory-bytes"] == str(2**29)
    assert "enforce-eager" in config["flags"]
    assert config["environment"] == {"VLLM_LOG_STATS_INTERVAL": "7"}
    log = engine.log.read_text()
    assert "dtype=torch.float32" in log
    assert str(CHECKPOINT) in log


def test_other_model_names_and_keys_are_refused(engine: Endpoint) -> None:
    assert ask(engine, temperature=0)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(engine, model="checkpoint-of-another")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{engine.base_url}/models", timeout=60)
    for process in psutil.Process().children(recursive=True):
        assert engine.api_key not in " ".join(process.cmdline())


def test_seed_determines_a_sampled_completion_also_of_long_prompts(engine: Endpoint) -> None:
    calls = [(f"{LONG}{number}?", seed) for number in range(12) for seed in (1, 1, 2)]
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(lambda call: ask(engine, call[0], seed=call[1], temperature=1.0), calls))
    assert answers[0::3] == answers[1::3]
    assert answers[0::3] != answers[2::3]


def test_greedy_answers_are_those_of_transformers(engine: Endpoint) -> None:
    from posttrainbench.engines.generation import Generator, Request

    items = load_benchmark("micro-math").load("test")[:24]
    generator = Generator(CHECKPOINT, TEMPLATE, {"temperature": 0.0})
    requests = [Request(generator.encode(item.conversation), max_tokens=48, seed=0) for item in items]
    expected = [completion.text for completion in generator.generate(requests)]
    with ThreadPoolExecutor(len(items)) as pool:
        answers = pool.map(lambda item: ask(engine, item.question, temperature=0, max_tokens=48), items)
        assert list(answers) == expected


def test_inspect_evaluates_and_an_engine_that_dies_is_named(engine: Endpoint, scratch: Path, tmp_path: Path) -> None:
    """The last test of the shared server."""
    benchmark = load_benchmark("micro-math")
    items = benchmark.load("test")[:4]
    scores: dict[str, float] = {}

    def evaluate(name: str) -> None:
        attempt(
            benchmark, items, engine, Services(execute=None, grader=None), max_tokens=16, seed=0, stop=None,
            log=tmp_path / name, on_score=lambda item, grade: scores.update({item: grade.score}),
        )  # fmt: skip

    evaluate("whole.eval")
    assert scores.keys() == {item.id for item in items}
    assert engine.last_error() is None
    workers = [process for process in psutil.Process().children(recursive=True) if "Worker" in process.name()]
    for process in workers or psutil.Process().children(recursive=True)[-1:]:
        process.kill()
    with pytest.raises(EvaluationError, match=r"^vLLM exited while generating: "):
        evaluate("dead.eval")
    eventually(lambda: not list(scratch.iterdir()))


def test_checkpoint_that_cannot_be_loaded_is_told_by_the_first_exception(scratch: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, checkpoint)
    config = json.loads((checkpoint / CONFIG).read_text())
    (checkpoint / CONFIG).write_text(json.dumps(config | {"hidden_size": config["hidden_size"] - 32}))
    serving = Serving(checkpoint, TEMPLATE, tmp_path / "log", threads=2, settings=SETTINGS)
    with (
        pytest.raises(EngineLoadError, match=r"size of tensor|shape|AssertionError"),
        load_engine("vllm").serve(serving),
    ):
        pass
    assert "See root cause above" in (tmp_path / "log").read_text()
    assert not list(scratch.iterdir())
    assert os.environ["VLLM_S3_ACCESS_KEY"] not in (tmp_path / "log").read_text()


KIT = """
import argparse, json, pathlib, sys
import engine
order = json.load(sys.stdin)
options = argparse.ArgumentParser()
engine.add_options(options)
options = options.parse_args(["--gpu-memory-utilization", "0.2"])
options.dtype = "float32"
chats = [([{"role": "user", "content": text}], None) for text in order["prompts"]]
answers = engine.complete(pathlib.Path(order["checkpoint"]), order["template"], chats, 6, 0, options)
pathlib.Path("answers.json").write_text(json.dumps(answers))
"""


def test_generator_of_the_kit_answers_as_transformers(tmp_path: Path) -> None:
    from posttrainbench.engines.generation import Generator, Request

    base = build_base("gemma3", tmp_path / "base", **SIZES)
    (checkpoint := tmp_path / "checkpoint").mkdir()
    assert sanitize(base, checkpoint, base, lambda: PROMPTS).state == "accepted"
    (checkpoint / "generation_config.json").write_text('{"temperature": 0.0}')
    (package := tmp_path / "engine").mkdir()
    for name, file in load_engine("vllm").kit.items():
        shutil.copy(file, package / name)
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    order = {"checkpoint": str(checkpoint), "template": template, "prompts": PROMPTS}
    done = subprocess.run(
        [SETTINGS["python"], "-c", KIT], input=json.dumps(order), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    generator = Generator(checkpoint, template, {"temperature": 0.0})
    chats = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    expected = generator.generate([Request(generator.encode(chat), max_tokens=6, seed=0) for chat in chats])
    assert json.loads((tmp_path / "answers.json").read_text()) == [completion.text for completion in expected]


def test_official_architectures_give_the_same_greedy_answers_on_both_engines(tmp_path: Path) -> None:
    checkpoints = []
    for name in ("qwen3", "smollm3", "gemma3", "gemma3_text"):
        base = build_base(name, tmp_path / name, **SIZES)
        (canonical := tmp_path / f"canonical-{name}").mkdir()
        assert sanitize(base, canonical, base, lambda: PROMPTS).state == "accepted"
        checkpoints.append(canonical)
    assert engines_differ(checkpoints, PROMPTS, max_tokens=6) == [""] * len(checkpoints)
