"""Which files the recorder of file provenance takes for files of the system, which nothing can write."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.provenance.launch import start_recorder
from posttrainbench.sandbox.provenance.opens import Opener
from posttrainbench.sandbox.provenance.processes import writable_mounts

MOUNTINFO = rb"""
736 702 0:61 / / ro,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
737 736 0:64 / /proc rw,nosuid - proc proc rw
738 737 0:64 /sys /proc/sys rw - proc proc rw
739 736 8:1 /w /workspace rw,relatime master:1 - ext4 /dev/root rw
740 736 8:1 /v /a\040volume rw,relatime - ext4 /dev/root rw
741 736 8:1 /usr /usr ro,relatime - ext4 /dev/root rw
742 741 8:2 / /usr/local/rw rw,relatime - ext4 /dev/other rw
743 736 8:3 / /opt/env ro - ext4 /dev/other rw
744 743 8:3 /x /opt/env/sub rw - ext4 /dev/other rw
"""


def opener() -> Opener:
    unused: Any = None
    return Opener(unused, unused, unused, unused, unused, (b"/tmp/", b"/workspace"), (b"/opt/env/",))


def test_mounts_that_are_not_read_only_are_writable(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(MOUNTINFO.lstrip())
    folder = os.open(tmp_path, os.O_PATH)
    try:
        mounts = writable_mounts(folder)
    finally:
        os.close(folder)
    assert mounts == [b"/workspace", b"/a volume", b"/usr/local/rw", b"/opt/env/sub"]


def test_files_in_any_writable_mount_are_recorded() -> None:
    each = opener()
    names = [b"/a volume/x", b"/usr/local/rw/x", b"/opt/env/sub/x", b"/opt/env/x", b"/usr/bin/x"]
    assert [name for name in names if each.is_kept(name)] == []
    unknown = each.keep([b"/workspace", b"/tmp", b"/a volume", b"/usr/local/rw", b"/opt/env/sub"])
    assert unknown == [b"/a volume", b"/usr/local/rw", b"/opt/env/sub"]
    assert [name for name in names if each.is_kept(name)] == names[:3]
    assert each.is_kept(b"/workspace/x")


def test_a_writable_root_leaves_only_read_only_exceptions() -> None:
    each = opener()
    assert each.keep([b"/"]) == [b"/"]
    assert [each.is_kept(name) for name in (b"/etc/x", b"/usr/bin/x", b"/opt/env/x")] == [True, True, False]


def test_a_directory_whose_path_is_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(InfrastructureError, match="set TMPDIR to another directory"):
        start_recorder(tmp_path / "record", [], "python3", connects=True)
    assert list(folder.iterdir()) == []
