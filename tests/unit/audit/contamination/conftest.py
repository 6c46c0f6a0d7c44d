"""Fixtures of the scanner's tests."""

import fcntl
import os
from pathlib import Path

import pytest

from scan_problems import PROGRAM, problems


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels(own_caches: Path) -> None:
    """Compile the scanner's kernels once for all workers: the first one compiles them, the others load them."""
    from posttrainbench.audit.contamination.scan.index import build_index
    from posttrainbench.audit.contamination.scan.search import Searcher

    assert own_caches.is_dir()
    with Path(os.environ["NUMBA_CACHE_DIR"], "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        items = [*problems(), PROGRAM]
        assert Searcher(build_index(items))(items[0].question.encode(), by_line=True).matches
