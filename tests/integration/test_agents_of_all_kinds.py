"""Agents that crash, flood, linger or leave something unusable: each run settles into the right status and reason."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from posttrainbench.files import read_jsonl
from posttrainbench.records import AgentEnd, Outcome, Stage, Status, SubmissionManifest
from posttrainbench.run import Run
from posttrainbench.run import solve as solve_module
from support import BACKGROUND, agent, make_run, marked, printed, settle

pytestmark = [pytest.mark.sandbox, pytest.mark.training, pytest.mark.usefixtures("short_evaluations")]

COPY = "shutil.copytree(base, final)\n"
HALVE = "weights = final / 'model.safetensors'\nos.truncate(weights, weights.stat().st_size // 2)\n"
NAN = """
weights = final / 'model.safetensors'
weights.chmod(0o644)
with weights.open('r+b') as file:
    file.seek(8 + struct.unpack('<Q', file.read(8))[0])
    file.write(struct.pack('<f', float('nan')))
"""
LEAVES_ONE_LINK = COPY + "(final / 'model.safetensors').unlink()\n(final / 'model.safetensors').symlink_to({!r})\n"


@dataclass(frozen=True)
class Left:
    """What an agent leaves, and what is to become of it."""

    source: str
    state: str
    reason: str


UNUSABLE = {
    "nothing": Left("print('no idea')", "missing", "left no directory `final_model`"),
    "a file": Left("final.write_text('model')", "missing", "left no directory `final_model`"),
    "an empty directory": Left("final.mkdir()", "missing", "empty `final_model`"),
    "truncated weights": Left(COPY + HALVE, "broken", "model.safetensors cannot be used: it is cut off"),
    "NaN": Left(COPY + NAN, "broken", "contains NaN or infinite values"),
    "invalid config": Left(COPY + "(final / 'config.json').write_text('{')", "broken", "config.json cannot be used"),
    "no weights": Left(COPY + "(final / 'model.safetensors').unlink()", "broken", "no weights"),
    "a pickle only": Left(
        COPY + "(final / 'model.safetensors').rename(final / 'pytorch_model.bin')", "refused", "pytorch_model.bin"
    ),
    "code": Left(
        COPY
        + "path = final / 'config.json'\nconfig = json.loads(path.read_text()) | {'auto_map': {'AutoModel': 'x.X'}}\n"
        "path.write_text(json.dumps(config))",
        "refused",
        "auto_map",
    ),
    "an absolute link out": Left(
        LEAVES_ONE_LINK.format("/etc/passwd"), "refused", "model.safetensors is a symbolic link that leads out"
    ),
    "a relative link out": Left(
        LEAVES_ONE_LINK.format("../../../../../etc/passwd"), "refused", "symbolic link that leads out"
    ),
    "a link to itself": Left(LEAVES_ONE_LINK.format("model.safetensors"), "refused", "symbolic link"),
    "a link to the model cache": Left(
        LEAVES_ONE_LINK.format("/models/micro-instruct/model.safetensors"), "refused", "symbolic link that leads out"
    ),
    "final_model as a link out": Left("final.symlink_to('/etc')", "missing", "left no directory `final_model`"),
    "final_model as a relative link out": Left("final.symlink_to('..')", "missing", "left no directory `final_model`"),
    "named pipes": Left(
        "final.mkdir()\nfor name in os.listdir(base): os.mkfifo(final / name)", "broken", "is not a regular file"
    ),
}


@pytest.mark.parametrize("left", UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_submission_falls_back_to_the_base_score(left: Left, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, left.source))
    result = settle(run)
    assert outcome(run).end is AgentEnd.EXITED, printed(run)
    assert manifest(run).state == left.state
    assert not (run.stage(Stage.COLLECT) / "model.safetensors").exists()
    assert result.status is Status.BASE_FALLBACK
    assert result.score == result.base_score
    assert result.raw_score is None
    assert any(left.reason in reason for reason in result.reasons), result.reasons


def test_a_link_to_the_base_model_submits_it(tmp_path: Path) -> None:
    source = "final.symlink_to(base)\npathlib.Path('notes.txt').write_text('I keep the base model.')"
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    result = settle(run)
    assert manifest(run).state == "accepted"
    assert (run.stage(Stage.COLLECT) / "model.safetensors").is_file()
    assert result.status is Status.SCORED
    assert result.score == result.base_score


def test_model_saved_before_a_crash_counts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, COPY + "sys.exit('lost my way')"))
    result = settle(run)
    assert outcome(run).end is AgentEnd.CRASHED
    assert outcome(run).exit_code == 1
    assert "lost my way" in printed(run)
    assert result.status is Status.SCORED
    assert result.score == result.raw_score == result.base_score


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV"])
def test_agent_ended_by_a_signal_has_crashed(number: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, f"os.kill(os.getpid(), signal.{number})"))
    assert settle(run).status is Status.BASE_FALLBACK
    assert outcome(run).end is AgentEnd.CRASHED


def test_deadline_ends_an_agent_that_ignores_sigterm_and_keeps_its_model(
    tmp_path: Path, solve_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve_module, "GRACE_SECONDS", 0.5)
    ckpt = "shutil.copytree(base, 'ckpt')\nfinal.symlink_to('/workspace/ckpt')\n"
    source = f"{BACKGROUND}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{ckpt}"
    source += f"background({(marker := tmp_path.name)!r}, ignore_terminate=True)\nprint('up')\ntime.sleep(600)\n"
    run = make_run(tmp_path / "run", agent(tmp_path, source, f"sleeper-{marker}"), budget=4)
    result = settle(run)
    assert marked(marker) == []
    assert printed(run) == ["up"]
    assert outcome(run).end is AgentEnd.DEADLINE
    assert outcome(run).exit_code is None
    assert manifest(run).state == "accepted"
    assert result.status is Status.SCORED


def test_deadline_lets_an_agent_end_in_order(tmp_path: Path) -> None:
    source = "signal.signal(signal.SIGTERM, lambda *_: (final.mkdir(), print('tidied up'), sys.exit(0)))\nprint('up')\n"
    run = make_run(tmp_path / "run", agent(tmp_path, source + "time.sleep(600)"), budget=6)
    settle(run)
    assert printed(run) == ["up", "tidied up"]
    assert outcome(run).end is AgentEnd.DEADLINE
    assert manifest(run).problems == ["The agent left an empty `final_model`."]


def test_background_processes_end_with_the_agent(tmp_path: Path) -> None:
    marker = tmp_path.name
    source = f"{BACKGROUND}\nbackground({marker!r}, ignore_terminate=True)\nprint('gone')"
    run = make_run(tmp_path / "run", agent(tmp_path, source, f"parent-{marker}"))
    result = settle(run)
    assert marked(marker) == []
    assert printed(run) == ["gone"]
    assert outcome(run).end is AgentEnd.EXITED
    assert result.status is Status.BASE_FALLBACK


def test_link_inside_the_workspace_counts_as_its_file(tmp_path: Path) -> None:
    source = (
        "shutil.copytree(base, 'ckpt')\nfinal.mkdir()\n"
        "for name in os.listdir('ckpt'): (final / name).symlink_to(f'/workspace/ckpt/{name}')\n"
        "(final / 'config.json').unlink()\n(final / 'config.json').symlink_to('../ckpt/config.json')"
    )
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    result = settle(run)
    assert manifest(run).state == "accepted", manifest(run).problems
    assert result.status is Status.SCORED
    for file in run.stage(Stage.COLLECT).iterdir():
        assert file.is_file()
        assert not file.is_symlink()


def test_a_hundred_megabytes_of_output_are_kept(tmp_path: Path) -> None:
    source = "line = 'x' * 99_999 + '\\n'\nfor _ in range(1000): sys.stdout.write(line)"
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    result = settle(run)
    assert outcome(run).output_bytes == 100_000_000
    assert outcome(run).output_dropped == 0
    assert sum(len(entry["line"]) for entry in read_jsonl(run.stage(Stage.SOLVE) / "output.jsonl")) == 99_999_000
    assert (run.stage(Stage.SOLVE) / "trajectory.json").stat().st_size < 20_000_000
    assert result.status is Status.BASE_FALLBACK


def test_output_beyond_the_limit_is_counted_and_dropped(
    solving_only: None, solve_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve_module, "MAX_OUTPUT_BYTES", 10_000)
    run = make_run(
        tmp_path / "run", agent(tmp_path, "for _ in range(10_000): print('x' * 99)\nprint(end='no newline')")
    )
    settle(run)
    assert outcome(run).output_bytes == 1_000_010
    assert outcome(run).output_dropped == 990_010
    assert len(printed(run)) == 100


def test_output_of_any_bytes_is_kept_as_text(solving_only: None, tmp_path: Path) -> None:
    source = (
        "out = sys.stdout.buffer\nout.write(b'\\xff\\xfe\\x00 bytes\\n\\n' + 'é'.encode() * 100_000 + b'\\nno end')"
    )
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    settle(run)
    first, second, *long, last = printed(run)
    assert (first, second, last) == ("\ufffd\ufffd\x00 bytes", "", "no end")
    assert "".join(long).strip("é\ufffd") == ""
    assert outcome(run).output_bytes == 10 + 1 + 200_001 + 6


def test_kit_cannot_be_edited_but_copied(tmp_path: Path) -> None:
    source = """
