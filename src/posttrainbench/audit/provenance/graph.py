"""A graph of files and programs: can content of some files have reached others, and in which way?

Nodes are versions of files (by inode), channels (pipes, sockets, shared memory) and images: a process from one exec to
the next, together with what it forked, which may share its memory. An edge carries content during an interval of time.
The graph says more than happened: a program that read A and later wrote B counts as having copied A into B. So "no
path" is a proof that nothing of the sources reached the sink through files, pipes, sockets or memory, and "path" is a
possibility to look at.
"""

import heapq
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from posttrainbench.sandbox.provenance.kernel import file_id

Node = tuple[str, str, int]
"""Kind (`file`, `channel`, `image`), key, and version of a file or number of an image."""
FOREVER = float("inf")
CLOCK_SECONDS = 0.02
"""Resolution of the kernel's times of files and processes."""


@dataclass(slots=True)
class Image:
    """A process between two execs.

    Attributes:
        process: name of the process.
        program: path of the program inside the sandbox; "" for a process that has not executed one.
        argv: its arguments.
        started: seconds since boot.
        stopped: seconds since boot; infinity if unknown.
        written: bytes that it wrote by write calls; None if unknown.
        shell: True for what a shell has forked and what has not executed a program: it writes only by write calls.
        silent: False if it can have passed on content other than by write calls.
    """

    process: str
    program: str
    argv: tuple[str, ...]
    started: float
    stopped: float = FOREVER
    written: int | None = None
    shell: bool = False
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """A possible flow of content.

    Attributes:
        target: node that receives it.
        begin: start of the interval.
        end: end of the interval.
        holder: image that must be alive; None if none is involved.
        why: verb for reports.
    """

    target: Node
    begin: float
    end: float
    holder: Node | None
    why: str


@dataclass(frozen=True, slots=True)
class Read:
    """A program opened a file for reading, or executed it.

    Attributes:
        file: node of the file's version.
        program: node of the image.
        seconds: time, in seconds since boot.
        copy: SHA-256 of the file's content at that time; "" if no copy was made.
    """

    file: Node
    program: Node
    seconds: float
    copy: str


@dataclass(frozen=True)
class Step:
    """One step of a way.

    Attributes:
        label: the file, channel or program.
        why: how content came to it; "" for the source.
        seconds: earliest time of that, in seconds since boot.
        node: the file, channel or program.
    """

    label: str
    why: str
    seconds: float
    node: Node


@dataclass(frozen=True)
class Way:
    """A way on which content can have come to a file.

    Attributes:
        file: the final file.
        steps: from the source to the file.
        capacity: bytes that the programs in between can have carried at most; None if unknown.
    """

    file: str
    steps: tuple[Step, ...]
    capacity: int | None


@dataclass(frozen=True)
class FinalFile:
    """A file of the submission as it is after the run.

    Attributes:
        path: its path for reports.
        id: identity as in the record.
        changed: time of its last change in seconds since boot: no write came later.
    """

    path: str
    id: str
    changed: float


