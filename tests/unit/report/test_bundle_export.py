"""`ptb export`: what a bundle contains, that its bytes are determined, and that no secret and no half file is left."""

import fcntl
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_runs import WEIGHTS, build_run, write

from posttrainbench.errors import InputError
from posttrainbench.files import sha256_bytes
from posttrainbench.records import Status
from posttrainbench.report.bundle import export as exporting
from posttrainbench.report.bundle.export import Exported, export
from posttrainbench.report.bundle.unpack import unpack

SHAPED = "sk-ant-" + "a1B2" * 6
OWN = 'pass"wörd/4711-mine'
SEVERAL = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_run(tmp_path / "runs" / "one").root


def written(root: Path, out: Path, secrets: tuple[str, ...] = ()) -> Exported:
    return export(root, out, secrets)


def texts(bundle: Path, folder: Path) -> dict[str, bytes]:
    """Return the files of a bundle as `tar` unpacks them."""
    folder.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", folder], check=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_but_weights_is_in_the_bundle_and_weights_are_named_with_their_hashes(
    root: Path, tmp_path: Path
) -> None:
    write(root, "workspace/cache.pkl", b"\x80\x04\x95\x00.")
    (root / "workspace" / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "workspace" / "pipe")
    exported = written(root, tmp_path / "b.tar.zst")
    files = texts(tmp_path / "b.tar.zst", tmp_path / "out")
    assert (
        files.pop("bundle.json")
        == json.dumps(exported.manifest.model_dump(mode="json"), indent=1, ensure_ascii=False).encode() + b"\n"
    )
    here = {
        f"one/{path.relative_to(root)}": path for path in root.rglob("*") if path.is_file() and not path.is_symlink()
    }
    weights = {name for name in here if name.endswith(".safetensors")}
    assert files == {
        name: path.read_bytes()
        for name, path in here.items()
        if name not in weights and name not in ("one/lock", "one/workspace/cache.pkl")
    }
    withheld = exported.manifest.withheld
    assert {name: file.sha256 for name, file in withheld.items() if file.weights} == dict.fromkeys(
        weights, sha256_bytes(WEIGHTS)
    )
    assert "not text" in withheld["one/workspace/cache.pkl"].reason
    assert withheld["one/workspace/cache.pkl"].sha256 == sha256_bytes(b"\x80\x04\x95\x00.")
    assert withheld["one/workspace/link"].reason == "symbolic link, not opened"
    assert withheld["one/workspace/pipe"].reason == "named pipe, not opened"


def test_the_same_files_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    first = written(root, tmp_path / "a.tar.zst")
    elsewhere = Path(shutil.copytree(root, tmp_path / "elsewhere" / "one"))
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert written(elsewhere, tmp_path / "b.tar.zst").sha256 == first.sha256
    write(elsewhere, "workspace/train.py", "print('other')\n")
    assert written(elsewhere, tmp_path / "c.tar.zst").sha256 != first.sha256


@pytest.mark.parametrize(
    "text",
    [
        f"key {SHAPED} end",
        f"the key is {OWN}!",
        json.dumps({"line": f"x {OWN}"}),
        json.dumps({"key": SEVERAL}),
        SEVERAL,
    ],
    ids=["a common shape", "own", "own in JSON", "own lines in JSON", "own lines"],
)
def test_secrets_are_redacted_and_counted(root: Path, tmp_path: Path, text: str) -> None:
    write(root, "workspace/notes.txt", f"before\n{text}\nafter sk-learn-based-models and keys\n")
    exported = written(root, tmp_path / "b.tar.zst", (OWN, SEVERAL))
    note = texts(tmp_path / "b.tar.zst", tmp_path / "out")["one/workspace/notes.txt"].decode()
    assert note.startswith("before\n")
    assert note.endswith("\nafter sk-learn-based-models and keys\n")
    assert "[redacted]" in note
    for part in (SHAPED, OWN, json.dumps(OWN)[1:-1], "MIIEvQIBADANBgkqhkiG9w0"):
        assert part not in note
    assert exported.manifest.files["one/workspace/notes.txt"].redacted >= 1
    assert exported.manifest.files["one/workspace/train.py"].redacted == 0


def test_a_secret_in_a_name_is_redacted(root: Path, tmp_path: Path) -> None:
    write(root, f"workspace/{SHAPED}.txt", "text\n")
    write(root, f"workspace/{SHAPED.replace('a1', 'a2')}.txt", "other\n")
    files = texts(written(root, tmp_path / "b.tar.zst").path, tmp_path / "out")
    assert {files["one/workspace/[redacted].txt"], files["one/workspace/[redacted].txt (2)"]} == {b"text\n", b"other\n"}


