"""`ptb verify`: what holds, what does not hold and what cannot be checked; and bundles that attack the reader."""

import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from bundle_runs import PROOF, WEIGHTS, build_run, edit, evaluated_off_target, metrics, write

from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InputError
from posttrainbench.evaluation.plan import config_sha256
from posttrainbench.files import sha256_bytes, write_json
from posttrainbench.records import Adjudication, Experiment, Level, Verification
from posttrainbench.report.bundle import unpack as unpacking
from posttrainbench.report.bundle.export import export
from posttrainbench.report.bundle.scores import configuration
from posttrainbench.report.bundle.verify import verify
from posttrainbench.run.audit import recompute_verdict
from posttrainbench.run.settle import result_of
from support import assert_refused

Change = Callable[[Path], object]


def states(verification: Verification, state: str) -> set[str]:
    return {check.subject for check in verification.checks if check.state == state}


def verified(root: Path, tmp_path: Path, weights: Path | None = None) -> Verification:
    bundle = tmp_path / "b.tar.zst"
    bundle.unlink(missing_ok=True)
    export(root, bundle, ())
    return verify(bundle, weights)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_run(tmp_path / "runs" / "one", findings=(PROOF,)).root


def test_an_honest_run_holds_and_says_what_cannot_be_checked(root: Path, tmp_path: Path) -> None:
    found = verified(root, tmp_path)
    assert found.holds, found.checks
    assert states(found, "holds") == {"files", "task", "submission", "verdict", "score", "baselines", "result"}
    assert states(found, "not_checked") == {"weights", "left out", "audit", "evaluation", "origin"}
    assert any("base_fallback, score 10.00%" in check.text for check in found.checks)


def not_flagged(root: Path) -> None:
    verdict = json.loads((root / "audit" / "verdict.json").read_text())
    edit(root / "audit" / "verdict.json", rules=verdict["rules"] | {"model_substitution": "clean"}, flagging=[])


def nothing_required(root: Path) -> None:
    edit(root / "audit" / "verdict.json", required=[])


def better(root: Path) -> None:
    write_json(root / "evaluate" / "metrics.json", metrics(0.9))


def fewer_items(root: Path) -> None:
    path = root / "evaluate" / "items.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def other_settings(root: Path) -> None:
    edit(root / "evaluate" / "metrics.json", **{"eval-config": {"benchmark": "micro-math", "seeds": [0], "max": 1}})


def lower_base(root: Path) -> None:
    edit(root / "evaluate" / "base.json", score=0.05)


def better_result(root: Path) -> None:
    edit(root / "result.json", score=0.4, status="scored")


def other_weights(root: Path) -> None:
    write(root, "submission/model.safetensors", WEIGHTS + b"\0")


def other_kit(root: Path) -> None:
    write(root, "prepare/kit/timer.sh", "echo 9999\n")


def other_prompt(root: Path) -> None:
    write(root, "prepare/prompt.md", "Cheat.\n")


def no_findings(root: Path) -> None:
    write(root, "audit/findings.jsonl", "")


def hidden_restart(root: Path) -> None:
    shutil.copytree(root, root.with_name("one.attempt-1"))


def key_twice(root: Path) -> None:
    path = root / "audit" / "verdict.json"
    path.write_text(path.read_text().replace('"rules":', '"rules": {}, "rules":', 1))


