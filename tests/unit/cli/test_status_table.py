"""`ptb status`: a table that fits 80 columns, damaged runs as lines, filters, and the index behind it."""

import fcntl
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.benchmarks import Grade
from posttrainbench.errors import InputError
from posttrainbench.evaluation.ledger import Ledger
from posttrainbench.files import append_json
from posttrainbench.records import (
    AgentSpec,
    Execution,
    JournalEntry,
    ModelUsage,
    Result,
    RunSpec,
    SolveNote,
    Stage,
    Status,
)
from posttrainbench.report.run_table import count_lines, run_lines
from posttrainbench.report.site.run_activity import timeline
from posttrainbench.run import Run, find_runs
from posttrainbench.run.directory import lock_experiment
from posttrainbench.run.index import index_path, summaries
from posttrainbench.run.recorder import clock
from posttrainbench.run.solve_supervisor import NOTES
from posttrainbench.run.summary import STATES, RunSummary, summarize
from posttrainbench.usage.calls import ModelCall

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

DONE = [stage.folder for stage in list(Stage)[:-1]]


def write(
    root: Path, agent: str = "recipe-sft", benchmark: str = "gsm8k", status: str = "scored", **result: Any
) -> Path:
    """Write a finished run, or one that has not begun with an empty status."""
    root.mkdir(parents=True)
    spec = RunSpec(
        run=root.name,
        created="2026-11-29T12:00:00+00:00",
        agent=AgentSpec(name=agent, scaffold="recipe"),
        benchmark=benchmark,
        budget=36000,
        seed=0,
        versions={},
        host={},
        **dict.fromkeys(("model", "suite", "rules", "sandbox", "engine", "grader"), "x"),
        **dict.fromkeys(("prompt_sha256", "kit_sha256", "model_sha256"), "x"),
    )
    (root / "run.json").write_text(spec.model_dump_json())
    if status:
        for folder in DONE:
            (root / folder).mkdir()
        log(
            root, *((stage, event, 60.0 if event == "done" else None) for stage in Stage for event in ("start", "done"))
        )
        none = dict.fromkeys(("raw_score", "base_score", "instruct_score"))
        settled = {"run": root.name, "score": None, "verdict": {}, "reasons": [], "evidence": [], **none, **result}
        (root / "result.json").write_text(Result(status=Status(status), **settled).model_dump_json())
    return root


def log(root: Path, *entries: tuple[Stage, str, float | None]) -> None:
    for stage, event, seconds in entries:
        entry = {"time": "2026-11-29T12:00:00+00:00", "stage": stage, "event": event, "seconds": seconds}
        append_json(root / "journal.jsonl", JournalEntry.model_validate(entry))


def working(root: Path) -> Path:
    """Write a run whose agent has used tokens; no process works on it."""
    write(root, "claude-code/claude-opus-4-6", status="")
    (root / "prepare").mkdir()
    (root / "solve.partial").mkdir()
    log(root, (Stage.PREPARE, "start", None), (Stage.PREPARE, "done", 30), (Stage.SOLVE, "start", None))
    append_json(root / "solve.partial" / NOTES, SolveNote(kind="start", text="host", pid=1, boot="other"))
    call = ModelCall(
        time=0, provider="p", model="m", endpoint="e", seconds=1, status=200, streamed=True, input=900_000, cost=1.5
    )
    append_json(root / "solve.partial" / "usage.jsonl", call)
    return root


def test_a_finished_run_is_summarized(tmp_path: Path) -> None:
    root = write(tmp_path / "run", score=0.905, raw_score=0.9)
    (root / "solve" / "usage.json").write_text(ModelUsage(input=10, output=5, cost=0.25, unpriced=1).model_dump_json())
    found = summarize(root)
    assert (found.state, found.stage, found.score, found.raw_score) == ("scored", "done", 0.905, 0.9)
    assert (found.tokens, found.dollars, found.unpriced) == (15, 0.25, 1)
    assert found.elapsed == 360
    assert (found.left, found.accuracy, found.problem) == (None, None, "")


