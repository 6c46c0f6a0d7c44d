"""Training methods in an agent's scripts, with the lines that show them.

Calls in Python files are read, not comments, strings or imports. A script in the workspace need not have run, and one
that was deleted or only piped to Python is not seen: this describes the scripts, and is not evidence of anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from posttrainbench.report.site.run_files import SKIPPED_FOLDERS
from posttrainbench.report.text import plain
from posttrainbench.untrusted import UnreadableError, open_below, walk

FILES, SCRIPTS, SCRIPT_BYTES, PLACES = 20_000, 400, 2**18, 5
CALLS = {
    "SFTTrainer": "SFT",
    "DPOTrainer": "DPO",
    "GRPOTrainer": "GRPO",
    "GKDTrainer": "distillation",
    "MiniLLMTrainer": "distillation",
    "kl_div": "distillation",
    "KLDivLoss": "distillation",
    "LoraConfig": "LoRA",
    "get_peft_model": "LoRA",
    "merge_and_unload": "merge",
    "add_weighted_adapter": "merge",
    "run_merge": "merge",
}
"""Name of a called function or class -> method."""
TRAINERS = {"Trainer", "SFTTrainer", "DPOTrainer", "GRPOTrainer", "GKDTrainer", "MiniLLMTrainer", "backward"}
ORDER = ("SFT", "DPO", "GRPO", "distillation", "LoRA", "full fine-tuning", "merge")


@dataclass(frozen=True)
class Place:
    """A call: file in the run, its line, the name that is called, and the link to it."""

    file: str
    line: int
    name: str
    href: str = ""


@dataclass(frozen=True)
class Methods:
    """What the scripts contain: the number of scripts that train, and (method, first places) in a fixed order."""

    training_scripts: int
    methods: list[tuple[str, list[Place]]]

    def places(self) -> Iterator[tuple[str, int]]:
        """Yield file and line of each place."""
        for _, places in self.methods:
            for place in places:
                yield place.file, place.line

    def linked(self, link: Callable[[str, int | None], str]) -> Methods:
        """Return the same with links, and harmless names of files."""
        return Methods(
            self.training_scripts,
            [
                (
                    method,
                    [
                        Place(plain(one.file, 200), one.line, plain(one.name, 60), link(one.file, one.line))
                        for one in own
                    ],
                )
                for method, own in self.methods
            ],
        )


def find_methods(run: Path) -> Methods:
    """Return the methods in the Python files of a run's workspace. Files that do not parse have none."""
    found: dict[str, list[Place]] = {}
    training = 0
    for name, calls in _scripts(run):
        own: dict[str, Place] = {}
        first = None
        for line, called in calls:
            if method := CALLS.get(called):
                own.setdefault(method, Place(name, line, called))
            if called in TRAINERS and first is None:
                first = Place(name, line, called)
        if first is not None:
            training += 1
            if "LoRA" not in own:
                own["full fine-tuning"] = first
        for method, place in own.items():
            found.setdefault(method, []).append(place)
    return Methods(training, [(method, found[method][:PLACES]) for method in ORDER if method in found])


def _scripts(run: Path) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield each script with (line, name) of its calls, in the order of the lines."""
    workspace = run / "workspace"
    if workspace.is_symlink() or not workspace.is_dir():
        return
    entries = (entry for entry in islice(walk(workspace), FILES) if not entry.reason and entry.relative.endswith(".py"))
    chosen = (entry for entry in entries if not f"workspace/{entry.relative}".startswith(SKIPPED_FOLDERS))
    for entry in islice(chosen, SCRIPTS):
        try:
            with open_below(run, entry.path) as file:
                tree = ast.parse(file.read(SCRIPT_BYTES + 1)[:SCRIPT_BYTES])
        except (OSError, UnreadableError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        calls = [(node.lineno, _name(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        yield f"workspace/{entry.relative}", sorted(calls)


def _name(function: ast.expr) -> str:
    """Return the last part of the name of a called function."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
