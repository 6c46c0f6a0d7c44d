"""The limits of the record of file provenance."""

import errno
import json
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from posttrainbench.sandbox.provenance import record as record_module
from posttrainbench.sandbox.provenance.record import COPIES, NAME, Record
from posttrainbench.sandbox.provenance.state import RecordState, record_state


def test_a_full_record_says_so_and_still_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "RECORD_BYTES", 2000)
    record = Record(tmp_path / "r")
    for number in range(100):
        record.write("open", "5.1", path=f"/w/{number}")
    record.close()
    operations = [json.loads(line)["op"] for line in (tmp_path / "r" / NAME).read_text().splitlines()]
    assert operations[-2:] == ["limit", "end"]
    assert operations.count("limit") == 1


class FullDisk:
    """A file on a disk with room for a few bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, content: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.file.write(content[: self.room])
        self.room -= written
        return written

    def close(self) -> None:
        self.file.close()


def test_a_full_disk_ends_the_record_early_and_not_the_recorder(tmp_path: Path) -> None:
    record = Record(tmp_path / "r")
    disk = FullDisk(record._file, 100)
    record._file = disk
    for number in range(20):
        record.write("open", "5.1", path=f"/w/{number}")
    record.flush()
    record.flush()
    assert record.full
    disk.room = 2**20
    record.close()
    assert record_state(tmp_path / "r" / NAME) == RecordState(True, "", "it reached its limit")
    events = [json.loads(line) for line in (tmp_path / "r" / NAME).read_text().splitlines()]
    assert [event["op"] for event in events] == ["open"] * 20 + ["limit", "end"]
    assert events[-2]["why"] == "No space left on device"


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        ("open", RecordState(True, "", "")),
        ("fault", RecordState(True, "", "the recorder failed at 1 calls")),
        ("unavailable", RecordState(True, "EBUSY", "")),
    ],
)
def test_state_of_a_record(operation: str, state: RecordState, tmp_path: Path) -> None:
    record = Record(tmp_path / "r")
    record.write("start")
    record.write(operation, reason="EBUSY")
    record.flush()
    path = tmp_path / "r" / NAME
    assert record_state(path) == RecordState(False, state.unavailable, "the recorder did not finish it")
    record.close()
    assert record_state(path) == state
    assert record_state(tmp_path / NAME).missing == "it cannot be read (No such file or directory)"


def test_only_a_process_that_floods_the_record_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "FREE_BYTES", 4000)
    monkeypatch.setattr(record_module, "PROCESS_BYTES", 1000)
    monkeypatch.setattr(record_module, "BYTES_PER_SECOND", 1)
    record = Record(tmp_path / "r")
    record.write("open", "6.1", path="/w/quiet")
    assert record.delay("5.1") == 0
    for number in range(200):
        record.write("open", "5.1", path=f"/w/{number}")
    assert record.delay("5.1") > 0
    assert record.delay("6.1") == 0
    record.close()


def test_copies_are_small_kept_once_and_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "COPIES_BYTES", 100)
    record = Record(tmp_path / "r")

    def copy(name: str, size: int) -> str | None:
        (tmp_path / name).write_bytes(name[:1].encode() * size)
        descriptor = os.open(tmp_path / name, os.O_PATH)
        try:
            return record.copy(descriptor)
        finally:
            os.close(descriptor)

    first = copy("a", 60)
    assert first is not None
    assert copy("a2", 60) == first
    assert (tmp_path / "r" / COPIES / first).read_bytes() == b"a" * 60
    assert copy("b", record_module.COPY_BYTES + 1) is None
    assert copy("c", 60) is None  # more than all copies may be
    record.close()
    assert '"copies-limit"' in (tmp_path / "r" / NAME).read_text()
    assert len(list((tmp_path / "r" / COPIES).iterdir())) == 1