def test_a_verdict_by_other_rules_takes_no_time(tmp_path: Path) -> None:
    root = write(tmp_path / "run")
    log(root, (Stage.AUDIT, "again", None), (Stage.AUDIT, "done", None), (Stage.SETTLE, "start", None))
    log(root, (Stage.SETTLE, "done", None))
    assert summarize(root).elapsed == 360
    log(root, (Stage.AUDIT, "again", None), (Stage.AUDIT, "start", None), (Stage.AUDIT, "done", 7.0))
    assert summarize(root).elapsed == 367
    log(root, (Stage.EVALUATE, "done", None))  # its start is not on record
    assert summarize(root).elapsed == 367
    assert [bar.state for bar in timeline(Run(root).journal())][-3:] == ["repeated", "finished", "finished"]


def test_an_agent_at_work_is_followed(tmp_path: Path) -> None:
    root = working(tmp_path / "run")
    assert summarize(root).state == "interrupted"  # nobody holds the lock
    with (root / "solve.partial" / NOTES).open() as notes:
        fcntl.flock(notes, fcntl.LOCK_EX)
        (root / "solve.partial" / "prompt.md").touch()
        found = summarize(root)
        assert (found.state, found.stage, found.agent_state, found.busy) == ("working", "solve", "running", False)
        assert (found.tokens, found.dollars) == (900_000, 1.5)
        assert found.left is not None  # on another machine, from the time of the prompt
        assert 35_000 < found.left <= 36_000
        assert found.elapsed > 30


def test_the_time_left_is_that_of_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.run.summary.runs_here", lambda out: True)
    monkeypatch.setattr("posttrainbench.run.summary.agent_state", lambda run: "running")
    root = working(tmp_path / "run")
    assert summarize(root).left is None  # it is just starting
    for deadline, expected in ((clock() + 500, 500), (clock() - 500, 0)):
        (root / "solve.partial" / "deadline").write_text(f"{deadline:.3f}\n")
        assert summarize(root).left == pytest.approx(expected, abs=60)


def test_the_accuracy_of_an_evaluation_is_that_of_its_latest_configuration(tmp_path: Path) -> None:
    root = write(tmp_path / "run", status="")
    for folder in DONE[:-1]:
        (root / folder).mkdir()
    rows = [("old", 0.0, 1.0), ("new", 1.0, 3.0), ("new", 0.0, 1.0)]
    (root / "evaluate.partial").mkdir()
    for configuration, score, weight in rows:
        row = {"configuration": configuration, "seed": 0, "item": "i", "score": score, "weight": weight}
        append_json(root / "evaluate.partial" / "items.jsonl", row)
    found = summarize(root)
    assert (found.accuracy, found.items, found.total) == (0.75, 2, 0)
    with (root / "evaluate.partial" / "items.jsonl").open("a") as file:
        file.write('{"score": "x"}\n[]\n{"sco')
    assert summarize(root).accuracy == 0.75
    with Ledger(root / "evaluate.partial" / "items.jsonl", "later", 9) as ledger:
        ledger.add(0, "i", Grade(1.0))
    found = summarize(root)
    assert (found.accuracy, found.items, found.total) == (1.0, 1, 9)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("run.json", "{}", "run.json was not written by this version or is damaged"),
        ("run.json", None, "has no run.json"),
        ("result.json", "\0", "result.json is damaged"),
        ("journal.jsonl", '{"time": 5}\n', "journal.jsonl is damaged"),
        ("solve/usage.json", "[" * 5000, "usage.json is damaged"),
    ],
)
def test_a_damaged_run_is_a_line_with_its_reason(
    file: str, content: str | None, reason: str, tmp_path: Path, ptb_here: Ptb
) -> None:
    write(tmp_path / "e" / "good", score=0.5)
    bad = write(tmp_path / "e" / "bad")
    if content is None:
        (bad / file).unlink()
    else:
        (bad / file).write_text(content)
    said = ptb_here("status", tmp_path / "e")
    assert said.returncode == 0
    [line] = [line for line in said.stdout.splitlines() if line.startswith("damaged: ")]
    assert str(bad) in line
    assert reason in line
    assert " scored " in said.stdout
    [bad_row, good_row] = json.loads(ptb_here("status", tmp_path / "e", "--json").stdout)
    assert (bad_row["status"], good_row["status"]) == ("damaged", "scored")
    assert reason in bad_row["problem"]


