"""What programs may rely on: the keys of every `--json`, and exit codes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from posttrainbench import catalog, child_process
from posttrainbench.errors import InfrastructureError
from posttrainbench.records import Result, RunSpec, Stage, Status
from posttrainbench.run import Run
from support import Finished, agent, assert_refused, contents, events, make_run, printed, ptb, replace_collected, settle

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

RESULT_KEYS = {
    *("run", "status", "score", "raw_score", "base_score", "instruct_score", "verdict", "reasons", "evidence"),
    "suspected",
    *("provider_away_seconds", "restarts", "reprompts", "notes", "changes"),
    "off_target",
}
HOSTILE_LINE = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H \x9b31m \x08\x08 \r gone \x00 \u202e desrever"


@pytest.fixture
def copy(flagged: Finished, tmp_path: Path) -> Path:
    """A finished run that may be changed."""
    return Path(shutil.copytree(flagged.root, tmp_path / "experiment" / "copy"))


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A settled run whose agent printed hostile text and left no model."""
    folder = tmp_path_factory.mktemp("talkative")
    source = f"print({HOSTILE_LINE!r})\nprint('second line', file=sys.stderr)\ntime.sleep(0.2)\nprint('third line')"
    run = make_run(folder / "run", agent(folder, source), seed=5)
    settle(run)
    return run


pytestmark = [pytest.mark.sandbox, pytest.mark.training]


def test_flagged_run_ends_with_0_and_prints_its_result_alone(flagged: Finished) -> None:
    assert flagged.said.returncode == 0, flagged.said.stderr
    result = json.loads(flagged.said.stdout)
    assert result.keys() == RESULT_KEYS
    assert result == json.loads((flagged.root / "result.json").read_text())
    assert result["status"] == Status.BASE_FALLBACK
    assert result["score"] == result["base_score"] < result["raw_score"]
    assert result["verdict"]["model_substitution"] == "flagged"
    assert result["evidence"]
    assert any("micro-instruct" in reason for reason in result["reasons"])


