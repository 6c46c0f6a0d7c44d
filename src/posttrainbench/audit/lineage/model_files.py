"""Model files that a run left, and the models of this machine's cache that it read.

The Hub's client stores a repository in a folder `models--OWNER--NAME`, wherever its cache is, and notes the origin of
files that it downloads to another folder in `.cache/huggingface/download/NAME.metadata` beside them. Files that a run
wrote and removed are among the copies of the provenance record if they are small.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from posttrainbench.audit.evidence import Evidence
from posttrainbench.records.submission import FINAL
from posttrainbench.submission.names import WEIGHTS
from posttrainbench.submission.tensors import SETTINGS_LIMIT, read_header
from posttrainbench.untrusted import Entry, UnreadableError, open_regular, printable, read_json, sha256_regular

SAFETENSORS = ".safetensors"
ADAPTER_CONFIG = "adapter_config.json"
USUAL = frozenset(("model", "model (shards)", "adapter_model"))
"""Names of a folder's only model."""
METADATA = ".cache/huggingface/download/"
METADATA_BYTES = 2**12
HEADER_START = 9
"""Bytes of a safetensors file's length and the first of its header."""
_CACHED = re.compile(r"(?:^|/)models--([\w.-]+?)(?:--([\w.-]+))?/(.+)")
_SHARD = re.compile(r"(.*?)[-_]\d{3,6}-of-\d{3,6}")


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model.

    Attributes:
        place: where they are, for reports.
        files: its safetensors files.
        repo: repository on the Hub that they come from, as their place or the Hub's client says; "" if unknown.
        revision: commit on the Hub; "" if unknown.
        unread: name of a file in a format that cannot be read; "" if the model has safetensors files.
        scale: factor of an adapter's change.
    """

    place: str
    files: tuple[Path, ...]
    repo: str = ""
    revision: str = ""
    unread: str = ""
    scale: float = 1.0


def cached_models(evidence: Evidence) -> list[ModelFiles]:
    """Return the models in folders of the Hub's client in the workspace, except what only links to other folders."""
    blobs: dict[str, dict[str, Path]] = defaultdict(dict)
    named: dict[tuple[str, str], dict[str, str | Path]] = defaultdict(dict)
    for entry in evidence.workspace_files:
        match = _CACHED.search(entry.relative)
        if match is None:
            continue
        repo = _repo(match)
        kind, _, rest = match[3].partition("/")
        if kind == "blobs" and not entry.reason:
            blobs[repo][rest] = entry.path
        elif kind == "snapshots":
            revision, _, name = rest.partition("/")
            if not entry.reason:
                named[repo, revision][name] = entry.path
            elif entry.path.is_symlink():
                named[repo, revision][name] = entry.path.readlink().name
    for digest, path, names in _copies(evidence):
        for match in filter(None, map(_CACHED.search, names)):
            name = match[3].partition("/")[2].partition("/")[2] or digest
            named[_repo(match), f"copy {digest[:12]}"][name] = path
    models = []
    linked: set[Path] = set()
    for (repo, revision), entries in sorted(named.items(), key=lambda item: item[0]):
        targets = {
            name: value if isinstance(value, Path) else blobs[repo].get(value) for name, value in entries.items()
        }
        files = {name: path for name, path in targets.items() if path is not None}
        linked |= set(files.values())
        models += _models(f"{repo} ({revision})", files, repo)
    for repo, loose in sorted(blobs.items()):
        files = {f"{n}{SAFETENSORS}": path for n, path in loose.items() if path not in linked and _is_safetensors(path)}
        models += _models(repo, files, repo)
    return models


def downloaded_models(evidence: Evidence) -> list[ModelFiles]:
    """Return the models that the Hub's client downloaded to other folders, and that have not changed since."""
    present = {entry.relative: entry for entry in evidence.workspace_files if not entry.reason}
    found: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for relative in present:
        folder, mark, rest = relative.rpartition(METADATA)
        if not mark or not rest.endswith(".metadata"):
            continue
        name = rest.removesuffix(".metadata")
        entry = present.get(folder + name)
        if entry is None or (PurePosixPath(name).suffix not in WEIGHTS and name != ADAPTER_CONFIG):
            continue
        revision, digest = _metadata(present[relative].path)
        if name == ADAPTER_CONFIG or (digest and sha256_regular(entry.path) == digest):
            found[folder.rstrip("/"), revision][name] = entry.path
    return [
        replace(model, revision=revision)
        for (folder, revision), files in sorted(found.items())
        for model in _models(folder or ".", files, "")
    ]


