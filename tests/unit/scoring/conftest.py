"""Fixtures over `scoring_runs`."""

from collections.abc import Callable
from pathlib import Path

import pytest
import scoring_runs

from posttrainbench.scoring import Cell


@pytest.fixture
def make_cell() -> Callable[..., Cell]:
    return scoring_runs.build_cell


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[[Cell], Path]:
    return lambda cell: scoring_runs.write_run(cell, tmp_path)
