"""Whole runs with a network: what the agent finds, what is written down, and what a failure of the proxy means."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from test_model_cache import repository

from egress_lab import COMMIT, Lab, lab
from posttrainbench.cli import runs
from posttrainbench.errors import InputError
from posttrainbench.records import Outcome, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run.model_cache import HOME
from posttrainbench.run.prepare import RunRequest, create_run, prepare
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.solve import solve
from support import PATIENCE, agent, assert_refused, printed, settle, start_ptb

pytestmark = pytest.mark.sandbox

FETCH = """
import urllib.request, urllib.error
def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=20).status
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode().strip()}"
    except OSError as error:
        return str(error)
"""


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Servers that every proxy of this module finds in place of the internet's."""
    folder = tmp_path_factory.mktemp("lab")
    with lab(folder, ["huggingface.co", "api.openai.com"]) as servers, servers.as_internet():
        yield servers


def test_an_agent_with_a_network(tmp_path: Path, internet: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789abcdef")
    source = f"""{FETCH}
print(fetch("https://huggingface.co/datasets/x/y/resolve/main/z?k=sk-planted-0123456789abcdef"))
print(fetch("https://api.openai.com/v1/models"))
print(fetch("http://169.254.169.254/latest"))
print(os.environ.get("HF_HUB_OFFLINE"), os.environ["HF_HOME"])
print("PTB_EGRESS" in str(os.environ))
"""
    request = RunRequest(
        agent(tmp_path, source), "micro-base", "micro-math", budget=60, network="open", cold_cache=True
    )
    run = create_run(request, tmp_path / "run")
    solved(run)
    first, second, third, fourth, fifth = printed(run)[:5]
    assert (first, second) == ("200", "200")
    assert third.startswith("403 ")
    assert fourth == "None /workspace/.home/.cache/huggingface"
    assert fifth == "False"
    solve = run.stage(Stage.SOLVE)
    written = (solve / "egress.jsonl").read_text()
    assert "sk-planted" not in written
    lines = [json.loads(line) for line in written.splitlines()]
    assert [(line["kind"], line["decision"]) for line in lines] == [
        ("dataset", "allowed"),
        ("hosted_model", "allowed"),
        ("other", "denied"),
    ]
    assert Outcome.model_validate_json((solve / "outcome.json").read_text()).network == "recorded"
    assert json.loads((solve / "downloads.json").read_text()) == []
    assert "proxy" in (solve / "prompt.md").read_text()


@pytest.mark.usefixtures("solve_here", "short_evaluations")
def test_a_layer_is_listed_audited_and_its_models_dropped(
    tmp_path: Path, internet: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "machine"
    repository(cache, "models--some--model")
    monkeypatch.setattr("posttrainbench.run.solve.machine_cache", lambda: cache)
    for revision in ("main", COMMIT):
        internet.tls.files[f"/other/model/resolve/{revision}/model.safetensors"] = b"w" * 100_000
        internet.tls.files[f"/datasets/other/rows/resolve/{revision}/train.jsonl"] = b'{"question": "Why?"}\n' * 50
    source = """
from huggingface_hub import hf_hub_download as d
print(d("some/model", "config.json", revision="0" * 40))
d("other/model", "model.safetensors"), d("other/rows", "train.jsonl", repo_type="dataset")
shutil.copytree(base, final)
"""
    run = create_run(
        RunRequest(agent(tmp_path, source), "micro-base", "micro-math", budget=90, network="open"), tmp_path / "r"
    )
    spec = run.spec.model_copy(update={"cold_cache": False})  # the suite micro is cold
    (run.root / "run.json").write_text(spec.model_dump_json())
    result = settle(Run(run.root))
    assert printed(run)[0].endswith(f"/snapshots/{'0' * 40}/config.json"), printed(run)
    listed = json.loads((run.stage(Stage.SOLVE) / "downloads.json").read_text())
    assert [(each["kind"], each["repo"], each["revision"], each["files"]) for each in listed] == [
        ("dataset", "other/rows", COMMIT, 1),
        ("model", "other/model", COMMIT, 1),
    ]
    assert result.status is Status.SCORED, result.reasons
    assert result.verdict["test_data_in_training"] == "clean"
    left = {path.name for path in (run.workspace / HOME / "hub").iterdir()}
    assert "datasets--other--rows" in left
    assert not any(name.startswith("models--") for name in left)


def test_the_choice_of_a_network_is_in_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ptb_here: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    monkeypatch.setattr(runs, "finish", lambda run, json: None)
    options = ["--network", "allowlist", "--deny-test-data", "--deny-instruct", "--cold-cache", "--budget", "5s"]
    model = ["--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math"]
    said = ptb_here("run", *model, *options, "--out", tmp_path / "run")
    assert said.returncode == 0, said.stderr
    spec = Run(tmp_path / "run").spec
    assert (spec.network, spec.deny_test_data, spec.deny_instruct, spec.cold_cache) == ("allowlist", True, True, True)
    assert "pypi.org" in spec.hosts
    assert_refused(ptb_here("run", *model, "--network", "half", "--out", tmp_path / "b"), "half", "allowlist")
    assert_refused(
        ptb_here("run", *model, "--network", "none", "--insecure-no-sandbox", "--out", tmp_path / "c"), "host's network"
    )


def test_without_a_network_there_is_no_proxy(tmp_path: Path, internet: Lab) -> None:
    source = f"""{FETCH}
print(fetch("https://huggingface.co/x"))
print(os.environ["HF_HUB_OFFLINE"], "HTTPS_PROXY" in os.environ)
"""
    run = create_run(RunRequest(agent(tmp_path, source), "micro-base", "micro-math", budget=60), tmp_path / "run")
    solved(run)
    first, second = printed(run)[:2]
    assert "urlopen error" in first
    assert second == "1 False"
    assert not (run.stage(Stage.SOLVE) / "egress.jsonl").exists()
    assert Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text()).network == "none"


def test_a_proxy_that_is_killed_is_not_the_agents_failure(tmp_path: Path) -> None:
    waiting = agent(tmp_path, "print('waiting', flush=True); time.sleep(60)")
    options = ["--agent", waiting, "--model", "micro-base", "--benchmark", "micro-math", "--budget", "60s"]
    process = start_ptb("run", *options, "--network", "open", "--out", tmp_path / "run", "--json")
    try:
        killed: set[int] = set()
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            if "waiting" in _text(tmp_path / "run" / "solve.partial" / "output.jsonl"):
                for child in _proxies(process.pid) - killed:
                    os.kill(child, signal.SIGKILL)
                    killed.add(child)
            time.sleep(0.1)
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert killed
    result = json.loads(out)
    assert result["status"] == Status.INFRASTRUCTURE_ERROR
    assert result["score"] is None
    assert "The egress proxy exited" in result["reasons"][0]
    assert process.returncode == 1


def test_a_sandbox_that_leaves_the_network_open_can_be_told_nothing_about_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves the host's network open"):
        create_run(
            RunRequest("recipe-noop", "micro-base", "micro-math", sandbox="process", deny_instruct=True),
            tmp_path / "run",
        )


def solved(run: Run) -> None:
    """Take a run as far as the end of its agent."""
    for stage, function in ((Stage.PREPARE, prepare), (Stage.SOLVE, solve)):
        function(run, run.begin(stage), ProgressListener())
        run.finish(stage)


def _proxies(root: int) -> set[int]:
    """Proxies among the descendants of a process of ours."""
    found = set()
    for child in psutil.Process(root).children(recursive=True):
        try:
            if "posttrainbench.gateway.egress.server" in child.cmdline():
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
