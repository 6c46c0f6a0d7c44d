"""Find the files of the workspace that executed code read into training.

The replay treats each file as a taint source of its own. A file that reached training is training data, whatever its
name. A file that did not reach it may still have been trained on: the replay does not follow everything.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from typing_extensions import override

from posttrainbench.audit.behavior.per_file_taint import MOST_PATTERNS, UNCERTAIN, Places, SourceFiles, fits, places_of
from posttrainbench.audit.behavior.replay import Replay
from posttrainbench.audit.behavior.rows import NO_FILE, World
from posttrainbench.audit.behavior.shell_commands import SimpleCommand
from posttrainbench.audit.behavior.shell_words import Stream
from posttrainbench.audit.behavior.values import UNKNOWN
from posttrainbench.audit.evidence import Evidence

Fate = Literal["trained", "slice", "unclear", "doubtful", "left out"]
"""What happened to a row: it was trained on; it may have been cut off by a slice; it may have been excluded otherwise,
by something that was not understood; it is not known whether a training read its file; it was not trained on."""
FATES: tuple[Fate, ...] = ("trained", "slice", "unclear", "doubtful", "left out")
_FATES_OF_PARTS: dict[str, Fate] = {
    "": "trained",
    "slice": "slice",
    "split": "unclear",
    "unclear": "unclear",
    "file": "doubtful",
}
_MODEL_FILE = re.compile(r"(^|/)(tokenizer\w*|config|generation_config|vocab|special_tokens_map)\.(json|model|txt)$")


@dataclass(frozen=True)
class TrainingFiles:
    """The files that were read into training, as paths or patterns relative to the workspace.

    Attributes:
        read: files that were trained on.
        parts: files of which a slice was trained on, which need not contain all of their rows.
        chosen: files of which the rows of a training split were trained on.
        maybe: files that may have been trained on.
        seen: True if a training was run.
        known: True if moreover the names of all data of all trainings are known.
        opened: files that scripts and commands read.
        problem: error message if the replay failed.
        exact: paths under which the program opened files, if they are recorded.
    """

    read: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    seen: bool = False
    known: bool = False
    opened: frozenset[str] = frozenset()
    problem: str = ""
    exact: frozenset[str] = frozenset()

    def trained_on(self, name: str) -> bool:
        """Return True if the workspace's file `name` was trained on."""
        return is_among(name, self.read)

    def trained_on_part(self, name: str) -> bool:
        """Return True if a slice of the workspace's file `name` was trained on."""
        return is_among(name, self.parts)

    def trained_on_split(self, name: str) -> bool:
        """Return True if the rows of a training split in the workspace's file `name` were trained on."""
        return is_among(name, self.chosen)

    def maybe_trained_on(self, name: str) -> bool:
        """Return True if the workspace's file `name` may have been trained on."""
        return name in Places(self.maybe, self.exact)

    def trained_on_others(self, name: str) -> bool:
        """Return True if all trainings that were seen read other files than the workspace's file `name`."""
        return self.known and name not in self._any

    def only_evaluated_on(self, name: str) -> bool:
        """Return True if moreover a script that was seen read that file."""
        return self.trained_on_others(name) and name in Places(self.opened, self.exact)

    @property
    def trained(self) -> frozenset[str]:
        """All files of which at least some rows were trained on."""
        return self.read | self.parts | self.chosen

    @cached_property
    def _any(self) -> Places:
        return Places(self.read | self.parts | self.chosen | self.maybe, self.exact)


def training_files(evidence: Evidence) -> TrainingFiles:
    """Replay the run; if that fails, the result contains no files and names the problem."""
    try:
        return TrainingReplay(evidence).training_files()
    except Exception as error:  # the input is hostile; files are then judged by their placement
        return TrainingFiles(problem=f"the files read into training could not be determined ({type(error).__name__})")


def _is_data(place: str) -> bool:
    """Return True for places of data to train on, False for a model's own files."""
    return not _MODEL_FILE.search(place)


def is_among(name: str, places: Collection[str]) -> bool:
    """Return True if a path is one of these places or in one that is a directory, or matches one that is a pattern."""
    above = (str(one) for one in PurePosixPath(name).parents if str(one) not in (".", "/"))
    return (
        name in places
        or any(one in places for one in above)
        or any(fits(name, one) for one in [one for one in places if "*" in one][:MOST_PATTERNS])
    )


class TrainingReplay(Replay):
    """A replay in which every file is a taint source."""

    def __init__(self, evidence: Evidence, world: World | None = None) -> None:
        super().__init__(evidence)
        files = self.files
        self.sources = SourceFiles(files.test_data, files.workspace, files.variables, world=world)
        self.state.files = self.sources

    def training_files(self) -> TrainingFiles:
        """Replay the agent's calls and return the files that they read into training."""
        self.replay_actions()
        return self.result()

    def fate(self, names: Collection[str]) -> Fate:
        """Return what happened to the row that is followed, of the file with these names."""
        found: set[Fate] = set()
        for trained in self.report.trained:
            for taint in trained.sink.taints if not trained.failed else ():
                places = places_of(frozenset([taint]))
                if (
                    not taint.sure
                    and any(UNKNOWN in one for one in places)
                    and any(map(Places(places).__contains__, names))
                ):
                    found.add("doubtful")
                if any(is_among(name, places) for name in names):
                    found.add(_FATES_OF_PARTS[taint.part if taint.sure else "file"])
        if self.sources.world is not None and self.sources.world.opaque:
            found.add("unclear")
        return next((fate for fate in FATES if fate in found), "left out")

    def result(self) -> TrainingFiles:
        """Return the files that what was replayed so far read into training.

        Where only names of files are computed, conditions on rows are not: they choose among rows, not among files.
        """
        world = self.sources.world
        by_name = world is not None and world.file is NO_FILE
        whole, doubted = (("", "unclear"), ("file",)) if by_name else (("",), ("unclear", "file"))
        read, parts, chosen, maybe = set[str](), set[str](), set[str](), set(self.sources.lost)
        trainings = [trained for trained in self.report.trained if not trained.failed]
        for trained in self.report.trained:
            sure = {taint for taint in trained.sink.taints if taint.sure and not trained.failed}
            read |= places_of(frozenset(taint for taint in sure if taint.part in whole))
            parts |= places_of(frozenset(taint for taint in sure if taint.part == "slice"))
            chosen |= places_of(frozenset(taint for taint in sure if taint.part == "split"))
            maybe |= places_of(trained.sink.taints - sure)
            maybe |= places_of(frozenset(taint for taint in sure if taint.part in doubted))
        known = bool(trainings) and all(
            any(map(_is_data, places_of(trained.sink.taints))) and all(taint.sure for taint in trained.sink.taints)
            for trained in trainings
        )
        maybe |= self._made_of(read | parts | chosen | maybe)
        return TrainingFiles(
            frozenset(read),
            frozenset(parts - read),
            frozenset(chosen - parts - read),
            frozenset(maybe),
            bool(trainings),
            known,
            frozenset(self.sources.opened),
        )

    @override
    def python(self, path: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        self.sources.lost |= places_of(stdin.taints)
        return super().python(path, argv, command, stdin)

    @override
    def python_text(self, text: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        self.sources.lost |= places_of(stdin.taints)
        return super().python_text(text, argv, command, stdin)

    def _made_of(self, sources: set[str]) -> set[str]:
        """Return the files written from `sources`: a file that was trained on may have been renamed since."""
        near = Places(sources)
        return {
            place
            for place, taints in self.files.taints.items()
            if any(one in near.above or one in near or UNCERTAIN.search(one) for one in places_of(taints))
        }
