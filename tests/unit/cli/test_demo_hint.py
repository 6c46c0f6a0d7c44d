"""A new demo names earlier ones that were interrupted."""

from pathlib import Path

import pytest

from posttrainbench.cli import demo
from posttrainbench.run.directory import lock_experiment
from trajectory_recordings import make_recorded_run


def test_an_interrupted_demo_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("demo", "demo-2", "demonstration", "other"):
        make_recorded_run(tmp_path / "runs" / name / "one", ["first"])
    (tmp_path / "runs" / "demo-4").mkdir()
    new = Path("runs", "demo-3").absolute()
    assert list(demo._interrupted_demos(new)) == [
        f"1 of 1 runs of the earlier runs/{name} is not done; continue it with: ptb resume runs/{name}"
        for name in ("demo", "demo-2")
    ]
    assert len(list(demo._interrupted_demos(Path("runs", "demo").absolute()))) == 1
    with lock_experiment(Path("runs", "demo-2")):  # a process works on it
        assert len(list(demo._interrupted_demos(new))) == 1
