"""Leaderboards that were computed before, which are valid until a file behind them changes.

Like the index of runs, they are derived and can be deleted at any time. Each experiment and choice of runs has a file
`leaderboards/NAME.json` in the folder of the index.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from posttrainbench import __version__, records, scoring
from posttrainbench.files import write_text
from posttrainbench.report.ranking import rank_with_trivial, trivial_scores_of
from posttrainbench.run.index import index_folder, is_settled, state_of
from posttrainbench.scoring import Cell, Leaderboard
from posttrainbench.scoring.cells import VERDICT

FILES = ("run.json", "result.json", VERDICT, *(f"evaluate/{name}.json" for name in ("metrics", "base", "instruct")))
"""Files of a run that a leaderboard depends on; see `scoring.cells.load_cell`."""


def rank_indexed(
    roots: Sequence[str | Path], choices: Sequence[object], load: Callable[[], Sequence[Cell]]
) -> tuple[Leaderboard, Sequence[Cell] | None]:
    """Return the leaderboard of runs, from the index if it is still valid.

    Args:
        roots: absolute directories of the runs.
        choices: what else determines which runs count; compared by their text.
        load: reads the runs.

    Returns:
        The leaderboard, and the runs if they were read.

    Raises:
        InputError: as in `scoring.leaderboard`, and what `load` raises.
    """
    states = [" ".join(state_of(f"{root}/{name}") for name in FILES) for root in roots]
    signature = _hash([list(map(str, roots)), states])
    name = _hash([_version(), str(Path(roots[0]).parent) if roots else "", [repr(choice) for choice in choices]])
    path = index_folder() / "leaderboards" / f"{name[:32]}.json"
    if (stored := _read(path, signature)) is not None:
        return stored, None
    cells = load()
    board = rank_with_trivial(cells)
    if is_settled(" ".join(states)):
        suites = {cell.benchmark: cell.spec.suite for cell in cells}
        content = {
            "signature": signature,
            "suites": suites,
            "trivial": _plain(trivial_scores_of(suites)),
            "board": board.model_dump(mode="json"),
        }
        with contextlib.suppress(OSError):  # costs only time
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(content))
    return board, cells


def _read(path: Path, signature: str) -> Leaderboard | None:
    try:
        content = json.loads(path.read_bytes())
        if content["signature"] != signature or content["trivial"] != _plain(trivial_scores_of(content["suites"])):
            return None
        return Leaderboard.model_validate(content["board"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


@cache
def _version() -> str:
    """Return a hash of the code that computes and defines leaderboards: another version's are not used."""
    packages = (Path(module.__file__ or "").parent for module in (scoring, records))
    files = sorted(file for package in packages for file in package.glob("*.py"))
    return hashlib.sha256(b"".join([__version__.encode(), *(file.read_bytes() for file in files)])).hexdigest()[:16]


def _plain(value: object) -> Any:
    return json.loads(json.dumps(value))


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
