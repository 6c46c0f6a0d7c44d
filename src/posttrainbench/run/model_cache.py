"""The Hub's cache as an agent sees it: this machine's, read-only, below a layer of the run's own.

Covers: `huggingface_hub`, and all that loads through it, finds what the machine's cache holds without a download, adds
to it, and can never change it. The layer is a directory of the workspace, so the audit sees all that is in it. It is
made of links, not of an overlay file system, so it is the same in every sandbox: each repository of the machine's cache
is a directory whose blobs are links to the read-only ones.

Does not cover: what an agent downloads to places of its own; the record of its requests tells of that.
"""

import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from posttrainbench.destinations import Destination, classify, is_among, is_version_of
from posttrainbench.files import write_json
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.records import Download
from posttrainbench.sandbox import Mount

HOME = ".home/.cache/huggingface"
"""`HF_HOME`, relative to the workspace."""
KINDS = {"models": "model", "datasets": "dataset"}
MOST_ENTRIES = 100_000
"""Of a directory of the layer; what is beyond is not listed."""


def machine_cache() -> Path:
    """Where this machine keeps what was downloaded from the Hub."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def lower_mounts(cache: Path, policy: EgressPolicy | None) -> list[Mount]:
    """The repositories of the machine's cache that an agent is shown, each read-only.

    Args:
        cache: see `machine_cache`.
        policy: what it withholds is left out, and so are published runs of this benchmark always.
    """
    mounts = []
    for folder in sorted(cache.iterdir()) if cache.is_dir() else ():
        found = _repository(folder.name)
        if found is None or folder.is_symlink() or not folder.is_dir():
            continue
        prefix = "/datasets/" if found.kind == "dataset" else "/"
        if classify("huggingface.co", prefix + str(found.repo)).kind == "traces":
            continue
        if policy is not None and _is_withheld(found, policy):
            continue
        mounts.append(Mount(f"hub/{folder.name}", folder))
    return mounts


def lay_out(workspace: Path, mounts: Iterable[Mount], locate: Mapping[str, str]) -> None:
    """Make the run's layer.

    Args:
        workspace: new, and still the host's alone.
        mounts: see `lower_mounts`.
        locate: role -> path at which the sandbox shows it.
    """
    hub = workspace / HOME / "hub"
    hub.mkdir(parents=True, exist_ok=True)
    for mount in mounts:
        _link_repository(mount.source, hub / mount.source.name, locate[mount.role])


def downloads(workspace: Path) -> list[Download]:
    """What an agent added to its layer. Hostile: nothing but names and sizes is read, and no link is followed."""
    found = []
    hub = _hub(workspace)
    for folder in _entries(hub) if hub is not None else ():
        destination = _repository(folder.name)
        if destination is None or destination.repo is None or not _is_folder(folder):
            continue
        own = {entry.name: entry.lstat().st_size for entry in _entries(folder / "blobs") if _is_file(entry)}
        revisions: dict[str, list[int]] = defaultdict(list)
        for revision in _entries(folder / "snapshots"):
            for file in _files(revision):
                if _is_file(file):
                    revisions[revision.name].append(file.lstat().st_size)
                elif file.is_symlink() and (size := own.get(file.readlink().name)) is not None:
                    revisions[revision.name].append(size)
        named = {file.readlink().name for file in _links(folder / "snapshots")}
        loose = [size for name, size in own.items() if name not in named]
        kind = KINDS[folder.name.partition("--")[0]]
        for name, sizes in sorted(revisions.items()):
            found.append(_download(kind, destination.repo, name, sizes))
        if loose:
            found.append(_download(kind, destination.repo, None, loose))
    return found


def write_downloads(workspace: Path, file: Path) -> None:
    """`solve/downloads.json`."""
    write_json(file, [entry.model_dump(mode="json") for entry in downloads(workspace)])


def drop_models(workspace: Path) -> None:
    """Delete the models of the layer, which are large; data sets stay, for audits to come."""
    hub = _hub(workspace)
    for folder in [*_entries(hub), hub.parent / "xet"] if hub is not None else ():
        if folder.name.startswith("models--") or folder.name == "xet":
            shutil.rmtree(folder, ignore_errors=True)


def _hub(workspace: Path) -> Path | None:
    """The layer's directory; None where the agent has put a link in its way, which may lead anywhere."""
    folder = workspace
    for part in (*Path(HOME).parts, "hub"):
        folder /= part
        if folder.is_symlink():
            return None
    return folder


def _repository(folder: str) -> Destination | None:
    """`models--OWNER--NAME` as an address."""
    kind, *parts = folder.split("--")
    if kind not in KINDS or not parts or not all(parts):
        return None
    return Destination("model" if kind == "models" else "dataset", "/".join(parts))


def _is_withheld(found: Destination, policy: EgressPolicy) -> bool:
    if is_among(found, [pattern.partition(":")[0] for pattern in policy.test_data]):
        return True
    return policy.instruct is not None and is_version_of(found, policy.instruct, policy.base)


def _link_repository(lower: Path, upper: Path, seen: str) -> None:
    """One repository: real directories, whose files are links into `seen`."""
    for folder, folders, names in os.walk(lower):
        folders.sort()
        inner = Path(folder).relative_to(lower)
        (upper / inner).mkdir(parents=True, exist_ok=True)
        for name in names:
            source, target = Path(folder, name), upper / inner / name
            if source.is_symlink():
                target.symlink_to(source.readlink())  # of a snapshot, to a blob beside it
            elif inner.parts[:1] == ("refs",):
                shutil.copyfile(source, target)  # the client writes these anew
            elif not name.endswith(".incomplete"):
                target.symlink_to(Path(seen, inner, name))


def _download(kind: str, repo: str, revision: str | None, sizes: list[int]) -> Download:
    return Download.model_validate(
        {"kind": kind, "repo": repo, "revision": revision, "files": len(sizes), "size": sum(sizes)}
    )


def _entries(folder: Path) -> list[Path]:
    if not _is_folder(folder):
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False))


def _files(folder: Path) -> Iterator[Path]:
    if _is_folder(folder):
        for place, _, names in os.walk(folder):
            yield from (Path(place, name) for name in names)


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