def test_runs_that_an_agent_wrote_into_its_workspace_are_not_listed(tmp_path: Path) -> None:
    root = write(tmp_path / "experiment" / "run")
    for folder in ("workspace", "workspace/forged", "solve/final_model"):
        write(root / folder, agent="forged")
    for path in (tmp_path, tmp_path / "experiment", root):
        assert [run.root for run in find_runs(path)] == [root]
        assert [run.agent for run in summaries(path)] == ["recipe-sft"]
    (root / "run.json").unlink()  # the forged ones do not take its place
    with pytest.raises(InputError, match=r"contains no run with a run\.json"):
        find_runs(tmp_path / "experiment")
    assert [run.state for run in summaries(tmp_path)] == ["damaged"]


def rows(**changes: Any) -> list[RunSummary]:
    """All combinations of some agents, models and benchmarks with long names."""
    agents = ("claude-code/claude-opus-4-6", "claude-code/claude-sonnet-4-5?effort=high", "codex/gpt-5.2-codex")
    models = ("Qwen3-1.7B-Base", "Qwen3-4B-Base", "SmolLM3-3B-Base", "gemma-3-4b-pt")
    full: dict[str, Any] = {"seed": 2, "begun": True, "elapsed": 36_000.0, "left": 359.0, "stage": "solve"}
    full |= {"tokens": 123_456_789, "dollars": 123.456, "unpriced": 1, "state": "working", "agent_state": "running"}
    return [
        RunSummary(**{"path": "/r/e/x", "agent": agent, "model": model, "benchmark": benchmark, **full, **changes})
        for agent in agents
        for model in models
        for benchmark in ("arenahardwriting", "gsm8k")
    ]


def test_every_run_is_one_line_of_at_most_80_columns() -> None:
    lines = run_lines(rows(), Path("/r/e"), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "All runs: seed 2"
    header = lines[1].split()
    assert header == ["model", "benchmark", "state", "elapsed", "left", "tokens", "$"]
    assert lines[2] == "claude-code/claude-opus-4-6"
    assert len(lines) == 2 + 3 + 24
    for text in ("10h 0m", "5m 59s", "123.5M", "123.46+", "solve, detached"):
        assert text in lines[3]
    assert len({line[:30] for line in lines[3:11]}) == 8  # shortened names are still different


def test_on_a_wide_terminal_every_column_and_the_path_are_shown() -> None:
    lines = run_lines(
        rows(state="scored", agent_state="exited", score=0.905, left=None), Path("/r/e"), 200
    ).splitlines()
    columns = ["agent", "model", "benchmark", "seed", "state", "elapsed", "tokens", "$", "score", "run"]
    assert lines[0].split() == columns
    assert "claude-code/claude-opus-4-6                Qwen3-1.7B-Base  arenahardwriting     2  scored" in lines[1]
    assert lines[1].endswith("  90.5  /r/e/x")
    narrow = run_lines([run._replace(agent="a", left=9.0) for run in rows()[:2]], Path("/r/e"), 80).splitlines()
    assert narrow[0].startswith("All runs: agent a, model Qwen3-1.7B-Base, seed 2")


def test_paths_are_never_broken_and_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunSummary(path=f"{tmp_path}/runs/demo/{'x' * 100}", state="scored")
    for given in (Path("runs"), Path("runs/demo"), Path("runs/demo", "x" * 100), Path(tmp_path, "runs"), Path()):
        [_, line] = run_lines([run], given, 80, paths=True).splitlines()
        assert Path(line.split()[-1]).resolve() == Path(run.path)
    spaced = run._replace(path=f"{tmp_path}/my runs/one")
    assert run_lines([spaced], Path("my runs"), 80, paths=True).endswith(" 'my runs/one'\n")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"state": "base_fallback", "agent_state": "crashed"}, "base fallback (crashed)"),
        ({"state": "working", "stage": "evaluate", "items": 12, "accuracy": 0.5}, "evaluate 12 "),
        ({"state": "working", "stage": "evaluate", "items": 81, "total": 200, "accuracy": 0.5}, "evaluate 81/200"),
        ({"state": "interrupted", "stage": "solve", "agent_state": "killed"}, "stopped in solve, killed"),
        ({"state": "interrupted", "stage": "evaluate"}, "stopped in evaluate"),
        ({"state": "infrastructure_error", "stage": "audit"}, "infra error in audit"),
        ({"state": "waiting", "agent_state": "not started", "begun": False}, "waiting"),
    ],
)
def test_the_state_says_what_a_run_is_at(changes: dict[str, Any], text: str) -> None:
    [_, line] = run_lines(
        [RunSummary(**{"path": "/r/x", "agent_state": "exited", **changes})], Path("/r"), 80
    ).splitlines()
    assert text in line


