"""Read the collected submission, which must be unchanged since the collect stage."""

from pathlib import Path

from posttrainbench.errors import InfrastructureError, one_line
from posttrainbench.records import Stage, SubmissionManifest
from posttrainbench.run.directory import Run
from posttrainbench.untrusted import printable, sha256_regular

MANIFEST = "manifest.json"


def read_submission(run: Run) -> tuple[Path, SubmissionManifest]:
    """Return the directory and the manifest of the collected submission, after checking every file against its hash.

    Every stage that reads `submission/` calls this. The agent's last process ended before the files were written, so a
    difference is the host's doing.

    Raises:
        InfrastructureError: a file was changed, added or removed, or the manifest cannot be read.
    """
    folder = run.stage(Stage.COLLECT)
    try:
        manifest = SubmissionManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise _changed(MANIFEST, f"cannot be read ({one_line(error).rstrip('.')})") from None
    if manifest.state == "accepted":
        for name, digest in manifest.files.items():
            if not (folder / name).exists():
                raise _changed(name, "is missing")
            if sha256_regular(folder / name) != digest:
                raise _changed(name, "is not the file that was collected")
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_dir() and name not in manifest.files and name != MANIFEST:
                raise _changed(name, "was added after the collection")
    return folder, manifest


def _changed(name: str, problem: str) -> InfrastructureError:
    return InfrastructureError("data_changed", f"The file submission/{printable(name)} {problem}.")
