"""`ptb export FORMAT RUN`: the trajectory for other tools, written by their own converters."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from posttrainbench.cli.app import app
from posttrainbench.cli.bundles import FORMATS
from posttrainbench.errors import InputError
from posttrainbench.report.exchange import trajectory_export
from posttrainbench.report.exchange.trajectory_export import export_trajectory
from posttrainbench.run import Run
from run_pages import write_full_run
from trajectory_recordings import make_recorded_run, problems

KEY = "hf_" + "a1" * 17


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(make_recorded_run(tmp_path / "runs" / "one", ["first", ("stderr", f"a key {KEY}"), "own-secret-12"]))


def test_atif_is_valid_and_without_secrets(run: Run, tmp_path: Path) -> None:
    written = export_trajectory(run, "atif", tmp_path / "out.json", ["own-secret-12"])
    made = json.loads(written.path.read_bytes())
    assert problems(made) == []
    assert written.redacted == 2 or "[redacted]" in written.path.read_text()
    text = written.path.read_text()
    assert "first" in text
    assert KEY not in text
    assert "own-secret-12" not in text


def test_a_trajectory_without_secrets_is_unchanged(tmp_path: Path) -> None:
    root = write_full_run(tmp_path / "one", "words")
    written = export_trajectory(Run(root), "atif", tmp_path / "out.json", ())
    assert written.path.read_bytes() == (root / "solve" / "trajectory.json").read_bytes()
    assert written.redacted == 0


def test_nothing_is_replaced_and_links_are_not_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("there", "dangling"):
        with pytest.raises(InputError, match="already exists"):
            export_trajectory(run, "atif", tmp_path / name, ())
    with pytest.raises(InputError, match="not a directory"):
        export_trajectory(run, "atif", tmp_path / "absent" / "file", ())
    (run.root / "solve" / "output.jsonl").rename(tmp_path / "output.jsonl")
    (run.root / "solve" / "output.jsonl").symlink_to(tmp_path / "output.jsonl")
    with pytest.raises(InputError, match="symbolic link"):
        export_trajectory(run, "atif", tmp_path / "out.json", ())
    assert not (tmp_path / "out.json").exists()


def test_a_missing_or_failing_converter_is_one_clear_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, out: Path, __: dict[str, Any]) -> None:
        out.mkdir()
        (out / "half").write_text("")
        raise ValueError("no images")

    monkeypatch.setattr(trajectory_export, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'posttrainbench\[docent\]'"):
        export_trajectory(run, "docent", tmp_path / "out", ())
    monkeypatch.setitem(
        trajectory_export.FORMATS, "scout", trajectory_export.Format(".scout", "no_such_package", (9, 0), refuse)
    )
    with pytest.raises(InputError, match=r"needs Python 9\.0"):
        export_trajectory(run, "scout", tmp_path / "out", ())
    monkeypatch.setitem(trajectory_export.FORMATS, "scout", trajectory_export.Format(".scout", "", (3, 11), refuse))
    with pytest.raises(InputError, match="no images"):
        export_trajectory(run, "scout", tmp_path / "out", ())
    assert not (tmp_path / "out").exists()


def test_the_number_of_arguments_tells_bundle_and_trajectory_apart(run: Run, tmp_path: Path) -> None:
    assert tuple(trajectory_export.FORMATS) == FORMATS
    run.root.rename(run.root.with_name("atif"))
    place = str(run.root.with_name("atif"))
    done = CliRunner().invoke(app, ["export", "atif", place, "--out", str(tmp_path / "t.json"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["format"] == "atif"
    done = CliRunner().invoke(app, ["export", place, "--out", str(tmp_path / "b.tar.zst"), "--json"])
    assert json.loads(done.output)["files"] > 0  # a run whose directory has the name of a format
    for arguments, message in {
        ("atif", place, place): "Give one run or experiment",
        (place, place): "Give one run or experiment",
        ("atfi", place): r"Unknown format `atfi`; did you mean `atif`\?",
        ("nope", place): "Unknown format `nope`; choose from atif, docent, scout, otel",
        (place, "otel"): "Give the format before the run: ptb export otel",
        ("scout",): "Give the run whose trajectory is to be written: ptb export scout RUN",
    }.items():
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False)


def test_redacted_lines_are_counted_only_if_there_are_any(run: Run, tmp_path: Path) -> None:
    place = str(run.root)
    text = CliRunner().invoke(app, ["export", "atif", place, "--out", str(tmp_path / "t.json")]).output
    assert "the trajectory as atif; secrets were redacted in 1 line\n" in text
    clean = make_recorded_run(tmp_path / "clean", ["first"])
    text = CliRunner().invoke(app, ["export", "atif", str(clean), "--out", str(tmp_path / "c.json")]).output
    assert text.endswith("the trajectory as atif\n")


def test_docent_reads_it(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("docent")
    from docent.data_models import AgentRun

    written = export_trajectory(run, "docent", tmp_path / "out.json", ())
    read = AgentRun.model_validate_json(written.path.read_bytes())
    assert "first" in str(read.transcripts[0].messages)
    assert read.metadata["posttrainbench"]["run"] == run.spec.run
    whole = Run(write_full_run(tmp_path / "two", "words"))
    with pytest.raises(InputError, match="subagent"):  # its converter refuses what its format cannot represent
        export_trajectory(whole, "docent", tmp_path / "other.json", ())


def test_otel_spans_are_complete(tmp_path: Path) -> None:
    pytest.importorskip("harbor_atif2otel")
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    run = Run(write_full_run(tmp_path / "one", "words"))
    written = export_trajectory(run, "otel", tmp_path / "out.pb", ())
    data = TracesData.FromString(written.path.read_bytes())
    spans = [span for resource in data.resource_spans for scope in resource.scope_spans for span in scope.spans]
    steps = json.loads((run.root / "solve" / "trajectory.json").read_bytes())["steps"]
    assert len(spans) > sum(step["source"] == "agent" for step in steps)
    assert len({span.trace_id for span in spans}) == 1


def test_scout_reads_it(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("inspect_scout")
    pytest.importorskip("harbor")
    import asyncio

    from inspect_scout import transcripts_db

    written = export_trajectory(run, "scout", tmp_path / "out.scout", ())

    async def read() -> dict[str, str | None]:
        async with transcripts_db(str(written.path)) as database:
            return await database.transcript_ids()

    assert len(asyncio.run(read())) == 1