def test_text_of_others_cannot_control_the_terminal() -> None:
    run = RunSummary(path="/r/\x1b[2Jx", agent="a\x1b]0;t\x07", state="damaged", problem="\x1b[31mred")
    printed = run_lines([run, run._replace(state="scored")], Path("/r"), 80, paths=True)
    printed += "".join(line.plain for line in count_lines([run], 80))
    assert all(letter.isprintable() for letter in printed.replace("\n", ""))


def test_counts_are_grouped_by_agent() -> None:
    runs = rows()[:9] + rows(state="damaged", agent="", tokens=None)[:1]
    lines = [" ".join(line.plain.split()) for line in count_lines(runs, 80)]
    assert lines[0] == "agent runs working damaged tokens $"
    assert "claude-code/claude-opus-4-6 8 8 987.7M 987.65+" in lines
    assert lines[-1] == "all 10 9 1 1.1B 1234.56+"


@pytest.mark.parametrize("states", [3, len(STATES)])
@pytest.mark.parametrize("name", ["claude-code/claude-opus-4-6-with-long-name", "x" * 70])
def test_counts_fit_80_columns(states: int, name: str) -> None:
    shown = STATES[:states]
    runs = [
        row._replace(agent=f"{name}{number}", state=state)
        for number in range(2)
        for row, state in zip(rows(), shown, strict=False)
    ]
    lines = [line.plain for line in count_lines(runs, 80)]
    assert max(map(len, lines)) <= 80
    assert all(line.strip() for line in lines)
    text = " ".join(" ".join(lines).split())
    if states > 3:
        assert f"{name}0 runs {states}, scored 1, base fallback 1, infra error 1" in text
    else:
        assert lines[0].split() == ["agent", "runs", "scored", "fallback", "infra", "tokens", "$"]
        assert lines[-1].split()[:5] == ["all", "6", "2", "2", "2"]
    wide = [line.plain for line in count_lines(runs, 400)]
    assert wide[0].startswith("agent ")
    assert len(wide) == 4


def test_filters(tmp_path: Path, ptb_here: Ptb) -> None:
    experiment = tmp_path / "e"
    write(experiment / "a", "codex/gpt-5.2", "gsm8k", score=0.5)
    write(experiment / "b", "codex-old", "bfcl", "infrastructure_error")
    write(experiment / "c", "codex/gpt-5.2", "bfcl", score=0.4, suspected=["x"])
    working(experiment / "d")

    def names(*words: str) -> list[str]:
        return [row["run"] for row in json.loads(ptb_here("status", experiment, "--json", *words).stdout)]

    assert names("--agent", "codex") == ["a", "c"]
    assert names("--agent", "codex*", "--benchmark", "bfcl") == ["b", "c"]
    assert names("--status", "suspected", "--status", "infrastructure-error") == ["b", "c"]
    assert names("--status", "scored") == ["a", "c"]
    assert names("--status", "unfinished") == names("--status", "interrupted") == ["d"]
    nothing = ptb_here("status", experiment, "--agent", "nobody")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "None of the 4 runs" in nothing.stderr
    unknown = ptb_here("status", experiment, "--status", "nope")
    assert unknown.returncode == 2
    assert "Unknown status `nope`; choose from scored" in unknown.stderr


