"""The way out of containers: the same socket, forwarder and cache as in bubblewrap."""

import json
from pathlib import Path

import pytest
from test_model_cache import LOAD, repository

from container_engines import backend
from egress_lab import OPEN, inside, lab
from posttrainbench.run.model_cache import HOME, cache_mounts, create_layer
from posttrainbench.sandbox import Mount


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_a_container_gets_out_through_the_proxy_alone(engine: str, tmp_path: Path) -> None:
    sandbox = backend(engine)
    cache = tmp_path / "machine"
    repository(cache, "models--some--model")
    lower = cache_mounts(cache, OPEN)
    with lab(tmp_path, ["huggingface.co"]) as servers, inside(tmp_path, servers, sandbox=sandbox) as box:
        create_layer(box.work, lower, {mount.role: sandbox.locate(mount) for mount in lower})
        said = box.run("curl", "-sSf", "https://huggingface.co/a/b/resolve/main/c")
        around = box.run("curl", "-sS", "--noproxy", "*", "-m", "5", f"http://127.0.0.1:{servers.plain.port}/")
        work = sandbox.locate(Mount("work", box.work, writable=True))
        source = f"{LOAD}print(open(d('some/model', 'config.json')).read())"
        loaded = box.run(sandbox.python, "-c", source, mounts=lower, HF_HUB_OFFLINE="1", HF_HOME=f"{work}/{HOME}")
        (request,) = box.requests()
    assert json.loads(said.stdout)["path"] == "/a/b/resolve/main/c", said.stderr
    assert around.returncode != 0
    assert request["repo"] == "a/b"
    assert json.loads(loaded.stdout) == {"from": "below"}, loaded.stderr
