"""`ptb import` on small results trees in each form of the original, and on hostile ones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from original_results import AGENT, EVENTS, PARSED, RUN, compressed, lines, write_run
from posttrainbench import catalog
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.policy import decide
from posttrainbench.audit.provenance.detector import detect
from posttrainbench.catalog import RuleSet
from posttrainbench.cli.app import app
from posttrainbench.errors import InputError
from posttrainbench.records import Coverage, Finding, ImportedRun, Stage, Status, Verdict
from posttrainbench.report.original import files as original_files
from posttrainbench.report.original import trace as original_trace
from posttrainbench.report.original import workspace as original_workspace
from posttrainbench.report.original.importing import Contents, read_results
from posttrainbench.run import Run
from posttrainbench.run import audit as audit_stage
from posttrainbench.run.rerun import rerun_stage
from posttrainbench.run.summary import summarize


def read(results: Path, out: Path | None = None) -> Contents:
    return read_results(results, catalog.suites()["v1"], out)


def one(results: Path) -> ImportedRun:
    [entry] = read(results).entries
    return entry.imported


def flags(imported: ImportedRun) -> dict[str, bool | None]:
    return {judgement.rule: judgement.flagged for judgement in imported.judgements}


def unread(imported: ImportedRun) -> dict[str, str]:
    return {entry.path: entry.reason for entry in imported.unread}


def imported_run(tmp_path: Path, **files: Any) -> Run:
    write_run(tmp_path / "results", **files)
    [entry] = read(tmp_path / "results", tmp_path / "out").entries
    return Run(tmp_path / "out" / entry.run)


def trajectory(run: Run) -> dict[str, Any]:
    return json.loads((run.root / "solve" / "trajectory.json").read_text())  # type: ignore[no-any-return]


def test_a_run_is_imported_and_never_counts(tmp_path: Path) -> None:
    run = imported_run(tmp_path, **{"judgement_gpt5_4--json": {"contamination": True, "disallowed_model": False}})
    spec, result = run.spec, run.result()
    assert (spec.agent.name, spec.model, spec.benchmark) == (AGENT, "Qwen3-1.7B-Base", "gsm8k")
    assert (spec.budget, spec.suite, spec.engine) == (36000, "v1", "imported")
    assert result is not None
    assert (result.status, result.score, result.raw_score) == (Status.NOT_AUDITED, None, 0.5)
    assert set(result.verdict.values()) == {"not_checked"}
    assert "The original's judgement on contamination: flagged." in result.notes
    assert run.next_stage() is None
    summary = summarize(run.root)
    assert (summary.state, summary.agent_state, summary.problem) == ("not_audited", "imported", "")
    assert summary.elapsed == 36300
    imported = ImportedRun.model_validate_json((run.root / "imported.json").read_bytes())
    assert (imported.exit_code, imported.seconds, imported.stderr) == (124, 36300, None)
    assert (imported.working_directory, imported.trace) == ("/home/ben/task", "solve_out.txt")
    assert (run.workspace / "train.py").read_text() == "print('train')\n"
    assert set(json.loads((run.root / "prepare" / "kit.json").read_text())) == {"evaluate.py", "timer.sh"}


def test_the_trace_of_events_without_times_has_no_timestamps(tmp_path: Path) -> None:
    steps = trajectory(imported_run(tmp_path))["steps"]
    assert not any("timestamp" in step for step in steps)
    [turn] = [step for step in steps if step["source"] == "agent"]
    assert turn["message"] == "I look at the files."
    assert turn["tool_calls"][0]["arguments"] == {"command": "ls"}
    assert turn["observation"]["results"][0]["content"] == "evaluate.py"


def test_times_of_events_are_kept(tmp_path: Path) -> None:
    timed = [
        event | {"_wall_ts": 1773857050.0 + 10 * number} if isinstance(event, dict) else event
        for number, event in enumerate(EVENTS)
    ]
    run = imported_run(tmp_path, **{"solve_out--txt": None, "solve_out--jsonl": lines(timed)})
    [turn] = [step for step in trajectory(run)["steps"] if step["source"] == "agent"]
    assert turn["timestamp"].startswith("2026-03-18T18:04:30")
    assert ImportedRun.model_validate_json((run.root / "imported.json").read_bytes()).timed


@pytest.mark.parametrize("name", ["solve_parsed--txt", "solve_parsed--txt--gz"])
def test_the_text_form_of_a_trace(name: str, tmp_path: Path) -> None:
    text = compressed(PARSED) if name.endswith("gz") else PARSED
    steps = trajectory(imported_run(tmp_path, **{"solve_out--txt": None, name: text}))["steps"]
    [turn] = [step for step in steps if step["source"] == "agent"]
    assert turn["message"] == "I look at the files."
    assert turn["extra"] == {"time": "18:04:10"}
    assert turn["tool_calls"][0]["function_name"] == "Bash"
    assert turn["tool_calls"][0]["arguments"] == {"command": "ls"}
    assert turn["observation"]["results"][0]["content"] == "evaluate.py"
    assert [step["message"] for step in steps if step["source"] == "system"] == [
        "Session start — 1234",
        "System event — compact_boundary",
        "Result — success\ndone",
    ]


def test_a_trace_of_unknown_form_is_listed_and_another_form_is_used(tmp_path: Path) -> None:
    write_run(tmp_path, **{"solve_out--txt": '{"type": "of another scaffold"}\n', "solve_parsed--txt": PARSED})
    imported = one(tmp_path)
    assert imported.trace == "solve_parsed.txt"
    assert "form is unknown" in unread(imported)["solve_out.txt"]


def test_ptb_trace_shows_an_imported_run(tmp_path: Path) -> None:
    run = imported_run(tmp_path)
    shown = CliRunner().invoke(app, ["trace", str(run.root)])
    assert shown.exit_code == 0
    assert "I look at the files." in shown.output
    asked = CliRunner().invoke(app, ["trace", str(run.root), "--json", "--grep", "look at"])
    assert "timestamp" not in json.loads(asked.output.splitlines()[0])


# --- judgements ---

GPT = "judgement_gpt5_4"
RUNS = "judgement_multi_runs__judgement_gpt5_4"


def verdicts(**values: Any) -> dict[str, Any]:
    return {f"{name}--json": {"contamination": value, "disallowed_model": False} for name, value in values.items()}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, None),
        ({"contamination_judgement--txt": "contamination detected\n"}, True),
        ({"contamination_judgement--txt": "no contamination detected"}, False),
        ({"contamination_judgement--txt": "probably no contamination detected"}, None),
        (verdicts(**{GPT: True}), True),
        (verdicts(**{GPT: "false"}), None),
        (verdicts(**{GPT: True}) | {"contamination_judgement--txt": "no contamination detected"}, True),
        (verdicts(**{GPT: True, f"{GPT}_manual": False}), False),
        (verdicts(**{GPT: True, f"{GPT}_manual": "yes"}), None),
        (verdicts(**{GPT: True, f"{GPT}_rerun": False}), False),
        (verdicts(**{GPT: True, f"{RUNS}_run2": False, f"{RUNS}_run3": False}), False),
        (verdicts(**{GPT: True, f"{RUNS}_run2": False}), None),
        (verdicts(**{GPT: True, f"{RUNS}_run2": None, f"{RUNS}_run3": True}), True),
        ({f"{GPT}--json": '{"contamination": false, "contamination": true}'}, None),
        ({f"{GPT}--json": "not json"}, None),
    ],
)
def test_precedence_of_judgements(written: dict[str, Any], expected: bool | None, tmp_path: Path) -> None:
    write_run(tmp_path, **written)
    imported = one(tmp_path)
    assert flags(imported)["contamination"] is expected
    [judgement] = [judgement for judgement in imported.judgements if judgement.rule == "contamination"]
    assert bool(judgement.reason) == (expected is None)


def test_other_judgements_and_reversed_ones(tmp_path: Path) -> None:
    write_run(
        tmp_path,
        **{
            "disallowed_model_judgement--txt": "no disallowed use detected",
            "judgement_api--json": {"disallowed_api_usage": True},
            "judgement_general--json": {"general_anomaly": False},
        },
    )
    assert flags(one(tmp_path)) == {
        "contamination": None,
        "disallowed_model": False,
        "disallowed_api_usage": True,
        "disallowed_ptb_lookup": None,
        "general_anomaly": False,
    }


# --- names, limits and small files ---


def test_names_are_matched_and_others_listed(tmp_path: Path) -> None:
    write_run(tmp_path, run="gsm8k_Qwen_Qwen3-1.7B-Base_17286011_g3")
    write_run(tmp_path, run="gsm8k_Qwen_Qwen3-1.7B-Base_17286012")
    write_run(
        tmp_path, agent="codex_gpt-5_high_1h_run3", run="bfcl_google_gemma-3-4b-pt_1", **{"task__timer--sh": None}
    )
    write_run(tmp_path, run="gsm8k_Qwen_Qwen3-8B_1")
    (tmp_path / "baseline.csv").write_text("")
    contents = read(tmp_path)
    assert [(entry.model, entry.budget) for entry in contents.entries] == [
        ("Qwen3-1.7B-Base", 36000),
        ("Qwen3-1.7B-Base", 36000),
        ("gemma-3-4b-pt", 3600),
    ]
    assert {entry.path for entry in contents.unread} == {f"{AGENT}/gsm8k_Qwen_Qwen3-8B_1", "baseline.csv"}


@pytest.mark.parametrize(
    ("agent", "timer", "budget", "source"),
    [
        (AGENT, "NUM_HOURS=1", 36000, "path"),
        ("claude_opus", "NUM_HOURS=5\n", 18000, "task/timer.sh"),
        ("claude_opus", "echo NUM_HOURS", None, "path"),
        ("claude_opus_0h", None, None, "path"),
    ],
)
def test_time_limit(agent: str, timer: str | None, budget: float | None, source: str, tmp_path: Path) -> None:
    write_run(tmp_path / "results", agent=agent, **{"task__timer--sh": timer})
    [entry] = read(tmp_path / "results", tmp_path / "out").entries
    assert (entry.budget, entry.imported.budget_from) == (budget, source)
    assert bool(entry.problem) == (budget is None)
    assert len(list((tmp_path / "out").iterdir())) == (budget is not None)


@pytest.mark.parametrize(
    ("metrics", "accuracy", "reason"),
    [
        ({"accuracy": 0.25, "stderr": 0.01}, 0.25, ""),
        (None, None, "does not exist"),
        ({"accuracy": True}, None, "`accuracy`"),
        ({"accuracy": 25.0}, None, "`accuracy`"),
        ('{"accuracy": NaN}', None, "`accuracy`"),
        ('{"accuracy": 1e999}', None, "`accuracy`"),
        ("[" * 50_000, None, "JSON"),
        (b"\xff\xfe", None, "JSON"),
        ({"accuracy": 0.25, "stderr": "x"}, 0.25, "`stderr`"),
    ],
)
def test_metrics(metrics: Any, accuracy: float | None, reason: str, tmp_path: Path) -> None:
    write_run(tmp_path, **{"metrics--json": metrics})
    imported = one(tmp_path)
    assert imported.accuracy == accuracy
    assert reason in unread(imported).get("metrics.json", "")


def test_a_damaged_time_is_unknown(tmp_path: Path) -> None:
    write_run(tmp_path, **{"time_taken--txt": "ten hours"})
    assert one(tmp_path).seconds is None


# --- hostile trees ---


def test_links_pipes_and_secrets(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "metrics.json").write_text('{"accuracy": 1}')
    (secret / "solve_out.txt").write_text(lines(EVENTS))
    write_run(secret, agent="a_b_1h")
    root = write_run(tmp_path / "results", **{"metrics--json": None, "solve_out--txt": None, "prompt--txt": None})
    (root / "metrics.json").symlink_to(secret / "metrics.json")
    (root / "solve_out.txt").symlink_to(secret / "solve_out.txt")
    (root / "judgement_multi_runs").symlink_to(secret)
    os.mkfifo(root / "prompt.txt")
    (root / "task" / "link").symlink_to(secret, target_is_directory=True)
    (root / "task" / "templates").symlink_to(secret, target_is_directory=True)
    (tmp_path / "results" / "c_d_1h").symlink_to(secret / "a_b_1h", target_is_directory=True)
    contents = read(tmp_path / "results", tmp_path / "out")
    [entry] = contents.entries
    assert entry.imported.accuracy is None
    assert entry.imported.trace == ""
    listed = unread(entry.imported)
    assert {"metrics.json", "solve_out.txt", "prompt.txt", "task/link", "task/templates"} <= listed.keys()
    assert [each.path for each in contents.unread] == ["c_d_1h"]
    written = tmp_path / "out" / entry.run
    assert sorted(path.name for path in (written / "workspace").iterdir()) == ["evaluate.py", "timer.sh", "train.py"]
    assert not any(path.is_symlink() for path in written.rglob("*"))
    assert not (written / "solve" / "output.jsonl").exists()


def test_a_task_directory_that_is_a_link_is_not_copied(tmp_path: Path) -> None:
    root = write_run(
        tmp_path / "results", **dict.fromkeys(["task__timer--sh", "task__evaluate--py", "task__train--py"])
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("")
    (root / "task").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    [entry] = read(tmp_path / "results", tmp_path / "out").entries
    assert list((tmp_path / "out" / entry.run / "workspace").iterdir()) == []
    assert "task" in unread(entry.imported)


def test_names_that_would_collide_or_are_too_long(tmp_path: Path) -> None:
    results = tmp_path / "results"
    root = write_run(results, agent=f"a_b_10h--{RUN}", run=RUN)
    write_run(results, agent="a_b_10h", run=f"{RUN}--{RUN}")
    deep = root / "task"
    for _ in range(13):
        deep /= "d" * 250
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    entries = read(results, tmp_path / ("o" * 250) / ("p" * 250) / ("q" * 250)).entries
    assert len({entry.run for entry in entries}) == 2
    assert any("too long" in reason for entry in entries for reason in unread(entry.imported).values())


def test_keys_in_a_trace_are_redacted(tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "a1B2" * 20
    run = imported_run(tmp_path, **{"solve_out--txt": lines([*EVENTS, f"export ANTHROPIC_API_KEY={key}"])})
    assert not any(key in path.read_text() for path in (run.root / "solve").iterdir())


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original_trace, "MAX_BYTES", 600)
    monkeypatch.setattr(original_trace, "MAX_LINE", 100)
    monkeypatch.setattr(original_workspace, "MAX_FILE", 20)
    monkeypatch.setattr(original_files, "MAX_TEXT", 100)
    run = imported_run(
        tmp_path,
        **{"solve_out--txt": None, "solve_parsed--txt": PARSED + "  x" * 1000, "prompt--txt": "long " * 100},
    )
    listed = unread(ImportedRun.model_validate_json((run.root / "imported.json").read_bytes()))
    assert {"solve_parsed.txt", "task/timer.sh", "prompt.txt"} <= listed.keys()
    assert len((run.root / "solve" / "output.jsonl").read_bytes()) < 3000


def test_a_damaged_archive_is_listed(tmp_path: Path) -> None:
    whole = compressed(PARSED * 200)
    write_run(tmp_path, **{"solve_out--txt": None, "solve_parsed--txt--gz": whole[: len(whole) // 2]})
    assert "damaged" in unread(one(tmp_path))["solve_parsed.txt.gz"]


def test_hostile_text_is_harmless_on_the_terminal(tmp_path: Path) -> None:
    write_run(tmp_path, agent="a\x1b[31m_b_10h")
    write_run(tmp_path, agent="[red]x_b_10h")
    write_run(tmp_path, run="bad\nname\x1b[2J")
    shown = CliRunner().invoke(app, ["import", str(tmp_path), "--dry-run"])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert "[red]x_b_10h" in shown.output


# --- the command ---


def test_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "results", **{"time_taken--txt": None})
    shown = CliRunner().invoke(app, ["import", "results", "--dry-run"])
    assert shown.exit_code == 0
    assert f"{AGENT}/{RUN}/time_taken.txt: it does not exist" in shown.output
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    data = json.loads(CliRunner().invoke(app, ["import", "results", "--dry-run", "--json"]).output)
    assert data["runs"][0]["source"] == f"{AGENT}/{RUN}"


def test_status_and_leaderboard_of_an_imported_run(tmp_path: Path) -> None:
    run = imported_run(tmp_path)
    listed = json.loads(CliRunner().invoke(app, ["status", str(tmp_path / "out"), "--json"]).output)
    assert (listed[0]["status"], listed[0]["raw_score"]) == ("not_audited", 0.5)
    board = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "out")])
    assert board.exit_code == 0, board.exception
    assert "1 not audited" in " ".join(board.output.split())
    assert run.is_done(Stage.AUDIT)


def test_an_audit_finds_no_rule_clean_and_keeps_the_score_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = imported_run(tmp_path)
    seen: list[Evidence] = []

    def search(evidence: Evidence, rules: RuleSet, *rest: object) -> tuple[list[Finding], list[Coverage], Verdict]:
        seen.append(evidence)
        coverage = [detect(evidence)[1]] + [
            Coverage(detector="d", rule=rule, checked=True, documents=1, size=1, seconds=0, skipped=[])
            for rule in rules.rules
        ]
        return [], coverage, decide(rules, [], coverage, [])

    monkeypatch.setattr(audit_stage, "run_detectors", search)
    monkeypatch.setattr(audit_stage, "load_items", lambda facts, split: [])
    result = rerun_stage(run, Stage.AUDIT)
    assert result.status is Status.NOT_AUDITED
    assert result.score is None
    assert set(result.verdict.values()) == {"not_checked"}
    assert seen[0].submission is None
    assert not seen[0].left_nothing
    assert seen[0].trace.commands[0].text == "ls"
    coverage = json.loads((run.stage(Stage.AUDIT) / "coverage.json").read_text())
    [provenance] = [entry for entry in coverage if entry["detector"] == "provenance"]
    assert "could not be recorded: imported" in provenance["note"]


@pytest.mark.parametrize(
    ("make", "out", "message"),
    [
        (False, "out", "does not exist"),
        (True, "results/out", "inside the results"),
        (True, ".", "not empty"),
    ],
)
def test_wrong_input(make: bool, out: str, message: str, tmp_path: Path) -> None:
    if make:
        write_run(tmp_path / "results")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "results", tmp_path / out)


def test_a_tree_without_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no directory"):
        read(tmp_path)


def test_a_directory_with_only_the_name_of_a_run_is_no_run(tmp_path: Path) -> None:
    write_run(tmp_path / "results")
    empty = tmp_path / "results" / AGENT / RUN.replace("gsm8k", "bfcl")
    empty.mkdir()
    entries = {entry.benchmark: entry for entry in read(tmp_path / "results", tmp_path / "out").entries}
    assert entries["gsm8k"].problem == ""
    assert entries["bfcl"].problem == "it has no score, no trace and no workspace"
    assert len(list((tmp_path / "out").iterdir())) == 1