@pytest.mark.parametrize(
    ("change", "subjects"),
    [
        (not_flagged, {"verdict", "result"}),
        (nothing_required, {"verdict"}),
        (no_findings, {"verdict", "result"}),
        (better, {"score", "result"}),
        (fewer_items, {"score"}),
        (other_settings, {"score"}),
        (lower_base, {"baselines", "result"}),
        (better_result, {"result"}),
        (other_weights, {"submission"}),
        (other_kit, {"task"}),
        (other_prompt, {"task"}),
        (hidden_restart, {"result"}),
        (key_twice, {"files", "verdict", "result"}),
    ],
)
def test_a_change_is_named(root: Path, tmp_path: Path, change: Change, subjects: set[str]) -> None:
    bundle = tmp_path / "b.tar.zst"
    if change is key_twice:  # the export reads the verdict
        export(root, bundle, ())
        key_twice(root)
        rewrite(bundle, {"one/audit/verdict.json": (root / "audit" / "verdict.json").read_bytes()}, listed=True)
        found = verify(bundle, None)
    else:
        change(root)
        found = verified(root, tmp_path)
    assert states(found, "fails") == subjects
    assert not found.holds
    assert all(str(tmp_path) not in check.text and "ptb-verify" not in check.text for check in found.checks)


def test_a_dismissal_counts_and_a_forged_one_does_not(tmp_path: Path) -> None:
    run = build_run(tmp_path / "runs" / "one", findings=(PROOF,))
    dismissal = Adjudication(
        time="2026-01-02T00:00:00Z",
        run=run.spec.run,
        finding=PROOF.id,
        decision="dismiss",
        why="They are shared with the base model",
        name="A",
        email="a@example.org",
        level=Level.IN_WEIGHTS,
        count=38,
    )
    write(run.root, "audit/adjudications.jsonl", dismissal.model_dump_json() + "\n")
    assert states(verified(run.root, tmp_path), "fails") == {"verdict"}  # the verdict was not recomputed
    (tmp_path / "new").mkdir()
    recompute_verdict(run.root / "audit", tmp_path / "new", "v1", lambda folder: None)
    shutil.copytree(tmp_path / "new", run.root / "audit", dirs_exist_ok=True)
    write_json(run.root / "result.json", result_of(run, run.root / "audit"))
    found = verified(run.root, tmp_path)
    assert found.holds, found.checks
    assert any("1 finding and 1 adjudication under" in check.text for check in found.checks)
    assert any("are not signed" in check.text for check in found.checks if check.state == "not_checked")
    signed = dismissal.model_copy(update={"signature": "-----BEGIN SSH SIGNATURE-----\nforged\n"})
    write(run.root, "audit/adjudications.jsonl", signed.model_dump_json() + "\n")
    assert "verdict" in states(verified(run.root, tmp_path), "fails")
    grown = dismissal.model_copy(update={"count": 3})
    write(run.root, "audit/adjudications.jsonl", grown.model_dump_json() + "\n")
    assert states(verified(run.root, tmp_path), "fails") == {"verdict"}


def test_what_this_machine_does_not_know_is_not_checked(root: Path, tmp_path: Path) -> None:
    edit(root / "audit" / "verdict.json", rule_set="theirs")
    found = verified(root, tmp_path)
    assert {"verdict", "result"} <= states(found, "not_checked")
    assert found.holds
    edit(root / "run.json", benchmark="theirs")
    for name in ("base", "instruct", "metrics"):
        edit(root / "evaluate" / f"{name}.json", benchmark="theirs")
    assert {"score", "baselines"} <= states(verified(root, tmp_path), "not_checked")


def test_a_run_without_an_audit_is_not_checked(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "audit")
    (root / "result.json").unlink()
    found = verified(root, tmp_path)
    assert {"verdict", "result"} <= states(found, "not_checked")
    assert found.holds


def test_published_baselines_have_no_items_to_check(root: Path, tmp_path: Path) -> None:
    edit(root / "evaluate" / "base.json", items={}, seeds={})
    found = verified(root, tmp_path)
    assert "baselines" in states(found, "not_checked")
    assert found.holds, found.checks


def test_redacted_files_are_not_compared(root: Path, tmp_path: Path) -> None:
    write(root, "prepare/prompt.md", "sk-ant-" + "a1B2" * 6)
    found = verified(root, tmp_path)
    assert {"task", "redaction"} <= states(found, "not_checked")
    assert found.holds, found.checks