def test_a_log_with_a_secret_is_left_out_and_one_without_is_not(root: Path, tmp_path: Path) -> None:
    logs = root / "evaluate" / "logs"
    with zipfile.ZipFile(logs / "leaky.eval", "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("samples/1.json", f'{{"answer": "{SHAPED}"}}')
    (logs / "broken.eval").write_bytes(b"PK\x03\x04")
    shutil.copy(logs / "micro-math-seed0.eval", root / "workspace" / "own.eval")
    write(root, "workspace/text.eval", "text\n")
    manifest = written(root, tmp_path / "b.tar.zst").manifest
    assert "one/evaluate/logs/micro-math-seed0.eval" in manifest.files
    assert "contains a secret" in manifest.withheld["one/evaluate/logs/leaky.eval"].reason
    assert "not text" in manifest.withheld["one/workspace/own.eval"].reason  # the agent's archives are not opened
    assert "one/workspace/text.eval" in manifest.files
    assert "cannot be searched" in manifest.withheld["one/evaluate/logs/broken.eval"].reason


def test_a_log_with_the_compression_of_inspect_is_searched(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("zipfile_zstd")
    for name, text in (("leaky", SHAPED), ("clean", "42")):
        with zipfile.ZipFile(root / "evaluate" / "logs" / f"{name}.eval", "w", 93) as log:
            log.writestr("samples/1.json", f'{{"answer": "{text}"}}')
    manifest = written(root, tmp_path / "b.tar.zst").manifest
    assert "one/evaluate/logs/clean.eval" in manifest.files
    assert "contains a secret" in manifest.withheld["one/evaluate/logs/leaky.eval"].reason


def test_names_of_any_kind_survive(root: Path, tmp_path: Path) -> None:
    folder = root / "workspace" / "x"
    folder.mkdir()
    names = ["a\x1b[31m.txt", "b\n.txt", "d" * 200 + ".txt", "grün.txt", " "]
    for name in names:
        write(folder, name, name)
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt"))).write_text("undecodable")
    write(folder, "/".join(["deep" * 40] * 4) + "/file.txt", "deep")
    bundle = written(root, tmp_path / "b.tar.zst").path
    inside = unpack(bundle, tmp_path).files
    assert len([name for name in inside if name.startswith("one/workspace/x/")]) == 7
    assert all(name.isprintable() for name in inside)


def test_an_earlier_attempt_belongs_to_the_run(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, root.with_name("one.attempt-1"))
    shutil.copytree(root, root.with_name("one.attempt-x"))
    files = written(root, tmp_path / "b.tar.zst").manifest.files
    assert {name.partition("/")[0] for name in files} == {"one", "one.attempt-1"}


def test_an_experiment_has_its_runs_its_own_files_and_a_leaderboard(root: Path, tmp_path: Path) -> None:
    build_run(root.with_name("two"), seed=1)
    write(root.parent, "experiment.yaml", "name: runs\n")
    manifest = written(root.parent, tmp_path / "b.tar.zst").manifest
    tops = {name.partition("/")[0] for name in manifest.files}
    assert (manifest.kind, manifest.name, tops) == (
        "experiment",
        "runs",
        {"one", "two", "experiment.yaml", "leaderboard.json"},
    )


def test_several_experiments_are_refused(root: Path, tmp_path: Path) -> None:
    build_run(tmp_path / "other" / "two")
    with pytest.raises(InputError, match="is not a single experiment"):
        written(tmp_path, tmp_path / "b.tar.zst")


def test_an_existing_file_and_one_inside_the_run_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tar.zst").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        written(root, tmp_path / "b.tar.zst")
    assert (tmp_path / "b.tar.zst").read_text() == "mine"
    with pytest.raises(InputError, match="inside the directory"):
        written(root, root / "b.tar.zst")
    with pytest.raises(InputError, match="is not a directory that can be written"):
        written(root, tmp_path / "missing" / "b.tar.zst")


def test_a_run_that_is_being_worked_on_is_refused(root: Path, tmp_path: Path) -> None:
    with (root / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="still being worked on"):
            written(root, tmp_path / "b.tar.zst")
    written(root, tmp_path / "b.tar.zst")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_export_leaves_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    real: Callable[..., None] = exporting._add_content
    calls: list[Any] = []

    def interrupted(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 5:
            raise error
        real(*arguments)

    monkeypatch.setattr(exporting, "_add_content", interrupted)
    before = {*tmp_path.rglob("*")}
    with pytest.raises(error):
        written(root, tmp_path / "b.tar.zst")
    assert {*tmp_path.rglob("*")} == before


def test_a_file_that_changes_during_the_export_stops_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = exporting._manifest

    def changed(*arguments: Any) -> Any:
        write(root, "workspace/train.py", "print('traininG')\n")
        return real(*arguments)

    monkeypatch.setattr(exporting, "_manifest", changed)
    with pytest.raises(InputError, match=r"train\.py changed during the export"):
        written(root, tmp_path / "b.tar.zst")
    assert not [*tmp_path.glob("*.zst*"), *tmp_path.glob(".*")]


def test_the_command_redacts_secrets_of_the_environment(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ptb_here: Callable[..., Any]
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "violet-horse-17-battery")
    write(root, "solve/output.jsonl", '{"line": "violet-horse-17-battery"}\n')
    said = ptb_here("export", root, "--json", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    summary = json.loads(said.stdout)
    assert (summary["path"], summary["redacted"], summary["weights"]) == ("one.tar.zst", 1, 2)
    assert b"violet" not in texts(tmp_path / "one.tar.zst", tmp_path / "out")["one/solve/output.jsonl"]
    assert ptb_here("export", root, cwd=tmp_path).returncode == 2
    assert Status.SCORED.value in (root / "result.json").read_text()
