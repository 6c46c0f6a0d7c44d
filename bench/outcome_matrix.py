"""Run the real agent scaffolds with a failing model provider, in all combinations, and check that no end is a score.

    python bench/outcome_matrix.py [--jobs 2] [--budget 12] [--only TEXT] [--out FILE]

A cell is a scaffold, a failure, the time of the failure (from the first call, or after a successful call that ran a
command) and an end. Runs stop after the stage `solve`; a cell is right if the run is excluded as `provider_failed`. The
command of the scaffold is wrapped in a shell, which ends it once the failure was delivered and exits with the code of
the cell, or waits for the deadline if the scaffold gives up earlier. Delays between resumed sessions are skipped.

Not run: `react` with a cut stream, because `react` does not stream. Claude Code asks again without a stream after a cut
one, and gets half a JSON. A cell whose failure comes in the last 15 percent of the budget proves nothing and is
repeated with three times the budget.
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fake_models import clis  # type: ignore[import-not-found]
from fake_models.parsed_request import ParsedRequest  # type: ignore[import-not-found]
from fake_models.scenario import Fail, Raw, Say, Shell, Turn  # type: ignore[import-not-found]
from fake_models.server import KEY, fake_models  # type: ignore[import-not-found]
from posttrainbench.agents import load_scaffold
from posttrainbench.agents.base import NO_ACCESS, Access, Launch
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.files import read_jsonl
from posttrainbench.records import AgentSpec, Result, Stage, Status
from posttrainbench.run import Run, pipeline, restart
from posttrainbench.run.solve import solve
from posttrainbench.sandbox import Sandbox
from posttrainbench.usage.calls import read_calls
from posttrainbench.usage.clients import is_good
from support import make_run, settle  # type: ignore[import-not-found]

AGENTS = {
    "claude-code": ("anthropic/claude-opus-4-5", "", "claude"),
    "codex": ("openai/gpt-5.1-codex-max", "/v1", "codex"),
    "gemini-cli": ("google/gemini-2.5-pro", "", "gemini"),
    "opencode": ("zai/glm-5", "/v1", "opencode"),
    "react": ("zai/glm-5", "/v1", ""),
}
EMPTY: dict[str, tuple[str, str]] = {
    "anthropic": (
        '{"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn", '
        '"usage": {"input_tokens": 1, "output_tokens": 0}}',
        'event: message_start\ndata: {"type": "message_start", "message": {"id": "m", "type": "message", "role": '
        '"assistant", "model": "m", "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": '
        '0}}}\n\nevent: message_delta\ndata: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": '
        '{"output_tokens": 0}}\n\nevent: message_stop\ndata: {"type": "message_stop"}\n\n',
    ),
    "openai": (
        '{"id": "r", "object": "response", "status": "completed", "output": [], "usage": {"input_tokens": 1, '
        '"output_tokens": 0, "total_tokens": 1}}',
        'event: response.completed\ndata: {"type": "response.completed", "response": {"id": "r", "object": "response", '
        '"status": "completed", "output": [], "usage": {"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}'
        "}}\n\n",
    ),
    "google": (
        '{"candidates": [], "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}',
        'data: {"candidates": [], "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}\n\n',
    ),
    "zai": (
        '{"id": "c", "object": "chat.completion", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, '
        '"completion_tokens": 0, "total_tokens": 1}}',
        'data: {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": {"prompt_tokens": '
        '1, "completion_tokens": 0, "total_tokens": 1}}\n\ndata: [DONE]\n\n',
    ),
}
"""Provider -> a complete response without content, and the same as a stream."""
STATUSES = {
    "429": Fail(429, "Rate limit reached"),
    "529": Fail(529, "Overloaded"),
    "500": Fail(500, "Internal server error"),
    "402": Fail(402, "You exceeded your current quota"),
    "401": Fail(401, "Incorrect API key"),
}
FAILURES = (*STATUSES, "cut stream", "empty choices", "half a JSON", "unreachable")
WHENS = ("start", "middle")
ENDS = ("exit 0", "exit 1", "deadline")

WRAPPER = """
"$@" <&0 & child=$!
while kill -0 $child 2>/dev/null && [ ! -e "$PTB_MATRIX_STOP" ]; do sleep 0.2; done
[ "$PTB_MATRIX_END" = deadline ] && { wait $child; sleep 600; }
[ -e "$PTB_MATRIX_STOP" ] && { sleep 0.5; kill -9 $child 2>/dev/null; }
exit "$PTB_MATRIX_END"
"""
STOP = ".matrix_stop"
FAILED_CALLS = 2
"""Number of failed calls after which the wrapper ends the scaffold."""
PATIENCE = 10.0
"""Seconds after the first failure at which the wrapper ends a scaffold that makes no second call."""
LATE = 0.85


class Cell(NamedTuple):
    """One combination."""

    agent: str
    failure: str
    when: str
    end: str

    def __str__(self) -> str:
        return f"{self.agent:12} {self.failure:13} {self.when:6} {self.end:8}"


@dataclass
class Provider:
    """Plays a cell: a fake provider that works for the first call if `when` is `middle`, and then fails.

    Attributes:
        failed: times of the failed calls.
        worked: time at which the successful call was answered.
    """

    cell: Cell
    failed: list[float] = field(default_factory=list)
    worked: float = 0.0

    def __call__(self, request: ParsedRequest) -> Turn:
        if self.cell.when == "middle" and not request.tools and not self.failed:
            return Say("A short title")
        if self.cell.when == "middle" and not self.worked:
            self.worked = time.time()
            seconds = 2 if self.cell.failure == "unreachable" else 0
            return Say("I look.", calls=(Shell(f"sleep {seconds}; ls"),))
        self.failed.append(time.time())
        if self.cell.failure in STATUSES:
            return STATUSES[self.cell.failure]
        if self.cell.failure == "cut stream" and request.stream:
            return Say("Words that break off somewhere. " * 9, ends="cut")
        kind = "text/event-stream" if request.stream else "application/json"
        if self.cell.failure == "empty choices":
            return Raw(EMPTY[AGENTS[self.cell.agent][0].partition("/")[0]][request.stream], kind)
        return Raw('data: {"choices": [' if request.stream else '{"choices": [', kind)


class Ended(NamedTuple):
    """The result of a cell; `problem` is empty if it is right."""

    cell: Cell
    problem: str
    reason: str
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=float, default=12.0, help="seconds of a run that ends at its deadline")
    parser.add_argument("--only", default="", help="run only cells whose name contains this")
    parser.add_argument(
        "--out", type=Path, help="append all cells to this file, one JSON object per line; right ones are not repeated"
    )
    args = parser.parse_args()
    earlier = [] if args.out is None or not args.out.exists() else read_jsonl(args.out)
    results = [Ended(**{**row, "cell": Cell(*row["cell"])}) for row in earlier if not row["problem"]]
    cells = [Cell(*names) for names in itertools.product(AGENTS, FAILURES, WHENS, ENDS)]
    cells = [cell for cell in cells if not (cell.agent == "react" and cell.failure == "cut stream")]
    done = {ended.cell for ended in results}
    cells = [cell for cell in cells if args.only in " ".join(cell) and cell not in done]
    random.Random(0).shuffle(cells)
    programs = clis.install()
    for provider in PROVIDERS.values():
        os.environ[provider.key_variable] = KEY
    stop_after_solve()
    for name in AGENTS:
        wrap(name)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        numbered = [(Path(folder) / str(number), cell) for number, cell in enumerate(cells)]
        for ended in pool.map(lambda item: run_cell(item[0], item[1], programs, args.budget), numbered):
            results.append(ended)
            print(f"{'WRONG' if ended.problem else 'right'} {ended.cell} {ended.seconds:5.1f} s", flush=True)
            print(f"      {ended.problem or ended.reason[:120]}", flush=True)
            if args.out:
                with args.out.open("a") as file:
                    file.write(json.dumps({**ended._asdict(), "cell": list(ended.cell)}) + "\n")
    table(results)
    sys.exit(any(ended.problem for ended in results))


def table(results: list[Ended]) -> None:
    """Print right cells of all cells, for each scaffold and failure."""
    tried = Counter((ended.cell.agent, ended.cell.failure) for ended in results)
    right = Counter((ended.cell.agent, ended.cell.failure) for ended in results if not ended.problem)
    print("\n| failure | " + " | ".join(AGENTS) + " |\n|---|" + "---|" * len(AGENTS))
    for failure in FAILURES:
        shown = [f"{right[agent, failure]}/{tried[agent, failure]}" for agent in AGENTS]
        print(f"| {failure} | " + " | ".join(shown) + " |")
    print(f"\n{len(results)} cells, {sum(bool(ended.problem) for ended in results)} wrong")


def run_cell(root: Path, cell: Cell, programs: Path, budget: float) -> Ended:
    """Run one cell, and again with a larger budget if its failure came too late."""
    began = time.monotonic()
    problem, reason = attempt(root, cell, programs, budget)
    if problem.startswith("too late"):
        problem, reason = attempt(root.with_name(f"{root.name}-again"), cell, programs, 3 * budget)
    return Ended(cell, problem, reason, time.monotonic() - began)


def attempt(root: Path, cell: Cell, programs: Path, budget: float) -> tuple[str, str]:
    """Return what is wrong with the end of a cell, and the reason that the run states."""
    model, path, program = AGENTS[cell.agent]
    provider = Provider(cell)
    with ExitStack() as stack:
        server = stack.enter_context(ExitStack())
        fake = server.enter_context(fake_models({"": provider}))
        closed = cell.failure == "unreachable" and cell.when == "start"
        url = fake.url
        if closed:
            server.close()
        settings = f"base_url={url}{path}" + (f"&path={programs}/{program}" if program else "")
        seconds = budget if cell.end == "deadline" else 4 * budget
        run = make_run(root, f"{cell.agent}/{model}?{settings}", budget=seconds)
        run_ends[str(run.spec.agent)] = cell.end.removeprefix("exit ")
        done = stack.enter_context(stopping(run, provider, server))
        try:
            result = settle(run)
        finally:
            done.set()
    calls = list(read_calls(run.root / "solve.partial" / "usage.jsonl"))
    if not calls:
        calls = list(read_calls(run.root / "solve" / "usage.jsonl"))
    reason = " ".join(result.reasons)
    failures = [call.time for call in calls if not is_good(call)]
    began = result_began(run)
    if not failures:
        return f"too late: no failed call in {seconds:.0f} s; {result.status} {reason}", reason
    if cell.end == "deadline" and failures[0] - began > LATE * seconds:
        return "too late: the failure came just before the deadline", reason
    if result.score is not None or result.status is not Status.INFRASTRUCTURE_ERROR:
        return f"{result.status} with score {result.score}: {reason}", reason
    causes = [entry.cause for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "failed"]
    if causes != ["provider_failed"]:
        return f"cause {causes}: {reason}", reason
    if any(map(is_good, calls)) != (cell.when == "middle"):
        return f"too late: {sum(map(is_good, calls))} good calls; {reason}", reason
    return "", reason


def result_began(run: Run) -> float:
    """Return the start of the stage `solve`, in seconds since 1970."""
    return datetime.fromisoformat(next(e.time for e in run.journal() if e.stage is Stage.SOLVE)).timestamp()


run_ends: dict[str, str] = {}
"""Agent, whose address is unique for a cell -> exit code, or `deadline`."""


@contextmanager
def stopping(run: Run, provider: Provider, server: ExitStack) -> Iterator[threading.Event]:
    """Tell the wrapper in the sandbox when the failure was delivered; close the provider that becomes unreachable."""
    done = threading.Event()

    def failures() -> list[float]:
        if provider.cell.failure != "unreachable":
            return provider.failed
        calls = read_calls(run.root / "solve.partial" / "usage.jsonl")
        return [call.time + call.seconds for call in calls if not is_good(call)]

    def watch() -> None:
        while not done.wait(0.1):
            if provider.cell.failure == "unreachable" and provider.worked and time.time() > provider.worked + 0.7:
                server.close()
            times = failures()
            if len(times) >= FAILED_CALLS or (times and time.time() > times[0] + PATIENCE):
                (run.workspace / STOP).touch()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        done.set()
        thread.join()


def wrap(name: str) -> None:
    """Replace the commands of a scaffold by the wrapper around them."""
    scaffold = type(load_scaffold(name))
    original: Callable[..., Launch] = scaffold.launch

    def launch(self: object, spec: AgentSpec, sandbox: Sandbox, access: Access = NO_ACCESS) -> Launch:
        made = original(self, spec, sandbox, access)
        variables = {"PTB_MATRIX_STOP": STOP, "PTB_MATRIX_END": run_ends.get(str(spec), "0")}
        shell = ["bash", "-c", WRAPPER, "wrapper"]
        resume = made.resume and [*shell, *made.resume]
        return replace(made, argv=[*shell, *made.argv], resume=resume, environment={**made.environment, **variables})

    scaffold.launch = launch  # type: ignore[method-assign]


def stop_after_solve() -> None:
    """Make runs end after the stage `solve`, in this process, without delays between resumed sessions."""

    def no_result(run: Run) -> None:
        result = Result(
            run=run.spec.run,
            status=Status.NOT_AUDITED,
            score=None,
            raw_score=None,
            base_score=None,
            instruct_score=None,
            verdict={},
            reasons=[],
            evidence=[],
        )
        (run.root / "result.json").write_text(result.model_dump_json())

    pipeline.STAGES = {Stage.PREPARE: pipeline.STAGES[Stage.PREPARE], Stage.SOLVE: solve}
    pipeline.settle = no_result
    restart.BACKOFF_SECONDS = ()  # type: ignore[assignment]


if __name__ == "__main__":
    main()