@dataclass(frozen=True)
class Answer:
    """The answer to a question about the graph.

    Attributes:
        kind: `no path` is proof; `path` if there is a way; `unproven` if the record does not suffice for a proof.
        ways: the ways, at most one for each final file.
        reasons: reasons for a missing proof.
    """

    kind: Literal["no path", "path", "unproven"]
    ways: tuple[Way, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass
class Graph:
    """The graph of one record; built by `reading.read_graph`.

    Attributes:
        epoch: time of day at boot, to convert times of files.
        began: start of the first record in seconds since boot; None if the machine was started again after it.
        missing: why the record is incomplete; empty for a complete one.
        images: all images by node.
        edges: node -> edges from it.
        names: identity of a file -> the paths that it had.
        versions: identity of a file -> its last version.
        mapped: files that were opened for reading and writing, which can be changed without a new time of change.
        reads: all openings of files for reading, in order.
        opened: identity of a file -> time at which it was last opened for writing.
        copies: SHA-256 of each copy -> the paths that files with this content had.
    """

    epoch: float = 0.0
    began: float | None = None
    missing: list[str] = field(default_factory=list)
    images: dict[Node, Image] = field(default_factory=dict)
    edges: dict[Node, list[Edge]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    written: set[str] = field(default_factory=set)
    mapped: set[str] = field(default_factory=set)
    reads: list[Read] = field(default_factory=list)
    opened: dict[str, float] = field(default_factory=dict)
    copies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _leader: dict[Node, Node] = field(default_factory=dict)
    _members: dict[Node, list[Node]] = field(default_factory=dict)

    def unite(self, one: Node, other: Node) -> None:
        """Treat two images as one, because they may share memory."""
        one, other = self.leader(one), self.leader(other)
        if one == other:
            return
        self._members[one] = self.members(one) + self.members(other)
        self._leader[other] = one
        self.edges[one] += self.edges.pop(other, [])

    def leader(self, node: Node) -> Node:
        """Return the node that stands for all images united with one."""
        while node in self._leader:
            node = self._leader[node]
        return node

    def members(self, node: Node) -> list[Node]:
        """Return all images united with one."""
        return self._members.get(self.leader(node), [node])

    def add(
        self, source: Node, target: Node, begin: float, why: str, holder: Node | None, end: float = FOREVER
    ) -> None:
        """Add an edge."""
        self.edges[self.leader(source)].append(Edge(target, begin, end, holder, why))

    def feeds(
        self,
        sink: Sequence[FinalFile],
        sources: Callable[[str], bool],
        *,
        cut: Callable[[Image], bool] = lambda image: False,
        arguments: bool = False,
    ) -> Answer:
        """Return whether content of some files can have reached the final files.

        Args:
            sink: the final files.
            sources: returns True for the paths, inside the sandbox, of the files in question.
            cut: returns True for programs that do not pass on what they read, such as an agent's command line program,
                whose output must then be searched by other means.
            arguments: True to follow short arguments of programs too.
        """
        starts = {
            ("file", key, version): -1.0
            for key, names in self.names.items()
            if any(map(sources, names))
            for version in range(self.versions[key] + 1)
        }
        ways = self.ways(starts, sink, cut=cut, arguments=arguments)
        if ways:
            return Answer("path", ways)
        reasons = list(self.missing)
        if not sink:
            reasons.append("no final file was left")
        reasons += [f"no recorded program wrote {file.path}" for file in sink if file.id not in self.written]
        return Answer("unproven", reasons=tuple(reasons)) if reasons else Answer("no path")

    def ways(
        self,
        starts: Mapping[Node, float],
        sink: Sequence[FinalFile],
        *,
        cut: Callable[[Image], bool] = lambda image: False,
        through: Callable[[str], bool] = lambda identity: True,
        arguments: bool = False,
    ) -> tuple[Way, ...]:
        """Return the ways from some nodes to the final files, at most one for each file.

        Args:
            starts: node -> time from which it has the content in question.
            sink: the final files.
            cut: see `feeds`.
            through: returns True for the identities of files that pass on what was written to them.
            arguments: see `feeds`.
        """
        changed = {file.id: file.changed for file in sink if file.id not in self.mapped}
        cuts = {self.leader(node) for node, image in self.images.items() if cut(image)}
        reached, origins = self._reach(
            {self.leader(n): t for n, t in starts.items()}, changed, cuts, through, arguments
        )
        nodes = [(file, ("file", file.id, self.versions.get(file.id, 0))) for file in sink]
        return tuple(self._way(file, node, reached, origins) for file, node in nodes if node in reached)

    def reached(
        self, starts: Mapping[Node, float], cut: Callable[[Image], bool], through: Callable[[str], bool]
    ) -> dict[Node, float]:
        """Return the nodes that can have content of the starts, with the earliest times. Arguments as for `ways`."""
        cuts = {self.leader(node) for node, image in self.images.items() if cut(image)}
        return self._reach({self.leader(n): t for n, t in starts.items()}, {}, cuts, through, False)[0]

    def alive_until(self, node: Node) -> float:
        """Return the time at which the last of the images that are united with one stopped."""
        return max(self.images[member].stopped for member in self.members(node))

    def _reach(
        self,
        starts: Mapping[Node, float],
        changed: dict[str, float],
        cuts: set[Node],
        through: Callable[[str], bool],
        arguments: bool,
    ) -> tuple[dict[Node, float], dict[Node, tuple[Node, str]]]:
        """Return the earliest time at which each node can have content of the starts, and where it came from."""
        reached = dict(starts)
        ends: dict[Node, float] = {}
        origins: dict[Node, tuple[Node, str]] = {}
        queue = [(time, node) for node, time in starts.items()]
        heapq.heapify(queue)
        while queue:
            time, node = heapq.heappop(queue)
            if time > reached[node] or node in cuts:
                continue
            if node[0] == "file" and node not in starts and not through(node[1]):
                continue
            for edge in self.edges.get(node, []):
                if (edge.why == ARGUMENTS and not arguments) or (edge.why == "writes" and self._wrote_nothing(node)):
                    continue
                target = self.leader(edge.target)
                at, end = max(time, edge.begin), edge.end
                if edge.holder is not None:
                    holder = self.leader(edge.holder)
                    if holder not in ends:
                        ends[holder] = self.alive_until(holder)
                    end = min(end, ends[holder])
                if target[0] == "file" and target[1] in changed:
                    end = min(end, changed[target[1]])
                if at <= end and at < reached.get(target, FOREVER):
                    reached[target] = at
                    origins[target] = (node, edge.why)
                    heapq.heappush(queue, (at, target))
        return reached, origins

    def _wrote_nothing(self, node: Node) -> bool:
        image = self.images.get(node)
        return image is not None and image.shell and image.written == 0 and len(self.members(node)) == 1

    def _way(
        self, file: FinalFile, node: Node, reached: dict[Node, float], origins: dict[Node, tuple[Node, str]]
    ) -> Way:
        steps, carriers, at = [], [], node
        while True:
            origin, why = origins.get(at, (None, ""))
            steps.append(Step(self.label(at), why, reached[at], at))
            if at[0] == "image":
                carriers.append(self._capacity(at))
            if origin is None:
                break
            at = origin
        known = [each for each in carriers[1:] if each is not None]  # the last program writes the weights
        return Way(file.path, tuple(reversed(steps)), min(known, default=None))

    def _capacity(self, node: Node) -> int | None:
        images = [self.images[member] for member in self.members(node)]
        if not all(image.silent for image in images):
            return None
        counts = [image.written for image in images if image.written is not None]
        return sum(counts) if len(counts) == len(images) else None

    def label(self, node: Node) -> str:
        """Return a node's name for reports."""
        if node[0] == "file":
            return min(self.names.get(node[1], {node[1]}), key=len)
        if node[0] == "channel":
            return node[1]
        images = [self.images[member] for member in self.members(node)]
        return next((" ".join(image.argv) for image in images if image.argv), images[0].process)[:200]


ARGUMENTS = "passes arguments to"
"""Verb of the edges that are followed only on request."""
LONG_ARGUMENTS = "passes long arguments or a long environment to"
"""Verb of those that can carry more than a few words."""


def final_files(directory: Path, epoch: float) -> list[FinalFile]:
    """Return the regular files below a directory of the workspace.

    Args:
        directory: the directory; a link to one is followed.
        epoch: see `Graph`.
    """
    found = []
    for folder, _, names in os.walk(directory.resolve()):
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file():
                continue
            with path.open("rb") as file:
                changed = os.fstat(file.fileno()).st_ctime - epoch + CLOCK_SECONDS
                found.append(FinalFile(str(path.relative_to(directory.resolve())), file_id(file.fileno()), changed))
    return found