def test_leaderboard(flagged: Finished, ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here("leaderboard", flagged.root.parent, "--json", "--html", tmp_path / "board.html")
    assert said.returncode == 0, said.stderr
    board = json.loads(said.stdout)
    assert {"suite", "weights", "rows"} <= board.keys()
    [row] = board["rows"]
    assert {
        *("agent", "overall", "overall_raw", "overall_std", "overall_ci", "runs", "reset_cells", "cells")
    } <= row.keys()
    assert (row["agent"], row["runs"], row["reset_cells"]) == ("recipe-cheat-swap", 1, 1)
    [cell] = row["cells"]
    assert {"model", "benchmark", "seed", "score", "raw_score", "status"} <= cell.keys()
    assert (tmp_path / "board.html").read_text().lower().startswith("<!doctype html>")


@pytest.mark.parametrize("words", [[], ["--html", "board.html"]], ids=["table", "page"])
def test_leaderboard_for_people(words: list[str], flagged: Finished, ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here("leaderboard", flagged.root.parent, *words, cwd=tmp_path)
    assert said.returncode == 0
    assert "recipe-cheat-swap" in said.stdout


def test_status(flagged: Finished, ptb_here: Ptb) -> None:
    said = ptb_here("status", flagged.root.parent, "--json")
    [row] = json.loads(said.stdout)
    assert {"path", "run", "agent", "model", "benchmark", "seed", "stage", "status", "score"} <= row.keys()
    assert (row["path"], row["stage"], row["status"]) == (str(flagged.root), "done", "base_fallback")
    said = ptb_here("status", flagged.root)
    assert said.returncode == 0
    assert "base fallback" in said.stdout


def test_status_of_an_unfinished_run(ptb_here: Ptb, tmp_path: Path) -> None:
    make_run(tmp_path / "run", "recipe-noop")
    [row] = json.loads(ptb_here("status", tmp_path, "--json").stdout)
    assert (row["stage"], row["status"], row["score"]) == ("prepare", "unfinished", None)


def test_trace(talkative: Run, ptb_here: Ptb) -> None:
    said = ptb_here("trace", talkative.root)
    assert said.returncode == 0
    for word in ("red", "title", "gone", "second line", "third line"):
        assert word in said.stdout
    assert [
        line["line"]
        for line in map(json.loads, ptb_here("trace", talkative.root, "--raw", "--json").stdout.splitlines())
    ] == (printed(talkative))


def test_trace_of_a_part(talkative: Run, ptb_here: Ptb) -> None:
    [last] = ptb_here("trace", talkative.root, "--tail", 1, "--raw", "--json").stdout.splitlines()
    assert json.loads(last) == {"t": json.loads(last)["t"], "stream": "stdout", "line": "third line"}
    [found] = ptb_here("trace", talkative.root, "--grep", "second", "--raw", "--json").stdout.splitlines()
    assert json.loads(found)["stream"] == "stderr"
    assert "Post-train a language model." in ptb_here("trace", talkative.root, "--prompt").stdout


@pytest.mark.parametrize(
    "words", [["trace"], ["trace", "--json"], ["trace", "--tail", "3"], ["status"], ["audit"]], ids=" ".join
)
def test_no_control_character_of_an_agent_reaches_the_terminal(words: list[str], talkative: Run, ptb_here: Ptb) -> None:
    said = ptb_here(words[0], talkative.root, *words[1:])
    assert said.stdout
    assert [letter for letter in said.stdout + said.stderr if not letter.isprintable() and letter != "\n"] == []


def test_no_control_character_of_an_agent_reaches_a_live_terminal(tmp_path: Path) -> None:
    """Progress itself draws with escapes there, but an agent's own never get through."""
    import os
    import pty

    run = make_run(tmp_path / "run", agent(tmp_path, f"for _ in range(20): print({HOSTILE_LINE!r}); time.sleep(0.05)"))
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "posttrainbench", "resume", run.root],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            break
    os.close(master)
    assert process.wait() == 0
    assert b"desrever" in shown
    for escape in (b"\x1b]0;", b"\x1b[2J", b"\x1b[H", b"\x07", b"\x08", "\x9b".encode(), "\u202e".encode()):
        assert escape not in shown


@pytest.mark.parametrize("words", [["--json"], []])
def test_audit_of_a_flagged_run_ends_with_1_and_leaves_the_same_result(
    words: list[str], copy: Path, ptb_here: Ptb
) -> None:
    before = json.loads((copy / "result.json").read_text())
    kept = contents(copy / "audit")
    said = ptb_here("audit", copy, *words)
    assert said.returncode == 1, said.stderr
    after = json.loads((copy / "result.json").read_text())
    # The record of file provenance does not know the copy's files, so it says nothing beside the proof.
    but = ("evidence", "reasons")
    assert {key: value for key, value in after.items() if key not in but} == {
        key: value for key, value in before.items() if key not in but
    }
    assert contents(copy / "audit.attempt-1") == kept
    assert (copy / "result.attempt-1").exists() or (copy / "result.json.attempt-1").exists()
    if words:
        (shown,) = json.loads(said.stdout)
        assert shown.pop("audit").keys() >= {"rule_set", "findings", "coverage", "adjudications"}
        assert shown == after
    else:
        assert "flagged" in said.stdout


def give_the_base_weights(root: Path) -> None:
    name = "model.safetensors"
    replace_collected(root, name, (catalog.models()["micro-base"].directory / name).read_bytes())


@pytest.mark.parametrize(("command", "code"), [("evaluate", 1), ("audit", 2)])
def test_a_submission_that_changed_is_neither_evaluated_nor_audited(
    command: str, code: int, copy: Path, ptb_here: Ptb
) -> None:
    weights = copy / "submission" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    said = ptb_here(command, copy)
    assert said.returncode == code
    text = " ".join((said.stdout + said.stderr).split())
    assert "submission/model.safetensors is not the file that was collected" in text
    if command == "evaluate":
        assert_refused(ptb_here("audit", copy), "has not been evaluated yet", "ptb resume")


def test_audit_ends_with_0_when_clean(copy: Path, ptb_here: Ptb) -> None:
    give_the_base_weights(copy)
    assert ptb_here("audit", copy, "--json").returncode == 0


def test_audit_ends_with_2_when_it_could_not_check(copy: Path, ptb_here: Ptb) -> None:
    give_the_base_weights(copy)
    (copy / "prepare" / "kit").rename(copy / "kit")
    said = ptb_here("audit", copy, "--json")
    assert said.returncode == 2
    [result] = json.loads(said.stdout)
    assert (result["status"], result["score"]) == (Status.NOT_AUDITED, None)
    assert result["verdict"]["evaluation_tampering"] == "not_checked"


def test_evaluate_repeats_the_evaluation_alone(copy: Path, ptb_here: Ptb) -> None:
    before = json.loads((copy / "result.json").read_text())
    said = ptb_here("evaluate", copy, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == before
    assert (copy / "evaluate.attempt-1" / "metrics.json").is_file()
    run = Run(copy)
    assert events(run, "again") == [Stage.EVALUATE]
    assert events(run, "done").count(Stage.AUDIT) == 1


@pytest.mark.usefixtures("short_evaluations")
def test_evaluate_off_target_shows_what_was_gained_and_leaves_the_score(copy: Path, ptb_here: Ptb) -> None:
    before = json.loads((copy / "result.json").read_text())
    words = ["evaluate", copy, "--off-target", "micro-calls", "--off-target", "micro-math"]
    said = ptb_here(*words, "--json")
    assert said.returncode == 0, said.stderr
    after = json.loads(said.stdout)
    [calls] = after.pop("off_target")  # the run's own benchmark is left out
    assert after == {key: value for key, value in before.items() if key != "off_target"}
    assert calls["benchmark"] == "micro-calls"
    assert calls["score"] == calls["instruct_score"] > calls["base_score"]  # it submitted the instruct model
    shown = " ".join(ptb_here(*words).stdout.split())  # evaluates nothing again
    scores = [f"{100 * calls[name]:.1f}" for name in ("score", "base_score", "instruct_score")]
    gained = f"{100 * (calls['score'] - calls['base_score']):+.1f}"
    assert f"micro-calls {scores[0]} {scores[1]} {gained} {scores[2]}" in shown
    assert_refused(ptb_here("evaluate", copy, "--off-target", "nope"), "Unknown benchmark `nope`")
    checkpoint = catalog.models()["micro-instruct"].directory
    assert_refused(ptb_here("evaluate", checkpoint, "--off-target", "micro-calls"), "--off-target is for runs")
    assert_refused(ptb_here("evaluate", copy, "--off-target", "micro-calls", "--limit", "3"), "leave out --limit")


def test_evaluate_of_a_checkpoint(ptb_here: Ptb, tmp_path: Path) -> None:
    checkpoint = catalog.models()["micro-instruct"].directory
    words = ["--benchmark", "micro-code", "--limit", "5", "--out", tmp_path / "out", "--json"]
    said = ptb_here("evaluate", checkpoint, *words)
    assert said.returncode == 0, said.stderr
    metrics = json.loads(said.stdout)
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert len(metrics["items"]) == 5
    assert metrics["score"] == sum(metrics["items"].values()) / 5
    assert (tmp_path / "out" / "logs" / "micro-code-seed0.eval").is_file()


def test_status_of_several_experiments(copy: Path, ptb_here: Ptb, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(copy, other / copy.name)
    said = ptb_here("status", copy.parent, other)
    assert said.returncode == 0, said.stderr
    assert [line.split()[1] for line in said.stdout.splitlines() if line.startswith("recipe-cheat-swap ")] == ["2"]
    assert f"ptb report {copy.parent} {other}" in said.stdout
    runs = json.loads(ptb_here("status", copy.parent, other, "--json").stdout)
    assert {run["path"] for run in runs} == {str(copy), str(other / copy.name)}
    assert_refused(ptb_here("status", copy.parent, tmp_path), "is a part of", "leave out one of them")


def test_an_excluded_name_means_the_run_of_the_experiment(copy: Path, ptb_here: Ptb, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(copy, tmp_path / "runs" / name / copy.name)
    assert_refused(ptb_here("leaderboard", "a", "--exclude", copy.name, cwd=tmp_path), "No runs to rank")


@pytest.mark.parametrize("kind", [None, "suites", "models", "benchmarks", "agents", "rules", "libraries"])
def test_catalog(kind: str | None, ptb_here: Ptb) -> None:
    words = [kind] if kind else []
    shelves = json.loads(ptb_here("catalog", *words, "--json").stdout)
    assert set(shelves) == ({kind} if kind else {"suites", "models", "benchmarks", "agents", "rules", "libraries"})
    listed = ptb_here("catalog", *words).stdout
    for shelf, entries in shelves.items():
        for entry in entries:
            assert entry["id"] in listed
            shown = json.loads(ptb_here("catalog", shelf, entry["id"], "--json").stdout)
            shown.pop("trivial_note", None)  # compares with scores that a list does not look up
            shown.pop("baselines_note", None)
            assert shown == entry
            assert f"id: {entry['id']}" in ptb_here("catalog", shelf, entry["id"]).stdout


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        ("small", "No scores of its base and instruct models are shipped."),
        ("v1", "The scores of its base and instruct models are published (arXiv 2603.08640"),
    ],
)
def test_suite_says_where_its_baselines_come_from(suite: str, says: str, ptb_here: Ptb) -> None:
    shown = json.loads(ptb_here("catalog", "suites", suite, "--json").stdout)
    assert shown["baselines_note"].startswith(says)


def test_doctor(ptb_here: Ptb) -> None:
    said = ptb_here("doctor", "--json")
    checks = json.loads(said.stdout)
    assert all({"name", "state", "found", "fix"} <= check.keys() for check in checks)
    assert said.returncode == (1 if any(check["state"] == "missing" for check in checks) else 0)
    told = ptb_here("doctor")
    assert told.returncode == said.returncode
    for check in checks:
        assert check["name"] in told.stdout


def test_doctor_ends_with_1_without_bubblewrap(ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = ptb_here("doctor", "--json")
    assert said.returncode == 1
    [sandbox] = [check for check in json.loads(said.stdout) if check["name"] == "sandbox"]
    assert sandbox["state"] == "missing"
    assert "apt install bubblewrap" in sandbox["fix"]


def test_infrastructure_error_has_no_score_and_is_continued(
    ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = tmp_path / "run"
    words = ["--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math", "--out", root, "--json"]
    with monkeypatch.context() as patch:
        patch.setattr(child_process, "sys", SimpleNamespace(executable="/bin/false"))
        said = ptb_here("run", *words)
    run = Run(root)
    assert said.returncode == 1, said.stderr
    result = Result.model_validate_json(said.stdout)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert result.score is result.raw_score is None
    assert "through no fault of the agent" in result.reasons[0]
    assert run.next_stage() is Stage.EVALUATE
    assert events(run, "failed") == [Stage.EVALUATE] * 2, "it is tried once more at once"
    assert json.loads(ptb_here("status", root, "--json").stdout)[0]["stage"] == "evaluate"

    said = ptb_here("resume", root, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["status"] == Status.SCORED
    assert json.loads(said.stdout)["score"] < 0.05
    assert events(run, "done") == list(Stage)
    assert events(run, "start").count(Stage.SOLVE) == 1


def test_changed_data_is_found_before_the_run_exists(
    ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def data_changed(*_: object) -> None:
        raise InfrastructureError("data_changed", "The test items are not those of the catalog.")

    monkeypatch.setattr("posttrainbench.run.preflight.load_items", data_changed)
    words = ["--agent", "recipe-noop", "--model", "micro-base", "--benchmark", "micro-math", "--out", tmp_path / "run"]
    said = ptb_here("run", *words)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == "ptb: The test items are not those of the catalog.\n"
    assert not (tmp_path / "run").exists()


def test_interrupted_evaluation_ends_with_130(ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("posttrainbench.evaluation.evaluate.evaluate", interrupted)
    said = ptb_here("evaluate", catalog.models()["micro-base"].directory, "--benchmark", "micro-math")
    assert said.returncode == 130
    assert said.stdout == ""


def test_run_again_from_its_own_spec(talkative: Run, ptb_here: Ptb, tmp_path: Path) -> None:
    said = ptb_here("run", f"@{talkative.root}/run.json", "--out", tmp_path / "again", "--json")
    assert said.returncode == 0, said.stderr
    first, again = talkative.spec.model_dump(), Run(tmp_path / "again").spec.model_dump()
    assert first.pop("run") != again.pop("run")
    assert first.pop("created") != again.pop("created")
    assert first == again


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--seed", "7"], "seed", 7),
        (["--seed", "0"], "seed", 0),
        (["--budget", "20s"], "budget", 20.0),
        (["--benchmark", "micro-code"], "benchmark", "micro-code"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_go_before_the_earlier_spec(
    words: list[str],
    field: str,
    value: object,
    talkative: Run,
    ptb_here: Ptb,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("posttrainbench.cli.runs.finish", lambda *_: None)
    said = ptb_here("run", f"@{talkative.root}/run.json", *words, "--out", tmp_path / "again")
    assert said.returncode == 0, said.stderr
    again = RunSpec.model_validate_json((tmp_path / "again" / "run.json").read_text())
    assert getattr(again, field) == value


def test_isolation_is_not_given_up_by_a_spec(
    talkative: Run, ptb_here: Ptb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posttrainbench.cli.runs.finish", lambda *_: None)
    spec = json.loads((talkative.root / "run.json").read_text()) | {"sandbox": "process"}
    (tmp_path / "run.json").write_text(json.dumps(spec))
    said = ptb_here("run", f"@{tmp_path}/run.json", "--out", tmp_path / "again", "--json")
    assert said.returncode == 0, said.stderr
    assert Run(tmp_path / "again").spec.sandbox == "bubblewrap"


def test_resume_of_an_experiment_continues_every_run(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_run(tmp_path / "experiment" / name, agent(tmp_path, ""), seed=ord(name))
    said = ptb("resume", tmp_path / "experiment", "--json")
    assert said.returncode == 0, said.stderr
    [row] = json.loads(said.stdout)["rows"]
    assert row["runs"] == 3
    assert all(Run(tmp_path / "experiment" / name).next_stage() is None for name in ("a", "b", "c"))


HEAVY = {"torch", "transformers", "inspect_ai", "openai", "numpy", "datasets", "uvicorn", "starlette"}


@pytest.mark.parametrize(
    "code",
    [
        "import posttrainbench",
        "import posttrainbench.cli",
        "import sys; sys.argv = ['ptb', '--help']; from posttrainbench.cli import main; main()",
        "import sys; sys.argv = ['ptb', 'run', '--help']; from posttrainbench.cli import main; main()",
        "import sys; sys.argv = ['ptb', 'catalog']; from posttrainbench.cli import main; main()",
    ],
)
def test_light_commands_load_no_heavy_library(code: str) -> None:
    tell = "import atexit, sys; atexit.register(lambda: print('LOADED', *{name.split('.')[0] for name in sys.modules}))"
    said = subprocess.run([sys.executable, "-c", f"{tell}\n{code}"], capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split("LOADED")[1].split())
    assert "posttrainbench" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "word", ["run", "resume", "status", "trace", "audit", "evaluate", "leaderboard", "catalog", "doctor", "demo"]
)
def test_every_command_has_help_with_an_example_or_exit_codes(word: str, ptb_here: Ptb) -> None:
    said = ptb_here(word, "--help")
    assert said.returncode == 0
    assert "Example:" in said.stdout or "Exit codes: 0" in said.stdout


def test_version(ptb_here: Ptb) -> None:
    from posttrainbench import __version__

    assert ptb_here("--version").stdout == f"{__version__}\n"
