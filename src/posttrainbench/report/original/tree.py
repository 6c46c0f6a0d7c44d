"""Find the runs in a results tree of the original: `AGENT_CONFIG_Nh[SUFFIX]/BENCHMARK_ORG_MODEL_ID`.

Only real directories at these two levels are looked at. What does not have such a name is listed, with the reason.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from posttrainbench.errors import InputError
from posttrainbench.files import require_directory
from posttrainbench.records import Unread
from posttrainbench.untrusted import printable

MAX_ENTRIES = 20_000
"""Most entries of one directory that are looked at."""
HOURS = re.compile(r"[^_]+_.+_(\d{1,4}(?:\.\d{1,3})?)h(?:_.*)?")
JOB = re.compile(r"\w[\w.-]*", re.ASCII)


@dataclass(frozen=True)
class FoundRun:
    """A directory whose name is that of a run.

    Attributes:
        agent: name of the directory above it.
        model, benchmark: ids in the catalog.
        hours: time limit in the name of the directory above; None if it has none.
        repetition: number of earlier runs of the same agent, model and benchmark, in the order of the names.
    """

    path: Path
    agent: str
    name: str
    model: str
    benchmark: str
    hours: float | None
    repetition: int

    @property
    def source(self) -> str:
        """The directory, relative to the tree."""
        return f"{self.agent}/{self.name}"


@dataclass
class Tree:
    """The runs of a results tree, and everything else at the two levels."""

    runs: list[FoundRun] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)


def find_runs(results: Path, models: Mapping[str, str], benchmarks: Iterable[str]) -> Tree:
    """Find the runs in a results tree.

    Args:
        results: the tree.
        models: id -> repository on the Hub of the known base models.
        benchmarks: ids of the known benchmarks.

    Raises:
        InputError: the tree does not exist, or no directory in it has the name of a run.
    """
    require_directory(results, "the directory with the results of the original benchmark")
    known = {
        f"{benchmark}_{hub.replace('/', '_')}_": (benchmark, model)
        for benchmark in benchmarks
        for model, hub in models.items()
    }
    tree, counts = Tree(), dict[tuple[str, str, str], int]()
    for agent in _directories(results, "", tree):
        hours = HOURS.fullmatch(agent.name)
        for path in _directories(agent, f"{agent.name}/", tree):
            source = printable(f"{agent.name}/{path.name}")
            matching = [each for start, each in known.items() if _is_run_name(path.name, start)]
            if source != f"{agent.name}/{path.name}":
                tree.unread.append(Unread(path=source, reason="its name contains unprintable characters"))
            elif len(matching) != 1:
                reason = "several known benchmarks and models match its name"
                if not matching:
                    reason = "its name is not BENCHMARK_ORG_MODEL_ID with a known benchmark and base model"
                tree.unread.append(Unread(path=source, reason=reason))
            else:
                benchmark, model = matching[0]
                key = agent.name, model, benchmark
                number = counts[key] = counts.get(key, -1) + 1
                limit = float(hours[1]) if hours and float(hours[1]) else None
                tree.runs.append(FoundRun(path, agent.name, path.name, model, benchmark, limit, number))
    if not tree.runs:
        raise InputError(
            f"{printable(results)} contains no directory AGENT_CONFIG_Nh/BENCHMARK_ORG_MODEL_ID of a known benchmark "
            "and base model; give the directory that contains the agents' directories, or choose another --suite."
        )
    return tree


def _is_run_name(name: str, start: str) -> bool:
    return name.startswith(start) and JOB.fullmatch(name[len(start) :]) is not None


def _directories(folder: Path, prefix: str, tree: Tree) -> Iterator[Path]:
    """Yield the directories in a directory, sorted by name. Everything else is listed as not read."""
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, MAX_ENTRIES + 1))
    except OSError as error:
        tree.unread.append(Unread(path=printable(prefix or "."), reason=f"cannot be listed ({error.strerror})"))
        return
    if len(found) > MAX_ENTRIES:
        reason = f"it has more than {MAX_ENTRIES:,} entries, and nothing in it was read"
        tree.unread.append(Unread(path=printable(prefix or "."), reason=reason))
        return
    for entry in sorted(found, key=lambda entry: os.fsencode(entry.name)):
        if entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        else:
            kind = "a symbolic link, which is not followed" if entry.is_symlink() else "not a directory"
            tree.unread.append(Unread(path=printable(f"{prefix}{entry.name}"), reason=f"it is {kind}"))
