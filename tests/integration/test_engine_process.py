"""The engine's own process: who may ask, what it answers, and when it ends."""

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest

from posttrainbench import catalog
from posttrainbench.engines import MODEL_NAME, Endpoint, EngineLoadError, Serving, load_engine
from posttrainbench.errors import InfrastructureError
from support import eventually

pytestmark = pytest.mark.training

CHECKPOINT = catalog.models()["micro-instruct"].directory
TEMPLATE = (CHECKPOINT / "chat_template.jinja").read_text()
UVICORN_KEEP_ALIVE_SECONDS = 5
QUESTION = {
    "messages": [{"role": "user", "content": "What is 2 plus 2?"}],
    "max_tokens": 4,
    "seed": 1,
    "model": MODEL_NAME,
}


@dataclass(frozen=True)
class Served:
    engine: Endpoint
    log: Path

    def ask(self, body: object, key: str | None = None, path: str = "/v1/chat/completions") -> tuple[int, dict]:
        """POST; bytes are sent as they are, everything else as JSON."""
        place = urlparse(self.engine.base_url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.engine.api_key if key is None else key}"}
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), headers)
        reply = connection.getresponse()
        content = reply.read()
        return reply.status, json.loads(content) if content.startswith(b"{") else {}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with load_engine("transformers").serve(Serving(CHECKPOINT, TEMPLATE, log)) as engine:
        yield Served(engine, log)


def servers(parent: psutil.Process) -> list[psutil.Process]:
    return [one for one in parent.children() if "posttrainbench.engines.transformers_server" in one.cmdline()]


