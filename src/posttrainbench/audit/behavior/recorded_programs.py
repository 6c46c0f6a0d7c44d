"""Decide whether a recorded Python program trained on the files that it read, or only evaluated on them.

The record says what was executed, with which arguments, and keeps copies of scripts as they were at that time. So each
program is analyzed by itself, also if the trajectory shows no commands or only a part of them. Every file is a taint
source of its own, as in `training_files`. Rows with test items are then followed one by one, as if the program was run:
see `rows`.
"""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from posttrainbench.audit.behavior.commands import PYTHON
from posttrainbench.audit.behavior.item_files import ItemFile, ItemRow
from posttrainbench.audit.behavior.per_file_taint import UNCERTAIN, Places
from posttrainbench.audit.behavior.row_groups import fates_of_rows
from posttrainbench.audit.behavior.rows import NO_FILE, NO_ROW, World
from posttrainbench.audit.behavior.state import REMOTE
from posttrainbench.audit.behavior.trace import Action
from posttrainbench.audit.behavior.training_files import FATES, Fate, TrainingFiles, TrainingReplay
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.provenance import Graph, Image
from posttrainbench.audit.provenance.graph import Node
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.submission.names import WEIGHTS
from posttrainbench.untrusted import UnreadableError, open_regular

TEXTS = frozenset(".py .sh .bash .json .yaml .yml .toml .cfg .ini .ipynb".split())
"""Files whose texts an analysis may need."""
SETTINGS = frozenset(".json .yaml .yml .toml".split())
"""Those that may name the files to train on."""
CACHED = re.compile(r"(^|/)(huggingface/datasets|\w+/default-[0-9a-f]+/\d+\.\d+\.\d+)[/.]")
"""Paths in the cache of the library `datasets`, which copies the files that it loads."""
LARGEST_TEXT = 2**20
MOST_STEPS = 3_000_000
"""Steps after which no more rows of a file are followed through a program: what happened to the rest is unclear."""
MOST_PROGRAMS = 60
"""Programs that are analyzed in one audit."""

Use = Literal["trained", "part", "unclear", "compared", "chosen", "evaluated", "unsure", "unseen"]
"""`trained`: rows with test items reached a training; `part`: they did unless a slice left them out. `unclear`: they
did unless a selection left them out that was not understood; `compared`: the same, and test items were compared with,
or all rows of a file of nothing but test items were left out of data that were made of them.
`chosen`: rows of a training split did, by the form of the selection. `evaluated`: the program read the file, and all of
its trainings are known to be on other rows. `unsure`: it trained, maybe on the file. `unseen`: no training was seen."""


@dataclass(frozen=True)
class FileUse:
    """What programs did with the rows of a file that hold test items.

    Attributes:
        use: the most that happened to one of these rows.
        items: positions of the items that were trained on; None if that was not determined for each row.
        followed: True if the rows were followed one by one.
    """

    use: Use
    items: frozenset[int] | None = None
    followed: bool = False


def use_of(names: set[str], data: TrainingFiles) -> Use:
    """Return what a program with this data did with a file that has these names."""
    if any(map(data.trained_on, names)):
        return "trained"
    if any(map(data.trained_on_part, names)):
        return "part"
    if any(map(data.trained_on_split, names)):
        return "chosen"
    if not data.seen:
        return "unseen"
    return "evaluated" if names and all(map(data.only_evaluated_on, names)) else "unsure"


