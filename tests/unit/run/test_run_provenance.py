"""Records of file provenance in a run: where they are, what the outcome and the result say of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InfrastructureError
from posttrainbench.records import AgentEnd, Outcome, RunSpec
from posttrainbench.run.provenance import Provenance, describe_provenance
from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.provenance import launch
from posttrainbench.sandbox.provenance.record import NAME
from posttrainbench.sandbox.provenance.state import record_files

START, OPEN = {"t": 1.0, "op": "start"}, {"t": 2.0, "op": "open"}


class Process:
    """What `Provenance` asks of a process."""

    def __init__(self, died: bool = False) -> None:
        self.died = died

    def recorder_died(self) -> bool:
        return self.died


def end(**counts: int) -> dict[str, Any]:
    return {"t": 9.0, "op": "end", "counts": counts}


@pytest.fixture(autouse=True)
def new_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.platform, "release", lambda: "5.14.0-1.el9.x86_64")
    monkeypatch.setattr(launch.platform, "machine", lambda: "x86_64")


def provenance(out: Path, backend: str = "bubblewrap", *, on: bool = True) -> Provenance:
    return Provenance(RunSpec.model_construct(provenance=on), load_sandbox(backend), out)


def record(each: Provenance, *events: dict[str, Any], died: bool = False) -> None:
    """Let a start of the agent end that left these events."""
    folder = each.begin()
    assert folder is not None
    folder.mkdir()
    (folder / NAME).write_text("".join(json.dumps(event) + "\n" for event in events))
    each.end(Process(died))  # type: ignore[arg-type]


def notes(each: Provenance) -> list[str]:
    fields = {"exit_code": 0, "seconds": 1, "output_bytes": 0, "output_dropped": 0, "network": "none"}
    ended = {"end": AgentEnd.EXITED, "isolation": "namespaces", **fields}
    return describe_provenance(Outcome(**ended, provenance=each.state, provenance_note=each.note))


def test_one_start_has_its_record_in_the_folder_and_several_have_them_below(tmp_path: Path) -> None:
    each = provenance(tmp_path)
    record(each, START, OPEN, end(open=1))
    root = tmp_path / "provenance"
    assert record_files(root) == [root / NAME]
    record(each, START, end())
    record(each, START, end())
    assert record_files(root) == [root / number / NAME for number in ("1", "2", "3")]
    assert '"open"' in (root / "1" / NAME).read_text()
    assert (each.state, each.note, notes(each)) == ("recorded", "", [])


@pytest.mark.parametrize(
    ("last", "note"),
    [
        (end(limit=1), "it reached its limit"),
        (end(fault=2), "the recorder failed at 2 calls"),
        (OPEN, "the recorder did not finish it"),
    ],
    ids=["limit", "fault", "overdue"],
)
def test_what_an_agent_can_cause_makes_the_record_incomplete_and_is_no_infrastructure_error(
    last: dict[str, Any], note: str, tmp_path: Path
) -> None:
    each = provenance(tmp_path)
    record(each, START, last)
    record(each, START, end())  # a later record does not hide it
    assert (each.state, each.note) == ("recorded", note)
    assert notes(each) == [f"The record of file provenance is incomplete: {note}."]


def test_a_dead_recorder_is_an_infrastructure_error_unless_the_record_is_whole(tmp_path: Path) -> None:
    each = provenance(tmp_path)
    record(each, START, end(), died=True)
    with pytest.raises(InfrastructureError) as error:
        record(each, START, OPEN, died=True)
    assert error.value.cause == "recorder_failed"
    with pytest.raises(InfrastructureError):
        each.check(Process(died=True))  # type: ignore[arg-type]


def test_a_kernel_that_refuses(tmp_path: Path) -> None:
    each = provenance(tmp_path)
    record(each, START, {"t": 1.0, "op": "unavailable", "reason": "Device or resource busy"}, end(unavailable=1))
    assert each.begin() is None
    assert notes(each) == ["File provenance could not be recorded: Device or resource busy."]


def test_off_by_request_and_unavailable_without_a_sandbox(tmp_path: Path) -> None:
    off, bare = provenance(tmp_path, on=False), provenance(tmp_path, "process")
    assert off.begin() is bare.begin() is None
    assert notes(off) == ["File provenance was not recorded: it was turned off (--no-provenance)."]
    assert notes(bare) == ["File provenance could not be recorded: the backend `process` cannot do it."]
    assert (off.state, bare.state) == ("off", "unavailable")


@pytest.mark.parametrize("release", ["5.13.9", "4.18.0-553.el8.x86_64"])
def test_an_old_kernel(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.platform, "release", lambda: release)
    assert launch.why_unrecorded(load_sandbox("bubblewrap")) == f"the kernel {release} is older than 5.14"


def test_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "notification_filter", lambda: None)
    assert launch.why_unrecorded(load_sandbox("bubblewrap")) == "there is no filter for x86_64 processors"