def test_question_is_answered(served: Served) -> None:
    status, reply = served.ask(QUESTION)
    assert status == 200
    [choice] = reply["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] in {"stop", "length"}
    assert 0 < reply["usage"]["completion_tokens"] <= 4
    assert served.ask(QUESTION)[1]["choices"] == reply["choices"]


def test_content_in_parts_is_the_same_question(served: Served) -> None:
    parts = [{"type": "text", "text": "What is 2 "}, {"type": "text", "text": "plus 2?"}]
    in_parts = QUESTION | {"messages": [{"role": "user", "content": parts}]}
    assert served.ask(in_parts)[1]["choices"] == served.ask(QUESTION)[1]["choices"]


@pytest.mark.parametrize("key", ["", "wrong", "Bearer", "ключ".encode().decode("latin-1")])
def test_wrong_key_is_refused(key: str, served: Served) -> None:
    status, reply = served.ask(QUESTION, key)
    assert status == 401
    assert "choices" not in reply


BAD_BODIES = {
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe",
    "a list": [],
    "null": None,
    "no messages": {"max_tokens": 4},
    "no tokens": QUESTION | {"max_tokens": 0},
    "an option that is not implemented": QUESTION | {"logprobs": True},
    "prompt over the context": QUESTION | {"messages": [{"role": "user", "content": "one " * 2000}]},
    "messages as text": QUESTION | {"messages": "hello"},
    "messages as null": QUESTION | {"messages": None},
    "no role": QUESTION | {"messages": [{"content": "hello"}]},
    "no content": QUESTION | {"messages": [{"role": "user"}]},
    "content as number": QUESTION | {"messages": [{"role": "user", "content": 4}]},
    "a picture": QUESTION | {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    "limit as text": QUESTION | {"max_tokens": "many"},
    "seed as text": QUESTION | {"seed": "lucky"},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_body_is_refused_and_the_engine_lives_on(body: object, served: Served) -> None:
    status, reply = served.ask(body)
    assert status == 400
    assert reply["error"]["message"].startswith("bad request")
    assert served.ask(QUESTION)[0] == 200


def test_other_paths_lead_nowhere(served: Served) -> None:
    assert served.ask({}, path="/v1/completions")[0] == 404
    assert served.ask(QUESTION | {"model": "another"})[0] == 404


def test_idle_connection_is_not_closed_by_the_server(served: Served) -> None:
    """A client that uses it at that moment would get "server disconnected"."""
    place = urlparse(served.engine.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    headers = {"Authorization": f"Bearer {served.engine.api_key}"}
    connection.request("GET", "/v1/models", headers=headers)
    connection.getresponse().read()
    used = connection.sock
    time.sleep(UVICORN_KEEP_ALIVE_SECONDS + 1)
    connection.request("POST", "/v1/chat/completions", json.dumps(QUESTION), headers)
    assert connection.getresponse().status == 200
    assert connection.sock is used


def test_client_that_disconnects_frees_its_row(served: Served) -> None:
    place = urlparse(served.engine.base_url)
    gone = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    long = QUESTION | {"max_tokens": 400, "n": 100, "temperature": 2}
    gone.request("POST", "/v1/chat/completions", json.dumps(long), {"Authorization": f"Bearer {served.engine.api_key}"})
    time.sleep(0.2)
    gone.close()
    [server] = servers(psutil.Process())
    assert served.ask(QUESTION)[0] == 200

    def idle() -> bool:
        before = sum(server.cpu_times()[:2])
        time.sleep(0.5)
        return sum(server.cpu_times()[:2]) - before < 0.1

    eventually(idle)


def test_only_loopback_is_served(served: Served) -> None:
    [server] = servers(psutil.Process())
    listening = [one.laddr for one in server.net_connections() if one.status == psutil.CONN_LISTEN]
    assert listening
    assert all(one.ip == "127.0.0.1" for one in listening)
    assert f"http://127.0.0.1:{listening[0].port}/v1" == served.engine.base_url


def test_key_is_in_no_command_line_and_no_environment(served: Served) -> None:
    [server] = servers(psutil.Process())
    assert served.engine.api_key not in " ".join(server.cmdline())
    assert served.engine.api_key not in server.environ().values()


def test_configuration_tells_what_the_score_depends_on(served: Served) -> None:
    assert {"engine", "torch", "transformers", "device", "decoding"} <= served.engine.config.keys()


def truncate(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes((CHECKPOINT / "model.safetensors").read_bytes()[:100_000])


def invalidate(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text("{")


def pickle(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (truncate, r"model\.safetensors is not a complete safetensors file"),
        (invalidate, r"config\.json is not JSON"),
        (pickle, r"model\.safetensors is missing"),
    ],
)
def test_corrupt_checkpoint_is_told_from_a_broken_engine(
    damage: Callable[[Path], None], fault: str, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, checkpoint)
    damage(checkpoint)
    before = servers(psutil.Process())
    serving = Serving(checkpoint, TEMPLATE, tmp_path / "log")
    with pytest.raises(EngineLoadError, match=fault), load_engine("transformers").serve(serving):
        pass
    assert servers(psutil.Process()) == before


def test_broken_engine_is_an_infrastructure_error_and_its_log_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    log = tmp_path / "engine.log"
    engine = load_engine("transformers").serve(Serving(CHECKPOINT, TEMPLATE, log))
    with pytest.raises(InfrastructureError, match="did not start") as error, engine:
        pass
    assert error.value.cause == "engine_failed"
    assert str(log) in str(error.value)
    assert "no such library" in log.read_text()


def test_engine_ends_on_leaving(tmp_path: Path) -> None:
    with load_engine("transformers").serve(Serving(CHECKPOINT, TEMPLATE, tmp_path / "log")) as engine:
        port = urlparse(engine.base_url).port
        server = next(
            one for one in servers(psutil.Process()) if port in {each.laddr.port for each in one.net_connections()}
        )
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_engine_ends_when_its_evaluation_is_killed(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
from posttrainbench.engines import Serving, load_engine
with load_engine("transformers").serve(Serving(pathlib.Path({str(CHECKPOINT)!r}), {TEMPLATE!r}, pathlib.Path("log"))):
    print("up", flush=True)
    time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    [server] = servers(psutil.Process(parent.pid))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