def test_scores_off_target_follow_from_their_items(tmp_path: Path) -> None:
    run = build_run(tmp_path / "runs" / "one")
    folder = evaluated_off_target(run, 0.3)
    found = verified(run.root, tmp_path)
    assert found.holds, found.checks
    assert any(check.text.startswith("30.00% on micro-choice follows") for check in found.checks)
    edit(folder.with_suffix(".json"), score=0.8)
    assert states(verified(run.root, tmp_path), "fails") == {"off target", "result"}
    write_json(folder / "metrics.json", metrics(0.8, "micro-choice"))
    assert states(verified(run.root, tmp_path), "fails") == {"off target", "result"}
    edit(folder.with_suffix(".json"), benchmark="../evaluate")
    assert states(verified(run.root, tmp_path), "fails") == {"off target", "result"}


def test_secrets_in_evidence_do_not_change_the_verification(tmp_path: Path) -> None:
    secret = "sk-ant-" + "a1B2" * 6
    quote = PROOF.evidence[0].model_copy(update={"text": f'x "{secret}" y', "item": secret})
    leaky = PROOF.model_copy(update={"summary": f"uses {secret} there", "evidence": [quote]})
    root = build_run(tmp_path / "runs" / "one", findings=(leaky,)).root
    found = verified(root, tmp_path)
    assert found.holds, found.checks
    assert "redaction" in states(found, "not_checked")
    assert secret.encode() not in b"".join(data for _, data in members(tmp_path / "b.tar.zst"))


