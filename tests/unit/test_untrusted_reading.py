"""Whole files are read up to a limit, without a buffer as large as the limit."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.untrusted import RECORD_BYTES, UnreadableError, read_below, read_json


def from_json(root: Path, path: Path, limit: int) -> bytes:
    return json.dumps(read_json(path, limit)).encode()


@pytest.mark.parametrize("read", [read_below, from_json])
def test_the_limit_is_the_largest_size(read: Callable[[Path, Path, int], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in (b'"abc"', b'""'):
        path.write_bytes(text)
        for limit in (len(text), len(text) + 1, RECORD_BYTES):
            assert read(tmp_path, path, limit) == text
        with pytest.raises(UnreadableError, match="larger than 0 MiB"):
            read(tmp_path, path, len(text) - 1)


def test_a_file_without_a_size_is_read_to_its_end() -> None:
    folder = Path("/proc/self")
    if not (folder / "limits").is_file():
        pytest.skip("no /proc")
    content = read_below(folder, folder / "limits")
    assert content == (folder / "limits").read_bytes()
    assert read_below(folder, folder / "limits", len(content)) == content
    with pytest.raises(UnreadableError, match="larger"):
        read_below(folder, folder / "limits", len(content) - 1)


@pytest.mark.parametrize("read", [read_below, from_json])
def test_a_small_file_takes_little_memory(read: Callable[[Path, Path, int], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'"abc"')
    tracemalloc.start()
    try:
        read(tmp_path, path, RECORD_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
