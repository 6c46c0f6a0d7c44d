"""Reading run directories: valid and invalid ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.scoring import baselines_of, leaderboard, load_cells


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_round_trip(make_cell: Any, write_run: Any) -> None:
    cells = [
        make_cell(seed=0, raw=0.5),
        make_cell(seed=1, raw=0.9, status="base_fallback"),
        make_cell(seed=2, raw=None, status="base_fallback"),
        make_cell(seed=3, raw=None, status="infrastructure_error"),
        make_cell(seed=4, raw=None, status=None),
    ]
    loaded = load_cells([write_run(cell) for cell in cells])
    assert [cell.score for cell in loaded] == [0.5, 0.1, 0.1, None, None]
    assert [cell.raw_score for cell in loaded] == [0.5, 0.9, None, None, None]
    assert [cell.items for cell in loaded] == [cell.items for cell in cells]
    assert loaded[0].items == loaded[0].raw_items
    assert loaded[1].items == loaded[1].base.items  # type: ignore[union-attr]
    assert loaded[1].raw_items != loaded[1].items
    assert leaderboard(loaded, baselines_of(loaded)) == leaderboard(cells, baselines_of(cells))


def test_failed_before_evaluation(make_cell: Any, write_run: Any) -> None:
    path = write_run(make_cell(raw=None, status="infrastructure_error"))
    for file in (path / "evaluate").iterdir():
        file.unlink()
    (path / "evaluate").rmdir()
    cell = load_cells([path])[0]
    assert (cell.base, cell.counted) == (None, False)
    assert baselines_of([cell]) == {}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "{"),
        ("run.json", "[]"),
        ("result.json", ""),
        ("result.json", '{"score": 1}'),
        ("evaluate/metrics.json", '{"benchmark": "b", "unknown": 1}'),
        ("evaluate/base.json", "\x00\x00"),
        ("evaluate/instruct.json", '"instruct"'),
    ],
)
def test_torn_or_foreign_file(make_cell: Any, write_run: Any, file: str, content: str) -> None:
    path = write_run(make_cell())
    (path / file).write_text(content)
    with pytest.raises(InputError) as caught:
        load_cells([path])
    assert str(path / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["metrics", "base", "instruct"])
def test_counted_run_lacks_a_file(make_cell: Any, write_run: Any, name: str) -> None:
    path = write_run(make_cell())
    (path / "evaluate" / f"{name}.json").unlink()
    with pytest.raises(InputError, match=rf"{name}\.json is missing"):
        load_cells([path])


def test_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        load_cells([tmp_path])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a run directory"):
        load_cells([tmp_path / "file"])
    (tmp_path / "run.json").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        load_cells([tmp_path])


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("result.json", {"run": "other"}, "belongs to run other"),
        ("result.json", {"score": 0.7}, "does not have the score"),
        ("result.json", {"score": None}, "does not have the score"),
        ("evaluate/metrics.json", {"score": 0.7}, "does not have the score"),
        ("evaluate/metrics.json", {"benchmark": "c"}, "is for c"),
        ("evaluate/metrics.json", {"score": float("nan")}, "not fractions"),
        ("evaluate/base.json", {"score": 17.0}, "not fractions"),
        ("evaluate/base.json", {"items": {"1": float("inf")}}, "not fractions"),
    ],
)
def test_files_that_disagree(make_cell: Any, write_run: Any, file: str, changes: dict[str, Any], message: str) -> None:
    path = write_run(make_cell())
    edit(path / file, **changes)
    with pytest.raises(InputError, match=message):
        load_cells([path])
