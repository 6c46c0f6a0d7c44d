"""`ptb doctor --suite`: what keeps this machine from running a suite, each problem once."""

import json
import subprocess
from collections.abc import Callable

import pytest

from posttrainbench.agents import recipe
from posttrainbench.cli import doctor
from posttrainbench.run.preflight import CheckResult
from posttrainbench.run.request import RunRequest
from posttrainbench.sandbox.provenance import launch
from posttrainbench.sandbox.provenance.launch import Availability

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("ready", [True, False])
def test_checks_of_all_cells_are_summarized(ready: bool, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RunRequest] = []

    def check(request: RunRequest, out: object) -> list[CheckResult]:
        asked.append(request)
        missing = not ready and request.benchmark == "gsm8k"
        text = f"The data of {request.benchmark} is not on this machine." if missing else f"{request.benchmark} is here"
        return [
            CheckResult("output", "problem", "not about the suite"),
            CheckResult("benchmark data", "problem" if missing else "ok", text),
            CheckResult("sandbox", "ok", "bubblewrap"),
            CheckResult("grader", "not_checked", "the benchmark needs none"),
        ]

    monkeypatch.setattr("posttrainbench.run.prepare.check_request", check)
    said = ptb_here("doctor", "--suite", "v1", "--json")
    assert len({(request.model, request.benchmark) for request in asked}) == 28
    rows = [(row["name"], row["state"], row["found"] + row["fix"]) for row in json.loads(said.stdout)]
    if ready:
        assert said.returncode == 0
        assert rows == [("benchmark data", "ok", "7 checked"), ("sandbox", "ok", "bubblewrap")]
        assert "Next: ptb launch --suite v1" in ptb_here("doctor", "--suite", "v1").stdout
    else:
        assert said.returncode == 1
        problem = "The data of gsm8k is not on this machine."
        assert rows == [("benchmark data", "missing", problem), ("sandbox", "ok", "bubblewrap")]
    assert ptb_here("doctor", "--suite", "v7").returncode == 2


def test_several_missing_downloads_are_one_command(ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    pulls = ["gsm8k", "humaneval", "SmolLM2-135M --weights"]
    damaged = "The model SmolLM2-360M is damaged: sha256"

    def check(request: RunRequest, out: object) -> list[CheckResult]:
        def problem(name: str) -> CheckResult:
            first, _, flag = name.partition(" ")
            text = f"{first} is not on this machine; run `ptb data pull {first}{' ' + flag if flag else ''}`."
            return CheckResult("base model" if flag else "benchmark data", "problem", text)

        return [*map(problem, pulls), CheckResult("base model", "problem", damaged)]

    monkeypatch.setattr("posttrainbench.run.prepare.check_request", check)
    monkeypatch.setattr(recipe, "_missing", lambda package: "absent" if package == "peft" else "")
    rows = json.loads(ptb_here("doctor", "--suite", "small", "--json").stdout)
    assert [(row["name"], row["state"], row["found"] or row["fix"]) for row in rows] == [
        ("training", "note", "recipe-sft-small needs peft in the sandbox (an image may have them)"),
        ("data and models", "missing", "gsm8k, humaneval, SmolLM2-135M are not complete on this machine"),
        ("base model", "missing", damaged),
    ]
    assert [row["fix"] for row in rows[:2]] == [
        "pip install 'posttrainbench[training]'",
        "run `ptb data pull small --weights`.",
    ]
    pulls[1:] = []
    monkeypatch.setattr(recipe, "_missing", lambda package: "")
    rows = json.loads(ptb_here("doctor", "--suite", "small", "--json").stdout)
    assert [(row["name"], row["fix"]) for row in rows] == [
        ("benchmark data", "gsm8k is not on this machine; run `ptb data pull gsm8k`."),
        ("base model", damaged),
    ]


def test_doctor_says_which_sandboxes_record_provenance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: name if name == "podman" else None)
    results = {"bubblewrap": Availability(True, ""), "podman": Availability(False, "Device or resource busy")}
    monkeypatch.setattr(launch, "recording_available", lambda sandbox: results[sandbox.name])
    text = "file provenance can be recorded in bubblewrap"
    assert doctor._provenance() == doctor.Check("provenance", "ok", f"{text}; not in podman (Device or resource busy)")
    results["podman"] = Availability(True, "")
    assert doctor._provenance() == doctor.Check("provenance", "ok", f"{text}, podman")
    results["bubblewrap"] = Availability(False, "an old kernel")
    found = doctor._provenance()
    assert (found.state, found.fix) == ("note", "bubblewrap (an old kernel)")
