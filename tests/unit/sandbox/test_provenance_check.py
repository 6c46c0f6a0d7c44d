"""The check of file provenance gives its answer even if its own record cannot be deleted."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.provenance import launch


class Failing:
    """A sandbox that leaves a record and does not start."""

    def locate(self, mount: Any) -> str:
        return "/workspace"

    def start(self, *args: Any, record: Path) -> None:
        record.mkdir()
        raise InfrastructureError("sandbox_failed", "no namespaces")


def test_a_directory_that_cannot_be_opened_does_not_hide_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = os.open

    def open_others(path: Any, *args: Any, **options: Any) -> int:
        if Path(str(path)).name == "record":
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *args, **options)

    monkeypatch.setattr(launch, "why_unrecorded", lambda sandbox: "")
    monkeypatch.setattr(os, "open", open_others)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = launch.recording_available(Failing())  # type: ignore[arg-type]
    assert (found.works, found.reason) == (False, "no namespaces.")
