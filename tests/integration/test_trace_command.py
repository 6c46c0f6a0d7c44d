"""`ptb trace` on recorded runs: selection, refusals, paging, and following a running agent."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.agents.recipe import Recipe
from posttrainbench.files import append_json
from posttrainbench.records import SolveNote
from posttrainbench.run.solve_supervisor import NOTES
from support import PATIENCE, assert_refused, command
from trajectory_recordings import CLAUDE, CLAUDE_SUBAGENT, PROMPT, Event, make_recorded_run, write_output

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]
HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m \x08 \u202e desrever"
AS_CLAUDE = "from posttrainbench.agents.recipe import Recipe\nRecipe.trajectory = 'claude-code'"


@pytest.fixture
def as_claude(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read runs of recipes with the reader for Claude Code."""
    monkeypatch.setattr(Recipe, "trajectory", "claude-code")


@pytest.fixture
def root(as_claude: None, tmp_path: Path) -> Path:
    lines: list[str | Event | tuple[str, str]] = [*CLAUDE, ("stderr", HOSTILE)]
    return make_recorded_run(tmp_path / "run", lines)


def steps(said: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def test_all_steps(root: Path, ptb_here: Ptb) -> None:
    said = ptb_here("trace", root)
    assert (said.returncode, said.stderr) == (0, "")
    for word in (PROMPT, "what to do", "I will write.", "echo hello", "Exit code 3", "All done.", "desrever"):
        assert word in said.stdout
    assert all(letter.isprintable() or letter == "\n" for letter in said.stdout)


@pytest.mark.parametrize(
    "options", [["--grep", "no such word"], ["--raw", "--grep", "no such word"], ["--tools", "no"]]
)
def test_no_match_is_said(root: Path, options: list[str], ptb_here: Ptb) -> None:
    said = ptb_here("trace", root, *options)
    assert (said.returncode, said.stdout) == (0, "")
    assert (
        said.stderr
        == f"ptb: No {'line' if '--raw' in options else 'step'} matches: {root} has none for these options.\n"
    )


def test_many_unknown_events_are_a_warning(as_claude: None, tmp_path: Path, ptb_here: Ptb) -> None:
    run = make_recorded_run(tmp_path / "run", [*CLAUDE, *[{"type": "telepathy"}] * 9])
    for options in ((), ("--json", "--tail", "1")):
        said = ptb_here("trace", run, *options)
        assert said.returncode == 0
        assert "ptb: 9 of 23 events are unknown to the trajectory's reader (telepathy)" in said.stderr


def test_steps_as_json(root: Path, ptb_here: Ptb) -> None:
    made = steps(ptb_here("trace", root, "--json"))
    assert [step["step_id"] for step in made] == list(range(1, len(made) + 1))
    assert (made[0]["source"], made[0]["message"]) == ("user", PROMPT)
    assert made[1]["tool_calls"][0]["arguments"]["command"] == "echo hello"
    assert ptb_here("trace", root, "--json").stdout.isascii()


def test_subagents_as_json(as_claude: None, ptb_here: Ptb, tmp_path: Path) -> None:
    made = steps(ptb_here("trace", make_recorded_run(tmp_path / "run", CLAUDE_SUBAGENT), "--json"))
    assert [step["step_id"] for step in made if step.get("subagent") == "t1"] == [1, 2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tools", "bash"], ["I will write.", "Both at once."]),
        (["--tools", "Read, BASH", "--grep", "hello"], ["I will write."]),
        (["--tools", "read"], []),
        (["--grep", "^All"], ["All done."]),
        (["--from", "2.5s", "--to", "0:00:05", "--tools", "bash"], ["Both at once."]),
        (["--from", "0.1m"], ["All done.", HOSTILE]),
        (["--from", "1h30m"], []),
        (["--tail", "2"], ["All done.", HOSTILE]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value and value[0].startswith("--") else "",
)
def test_selections(words: list[str], expected: list[str], root: Path, ptb_here: Ptb) -> None:
    assert [step["message"] for step in steps(ptb_here("trace", root, "--json", *words))] == expected


def test_raw_lines(root: Path, ptb_here: Ptb) -> None:
    lines = steps(ptb_here("trace", root, "--raw", "--json"))
    assert [line["line"] for line in lines] == [*map(json.dumps, CLAUDE), HOSTILE]
    [line] = steps(ptb_here("trace", root, "--raw", "--json", "--grep", "desrever", "--tail", "1"))
    assert line == {"t": line["t"], "stream": "stderr", "line": HOSTILE}
    said = ptb_here("trace", root, "--raw")
    assert "desrever" in said.stdout
    assert all(letter.isprintable() or letter == "\n" for letter in said.stdout)


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["--grep", "("], "regular expression"),
        (["--from", "soon"], "1h30m"),
        (["--to", ""], "1h30m"),
        (["--raw", "--tools", "bash"], "--raw"),
        (["--follow", "--tail", "3"], "--tail"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals(words: list[str], mention: str, root: Path, ptb_here: Ptb) -> None:
    assert_refused(ptb_here("trace", root, *words), mention)


def test_agent_that_has_not_been_started(ptb_here: Ptb, root: Path) -> None:
    (root / "solve").rename(root / "elsewhere")
    assert_refused(ptb_here("trace", root), "ptb resume")


def test_following_a_run_that_is_done_ends(root: Path, ptb_here: Ptb) -> None:
    assert steps(ptb_here("trace", root, "--follow", "--json")) == steps(ptb_here("trace", root, "--json"))


class Follower:
    """A `ptb trace --follow --json` process and its output so far."""

    def __init__(self, root: Path) -> None:
        words = command("trace", root, "--follow", "--json", code=AS_CLAUDE)
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.seen: list[dict[str, Any]] = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.seen.extend(map(json.loads, self.process.stdout))

    def wait_for(self, message: str) -> None:
        until = time.monotonic() + PATIENCE
        while not any(step["message"] == message for step in self.seen):
            assert time.monotonic() < until, self.seen
            assert self.thread.is_alive(), self.seen
            time.sleep(0.02)

    def end(self) -> tuple[int, str]:
        self.thread.join(PATIENCE)  # it alone reads what is printed
        assert not self.thread.is_alive(), self.seen
        assert self.process.stderr is not None
        return self.process.wait(PATIENCE), self.process.stderr.read()


@contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Hold the lock of this run's stage process."""
    with (root / "solve.partial" / NOTES).open("a") as notes:
        fcntl.flock(notes, fcntl.LOCK_EX)
        yield


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    """Follow a run whose agent has just called its first tool."""
    root = make_recorded_run(tmp_path / "run", CLAUDE[:5], "solve.partial")
    with at_work(root):
        following = Follower(root)
        yield following
        following.process.kill()
        following.process.wait()


def test_follow(follower: Follower, tmp_path: Path) -> None:
    partial = tmp_path / "run" / "solve.partial"
    follower.wait_for("I will write.")  # although its call has no result yet
    rest = write_output(tmp_path / "rest.jsonl", CLAUDE[5:]).read_bytes()
    with (partial / "output.jsonl").open("ab", buffering=0) as file:
        file.write(rest[:100])
        time.sleep(0.5)  # a line that is half written
        file.write(rest[100:])
    follower.wait_for("All done.")
    assert follower.process.poll() is None
    partial.rename(tmp_path / "run" / "solve")
    assert follower.end() == (0, "")
    results = [result for step in follower.seen for result in step.get("observation", {"results": []})["results"]]
    assert [result["content"] for result in results] == ["hello", "Exit code 3", "(no output)"]
    assert [step["step_id"] for step in follower.seen] == list(range(1, len(follower.seen) + 1))


def test_follow_ends_with_an_attempt_that_failed(follower: Follower, tmp_path: Path) -> None:
    follower.wait_for("I will write.")
    (tmp_path / "run" / "solve.partial").rename(tmp_path / "run" / "solve.attempt-1")
    make_recorded_run(tmp_path / "new", [], "solve.partial")
    (tmp_path / "new" / "solve.partial").rename(tmp_path / "run" / "solve.partial")
    assert follower.end() == (0, "")


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (None, "the process of its agent's stage was killed; continue it with `ptb resume "),
        (SolveNote(kind="end", end="failed", text="no disk", cause="x"), "stage failed (no disk); continue it with"),
        (SolveNote(kind="end", end="interrupted"), "stage was interrupted; continue it with"),
        (SolveNote(kind="end", end="done"), ""),
    ],
    ids=lambda value: value.end if isinstance(value, SolveNote) else "",
)
def test_follow_ends_when_the_stage_has_stopped(tmp_path: Path, end: SolveNote | None, says: str) -> None:
    root = make_recorded_run(tmp_path / "run", CLAUDE[:5], "solve.partial")
    with at_work(root):
        following = Follower(root)
        following.wait_for("I will write.")
        write_output(tmp_path / "rest.jsonl", CLAUDE[5:])
        with (root / "solve.partial" / "output.jsonl").open("ab") as file:
            file.write((tmp_path / "rest.jsonl").read_bytes())
        if end is not None:
            append_json(root / "solve.partial" / NOTES, end)
    code, said = following.end()
    assert following.seen[-1]["message"] == "All done."  # nothing of what was recorded is lost
    assert code == (1 if says else 0)
    assert says in said
    assert said.count("\n") == (1 if says else 0)