def settled(path: Path) -> list[RunSummary]:
    """Return the summaries once the files are old enough to be indexed, which they are after the second pass."""
    time.sleep(0.06)
    summaries(path)
    return summaries(path)


def test_the_index_is_used_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    experiment = tmp_path / "runs" / "e"
    first, second = write(experiment / "a", score=0.5), working(experiment / "b")
    expected = [summarize(first), summarize(second)]
    assert settled(experiment) == expected
    read: list[Path] = []
    monkeypatch.setattr(
        "posttrainbench.run.index.summarize",
        lambda root: read.append(root) or summarize(root),  # type: ignore[func-returns-value]
    )
    assert summaries(experiment) == summaries(tmp_path / "runs") == expected
    assert read == []
    (first / "result.json").write_text((first / "result.json").read_text().replace("0.5", "0.6"))  # the same size
    assert [run.score for run in summaries(experiment)] == [0.6, None]
    assert read == [first]
    log(second, (Stage.SOLVE, "interrupted", 5.0))
    assert summaries(experiment)[1].elapsed == 35
    settled(experiment)
    read.clear()
    with (second / "solve.partial" / NOTES).open() as notes:  # a process works on it: nothing in the index is valid
        fcntl.flock(notes, fcntl.LOCK_EX)
        assert [run.state for run in summaries(experiment)] == ["scored", "working"]
        assert read == [second]
    assert [run.state for run in summaries(experiment)] == ["scored", "interrupted"]
    assert len(summaries(experiment, rebuild=True)) == 2
    assert read[-2:] == [first, second]
    (first / "run.json").write_text("{}")
    assert [run.state for run in summaries(experiment)] == ["damaged", "interrupted"]


@pytest.mark.parametrize("damage", ["text", "row", "read-only"])
def test_without_a_usable_index_the_files_are_read(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "runs" / "a", score=0.5)
    expected = settled(tmp_path / "runs")
    if damage == "text":
        index_path().write_text("this is not a database" * 100)
    elif damage == "row":
        with sqlite3.connect(index_path()) as database:
            assert database.execute("UPDATE runs SET summary = '[1'").rowcount == 1
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    assert summaries(tmp_path / "runs") == expected
    assert summaries(tmp_path / "runs", rebuild=True) == expected


def test_entries_of_removed_runs_leave_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("e/a", "e/b", "e-other/a"):
        write(tmp_path / name)
    settled(tmp_path)
    (tmp_path / "e" / "a").rename(tmp_path / "e" / "c")
    assert [Path(run.path).name for run in summaries(tmp_path / "e")] == ["b", "c"]
    with sqlite3.connect(index_path()) as database:
        paths = {path for (path,) in database.execute("SELECT path FROM runs")}
    assert paths >= {f"{tmp_path}/e/b", f"{tmp_path}/e-other/a"}
    assert f"{tmp_path}/e/a" not in paths


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputError, match=r"contains no run|does not exist"):
            summaries(path)


