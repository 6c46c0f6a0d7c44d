"""Decide by the record of file provenance whether a file with test items reached the submission.

A recorded path is a possibility: the trainer may have read the file to evaluate, or to remove its rows from the
training data. So the answer also says whether a program that leads to the weights read the file itself, and whether it
had no other data to train on.
"""

import os
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import prod
from pathlib import Path, PurePosixPath
from typing import Literal

from posttrainbench.audit.behavior.item_files import ItemFile
from posttrainbench.audit.behavior.recorded_programs import CACHED, FileUse, RecordedPrograms, Use
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.provenance import FinalFile, Graph, Read, Way, final_files
from posttrainbench.audit.provenance.graph import CLOCK_SECONDS, Node
from posttrainbench.audit.provenance.paths import recorded_path
from posttrainbench.records import ProvenancePath
from posttrainbench.records.submission import FINAL
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.submission.names import WEIGHTS
from posttrainbench.submission.tensors import read_header
from posttrainbench.untrusted import UnreadableError, open_regular, sha256_regular

CODE = frozenset(
    ".py .pyc .pyi .so .sh .bash .pyx .c .h .cpp .js .mjs .toml .cfg .ini .yaml .yml .md .lock .log".split()
)
COMPILED = frozenset(".pyc .pyi .so .pyx .c .h .cpp".split())
"""Code that compilers and installations write, which is large in honest runs too."""
_INSTALLED = re.compile(r"/(site-packages|dist-packages)/")
MODEL_FILES = frozenset(
    "config.json generation_config.json tokenizer.json tokenizer_config.json vocab.json merges.txt added_tokens.json "
    "special_tokens_map.json tokenizer.model trainer_state.json preprocessor_config.json processor_config.json "
    "adapter_config.json chat_template.json chat_template.jinja model.safetensors.index.json".split()
)
MOST_LINKS = 1000
LARGEST_PICKLE = 2**20
_STORAGE = re.compile(rb"(\w+?)Storage")
_SHAPE = re.compile(rb"'shape': \(([\d, ]*)\)")
MOST_COPIES = 3
"""Copies of a copy of a file that are followed."""
MOST_DERIVED = 50
"""Files of one program that are followed to see whether what was made of test items was trained on."""
CARRIED_BYTES = 128
"""Maximum number of bytes that a program wrote if it passed on only a score."""
COPIED_BYTES = 2**18
"""Largest file of which the recorder keeps copies."""

MOST_FIRST: tuple[Use, ...] = (*("trained", "part", "unclear", "compared", "chosen", "unsure", "unseen", "evaluated"),)
LARGEST_COUNTED = 2**26
"""Largest data file of which the rows are counted."""

Kind = Literal["unproven", "no path", "indirect", "unsearched", "direct"]


@dataclass(frozen=True)
class Fed:
    """The record's answer on a file with test items.

    Attributes:
        kind: `no path`: nothing of it reached the weights. `direct`: a program that read it led to the weights.
            `indirect`: only through other files, which were searched by themselves; `unsearched`: through at least one
            that is gone. `unproven`: the record does not suffice.
        only_input: True if the programs that read it, and led to the weights, are not known to have read other data,
            and nothing else read it.
        path: the path; None if there is none.
        use: what these programs did with it, as their scripts show.
        items: positions of the items that were trained on; None for all.
        followed: True if what happened to its rows was computed.
    """

    kind: Kind
    only_input: bool = False
    path: ProvenancePath | None = None
    use: Use = "unseen"
    items: frozenset[int] | None = None
    followed: bool = False


def numbers_in(path: Path) -> int:
    """Return the number of elements of an array in the format of numpy; 0 for any other file."""
    try:
        with open_regular(path) as file:
            head = file.read(1024)
    except (UnreadableError, OSError):
        return 0
    shape = _SHAPE.search(head) if head.startswith(b"\x93NUMPY") else None
    return prod(int(size) for size in shape[1].split(b",") if size.strip()) if shape else 0