kit = pathlib.Path(task["kit"])
def attempt(name, action):
    try:
        action()
        print(name, "done")
    except OSError as error:
        print(name, "failed")
attempt("append", lambda: (kit / "evaluate.py").open("a"))
attempt("replace", lambda: os.replace(shutil.copy(kit / "evaluate.py", "mine.py"), kit / "evaluate.py"))
attempt("chmod", lambda: (kit / "evaluate.py").chmod(0o777))
attempt("remove", lambda: (kit / "data" / "test.jsonl").unlink())
attempt("add", lambda: (kit / "evaluation_code" / "torch.py").write_text(""))
attempt("rename", lambda: kit.rename("/workspace/kit"))
attempt("copy", lambda: shutil.copytree(kit, "kit"))
attempt("edit the copy", lambda: pathlib.Path("kit/evaluate.py").write_text("print(1.0)"))
"""
    run = make_run(tmp_path / "run", agent(tmp_path, source))
    result = settle(run)
    attempts = ["append failed", "replace failed", "chmod failed", "remove failed", "add failed", "rename failed"]
    assert printed(run) == [*attempts, "copy done", "edit the copy done"]
    assert result.verdict["evaluation_tampering"] == "clean"


FORGED_EVALUATIONS: dict[str, Callable[[str], str]] = {
    "link out": lambda secret: f"os.symlink({secret!r}, 'evaluations.jsonl')",
    "named pipe": lambda _: "os.mkfifo('evaluations.jsonl')",
    "wrong shapes": lambda _: "open('evaluations.jsonl', 'w').write('{\"time\": \"now\"}\\n[1]\\nnull\\n{')",
}


@pytest.mark.parametrize("forge", FORGED_EVALUATIONS.values(), ids=FORGED_EVALUATIONS)
def test_only_well_formed_notes_of_evaluations_are_copied(
    forge: Callable[[str], str], solving_only: None, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"time": 1.0, "items": 1, "score": 0.5, "checkpoint": "secret"}\n')
    run = make_run(tmp_path / "run", agent(tmp_path, forge(str(secret))))
    settle(run)
    assert (run.stage(Stage.SOLVE) / "evaluations.jsonl").read_text() == ""


def outcome(run: Run) -> Outcome:
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())


def manifest(run: Run) -> SubmissionManifest:
    return SubmissionManifest.model_validate_json((run.stage(Stage.COLLECT) / "manifest.json").read_text())
