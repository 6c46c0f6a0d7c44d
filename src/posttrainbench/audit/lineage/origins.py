"""Tell from the record of file provenance whether a run trained a model itself, or got it from elsewhere.

A program that downloads a model reads no weights; one that trains from the base model reads those. The agent's own
program is cut: it starts all others and sees what they print, but does not carry weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from posttrainbench import catalog
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.provenance import FinalFile, Graph, Way
from posttrainbench.audit.provenance.graph import CLOCK_SECONDS, FOREVER
from posttrainbench.records.submission import FINAL
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.submission.names import WEIGHTS
from posttrainbench.untrusted import UnreadableError, open_regular, printable

UNMISTAKABLE = frozenset((".safetensors", ".gguf", ".pth", ".ckpt"))
"""Endings of files that hold weights and nothing else."""


@dataclass(frozen=True)
class GoneModel:
    """A file with weights that is gone.

    Attributes:
        name: its path in the sandbox.
        copy: the recorder's copy; None if there is none.
        commands: command lines of the programs that wrote it.
    """

    name: str
    copy: Path | None
    commands: list[str]


@dataclass
class Origins:
    """Answers on the models of one run.

    Attributes:
        evidence: the run.
        graph: its graph.
        base_copies: identities of files that equal the base model's.
    """

    evidence: Evidence
    graph: Graph
    base_copies: set[str] = field(default_factory=set)

    def add_base_copy(self, files: Sequence[Path]) -> None:
        """Note that files in the workspace are a copy of the base model."""
        self.base_copies |= {file.id for file in self._final(files)}

    def is_foreign(self, files: Sequence[Path]) -> bool:
        """Return True if recorded programs wrote files, and nothing of any model can have reached these programs."""
        sink = self._final(files)
        own = {file.id for file in sink}
        return (
            not self.graph.missing
            and len(sink) == len(files)
            and all(file.id in self.graph.written for file in sink)
            and not self._ways(sink, self._models() - own)
        )

    def gone(self, files: Sequence[Path]) -> list[GoneModel]:
        """Return the gone files with weights that can have reached some files, and that no program trained."""
        sink, graph = self._final(files), self.graph
        candidates = self._named(lambda name: PurePosixPath(name).suffix in UNMISTAKABLE) & graph.written
        candidates -= {*self._base(), *(file.id for file in sink)}
        if candidates:
            entries = self.evidence.workspace_files
            candidates -= {file.id for file in self._final([entry.path for entry in entries if not entry.reason])}
        models, found = self._models(), []
        for identity in sorted(candidates):
            name = min(graph.names[identity])
            itself = [FinalFile(name, identity, FOREVER)]
            if self._ways(sink, {identity}) and not self._ways(itself, models - {identity}):
                digests = {read.copy for read in graph.reads if read.file[1] == identity and read.copy}
                copies = filter(None, map(self.evidence.provenance_copy, sorted(digests)))
                found.append(GoneModel(printable(name), next(copies, None), self._commands({identity})))
        return found

    def from_base(self, files: Sequence[Path]) -> bool:
        """Return True if content of the base model can have reached one of the files."""
        return bool(self._ways(self._final(files), self._base()))

    def way_from_models(self, files: Sequence[Path]) -> Way | None:
        """Return a way from files with weights to one of the files; None if there is none."""
        sink = self._final(files)
        ways = self._ways(sink, self._models() - {file.id for file in sink})
        return ways[0] if ways else None

    def unwritten(self, files: Sequence[Path]) -> bool:
        """Return True if no recorded program wrote one of the files."""
        sink = self._final(files)
        return not sink or any(file.id not in self.graph.written for file in sink)

    def commands(self, files: Sequence[Path]) -> list[str]:
        """Return the command lines of the programs that opened the files for writing."""
        return self._commands({file.id for file in self._final(files)})

    def _commands(self, identities: Collection[str]) -> list[str]:
        targets = {("file", identity) for identity in identities}
        writers = {
            node
            for node, edges in self.graph.edges.items()
            if node[0] == "image"
            for edge in edges
            if edge.why == "writes" and edge.target[:2] in targets
        }
        members = {member for node in writers for member in self.graph.members(node)}
        return sorted(" ".join(self.graph.images[member].argv) for member in members)

    def _base(self) -> set[str]:
        evidence = self.evidence
        folders = [f"/models/{evidence.spec.model}/"]
        if (model := catalog.models().get(evidence.spec.model)) and model.hub:
            folders.append(f"/hub/models--{model.hub.replace('/', '--')}/")
        if path := evidence.sandbox_paths.get("base_model"):
            folders.append(f"{path}/")
        return self.base_copies | self._named(lambda name: name.startswith(tuple(folders)))

    def _models(self) -> set[str]:
        """Return the identities of all files that may hold a model's weights."""
        weights = self._named(lambda name: PurePosixPath(name).suffix in WEIGHTS or "/models--" in name)
        return self._base() | weights

    def _named(self, is_meant: Callable[[str], bool]) -> set[str]:
        return {identity for identity, names in self.graph.names.items() if any(map(is_meant, names))}

    def _ways(self, sink: Sequence[FinalFile], sources: Collection[str]) -> tuple[Way, ...]:
        starts = {
            ("file", identity, version): -1.0
            for identity in sources
            for version in range(self.graph.versions.get(identity, 0) + 1)
        }
        return self.graph.ways(starts, sink, cut=self.evidence.is_agent) if starts else ()

    def _final(self, files: Sequence[Path]) -> list[FinalFile]:
        """Return the files that can be opened."""
        found = []
        for path in files:
            try:
                with open_regular(path) as file:
                    changed = path.stat().st_ctime - self.graph.epoch + CLOCK_SECONDS
                    found.append(FinalFile(path.name, file_id(file.fileno()), changed))
            except (UnreadableError, OSError):
                continue
        return found


def submitted_files(evidence: Evidence) -> list[Path]:
    """Return the weights of the submission, as they are in the workspace."""
    folder = (evidence.workspace / FINAL).resolve()
    if not folder.is_relative_to(evidence.workspace.resolve()) or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
