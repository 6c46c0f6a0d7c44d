"""Leaderboards that were computed before, which are valid until a file behind them changes.

Like the index of runs, they are derived and can be deleted at any time. Each experiment and choice of runs has a file
`leaderboards/NAME.json` in the folder of the index.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from posttrainbench import __version__, records, scoring
from posttrainbench.files import write_bytes
from posttrainbench.report.ranking import rank_with_trivial, trivial_scores_of
from posttrainbench.run.directory import ABSENT
from posttrainbench.run.index import index_folder, is_settled
from posttrainbench.scoring import Cell, Leaderboard
from posttrainbench.scoring.cells import VERDICT
from posttrainbench.scoring.flag_rates import JUDGEMENT

FILES = (VERDICT, JUDGEMENT, "result.json", *(f"evaluate/{name}.json" for name in ("metrics", "base", "instruct")))
"""Files of a run that a leaderboard depends on, besides `run.json`; see `load_cell` and `flag_rates` in `scoring`."""


def rank_indexed(
    roots: Mapping[str, str], choices: Sequence[object], load: Callable[[], Sequence[Cell]]
) -> tuple[Leaderboard, Sequence[Cell] | None]:
    """Return the leaderboard of runs, from the index if it is still valid.

    Args:
        roots: absolute directories of the runs, each with the state of its `run.json`; see `run.directory.root_states`.
        choices: what else determines which runs count; compared by their text.
        load: reads the runs.

    Returns:
        The leaderboard, and the runs if they were read.

    Raises:
        InputError: as in `scoring.leaderboard`, and what `load` raises.
    """
    states = _states(roots)
    signature = hashlib.sha256(os.fsencode("\0".join([*roots, *states]))).hexdigest()
    folder = os.path.dirname(next(iter(roots), ""))  # noqa: PTH120 fast
    name = _hash([_version(), folder, [repr(choice) for choice in choices]])
    path = index_folder() / "leaderboards" / f"{name[:32]}.json"
    if (stored := _read(path, signature)) is not None:
        return stored, None
    cells = load()
    board = rank_with_trivial(cells)
    if is_settled(" ".join(states)):
        _write(path, signature, {cell.benchmark: cell.spec.suite for cell in cells}, board)
    return board, cells


def _states(roots: Mapping[str, str]) -> list[str]:
    """Return the states of all files that a leaderboard of these runs depends on; see `state_of`."""
    states = list(roots.values())
    for folder, names in _by_folder(roots).items():
        try:
            descriptor = os.open(folder, os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY))
        except OSError:
            states += [ABSENT] * (len(names) * len(FILES))
            continue
        try:
            for name in names:
                for file in FILES:
                    try:  # as `state_of`; nearly all the time of an unchanged leaderboard is spent here
                        found = os.lstat(f"{name}/{file}", dir_fd=descriptor)
                    except OSError:
                        states.append(ABSENT)
                    else:
                        states.append(f"{found.st_ino}.{found.st_ctime_ns}.{found.st_size}")
        finally:
            os.close(descriptor)
    return states


def _by_folder(roots: Iterable[str]) -> dict[str, list[str]]:
    """Return directory -> names of the runs in it: short paths below an open directory are found faster."""
    folders: dict[str, list[str]] = {}
    for root in roots:
        folder, _, name = root.rpartition("/")
        folders.setdefault(folder or "/", []).append(name)
    return folders


def _write(path: Path, signature: str, suites: dict[str, str], board: Leaderboard) -> None:
    """Store a leaderboard: a line with what it depends on, and its JSON. A failure costs only time."""
    text = board.model_dump_json().encode()
    if Leaderboard.model_validate_json(text) != board:
        return  # a number that JSON does not have
    head = {
        "signature": signature,
        "suites": suites,
        "trivial": _plain(trivial_scores_of(suites)),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps(head).encode() + b"\n" + text)


def _read(path: Path, signature: str) -> Leaderboard | None:
    """Return the leaderboard in a file; None if it is missing, damaged or out of date."""
    try:
        first, _, text = path.read_bytes().partition(b"\n")
        head = json.loads(first)
        if head["signature"] != signature or head["trivial"] != _plain(trivial_scores_of(head["suites"])):
            return None
        if head["sha256"] != hashlib.sha256(text).hexdigest():
            return None
        return Leaderboard.model_validate_json(text)
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
