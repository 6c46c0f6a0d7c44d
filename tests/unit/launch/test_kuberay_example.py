"""The example for Kubernetes: consistent in itself, with a command that exists, and valid under KubeRay's schema."""

import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from posttrainbench import catalog
from posttrainbench.cli.app import app

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "kuberay"


@pytest.fixture(scope="module")
def job() -> Any:
    return yaml.safe_load((EXAMPLE / "rayjob.yaml").read_text())


def pods(job: Any) -> list[Any]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def parsed(line: str) -> dict[str, Any]:
    """Return the parameters of a `ptb` command, as its own parser reads them."""
    import typer

    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    return dict(command.make_context("ptb", words).params)


def test_the_entrypoint_is_a_command_of_this_version(job: Any) -> None:
    shell = shlex.split(job["spec"]["entrypoint"])
    assert shell[:2] == ["sh", "-c"]
    place, *commands = shell[2].split(" && ")
    assert place == "cd /shared"
    pull, install, order = map(parsed, commands)
    assert (pull["name"], pull["weights"]) == (order["suite"], True)
    assert [agent.partition("/")[0] for agent in order["agent"]] == [install["name"]]
    assert (order["on"], order["address"]) == ("ray", "auto")
    suite = catalog.suites()[order["suite"]]
    assert set(order["benchmark"]) <= set(suite.benchmarks)
    [worker] = pods(job)[1]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == suite.gpus
    assert int(worker["resources"]["limits"]["cpu"]) >= order["job_cpus"]


def test_pods_agree_on_image_volume_keys_and_version_of_ray(job: Any) -> None:
    claim = yaml.safe_load((EXAMPLE / "volume.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods(job):
        [container] = pod["containers"]
        assert container["image"] == "REGISTRY/posttrainbench-ray"
        assert {"name": "shared", "mountPath": "/shared"} in container["volumeMounts"]
        claims = [volume.get("persistentVolumeClaim") for volume in pod["volumes"]]
        assert {"claimName": claim["metadata"]["name"]} in claims
        readme = (EXAMPLE / "README.md").read_text()
        assert f"create secret generic {container['envFrom'][0]['secretRef']['name']} " in readme
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray[default]=={version}" in (EXAMPLE / "Dockerfile").read_text()
    developer = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert any(re.match(rf"ray=={re.escape(version)}", line) for line in developer)


@pytest.mark.skipif("PTB_KUBERAY_CRD" not in os.environ, reason="PTB_KUBERAY_CRD names no ray.io_rayjobs.yaml")
def test_the_job_is_valid_under_the_schema_of_kuberay(job: Any) -> None:
    import jsonschema

    definition = yaml.load(Path(os.environ["PTB_KUBERAY_CRD"]).read_text(), yaml.CSafeLoader)
    [version] = [each for each in definition["spec"]["versions"] if each["name"] == job["apiVersion"].split("/")[1]]
    schema = closed(version["schema"]["openAPIV3Schema"])
    jsonschema.validate(job, schema)
    job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.validate(job, schema)


def closed(schema: Any) -> Any:
    """Return a schema that refuses unknown fields, as `kubectl apply` does by default."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(value) for name, value in schema.items()}
    open_ended = "additionalProperties" in result or result.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(result.get("properties"), dict) and "type" in result and not open_ended:
        result["additionalProperties"] = False
    if result.pop("x-kubernetes-int-or-string", False):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return result