@dataclass
class RecordedPrograms:
    """The programs of a record, each analyzed when it is asked for."""

    evidence: Evidence
    graph: Graph
    files: Sequence[ItemFile] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known: dict[Node, TrainingFiles] = {}
        self._named: dict[Node, TrainingFiles] = {}

    def use(self, program: Node, names: set[str], file: ItemFile | None = None) -> FileUse:
        """Return what a program did with a file.

        Args:
            program: the leading node of the program's processes.
            names: the file's paths relative to the workspace, or absolute ones of files elsewhere.
            file: its rows with test items, if they are known.
        """
        if program not in self._known:
            if len(self._known) >= MOST_PROGRAMS:
                return FileUse("unseen")
            self._known[program] = self._analyzed(program)
            self._named[program] = self._analyzed(program, self._world(program))
        data, named = self._known[program], self._named[program]
        use = use_of(names, data)
        if use == "unseen":
            return FileUse(use)
        by_name = use_of(names, named)  # with the names of files computed, but not the choice of rows
        if use == "chosen" and file is None:
            return FileUse(use)  # a split inside the file, whatever the names of others
        is_read = not names.isdisjoint(named.opened) and not any(map(named.maybe_trained_on, names))
        doubted = by_name != "unsure" or not is_read  # else its content was only lost on the way
        agree = by_name == use or (by_name == "trained" and use == "part")
        if by_name not in ("evaluated", "unseen") and not agree and doubted and (use == "evaluated" or file is None):
            use = "unsure" if by_name == "trained" and file is None else by_name
        elif by_name == "evaluated" and file is None:
            use = "evaluated" if use == "evaluated" else "unsure"
        if file is None or use == "evaluated":
            return FileUse(use)
        named_file = replace(file, names=tuple(sorted(names)))
        known = by_name == "evaluated" or (data.known and use != "unsure")
        chosen = use == "trained" and by_name != "evaluated"
        return self._followed(program, named_file, known=known, chosen=chosen, named=by_name == "trained")

    def trained_on_others(self, program: Node, names: Collection[str]) -> bool:
        """Return True if all data that a program trained on is known, and a file with these names is not among it."""
        self.use(program, set(names))
        if program not in self._known:
            return False
        data, named = self._known[program], self._named[program]
        maybe = any(map(data.maybe_trained_on, names)) or any(map(data.trained_on, names))
        return not maybe and bool(names) and all(map(named.trained_on_others, names))

    def _followed(self, program: Node, file: ItemFile, *, known: bool, chosen: bool, named: bool) -> FileUse:
        """Follow rows of a file through a program.

        Args:
            program: the program.
            file: the file.
            known: True if all data that it trains on is known.
            chosen: True if it trains on the file, so that only a choice of its rows could leave them out.
            named: the same, as far as the names of files tell.
        """
        compared, steps = False, 0
        unread: Fate = "unclear" if chosen else "doubtful"  # of what cannot be followed to its end
        others = [other for other in self.files if other.names != file.names]

        def follow(rows: Sequence[ItemRow]) -> Fate:
            nonlocal compared, steps
            if steps >= MOST_STEPS:
                return "unclear"
            world = self._world(program, file, rows, [file, *others])
            fate: Fate = "left out"
            for node in self.graph.members(program):
                if not _is_python(self.graph.images[node]):
                    continue
                try:
                    replay, whole = self._replayed(node, self.graph.images[node], world)
                except Exception:  # scripts are hostile: what is not computed is not known
                    replay, whole = None, False
                if replay is None:
                    fate = min(fate, unread, key=FATES.index)
                else:
                    steps += replay.steps
                    found: Fate = replay.fate(file.names)
                    lost = found == "left out" and not whole
                    fate = min(
                        fate, unread if lost or (found == "unclear" and world.opaque) else found, key=FATES.index
                    )
            compared |= world.compared and len(rows) == 1
            return fate

        fates = fates_of_rows(file, follow)
        if fates["trained"]:
            every = all(not fates[fate] - fates["trained"] for fate in FATES)
            return FileUse("trained", None if every else frozenset(fates["trained"]), followed=True)
        if fates["slice"] or fates["unclear"]:
            unclear: Use = "compared" if compared else "unclear" if fates["unclear"] else "part"
            return FileUse(unclear, followed=True)
        if fates["doubtful"]:
            return FileUse("unclear" if named else "unsure", followed=True)
        if file.only_items and chosen:  # honest programs hardly choose among test items to leave out all
            return FileUse("compared", followed=True)
        return FileUse("evaluated" if known else "unsure", followed=True)

    def _world(
        self,
        program: Node,
        file: ItemFile = NO_FILE,
        rows: Sequence[ItemRow] = (NO_ROW,),
        files: Sequence[ItemFile] = (),
    ) -> World:
        """Return a world in which the rows of a file are followed, or only names of files are computed."""
        group = rows if len(rows) > 1 else ()
        counts = self.counts if file is not NO_FILE else {}
        return World(file, rows[0], files, counts, group=group, paths=self._paths, opened=self._opened(program))

    def _opened(self, program: Node) -> frozenset[str]:
        """Return the paths of the files that a program opened, relative to the workspace or absolute."""
        reads = (read for node in self.graph.members(program) for read in self._reads.get(node, ()))
        return frozenset(name for read in reads for name in self._relative.get(read, ()))

    @cached_property
    def _relative(self) -> Mapping[str, Sequence[str]]:
        """Identity of a file -> its paths, relative to the workspace or absolute."""
        workspace = self.evidence.sandbox_paths.get("workspace", str(self.evidence.workspace)) + "/"
        return {
            identity: [name.removeprefix(workspace) for name in sorted(names)]
            for identity, names in self.graph.names.items()
        }

    @cached_property
    def _paths(self) -> frozenset[str]:
        """Paths of all files that any program used, or that are left."""
        used = frozenset(name for names in self._relative.values() for name in names)
        return used | {entry.relative for entry in self.evidence.workspace_files}

    def _analyzed(self, program: Node, world: World | None = None) -> TrainingFiles:
        """Analyze all Python programs among united processes, such as a trainer and its forked workers."""
        parts = [self._analyzed_image(node, self.graph.images[node], world) for node in self.graph.members(program)]
        seen = [part for part in parts if part is not None]
        names = self._opened(program)
        opened, trained = Places(names), {place for part in seen for place in part.trained}
        absent = not any(map(CACHED.search, names)) and any(
            _is_file(one) and not _matches(one, opened) for one in trained
        )
        return TrainingFiles(
            frozenset[str]().union(*(part.read for part in seen)),
            frozenset[str]().union(*(part.parts for part in seen)),
            frozenset[str]().union(*(part.chosen for part in seen)),
            frozenset[str]().union(*(part.maybe for part in seen)),
            any(part.seen for part in seen),
            bool(seen) and all(part.known for part in seen) and not absent,
            frozenset[str]().union(*(part.opened for part in seen)),
            exact=self._opened(program),
        )

    def _analyzed_image(self, node: Node, image: Image, world: World | None = None) -> TrainingFiles | None:
        """Analyze one program; None if it is not a Python program, such as a forked copy of one."""
        if not _is_python(image):
            return None
        replay, whole = self._replayed(node, image, world)
        if replay is None:
            return TrainingFiles()
        data = replay.result()
        return replace(data, known=data.known and whole and not (world is not None and world.opaque))

    def _replayed(self, node: Node, image: Image, world: World | None = None) -> tuple[TrainingReplay | None, bool]:
        """Replay one program; return None if that fails, and whether all of it was analyzed."""
        replay = TrainingReplay(self.evidence, world)
        replay.sources.recorded = self._data_of(node)
        command = shlex.join(["python", *image.argv[1:]])
        replay.state.action = Action(0, "", "command", text=command)
        replay.state.label = (f"process {image.process}", 1)
        folder = self._folder(node, image)
        try:
            for path, text in self._texts(image).items():
                replay.state.write_text(path, text)
                if world is not None and PurePosixPath(path).suffix in SETTINGS:
                    world.texts[replay.files.resolve(path)] = text
            replay.shell(command, folder, dict(replay.files.variables))
        except Exception:  # the input is hostile; nothing is then known of the program
            return None, False
        report = replay.report
        return replay, report.complete and not (report.exhausted or report.missing or report.unread)

    def _data_of(self, node: Node) -> frozenset[str]:
        """Return the paths of the data files that a process opened."""
        names = (name for read in self._reads.get(node, ()) for name in self._relative.get(read, ()))
        return frozenset(name for name in names if PurePosixPath(name).suffix not in TEXTS | WEIGHTS | {".pyc", ".so"})

    def _folder(self, node: Node, image: Image) -> str:
        """Return the working directory in which a program was started, as its script's path shows."""
        workspace = self.evidence.sandbox_paths.get("workspace", str(self.evidence.workspace))
        script = next((word for word in image.argv[1:] if word.endswith(".py")), "")
        if not script or script.startswith("/"):
            return workspace
        end = "/" + re.sub(r"^(\./)+", "", script)
        for read in self._reads.get(node, ()):
            for path in self.graph.names.get(read, ()):
                if path.endswith(end):
                    return path.removesuffix(end) or "/"
        return workspace

    @cached_property
    def _reads(self) -> dict[Node, list[str]]:
        """Image -> identities of the files that it opened."""
        found: dict[Node, list[str]] = {}
        for read in self.graph.reads:
            found.setdefault(read.program, []).append(read.file[1])
        return found

    def _texts(self, image: Image) -> dict[str, str]:
        """Return path -> text of the scripts and configurations as they were when a program ran."""
        last: dict[str, str] = {}
        own: dict[str, list[str]] = {}
        for read in self.graph.reads:
            if read.copy and read.seconds <= image.stopped:
                for path in self.graph.names.get(read.file[1], ()):
                    if PurePosixPath(path).suffix in TEXTS:
                        last[path] = read.copy
                        if self.graph.images.get(read.program) is image:
                            own.setdefault(path, []).append(read.copy)
        for path, copies in own.items():  # what others read later is not what this one ran
            last[path] = copies[0]
            if len(set(copies)) > 1 and PurePosixPath(path).suffix in SETTINGS:
                del last[path]
        texts = {}
        for path, digest in last.items():
            copy = self.evidence.provenance_copy(digest)
            if copy is not None and copy.stat().st_size <= LARGEST_TEXT:
                texts[path] = copy.read_text(errors="replace")
        return texts | self._recipe

    @cached_property
    def _recipe(self) -> dict[str, str]:
        """Path in the sandbox -> text of the user's own recipe, if the file is still the one on record."""
        script = self.evidence.spec.agent.settings.get("script", "")
        if self.evidence.spec.agent.scaffold != "recipe" or not script:
            return {}
        try:
            with open_regular(Path(script)) as file:
                names = self.graph.names.get(file_id(file.fileno()), ())
                text = file.read(LARGEST_TEXT).decode(errors="replace")
        except (UnreadableError, OSError):
            return {}
        return dict.fromkeys(names, text)


def _is_file(place: str) -> bool:
    """Return True for data files of which each opening is on record."""
    return not UNCERTAIN.search(place) and not place.startswith(("/base_model", *REMOTE))


def _matches(place: str, opened: Places) -> bool:
    """Return True if a program opened a file, another one of the same name, or one in the folder of this name."""
    return place in opened or place in opened.above or PurePosixPath(place).name in opened.names


def _is_python(image: Image) -> bool:
    name = PurePosixPath(image.program).name
    return bool(image.argv) and bool(PYTHON.match(name) or PYTHON.match(PurePosixPath(image.argv[0]).name))
