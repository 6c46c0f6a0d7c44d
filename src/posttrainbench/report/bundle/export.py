"""Write a bundle: everything of a run or an experiment but weights, with secrets redacted.

The same files give the same bytes: fixed order, times, owners and compression. The file appears only when it is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from posttrainbench import __version__, catalog
from posttrainbench.errors import InputError
from posttrainbench.files import fsync_dir, sha256_bytes, sha256_file
from posttrainbench.records import BundledFile, BundleManifest, Stage, WithheldFile
from posttrainbench.redaction import Redactor
from posttrainbench.report.bundle.contents import Content, contents, redactor, write_content
from posttrainbench.report.bundle.limits import LEADERBOARD, MANIFEST, MAX_MANIFEST, MAX_TOTAL
from posttrainbench.run import Run
from posttrainbench.run.audit import read_audit
from posttrainbench.run.directory import BusyError, find_roots, is_busy, link_to
from posttrainbench.run.solve_supervisor import NOTES, is_alive
from posttrainbench.scoring import baselines_of, load_cells
from posttrainbench.scoring import leaderboard as rank_agents
from posttrainbench.untrusted import UnreadableError, printable

LEVEL = 10
"""Compression level; higher ones take several times as long for a few percent."""
MEMORY = 2**24


@dataclass(frozen=True)
class Exported:
    """A bundle that was written.

    Attributes:
        manifest: its list of files.
        sha256, size: of the bundle.
    """

    path: Path
    manifest: BundleManifest
    sha256: str
    size: int


def export(path: Path, out: Path | None, secrets: Iterable[str]) -> Exported:
    """Write a run with its earlier attempts, or an experiment, to a bundle.

    Args:
        path: directory of the run or the experiment.
        out: the bundle; None for `NAME.tar.zst` in the working directory.
        secrets: secrets to redact in addition to text in the formats of common keys.

    Raises:
        InputError: there is no run, several experiments or a run that is being worked on; `out` exists or is inside
            the directory; or a file changed during the export.
    """
    root = path.resolve()
    runs = [Run(one) for one in find_roots(path) if link_to(root, one) is None]
    if not runs:
        raise InputError(f"{path} contains only links to runs, which are not followed; give a directory with runs.")
    name, kind, folders = _scope(root, runs)
    out = Path(f"{name}.tar.zst") if out is None else out
    _check_target(out, [folder for folder, _, _ in folders])
    _require_idle(runs)
    hidden = redactor(secrets)
    try:
        found = contents(folders, hidden)
    except OSError as error:
        raise InputError(
            f"{printable(str(error.filename))} cannot be read ({error.strerror}); give this user the right to read it."
        ) from None
    table = _leaderboard(runs, hidden) if kind == "experiment" else None
    manifest = _manifest(name, kind, found, table, runs)
    _write(out, manifest, found, table, hidden)
    return Exported(out, manifest, sha256_file(out), out.stat().st_size)


def rule_set_sha256(rules: catalog.RuleSet) -> str:
    """Return a hash of a rule set."""
    return sha256_bytes(json.dumps(rules.model_dump(mode="json"), sort_keys=True).encode())


def _scope(root: Path, runs: Sequence[Run]) -> tuple[str, Literal["run", "experiment"], list[tuple[Path, str, int]]]:
    """Return the name of a bundle, its kind, and the directories in it, as `contents` expects them."""
    if [run.root for run in runs] == [root]:
        attempt = re.compile(rf"{re.escape(root.name)}\.attempt-\d+")
        earlier = sorted(
            place
            for place in root.parent.iterdir()
            if attempt.fullmatch(place.name) and place.is_dir() and not place.is_symlink()
        )
        return root.name, "run", [(place, f"{place.name}/", 0) for place in (root, *earlier)]
    if places := {run.root.parent for run in runs} - {root}:
        raise InputError(
            f"{root} is not a single experiment; give a directory that contains runs, such as {min(places)}, or a run."
        )
    return root.name, "experiment", [(root, "", 1)]


def _check_target(out: Path, folders: Sequence[Path]) -> None:
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} already exists; give another file with --out, or remove it.")
    parent = out.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"{parent} is not a directory that can be written; give another file with --out.")
    if any(out.resolve().is_relative_to(folder) for folder in folders):
        raise InputError(f"{out} is inside the directory to be exported; give another file with --out.")


def _require_idle(runs: Sequence[Run]) -> None:
    for run in runs:
        partial = run.root / f"{Stage.SOLVE.folder}.partial"
        if is_busy(run) or ((partial / NOTES).exists() and is_alive(partial)):
            raise BusyError(f"{run.root} is still being worked on; wait for its end, or stop it with `ptb stop`.")


def _leaderboard(runs: Sequence[Run], secrets: Redactor) -> bytes | None:
    """Return the leaderboard as JSON; None if the runs cannot be ranked."""
    try:
        cells = load_cells(run.root for run in runs)
        board = rank_agents(cells, baselines_of(cells))
    except InputError:
        return None
    text = json.dumps(board.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    return "".join(secrets.line(line) for line in text.splitlines(keepends=True)).encode()


def _manifest(
    name: str,
    kind: Literal["run", "experiment"],
    found: Sequence[Content],
    table: bytes | None,
    runs: Sequence[Run],
) -> BundleManifest:
    files = {
        content.name: BundledFile(sha256=content.sha256, size=content.size, redacted=content.redacted)
        for content in found
        if not content.withheld
    }
    if table is not None:
        files[LEADERBOARD] = BundledFile(sha256=sha256_bytes(table), size=len(table))
    if sum(file.size for file in files.values()) > MAX_TOTAL:
        raise InputError(f"A bundle can contain at most {MAX_TOTAL // 2**30} GiB of text; export single runs.")
    return BundleManifest(
        version=__version__,
        kind=kind,
        name=name,
        files=files,
        withheld={
            content.name: WithheldFile(
                reason=content.withheld, sha256=content.sha256, size=content.size, weights=content.weights
            )
            for content in found
            if content.withheld
        },
        rule_sets=_rule_sets(runs),
    )


def _rule_sets(runs: Sequence[Run]) -> dict[str, str]:
    used = {run.spec.rules for run in runs}
    used |= {read_audit(run.stage(Stage.AUDIT))[2].rule_set for run in runs if run.is_done(Stage.AUDIT)}
    known = catalog.rule_sets()
    return {name: rule_set_sha256(known[name]) for name in sorted(used) if name in known}


def _write(
    out: Path, manifest: BundleManifest, found: Sequence[Content], table: bytes | None, secrets: Redactor
) -> None:
    import zstandard

    head = (json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()
    if len(head) > MAX_MANIFEST:
        raise InputError("The runs contain too many files for one bundle; export single runs.")
    small = {MANIFEST: head} | ({LEADERBOARD: table} if table is not None else {})
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
            with (
                compressor.stream_writer(file, closefd=False) as stream,
                tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as archive,
            ):
                for name, data in small.items():
                    _add(archive, name, io.BytesIO(data), len(data))
                for content in found:
                    if not content.withheld:
                        _add_content(archive, content, secrets)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, out)
    except FileExistsError:
        raise InputError(f"{out} already exists; give another file with --out, or remove it.") from None
    finally:
        temporary.unlink(missing_ok=True)
    fsync_dir(out.absolute().parent)


def _publish(temporary: Path, out: Path) -> None:
    """Give a file its name unless that is taken, where the file system has hard links."""
    try:
        os.link(temporary, out)
    except FileExistsError:
        raise
    except OSError:
        temporary.rename(out)


def _add_content(archive: tarfile.TarFile, content: Content, secrets: Redactor) -> None:
    """Add a file, which must be the one that was read before."""
    with tempfile.SpooledTemporaryFile(max_size=MEMORY) as copy:
        try:
            write_content(content, secrets, copy)
        except (FileNotFoundError, UnreadableError):
            size = -1
        else:
            size = copy.tell()
        copy.seek(0)
        if size != content.size or _digest(copy) != content.sha256:
            raise InputError(f"{printable(content.path)} changed during the export; export when nothing writes to it.")
        copy.seek(0)
        _add(archive, content.name, copy, size)


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _add(archive: tarfile.TarFile, name: str, data: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    archive.addfile(member, data)
