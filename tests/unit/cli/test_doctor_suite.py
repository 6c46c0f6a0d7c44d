"""`ptb doctor --suite`: what keeps this machine from running a suite, each problem once."""

import json
import subprocess
from collections.abc import Callable

import pytest

from posttrainbench.run.preflight import CheckResult
from posttrainbench.run.request import RunRequest

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
