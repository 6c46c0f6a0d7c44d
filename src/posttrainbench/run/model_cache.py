"""The Hugging Face cache of an agent: this machine's cache, read-only, below a writable layer of the run.

Covers: `huggingface_hub`, and libraries that use it, find the contents of the machine's cache without a download. They
can add to it but cannot change it. The layer is a directory in the workspace, so the audit can read it. It consists of
symlinks instead of an overlay file system, so it works the same in every sandbox: each repository of the machine's
cache becomes a directory whose blobs are symlinks to the read-only ones.

Does not cover: downloads to other directories; these appear in the record of network requests.
"""

import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from posttrainbench.files import write_json
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.gateway.egress.destinations import Destination, classify, is_model_variant, matches_repository
from posttrainbench.records import Download
from posttrainbench.sandbox import Mount
from posttrainbench.untrusted import printable

HOME = ".home/.cache/huggingface"
"""`HF_HOME`, relative to the workspace."""
KINDS = {"models": "model", "datasets": "dataset"}
MAX_ENTRIES = 100_000
"""Maximum number of entries listed per directory of the layer."""


def machine_cache() -> Path:
    """Return the directory of this machine's Hugging Face cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def cache_mounts(cache: Path, policy: EgressPolicy | None) -> list[Mount]:
    """Return read-only mounts of the cached repositories that an agent may use.

    Published runs of this benchmark are always left out.

    Args:
        cache: see `machine_cache`.
        policy: repositories that it blocks are left out.
    """
    mounts = []
    for folder in sorted(cache.iterdir()) if cache.is_dir() else ():
        repository = _repository(folder.name)
        if repository is None or folder.is_symlink() or not folder.is_dir():
            continue
        prefix = "/datasets/" if repository.kind == "dataset" else "/"
        if classify("huggingface.co", prefix + str(repository.repo)).kind == "traces":
            continue
        if policy is not None and _is_blocked(repository, policy):
            continue
        mounts.append(Mount(f"hub/{folder.name}", folder))
    return mounts


def create_layer(workspace: Path, mounts: Iterable[Mount], locate: Mapping[str, str]) -> None:
    """Create the run's layer.

    Args:
        workspace: a new workspace that no sandbox uses yet.
        mounts: see `cache_mounts`.
        locate: role -> path inside the sandbox.
    """
    hub = workspace / HOME / "hub"
    hub.mkdir(parents=True, exist_ok=True)
    for mount in mounts:
        _link_repository(mount.source, hub / mount.source.name, locate[mount.role])


def list_downloads(workspace: Path) -> list[Download]:
    """Return the repositories that an agent added to its layer.

    The layer is untrusted: only names and sizes are read, and no symlink is followed.
    """
    result = []
    hub = _hub(workspace)
    for folder in _entries(hub) if hub is not None else ():
        destination = _repository(folder.name)
        if destination is None or destination.repo is None or not _is_folder(folder):
            continue
        blobs = {entry.name: entry.lstat().st_size for entry in _entries(folder / "blobs") if _is_file(entry)}
        revisions: dict[str, list[int]] = defaultdict(list)
        for revision in _entries(folder / "snapshots"):
            for file in _files(revision):
                if _is_file(file):
                    revisions[revision.name].append(file.lstat().st_size)
                elif file.is_symlink() and (size := blobs.get(file.readlink().name)) is not None:
                    revisions[revision.name].append(size)
        linked = {file.readlink().name for file in _links(folder / "snapshots")}
        loose = [size for name, size in blobs.items() if name not in linked]
        kind = KINDS[folder.name.partition("--")[0]]
        for name, sizes in sorted(revisions.items()):
            result.append(_download(kind, destination.repo, name, sizes))
        if loose:
            result.append(_download(kind, destination.repo, None, loose))
    return result


def write_downloads(workspace: Path, file: Path) -> None:
    """Write `solve/downloads.json`."""
    write_json(file, [entry.model_dump(mode="json") for entry in list_downloads(workspace)])


def delete_models(workspace: Path) -> None:
    """Delete the models of the layer, which are large. Datasets are kept for later audits."""
    hub = _hub(workspace)
    for folder in [*_entries(hub), hub.parent / "xet"] if hub is not None else ():
        if folder.name.startswith("models--") or folder.name == "xet":
            shutil.rmtree(folder, ignore_errors=True)


def _hub(workspace: Path) -> Path | None:
    """Return the layer's directory; None if the agent has replaced a part of its path with a symlink."""
    folder = workspace
    for part in (*Path(HOME).parts, "hub"):
        folder /= part
        if folder.is_symlink():
            return None
    return folder


def _repository(folder: str) -> Destination | None:
    """Return the repository of a cache folder `models--OWNER--NAME`; None for other folders."""
    kind, *parts = folder.split("--")
    if kind not in KINDS or not parts or not all(parts):
        return None
    return Destination("model" if kind == "models" else "dataset", "/".join(parts))


def _is_blocked(repository: Destination, policy: EgressPolicy) -> bool:
    if matches_repository(repository, [pattern.partition(":")[0] for pattern in policy.test_data]):
        return True
    return policy.instruct is not None and is_model_variant(repository, policy.instruct, policy.base)


def _link_repository(lower: Path, upper: Path, sandbox_path: str) -> None:
    """Recreate the directories of one repository, with symlinks to its files at `sandbox_path`."""
    for folder, folders, names in os.walk(lower):
        folders.sort()
        inner = Path(folder).relative_to(lower)
        (upper / inner).mkdir(parents=True, exist_ok=True)
        for name in names:
            source, target = Path(folder, name), upper / inner / name
            if source.is_symlink():
                target.symlink_to(source.readlink())  # from a snapshot to a blob of the same repository
            elif inner.parts[:1] == ("refs",):
                shutil.copyfile(source, target)  # the client rewrites these
            elif not name.endswith(".incomplete"):
                target.symlink_to(Path(sandbox_path, inner, name))


def _download(kind: str, repo: str, revision: str | None, sizes: list[int]) -> Download:
    return Download.model_validate(
        {
            "kind": kind,
            "repo": printable(repo),
            "revision": None if revision is None else printable(revision),
            "files": len(sizes),
            "size": sum(sizes),
        }
    )


def _entries(folder: Path) -> list[Path]:
    if not _is_folder(folder):
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry, _ in zip(entries, range(MAX_ENTRIES), strict=False))


def _files(folder: Path) -> Iterator[Path]:
    if _is_folder(folder):
        for parent, _, names in os.walk(folder):
            yield from (Path(parent, name) for name in names)


def _links(folder: Path) -> Iterator[Path]:
    return (file for file in _files(folder) if file.is_symlink())


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