def integers_in(path: Path) -> list[int]:
    """Return the number of elements of each tensor of a file that `torch` saved, if all are of 64-bit integers."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            records = [one for one in members if one.filename.endswith("/data.pkl") and one.file_size < LARGEST_PICKLE]
            kinds = {kind for one in records for kind in _STORAGE.findall(archive.read(one))}
    except (UnreadableError, OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return []
    sizes = [one.file_size // 8 for one in members if "/data/" in one.filename]
    return sizes if kinds == {b"Long"} else []


@dataclass
class Feeding:
    """Answers for the files of one run.

    Attributes:
        evidence: the run.
        graph: its graph.
        tainted: identities of the files that contain test items.
        files: the rows with test items of the files in which they were found.
    """

    evidence: Evidence
    graph: Graph
    tainted: set[str] = field(default_factory=set)
    files: Sequence[ItemFile] = ()

    @cached_property
    def weights(self) -> list[FinalFile]:
        """The weights of the submission, as they are in the workspace."""
        directory = self.evidence.workspace / FINAL
        files = final_files(directory, self.graph.epoch) if directory.is_dir() else []
        return [file for file in files if PurePosixPath(file.path).suffix in WEIGHTS]

    @cached_property
    def problems(self) -> list[str]:
        """Reasons why the absence of a path proves nothing."""
        problems = list(self.graph.missing)
        if self.evidence.manifest.kept:
            problems.append("the submission is a checkpoint that was kept, whose files are not on record")
        if not self.weights:
            problems.append("no weights are left in the workspace")
        return problems + [
            f"no recorded program wrote {file.path}" for file in self.weights if file.id not in self.graph.written
        ]

    def identity(self, path: Path) -> str:
        """Return the identity of a file of the workspace; "" if it is not on record."""
        try:
            with open_regular(path) as file:
                identity = file_id(file.fileno())
        except (UnreadableError, OSError):
            return ""
        return identity if identity in self.graph.names else ""

    def named(self, path: str) -> set[str]:
        """Return the identities of the files that had a path in the sandbox."""
        return {identity for identity, names in self.graph.names.items() if path in names}

    def kit_tests(self) -> set[str]:
        """Return the identities of the kit's files with test items."""
        start = f"{self.kit}/data/test"
        return {i for i, names in self.graph.names.items() if any(name.startswith(start) for name in names)}

    def taint(self, path: Path, copy: str) -> None:
        """Note that a file of the workspace, or the content of a copy, contains test items."""
        if copy:
            self.tainted |= {read.file[1] for read in self.graph.reads if read.copy == copy}
        elif identity := self.identity(path):
            self.tainted.add(identity)

    @property
    def kit(self) -> str:
        """The kit's path in the sandbox."""
        return self.evidence.sandbox_paths.get("kit", str(self.evidence.kit))

    def of_file(self, path: Path, name: str, file: ItemFile | None = None) -> Fed:
        """Return what the record says on a file of the workspace, of which the rows with test items may be known."""
        identity = self.identity(path)
        place = f"{self.evidence.sandbox_paths.get('workspace', str(self.evidence.workspace))}/{name}"
        digest = sha256_regular(path) if path.stat().st_size <= COPIED_BYTES else ""
        changed = path.stat().st_mtime - self.graph.epoch - CLOCK_SECONDS
        return self._answer(
            {identity} if identity else self.named(place),
            lambda read: self._has_content(read, identity, digest, changed),
            file,
        )

    def of_copy(self, digest: str, file: ItemFile | None = None) -> Fed:
        """Return what the record says on content that is gone, of which a copy was kept."""
        identities = {read.file[1] for read in self.graph.reads if read.copy == digest}
        for name in self.graph.copies.get(digest, ()):
            identities |= self.named(name)
        return self._answer(identities, lambda read: read.copy == digest, file)

    def of_kit(self) -> Fed:
        """Return what the record says on the kit's test items."""
        identities = self.kit_tests()
        file = next((file for file in self.files if f"{self.kit}/data/test.jsonl" in file.names), None)
        return self._answer(identities, lambda read: read.file[1] in identities, file)

    def of_derived(self) -> Fed:
        """Return what the record says on files that were made of nothing but the kit's test items and trained on."""
        kit = self.kit_tests()
        makers = {self.graph.leader(read.program) for read in self.graph.reads if read.file[1] in kit}
        for maker in sorted(makers):
            if self._is_agent(maker) or not self._reads_nothing_else(maker, kit):
                continue
            first = next(r for r in self.graph.reads if r.file[1] in kit and self.graph.leader(r.program) == maker)
            made_files = {edge.target[1] for edge in self.graph.edges.get(maker, []) if edge.target[0] == "file"}
            for made in sorted(made_files)[:MOST_DERIVED]:
                if made not in kit | self.tainted and not self._has_weights(made) and self._is_data(made):
                    fed = self._answer({made}, partial(_reads, made), before=first)
                    if fed.kind == "direct" and fed.use == "trained":
                        return fed
        return Fed("no path")

    def _has_content(self, read: Read, identity: str, digest: str, changed: float) -> bool:
        """Return True if a program certainly read a file as it is at the end."""
        if digest and read.copy:
            return read.copy == digest
        last = ("file", identity, self.graph.versions.get(identity, 0))
        return read.file == last and read.seconds >= max(self.graph.opened.get(identity, -1.0), changed)

    def _ways(self, starts: Mapping[Node, float], through: set[str] | None = None) -> tuple[Way, ...]:
        """Return the ways; those through files other than weights only through `through`, unless that is None."""
        return self.graph.ways(
            starts,
            self.weights,
            cut=self.evidence.is_agent,  # what it writes is searched
            through=lambda identity: through is None or identity in through or self._has_weights(identity),
        )

    def _has_weights(self, identity: str) -> bool:
        """Return True for files through which a path leads on."""
        endings = {PurePosixPath(name).suffix for name in self.graph.names.get(identity, ())}
        if not endings & (WEIGHTS | {".npy"}):
            return False
        if identity not in self._arrays:
            self._arrays[identity] = self._may_be_weights(identity, endings)
        return self._arrays[identity]

    def _may_be_weights(self, identity: str, endings: set[str]) -> bool:
        """Return False for an array of numpy and integers of torch of other sizes than the model's matrices."""
        path = next((e.path for e in self.evidence.workspace_files if self.identity(e.path) == identity), None)
        if ".npy" in endings:
            copied = any(read.copy for read in self.graph.reads if read.file[1] == identity)
            return not copied if path is None else numbers_in(path) in self._sizes
        integers = integers_in(path) if path is not None and endings <= {".pt", ".pth"} else []
        return not integers or any(size in self._sizes for size in integers)

    @cached_property
    def _arrays(self) -> dict[str, bool]:
        return {}

    @cached_property
    def _sizes(self) -> set[int]:
        """Numbers of weights in the matrices of the base model, and in all of them together."""
        sizes = []
        for path in sorted(self.evidence.base_model.glob("*.safetensors")):
            try:
                sizes += [prod(one.shape) for one in read_header(path).values() if len(one.shape) > 1]
            except (UnreadableError, OSError, ValueError):
                continue
        return {*sizes, sum(sizes)}

    def _answer(
        self,
        identities: set[str],
        has_content: Callable[[Read], bool],
        file: ItemFile | None = None,
        before: Read | None = None,
    ) -> Fed:
        """Return what the record says on a file.

        Args:
            identities: of the file.
            has_content: returns True if a program read the file with the content in question.
            file: its rows with test items, if they are known.
            before: what a program read of which it made the file; for the path.
        """
        graph = self.graph
        files: dict[Node, float] = {
            ("file", identity, version): -1.0
            for identity in identities
            for version in range(graph.versions.get(identity, 0) + 1)
        }
        possible = self._ways(files)
        if not possible:
            return Fed("unproven" if self.problems else "no path")
        reads = [read for read in graph.reads if has_content(read)]
        leading: list[Node] = []
        others: list[Node] = []
        shown: ProvenancePath | None = None
        for program in dict.fromkeys(graph.leader(read.program) for read in reads):
            if self._is_agent(program):
                continue
            first = next(read for read in reads if graph.leader(read.program) == program)
            way = self._ways({program: first.seconds}, self.tainted - identities)
            if way and all(map(_carries_a_score, way)):
                continue
            (leading if way else others).append(program)
            if way and shown is None:
                shown = recorded_path(self.evidence, graph, way[0], [*([before] if before else []), first])
        if leading:
            only = not others and all(self._reads_nothing_else(program, identities) for program in leading)
            used = self._use(leading, identities, file)
            return Fed("direct", only, shown, used.use, used.items, used.followed)
        last: dict[Node, float] = {("file", one, graph.versions.get(one, 0)): -1.0 for one in identities}
        gone = self._ways(last, set()) + self._ways(self._gone_after(last), self._unsearched | self.tainted)
        gone = tuple(way for way in gone if not _carries_a_score(way))
        path = recorded_path(self.evidence, graph, (gone or possible)[0])
        return Fed("unsearched" if gone else "indirect", path=path)

    def _gone_after(self, starts: Mapping[Node, float]) -> dict[Node, float]:
        """Return the files that are gone without a copy and may have content of the starts.

        Files with test items that are left, or of which a copy was kept, have an answer of their own.
        """
        reached = self.graph.reached(starts, self.evidence.is_agent, (self._unsearched | self.tainted).__contains__)
        return {node: time for node, time in reached.items() if node[0] == "file" and node[1] in self._unsearched}

    @cached_property
    def _programs(self) -> RecordedPrograms:
        return RecordedPrograms(self.evidence, self.graph, self.files, self._counts)

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Path -> number of rows, of data files without test items."""
        known = {name for file in self.files for name in file.names}
        paths = {entry.relative: entry.path for entry in self.evidence.workspace_files}
        paths |= {f"{self.kit}/data/{path.name}": path for path in (self.evidence.kit / "data").glob("*.jsonl")}
        counts = {}
        for name, path in paths.items():
            if name.endswith((".jsonl", ".ndjson")) and name not in known:
                try:
                    with open_regular(path) as file:
                        data = file.read(LARGEST_COUNTED + 1)
                except (UnreadableError, OSError):
                    continue
                if len(data) <= LARGEST_COUNTED:
                    counts[name] = sum(bool(line.strip()) for line in data.splitlines())
        return counts

    def _use(self, programs: Sequence[Node], identities: Collection[str], file: ItemFile | None) -> FileUse:
        """Return what programs did with a file: the most that one of them did."""
        names = {self._relative(name) for identity in identities for name in self.graph.names[identity]}
        if any(PurePosixPath(name).suffix in (".py", ".pyc") for name in names):
            return FileUse("unseen")  # it is code, not a file that code reads
        names |= {link for link, target in self._links.items() if target in names}
        uses = [self._use_by(program, names, identities, file) for program in programs]
        most = min(uses, key=lambda one: MOST_FIRST.index(one.use))
        same = [one.items for one in uses if one.use == most.use]
        items = None if None in same else frozenset[int]().union(*(one for one in same if one is not None))
        return replace(most, items=items, followed=all(one.followed for one in uses if one.use == most.use))

    def _use_by(self, program: Node, names: set[str], identities: Collection[str], file: ItemFile | None) -> FileUse:
        """Return what a program did with a file, which it may have made itself, such as a cache."""
        use = self._programs.use(program, names, file)
        if use.use != "unsure":
            return use
        if cached := self._cached(names, file):
            return self._programs.use(program, cached, file)
        writers = {writer for one in identities for _, writer in self._writers.get(one, ())}
        sources = self._test_data_of(program, identities) if writers == {program} else []
        left_out = sources and all(self._programs.trained_on_others(program, one) for one in (names, *sources))
        return FileUse("evaluated") if left_out else use

    def _test_data_of(self, program: Node, made: Collection[str]) -> list[set[str]]:
        """Return the names of each file with test items that a program read, except those that it made."""
        read = {read.file[1] for read in self.graph.reads if self.graph.leader(read.program) == program}
        given = read & (self.tainted | self.kit_tests()) - set(made)
        own = {one for one in given if {writer for _, writer in self._writers.get(one, ())} == {program}}
        return [{self._relative(name) for name in self.graph.names[one]} for one in given - own]

    def _cached(self, names: set[str], file: ItemFile | None) -> set[str]:
        """Return the names of the files whose rows a file in the cache of `datasets` repeats; a program names those."""
        if file is None or not all(map(CACHED.search, names)):
            return set()
        places = _places(file)
        same = [other for other in self.files if other is not file and _places(other) == places]
        return {name for other in same for name in other.names if not CACHED.search(name)}

    @cached_property
    def _links(self) -> dict[str, str]:
        """Symbolic links of the workspace -> the paths relative to it that they lead to."""
        found: dict[str, str] = {}
        for folder, directories, files in os.walk(self.evidence.workspace):
            for path in (Path(folder, name) for name in [*files, *directories] if len(found) < MOST_LINKS):
                if path.is_symlink():
                    inside = path.parent.relative_to(self.evidence.workspace)
                    target = self._relative(os.path.normpath(inside / path.readlink()))
                    found[str(inside / path.name)] = target
        return found

    def _relative(self, path: str) -> str:
        workspace = PurePosixPath(self.evidence.sandbox_paths.get("workspace", str(self.evidence.workspace)))
        whole = PurePosixPath(path)
        return str(whole.relative_to(workspace)) if whole.is_relative_to(workspace) else path

    def _is_agent(self, program: Node) -> bool:
        return any(self.evidence.is_agent(self.graph.images[member]) for member in self.graph.members(program))

    @cached_property
    def _unsearched(self) -> set[str]:
        """Identities of data files that several programs used, whose content was read without a copy and is gone."""
        present = {self.identity(entry.path) for entry in self.evidence.workspace_files if not entry.reason}
        read = {
            read.file[1]
            for read in self.graph.reads
            if not read.copy
            and read.file[1] in self.graph.written
            and (read.file[1] not in present or self._is_overwritten_after(read))
        }
        gone = {one for one in read if self._may_hold_data(one) and not self._is_copy_of_kit(one)}
        users: dict[str, set[Node]] = {one: set() for one in gone}
        for read_file in self.graph.reads:
            if read_file.file[1] in gone:
                users[read_file.file[1]].add(self.graph.leader(read_file.program))
        for node, edges in self.graph.edges.items():
            for edge in edges:
                if edge.target[1] in gone:
                    users[edge.target[1]].add(self.graph.leader(node))
        return {one for one, programs in users.items() if len(programs) > 1}  # not a journal of SQLite

    @cached_property
    def _writers(self) -> dict[str, list[tuple[float, Node]]]:
        """Identity of a file -> when which program began to write it."""
        found: dict[str, list[tuple[float, Node]]] = {}
        for node, edges in self.graph.edges.items():
            for edge in edges:
                if node[0] == "image" and edge.target[0] == "file":
                    found.setdefault(edge.target[1], []).append((edge.begin, self.graph.leader(node)))
        return found

    def _is_overwritten_after(self, read: Read) -> bool:
        """Return True if a file was opened for writing after a program read what another one had written to it."""
        reader = self.graph.leader(read.program)
        foreign = any(begin <= read.seconds and one != reader for begin, one in self._writers.get(read.file[1], ()))
        return foreign and read.seconds < self.graph.opened.get(read.file[1], -1.0)

    def _is_copy_of_kit(self, identity: str, depth: int = 0) -> bool:
        """Return True for a file that only `cp` wrote, under the name of a file of the kit that holds no test items.

        It may also be the copy of such a copy.
        """
        writers = {
            node
            for node, edges in self.graph.edges.items()
            if any(edge.target[1] == identity for edge in edges)
            and not any(edge.target[1] == identity and edge.why != "writes" for edge in edges)
        }
        images = [self.graph.images[member] for node in writers for member in self.graph.members(node)]
        if not images or any(image.program != "/usr/bin/cp" for image in images):
            return False
        kit = {
            PurePosixPath(name).name
            for read in self.graph.reads
            if self.graph.leader(read.program) in writers and read.file[1] not in self.kit_tests() | {identity}
            for name in self.graph.names[read.file[1]]
            if name.startswith(f"{self.kit}/data/")
            or (
                depth < MOST_COPIES
                and read.file[1] in self.graph.written
                and self._is_copy_of_kit(read.file[1], depth + 1)
            )
        }
        return all(PurePosixPath(name).name in kit for name in self.graph.names[identity])

    def _may_hold_data(self, identity: str) -> bool:
        """Return True for data, and for text that was not searched whose name is that of code, settings or a log."""
        names = self.graph.names.get(identity, ())
        text = names and all(PurePosixPath(name).suffix in CODE - COMPILED for name in names)
        return self._is_data(identity) or bool(text and not any(map(_INSTALLED.search, names)))

    def _is_data(self, identity: str) -> bool:
        names = [PurePosixPath(name) for name in self.graph.names.get(identity, ())]
        return bool(names) and not any(
            name.suffix in WEIGHTS | CODE
            or name.name in MODEL_FILES
            or name.parts[:2] in (("/", "dev"), ("/", "proc"))
            or (identity not in self.graph.written and self._is_hosts(name))
            for name in names
        )

    def _is_hosts(self, name: PurePosixPath) -> bool:
        """Return True for files of the host that hold no items: of the kit, all but its data, and the deadline."""
        kit = PurePosixPath(self.kit)
        return name.is_relative_to("/run/ptb") or (name.is_relative_to(kit) and not name.is_relative_to(kit / "data"))

    def _reads_nothing_else(self, program: Node, identities: Collection[str]) -> bool:
        """Return True if a program read no other data files, and no other program passed anything on to it."""
        graph = self.graph
        own = {edge.target[1] for edge in graph.edges.get(program, []) if edge.why == "writes"}
        foreign = {edge.target[1] for node, edges in graph.edges.items() if node != program for edge in edges}
        started = {graph.images[member].program for member in graph.members(program)}
        known = {*identities, *self.tainted, *self.kit_tests(), *(own - foreign)}
        for read in graph.reads:
            other = read.file[1] not in known and not started & graph.names[read.file[1]]
            if graph.leader(read.program) == program and other and self._is_data(read.file[1]):
                return False
        for source, edges in graph.edges.items():
            if source[0] == "channel" and any(graph.leader(edge.target) == program for edge in edges):
                writers = {
                    graph.leader(node)
                    for node, outgoing in graph.edges.items()
                    if node[0] == "image" and any(edge.target == source for edge in outgoing)
                }
                silent = {
                    writer
                    for writer in writers
                    if self._is_agent(writer)
                    # The sandbox's first process, before it starts the agent.
                    or not any(graph.images[member].program for member in graph.members(writer))
                }
                if not source[1].startswith("pipe:") or writers - silent - {program}:
                    return False
        return True


def _places(file: ItemFile) -> set[tuple[str | int, int]]:
    """Return where the test items are in a file: position and item."""
    return {(row.keys[-1], row.item) for row in file.rows}


def _carries_a_score(way: Way) -> bool:
    """Return True if no more than a score came along a way; arguments of programs are not counted."""
    counted = all(step.why in ("", "reads", "writes") for step in way.steps)
    return counted and way.capacity is not None and way.capacity <= CARRIED_BYTES


def _reads(identity: str, read: Read) -> bool:
    return read.file[1] == identity