def test_experiments_are_listed(tmp_path: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "runs" / "one" / "a", score=0.5)
    working(tmp_path / "runs" / "one" / "b")
    write(tmp_path / "runs" / "two" / "a", status="")
    said = ptb_here("list", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert lines[0] == "created runs scored interrupted waiting agents experiment"
    assert "2026-11-29 12:00 2 1 1 2 runs/one" in lines
    [one] = [one for one in json.loads(ptb_here("list", "--json", cwd=tmp_path).stdout) if one["path"] == "runs/one"]
    assert (one["runs"], one["states"]) == (2, {"scored": 1, "interrupted": 1})


def test_watching_ends_when_all_runs_have_ended(tmp_path: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    root = working(tmp_path / "e" / "run")
    write(tmp_path / "e" / "other", score=0.5)
    monkeypatch.setattr("posttrainbench.cli.status.PIPED_WATCH_SECONDS", 0.0)
    monkeypatch.setattr("posttrainbench.cli.status._are_abandoned", lambda runs: False)
    seen: list[str] = []

    def follow(path: Path, rebuild: bool = False) -> list[RunSummary]:
        found = [summarize(root), summarize(tmp_path / "e" / "other")]
        seen.append(found[0].state)
        if len(seen) == 3:
            (root / "solve.partial").rename(root / "solve")
            for folder in DONE[2:]:
                (root / folder).mkdir()
            result = Result(run="run", status=Status.SCORED, score=0.25, verdict={}, reasons=[], evidence=[], **NONE)
            (root / "result.json").write_text(result.model_dump_json())
        return found

    monkeypatch.setattr("posttrainbench.run.index.summaries", follow)
    said = ptb_here("status", tmp_path / "e", "--watch")
    assert said.returncode == 0, said.stderr
    assert seen == ["interrupted"] * 3 + ["scored"]
    assert said.stdout.count("stopped in solve") == 2  # the first call decides nothing, the last one has ended
    assert " 25.0" in said.stdout
    refused = ptb_here("status", tmp_path / "e", "--watch", "--json")
    assert refused.returncode == 2


def test_watching_ends_when_no_process_works_on_the_runs(
    tmp_path: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = working(tmp_path / "e" / "run")
    write(tmp_path / "e" / "done", score=0.5)
    monkeypatch.setattr("posttrainbench.cli.status.PIPED_WATCH_SECONDS", 0.0)
    monkeypatch.setattr("posttrainbench.cli.status.WATCH_SECONDS", 0.0)
    looks: list[int] = []

    def look(path: Path, rebuild: bool = False) -> list[RunSummary]:
        looks.append(1)
        if len(looks) > 9:
            raise KeyboardInterrupt
        return summaries(path, rebuild)

    def watch() -> str:
        looks.clear()
        return ptb_here("status", tmp_path / "e", "--watch").stdout

    monkeypatch.setattr("posttrainbench.run.index.summaries", look)
    said = watch()
    assert len(looks) == 3  # the first call decides nothing
    assert "No process is working on the unfinished run." in said
    assert f"Next: ptb resume {tmp_path / 'e'}" in said
    for place in (root, root.parent):
        with lock_experiment(place):
            assert "No process" not in watch()
        assert len(looks) == 10
    line = Execution(time="x", event="submitted", part="all", launcher="slurm", job="1")
    changes: list[dict[str, Any]] = [
        {}, {"event": "begin"}, {"event": "end", "ending": "failed"}, {"event": "end", "ending": "interrupted"}
    ]  # fmt: skip
    for change in changes:
        append_json(root / "executions.jsonl", line.model_copy(update=change))
        assert ("No process" in watch()) == (change.get("ending") == "interrupted")


NONE = dict.fromkeys(("raw_score", "base_score", "instruct_score"))


def test_an_experiment_without_runs_is_listed(ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "runs" / "planned").mkdir(parents=True)
    (tmp_path / "runs" / "planned" / "experiment.yaml").write_text("damaged: [")
    assert [one["runs"] for one in json.loads(ptb_here("list", "--json", cwd=tmp_path).stdout)] == [0]
    write(tmp_path / "runs" / "old" / "one")
    assert [one["runs"] for one in json.loads(ptb_here("list", "--json", cwd=tmp_path).stdout)] == [1, 0]
    said = ptb_here("status", "planned", cwd=tmp_path)
    assert said.returncode == 2
    assert "runs/planned has an experiment.yaml and no runs yet; start them with `ptb launch`." in said.stderr


def test_the_next_command_of_an_experiment_is_its_launch(ptb_here: Ptb, tmp_path: Path) -> None:
    write(tmp_path / "runs" / "old" / "one", status="")
    assert "Next: ptb resume runs/old" in ptb_here("status", "old", cwd=tmp_path).stdout
    (tmp_path / "runs" / "old" / "experiment.yaml").touch()
    assert "Next: ptb launch --name old" in ptb_here("status", "old", cwd=tmp_path).stdout


def alike(**changes: Any) -> RunSummary:
    values: dict[str, Any] = {"state": "scored", "status": "scored", "stage": "done", "agent_state": "exited"}
    values |= {"agent": "a", "model": "m", "benchmark": "b", "path": "/top/e/one", "suite": "s", "budget": 60.0}
    return RunSummary(**(values | changes))


@pytest.mark.parametrize(
    ("runs", "column"),
    [
        ([alike(), alike(path="/top/f/one")], "experiment"),
        ([alike(), alike(path="/top/e/two", budget=20.0)], "budget"),
        ([alike(), alike(path="/top/e/two", suite="t")], "suite"),
        ([alike(), alike(path="/top/e/two")], "directory"),
        ([alike(), alike(path="/top/e/two", seed=1)], None),
        ([alike(), alike(path="/top/e/two", budget=20.0), alike(path="/top/e/three", budget=20.0)], "directory"),
    ],
)
@pytest.mark.parametrize("width", [40, 80])
def test_runs_that_are_alike_are_told_apart(runs: list[RunSummary], column: str | None, width: int) -> None:
    long = [run._replace(path=run.path.replace("/e/", f"/{'e' * 50}/")) for run in runs]
    for each in (runs, long):
        lines = run_lines(each, Path("/top"), width).splitlines()
        header = next(number for number, line in enumerate(lines) if "state" in line)
        assert len(set(lines[header + 1 :])) == len(runs)
        added = {"experiment", "budget", "suite", "directory"} & {*lines[header].split()}
        if "run" not in lines[header].split():
            assert column in added or (column is None and not added)


def test_names_that_cannot_be_shortened_apart_are_shown_whole() -> None:
    names = [f"{'x' * 40}{middle}{'y' * 40}" for middle in "ab"]
    text = run_lines([alike(agent="c"), *(alike(agent=name) for name in names)], Path("/top"), 60)
    assert all(name in text for name in names)


def test_a_filter_that_matches_nothing_is_named_with_the_choices(tmp_path: Path, ptb_here: Ptb) -> None:
    write(tmp_path / "e" / "one")
    write(tmp_path / "e" / "two", agent="recipe-noop", benchmark="bfcl")

    def message(*words: str) -> str:
        return ptb_here("status", tmp_path / "e", *words).stderr

    assert "matches --agent nope; choose --agent from recipe-noop, recipe-sft." in message("--agent", "nope")
    assert "matches --status damaged; choose --status from scored." in message("--agent", "*", "--status", "damaged")
    both = message("--agent", "recipe-noop", "--benchmark", "gsm8k")
    assert "matches --agent recipe-noop with --benchmark gsm8k; choose --agent from " in both


def test_an_indexed_directory_that_is_not_a_run_any_more_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("one", "two"):
        write(tmp_path / "e" / name)
    time.sleep(0.1)  # files that have just changed are not indexed
    assert len(summaries(tmp_path / "e")) == len(summaries(tmp_path / "e")) == 2
    for left, name in (["two"], "one"), ([], "two"):
        for file in ("run.json", "journal.jsonl"):
            (tmp_path / "e" / name / file).unlink()
        if left:
            assert [Path(run.path).name for run in summaries(tmp_path / "e")] == left
    with pytest.raises(InputError, match="contains no run"):
        summaries(tmp_path / "e")


def test_an_indexed_run_that_became_an_experiment_is_listed_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "e")
    assert [run.path for run in settled(tmp_path / "e")] == [str(tmp_path / "e")]
    (tmp_path / "e").rename(tmp_path / "run")
    (tmp_path / "e").mkdir()
    (tmp_path / "run").rename(tmp_path / "e" / "run")
    assert [run.path for run in summaries(tmp_path / "e")] == [str(tmp_path / "e" / "run")]
