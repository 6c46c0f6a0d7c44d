"""Fixtures that all tests share. What the tests call by name is in `support`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posttrainbench.cli import main
from posttrainbench.errors import InputError
from posttrainbench.records import Result, Stage, Status
from posttrainbench.run import Run, pipeline
from posttrainbench.run.solve import solve
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from support import Finished, ptb

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several workers share the cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a sandbox, with its own reason, where there is none."""
    marked = [item for item in items if item.get_closest_marker("sandbox")]
    if not marked:
        return
    try:
        Bubblewrap().check()
    except InputError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session", autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches of this test session: baselines are computed once in it, and the user's are neither read nor written."""
    root = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("XDG_DATA_HOME", str(root / "data"))
        yield root


@pytest.fixture(scope="session")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An uninterrupted `ptb run --json` of the agent that submits the instruct model. Not to be changed: copy it."""
    root = tmp_path_factory.mktemp("experiment") / "flagged"
    return Finished(
        root,
        ptb(
            *("run", "--agent", "recipe-cheat-swap", "--model", "micro-base", "--benchmark", "micro-math"),
            *("--out", root, "--json"),
        ),
    )


@pytest.fixture
def solve_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs solve in this process, so that what a test has patched counts there."""
    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, solve)


@pytest.fixture
def solving_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end with the stage solve, unsettled."""

    def settle(run: Run) -> None:
        none = {"score": None, "raw_score": None, "base_score": None, "instruct_score": None}
        result = Result(run=run.spec.run, status=Status.NOT_AUDITED, verdict={}, reasons=[], evidence=[], **none)
        (run.root / "result.json").write_text(result.model_dump_json())

    stages = {stage: pipeline.STAGES[stage] for stage in (Stage.PREPARE, Stage.SOLVE)}
    monkeypatch.setattr(pipeline, "STAGES", stages)
    monkeypatch.setattr(pipeline, "settle", settle)


@pytest.fixture
def ptb_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """As `support.ptb`, but in this process, which is much faster and can be patched."""
    handler = signal.getsignal(signal.SIGTERM)
    catalogs = os.environ.get("PTB_CATALOG")  # the option `--catalog` sets it, for child processes

    def call(*args: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        words = [str(word) for word in args]
        monkeypatch.setattr(sys, "argv", ["ptb", *words])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, handler)
    if catalogs is None:
        os.environ.pop("PTB_CATALOG", None)
    else:
        os.environ["PTB_CATALOG"] = catalogs