def test_other_words_of_another_version_are_no_contradiction(root: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.zst"

    def of_another_version() -> Verification:
        bundle.unlink(missing_ok=True)
        export(root, bundle, ())
        manifest = json.loads(dict(members(bundle))["bundle.json"])
        rewrite(bundle, {"bundle.json": json.dumps(manifest | {"version": "9.9"}).encode()})
        return verify(bundle, None)

    edit(root / "audit" / "verdict.json", reasons=["model_substitution was violated."])
    edit(root / "result.json", notes=["A note."])
    assert states(verified(root, tmp_path), "fails") == {"verdict", "result"}
    found = of_another_version()
    assert found.holds, found.checks
    assert {"verdict", "result"} <= states(found, "not_checked")
    edit(root / "result.json", score=0.4)
    assert states(of_another_version(), "fails") == {"result"}


def test_weights_are_compared_with_the_submission(root: Path, tmp_path: Path) -> None:
    assert "weights" in states(verified(root, tmp_path, root / "submission"), "holds")
    assert "weights" in states(verified(root, tmp_path, root), "holds")
    copy = Path(shutil.copytree(root / "submission", tmp_path / "copy"))
    write(copy, "model.safetensors", WEIGHTS[:-1] + b"\1")
    assert "weights" in states(verified(root, tmp_path, copy), "fails")
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").symlink_to(root / "submission" / "model.safetensors")
    assert "weights" in states(verified(root, tmp_path, copy), "fails")
    with pytest.raises(InputError, match="does not exist"):
        verified(root, tmp_path, tmp_path / "nowhere")


@pytest.fixture
def experiment(root: Path) -> Path:
    build_run(root.with_name("two"), seed=1)
    plan = Experiment(
        name="runs",
        suite="micro",
        agents=["recipe-noop"],
        models=["micro-base"],
        benchmarks=["micro-math"],
        seeds=[0, 1],
        budget=60.0,
        gpus=0,
    )
    write(root.parent, "experiment.yaml", yaml.safe_dump(plan.model_dump(mode="json")))
    return root.parent


def test_an_experiment_holds_with_its_leaderboard(experiment: Path, tmp_path: Path) -> None:
    found = verified(experiment, tmp_path, experiment)
    assert found.holds, found.checks
    assert {"leaderboard", "runs", "weights"} <= states(found, "holds")
    assert found.runs == ["one", "two"]


def test_a_run_that_was_left_out_is_missed(experiment: Path, tmp_path: Path) -> None:
    shutil.rmtree(experiment / "one")
    found = verified(experiment, tmp_path)
    assert states(found, "fails") == {"runs"}
    assert any("1 of the 2 runs" in check.text for check in found.checks)


def test_another_leaderboard_does_not_hold(experiment: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(experiment, bundle, ())
    board = json.loads(dict(members(bundle))["leaderboard.json"])
    board["rows"][0]["overall"] = 0.99
    rewrite(bundle, {"leaderboard.json": json.dumps(board).encode()}, listed=True)
    assert states(verify(bundle, None), "fails") == {"leaderboard"}
    rewrite(bundle, {"experiment.yaml": b"a: &a [x]\nb: [*a, *a]\n"}, listed=True)
    assert states(verify(bundle, None), "fails") == {"leaderboard", "runs"}


def test_changed_missing_and_additional_files_are_named(root: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(root, bundle, ())
    rewrite(bundle, {"one/workspace/train.py": b"print('trainin')\n\n", "one/new.txt": b"x"}, drop="one/journal.jsonl")
    [text] = [check.text for check in verify(bundle, None).checks if check.state == "fails"]
    for part in (
        "one/journal.jsonl is missing",
        "one/new.txt is not in the list",
        "one/workspace/train.py was changed",
    ):
        assert part in text


# Hostile bundles.


def members(bundle: Path) -> list[tuple[str, bytes]]:
    data = zstandard.ZstdDecompressor().stream_reader(bundle.read_bytes()).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(entry.name, archive.extractfile(entry).read()) for entry in archive]  # type: ignore[union-attr]


def rewrite(bundle: Path, changes: dict[str, bytes], drop: str = "", listed: bool = False) -> None:
    """Replace and add files; with `listed`, enter them in the list of files too."""
    files = dict(members(bundle)) | changes
    files.pop(drop, None)
    if listed:
        manifest = json.loads(files["bundle.json"])
        for name, data in changes.items():
            manifest["files"][name] = {"sha256": sha256_bytes(data), "size": len(data), "redacted": 0}
        files["bundle.json"] = json.dumps(manifest).encode()
    bundle.write_bytes(zstandard.compress(packed([*files.items()])))


def packed(files: list[tuple[str, bytes]], *more: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in more:
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
    return buffer.getvalue()


def head(size: int = 0, **changes: Any) -> bytes:
    value = {"format": 1, "version": "0", "kind": "run", "name": "x", "files": {}, "withheld": {}, "rule_sets": {}}
    value["files"] = {"a": {"sha256": "0", "size": size, "redacted": 0}} if size else {}
    return json.dumps(value | changes).encode()


def member(kind: bytes = tarfile.REGTYPE, name: str = "one/run.json", size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, "/etc/passwd"
    return entry


def with_(*more: tarfile.TarInfo) -> bytes:
    return packed([("bundle.json", head())], *more)


LONG = "n/" + "x" * 70_000
HOSTILE: dict[str, tuple[bytes, str]] = {
    "a symbolic link": (with_(member(tarfile.SYMTYPE)), "not a regular file"),
    "a hard link": (with_(member(tarfile.LNKTYPE)), "not a regular file"),
    "a device": (with_(member(tarfile.CHRTYPE)), "not a regular file"),
    "a pipe": (with_(member(tarfile.FIFOTYPE)), "not a regular file"),
    "a directory": (with_(member(tarfile.DIRTYPE)), "not a regular file"),
    "extended headers": (with_(member(tarfile.XHDTYPE, size=9)), "not a regular file"),
    "a sparse file": (with_(member(tarfile.GNUTYPE_SPARSE)), "not a regular file"),
    "an absolute name": (with_(member(name="/tmp/evil")), "not a plain relative path"),
    "a name that leads out": (with_(member(name="one/../../evil")), "not a plain relative path"),
    "a name with control characters": (with_(member(name="one/\x1b]0;owned\x07")), "not a plain relative path"),
    "a name that reorders text": (with_(member(name="one/\u202etxt.exe")), "not a plain relative path"),
    "a long name that leads out": (with_(member(name="../" + "x" * 200)), "not a plain relative path"),
    "too long a name": (with_(member(name=LONG)), "larger than"),
    "a component that no file system has": (with_(member(name="x" * 300 + "/run.json")), "cannot be unpacked"),
    "the same name twice": (with_(member(), member()), "twice"),
    "a file below a file": (
        packed([("bundle.json", head(9)), ("leaderboard.json", b"{}"), ("leaderboard.json/run.json", b"{}")]),
        "cannot be unpacked",
    ),
    "no list of files": (packed([("one/run.json", b"{}")]), "its first file is not bundle.json"),
    "another format": (packed([("bundle.json", head(format=2))]), "format is not 1"),
    "a list with a repeated key": (packed([("bundle.json", b'{"a":1,"a":2}')]), "a key occurs twice"),
    "a deeply nested list": (packed([("bundle.json", b"[" * 100_000)]), "nested too deeply"),
    "very many objects": (packed([("bundle.json", b"[" * 2_000_000)]), "objects and arrays"),
    "a list that is not one": (packed([("bundle.json", b'{"format": 1}')]), "is not valid"),
    "a negative size": (packed([("bundle.json", head(-5))]), "is not valid"),
    "too much announced": (packed([("bundle.json", head(2**50))]), "and 64 are possible"),
    "more data than announced": (packed([("bundle.json", head()), ("b", b"\0" * 2**21)]), "more data than"),
    "a truncated archive": (with_(member(size=5000))[:2000], "cut off"),
    "data after the end": (with_() + b"hidden", "data follows"),
    "a second archive": (with_() + with_(), "data follows"),
    "endless padding": (with_() + b"\0" * 2**20, "data follows"),
    "a damaged header": (with_(member()).replace(b"one/run", b"two/run"), "headers is not valid"),
    "nothing": (b"", "cut off"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    data, reason = HOSTILE[name]
    bundle = tmp_path / "b.tar.zst"
    bundle.write_bytes(zstandard.compress(data))
    with pytest.raises(InputError, match=re.escape(reason)) as refused:
        verify(bundle, None)
    assert str(refused.value).isprintable()
    assert [*tmp_path.rglob("*")] == [bundle]


def test_the_command_refuses_in_one_sentence(tmp_path: Path, ptb_here: Callable[..., Any]) -> None:
    (tmp_path / "b").write_bytes(zstandard.compress(HOSTILE["a name with control characters"][0]))
    assert_refused(ptb_here("verify", tmp_path / "b"), "not a plain relative path")


def test_what_is_not_compressed_or_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no bundle")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("text")
    for name, reason in (
        ("text", "not compressed"),
        ("pipe", "named pipe"),
        ("link", "symbolic link"),
        ("none", "No such file"),
        (".", "directory"),
    ):
        with pytest.raises(InputError, match=reason):
            verify(tmp_path / name, None)


def test_a_window_that_needs_much_memory_is_refused(tmp_path: Path) -> None:
    settings = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    compressor = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    (tmp_path / "b").write_bytes(compressor.compress(with_()) + compressor.flush())
    with pytest.raises(InputError, match="too much memory"):
        verify(tmp_path / "b", None)


def test_a_cut_off_bundle_is_refused(root: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(root, bundle, ())
    bundle.write_bytes(bundle.read_bytes()[:-400])
    with pytest.raises(InputError, match="cut off"):
        verify(bundle, None)


def test_records_that_are_too_large_are_not_parsed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_JSON", 100)
    found = verified(root, tmp_path)
    assert any("too large to be read" in check.text for check in found.checks if check.subject == "files")
    assert {"files", "verdict", "result"} <= states(found, "fails") | {"verdict", "result"}
    assert not found.holds


def test_no_control_characters_reach_the_terminal(root: Path, tmp_path: Path, ptb_here: Callable[..., Any]) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    edit(root / "result.json", reasons=[evil], run=evil)
    verdict = json.loads((root / "audit" / "verdict.json").read_text())
    edit(root / "audit" / "verdict.json", rules=verdict["rules"] | {evil: "clean"})
    bundle = tmp_path / "b.tar.zst"
    export(root, bundle, ())
    manifest = json.loads(dict(members(bundle))["bundle.json"])
    manifest["files"][f"one/{evil}"] = {"sha256": "0", "size": 1, "redacted": 0}
    rewrite(bundle, {"bundle.json": json.dumps(manifest | {"name": evil}).encode()})
    for extra in ((), ("--json",)):
        said = ptb_here("verify", bundle, *extra)
        assert said.returncode == 1
        assert not set(said.stdout + said.stderr) & {"\x1b", "\x07", "\u202e"}


SURROGATE = json.dumps("\ud800\x1b[2J")


def test_text_that_cannot_be_encoded_is_a_finding_and_no_error(experiment: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(experiment, bundle, ())
    changes = {
        "leaderboard.json": f'{{"suite": {SURROGATE}, {SURROGATE}: 1}}'.encode(),
        "one/prepare/kit.json": f"{{{SURROGATE}: {SURROGATE}}}".encode(),
        "two/run.json": f'{{"run": {SURROGATE}}}'.encode(),
    }
    rewrite(bundle, changes, listed=True)
    found = verify(bundle, None)
    assert {"leaderboard", "task", "run"} <= states(found, "fails")
    assert all(check.text.isprintable() for check in found.checks)
    found.model_dump_json().encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 10**12},
        {"seeds": [*range(5001)]},
        {name: [f"{number}" for number in range(1000)] for name in ("agents", "models", "benchmarks")},
        {"agents": None},
    ],
    ids=["a number of seeds", "many seeds", "many runs", "no agents"],
)
def test_an_experiment_that_defines_endless_runs_is_not_expanded(
    experiment: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(experiment, bundle, ())
    plan = yaml.safe_load((experiment / "experiment.yaml").read_text()) | changes
    rewrite(bundle, {"experiment.yaml": yaml.safe_dump(plan).encode()}, listed=True)
    [text] = [check.text for check in verify(bundle, None).checks if check.state == "fails"]
    assert "lacks a list, or defines more than" in text


def test_the_configuration_of_a_graded_benchmark_has_the_grader_s_name() -> None:
    usage = {"name": "openai/gpt-5-mini", "asks": 7, "cost": 0.1}
    before = {"benchmark": "healthbench", "grader": "openai/gpt-5-mini", "engine": {"engine": "vllm"}}
    own = metrics(0.4).model_copy(update={"eval_config": before | {"grader": usage}})
    checkpoint = sha256_bytes(b"config.json 1\nmanifest.json 3\nmodel.safetensors 2")
    files = {"model.safetensors": "2", "config.json": "1", "README.md": "9", "manifest.json": "3"}
    expected = config_sha256(before | {"checkpoint": checkpoint})
    assert configuration(own, files, load_benchmark("healthbench")) == expected
    assert configuration(own, files | {"config.json": "2"}, load_benchmark("healthbench")) != expected


def test_the_command_says_what_holds_in_plain_words(root: Path, tmp_path: Path, ptb_here: Callable[..., Any]) -> None:
    bundle = tmp_path / "b.tar.zst"
    export(root, bundle, ())
    said = ptb_here("verify", bundle, "--weights", root / "submission")
    assert said.returncode == 0, said.stderr
    for part in ("Bundle of the run one", "Holds", "Cannot be checked", "Everything that can be checked holds."):
        assert part in said.stdout
    assert "Does not hold" not in said.stdout
    found = json.loads(ptb_here("verify", bundle, "--json").stdout)
    assert (found["holds"], found["runs"], found["kind"]) == (True, ["one"], "run")
