"""The files that are searched: those of the workspace, and copies of small ones that are gone."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from posttrainbench.audit.behavior.scripts_in_workspace import path_in_run
from posttrainbench.audit.contamination.feeding import COPIED_BYTES
from posttrainbench.audit.contamination.links import with_links_named
from posttrainbench.audit.contamination.scan.files import Hit
from posttrainbench.audit.evidence import Evidence
from posttrainbench.untrusted import Entry, printable, sha256_regular


@dataclass(frozen=True)
class Source:
    """A file to search.

    Attributes:
        entry: the file; its name is that which it had in the workspace.
        names: its paths relative to the workspace; absolute ones of files elsewhere in the sandbox.
        copy: SHA-256 of the recorder's copy of a file that is gone; "" for a file of the workspace.
    """

    entry: Entry
    names: tuple[str, ...]
    copy: str = ""

    @property
    def label(self) -> str:
        """Return the name for summaries."""
        return f"{self.names[0]} (gone; a copy was kept)" if self.copy else self.names[0]

    def file(self, hit: Hit, evidence: Evidence) -> str:
        """Return the path, relative to the run directory, of a quotation."""
        if self.copy:
            return path_in_run(self.entry.path, evidence.root)
        return f"{evidence.workspace_path}/{hit.file}"


def searched_files(evidence: Evidence) -> list[Source]:
    """Return the workspace's files, and the recorder's copies of contents that are not among them."""
    sources = [Source(entry, (entry.relative,)) for entry in with_links_named(evidence.workspace_files, evidence)]
    graph = evidence.provenance
    if graph is None or not graph.copies:
        return sources
    present = {
        sha256_regular(source.entry.path)
        for source in sources
        if not source.entry.reason and source.entry.size <= COPIED_BYTES
    }
    workspace = evidence.sandbox_paths.get("workspace", str(evidence.workspace))
    for digest, paths in sorted(graph.copies.items()):
        path = evidence.provenance_copy(digest)
        if digest in present or path is None:
            continue
        names = sorted((_relative(name, workspace) for name in paths), key=lambda name: (name.startswith("/"), name))
        entry = Entry(path, printable(names[0]), path.stat().st_size)
        sources.append(Source(entry, tuple(names), digest))
    return sources


def _relative(path: str, workspace: str) -> str:
    whole = PurePosixPath(path)
    return str(whole.relative_to(workspace)) if whole.is_relative_to(workspace) else path