def test_following_a_run_that_was_killed_ends(tmp_path: Path) -> None:
    root = make_recorded_run(tmp_path / "run", CLAUDE, "solve.partial")
    with at_work(root):
        pass
    following = Follower(root)
    code, said = following.end()
    assert (code, following.seen[-1]["message"]) == (1, "All done.")
    assert "This run has stopped" in said


def test_follow_ends_with_ctrl_c(follower: Follower) -> None:
    follower.wait_for("I will write.")
    follower.process.send_signal(signal.SIGINT)
    assert follower.end() == (0, "")


@pytest.mark.parametrize(("pager", "expected"), [("cat", "All done."), ("head -n 2", PROMPT), ("", "All done.")])
def test_pager_on_a_terminal(pager: str, expected: str, root: Path) -> None:
    """The pager receives colors, but no escape sequences of the agent."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        command("trace", root, code=AS_CLAUDE),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "xterm", "PAGER": pager},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            break
    os.close(master)
    assert process.communicate(timeout=PATIENCE)[1] == b""
    assert process.returncode == 0
    assert expected.encode() in shown
    assert b"\x1b[" in shown
    for escape in (b"\x1b]0;", b"\x1b[2J", b"\x07", b"\x08", "\x9b".encode(), "\u202e".encode()):
        assert escape not in shown


def test_help_is_light() -> None:
    """Readers and their JSON library are imported only by the command that needs them."""
    code = "import sys, posttrainbench.cli.app; sys.exit('msgspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