def other_models(evidence: Evidence) -> list[ModelFiles]:
    """Return the models elsewhere in the workspace, whatever their names, without the submission."""
    folders: dict[str, dict[str, Path]] = defaultdict(dict)
    for entry in evidence.workspace_files:
        if entry.reason or _CACHED.search(entry.relative) or entry.relative.startswith(f"{FINAL}/"):
            continue
        place = PurePosixPath(entry.relative)
        if place.suffix == SAFETENSORS or place.name == ADAPTER_CONFIG:
            folders[str(place.parent)][place.name] = entry.path
        elif entry.size > HEADER_START and _begins_as_safetensors(entry):
            folders[str(place.parent)][place.name + SAFETENSORS] = entry.path
    return [model for folder, files in sorted(folders.items()) for model in _models(folder, files, "")]


def machine_models(evidence: Evidence) -> list[ModelFiles]:
    """Return the models in this machine's cache that the run read, or all models in it if reads were not recorded."""
    cache, graph = evidence.hub_cache, evidence.provenance
    if cache is None or not cache.is_dir():
        return []
    read: set[str] | None = None
    if graph is not None and not graph.missing:
        names = (name for all_names in graph.names.values() for name in all_names)
        read = {match[1] for name in names if (match := re.match(r".*/hub/(models--[^/]+)/", name))}
    models = []
    for folder in sorted(cache.glob("models--*")):
        match = _CACHED.search(f"{folder.name}/x")
        if match is None or (read is not None and folder.name not in read):
            continue
        for snapshot in sorted(folder.glob("snapshots/*")):
            files = {path.name: path.resolve() for path in sorted(snapshot.iterdir()) if path.exists()}
            models += _models(f"{_repo(match)} (this machine's cache)", files, _repo(match))
    return models


def _models(place: str, files: Mapping[str, Path], repo: str) -> list[ModelFiles]:
    """Return the models among the files of a folder: one for each file or set of shards, with one for adapters."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for name, path in sorted(files.items()):
        if name.endswith(SAFETENSORS):
            stem = name.removesuffix(SAFETENSORS)
            shard = _SHARD.fullmatch(stem)
            groups[f"{shard[1]} (shards)" if shard else stem].append(path)
    if not groups:
        unread = next((name for name in sorted(files) if PurePosixPath(name).suffix in WEIGHTS), "")
        return [ModelFiles(printable(place), (), repo, unread=printable(unread))] if unread else []
    scale = _scale(files.get(ADAPTER_CONFIG))
    return [
        ModelFiles(
            printable(place if len(groups) == 1 and stem in USUAL else f"{place}: {stem}").removeprefix(".: "),
            tuple(paths),
            repo,
            scale=scale,
        )
        for stem, paths in groups.items()
    ]


def _scale(config: Path | None) -> float:
    """Return the factor of an adapter's change from its configuration; 1 if it is unknown."""
    try:
        settings = read_json(config, SETTINGS_LIMIT) if config is not None else {}
        rank, alpha = float(settings["r"]), float(settings["lora_alpha"])
        scale = alpha / (rank**0.5 if settings.get("use_rslora") else rank)
    except (UnreadableError, KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 1.0
    return scale if 0 < scale < 1e6 else 1.0


def _copies(evidence: Evidence) -> Iterator[tuple[str, Path, list[str]]]:
    """Yield the copies of gone files that are safetensors: digest, path, and the names that the file had."""
    graph = evidence.provenance
    for digest, names in sorted(graph.copies.items()) if graph is not None else ():
        path = evidence.provenance_copy(digest)
        if path is not None and _is_safetensors(path):
            yield digest, path, sorted(names)


def _is_safetensors(path: Path) -> bool:
    try:
        return bool(read_header(path))
    except (UnreadableError, OSError):
        return False


def _begins_as_safetensors(entry: Entry) -> bool:
    """Return whether a file begins with a length within it, and a JSON object."""
    try:
        with open_regular(entry.path) as file:
            start = file.read(HEADER_START)
    except (UnreadableError, OSError):
        return False
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < entry.size


def _metadata(path: Path) -> tuple[str, str]:
    """Return the commit and the SHA-256 that the Hub's client noted for a file; "" for what it did not note."""
    try:
        with open_regular(path) as file:
            lines = file.read(METADATA_BYTES).decode(errors="replace").split("\n")
    except (UnreadableError, OSError):
        return "", ""
    commit, digest = (line.strip().strip('"') for line in [*lines, "", ""][:2])
    return printable(commit[:40]), digest if re.fullmatch("[0-9a-f]{64}", digest) else ""


def _repo(match: re.Match[str]) -> str:
    return f"{match[1]}/{match[2]}" if match[2] else match[1]
