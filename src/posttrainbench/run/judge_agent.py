"""A judge that runs an agent CLI, such as `claude-code/claude-opus-4-6`, in the sandbox.

The agent reads a read-only copy of the run and writes its verdict into an empty working directory. Its only network
access is the gateway to its own provider. Its citations are checked like those of any judge.
"""

import asyncio
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.audit.judge import Judge, ModelJudge, Review, ReviewTask, Vote
from posttrainbench.audit.judge.answer import check_answer
from posttrainbench.audit.judge.records import Answer, JudgeUsage, RuleDecision
from posttrainbench.audit.judge.steering import find_steering_text
from posttrainbench.audit.judge.task import key, new_mark, prompt
from posttrainbench.audit.judge.text import read_lines, visible
from posttrainbench.audit.judge.tools import NOT_BY_AGENT
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import sha256_bytes
from posttrainbench.records import AgentEnd, AgentSpec, Quote
from posttrainbench.run.session import open_session, require_agent, total_usage
from posttrainbench.run.why_ended import why_ended
from posttrainbench.sandbox import Mount, Sandbox, SandboxProcess, load_sandbox
from posttrainbench.trajectory.formats import reader_for
from posttrainbench.trajectory.lines import Line
from posttrainbench.untrusted import UnreadableError, read_json

SECONDS = 3600.0
ANSWER_BYTES = 2**20
TAIL = 400
OUTPUT_BYTES = 64 * 2**20
"""Maximum size of the output that is searched for tool calls; only its end is kept."""

DRAIN_SECONDS = 5.0
NO_LOOK = re.compile("^(ls|list|glob|list_directory)$|write|edit|todo|plan", re.IGNORECASE)
"""Matches tools that read no file."""
SHELL = re.compile(r"^\s*(?:\S*/)?(?:ba|z|da)?sh\s+-\w*c\s+(.*)$", re.DOTALL)
REDIRECTION = re.compile(r"\d?>+\s*(?:&\d|/dev/null)")
LISTING = re.compile(r"""\s*['"]?(?:ls|find|tree|du|stat|wc|echo|pwd|cd|test|rg\s+--files)\b""")
"""Matches a command that only lists files."""
RUNS_OTHERS = re.compile(r"-(?:exec|ok)|\$\(|`")
"""Matches what makes such a command run others."""

MAX_QUOTES = 20
SCANNED = 20_000
"""Number of lines per file, and of characters per line, that are searched for text that steers a reviewer."""


def load_judge(name: str, max_cost: float | None = None) -> Judge:
    """Return a judge by name: a catalog agent with its model, an Inspect model, or `URL#MODEL`.

    Raises:
        InputError: the judge is unknown, its key is missing, or it cannot enforce the cost limit.
    """
    if name.partition("/")[0].partition("?")[0] not in catalog.agents():
        return ModelJudge(name, max_cost=max_cost)
    if max_cost is not None:
        raise InputError("The cost limit of a judge that is an agent is a setting of the agent: NAME?max_dollars=N.")
    return AgentJudge(catalog.agent_spec(name), load_sandbox("bubblewrap"))


class AgentJudge:
    """A judge that is an agent of the catalog.

    Attributes:
        name: the agent's name with its settings.
        settings: hash of the agent's definition, which the catalog may change.
    """

    def __init__(self, agent: AgentSpec, sandbox: Sandbox) -> None:
        """Check the requirements of the agent. Nothing is sent.

        Raises:
            InputError: something is missing, or the sandbox does not isolate the network.
        """
        self.name = agent.name
        self.settings: Mapping[str, str] = {"agent_sha256": sha256_bytes(agent.model_dump_json().encode())}
        self._agent, self._sandbox = agent, sandbox
        require_agent(agent, sandbox)
        sandbox.check()
        if sandbox.network != "none":
            raise InputError(f"The sandbox {sandbox.name} does not isolate the network, which a judge requires.")
        self._one_at_a_time = asyncio.Semaphore(1)
        self._process: SandboxProcess | None = None
        self._stopped = False

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """Run the agent once and return its vote. Votes are taken one at a time."""
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(self._vote, review, task, number)
            except asyncio.CancelledError:  # a thread cannot be cancelled, so kill the process that it waits for
                self._stopped = True
                if self._process is not None:
                    self._process.kill(0)
                raise

    def _vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        started = time.monotonic()
        rules: list[RuleDecision] = []
        problem = ""
        usage = JudgeUsage()
        with tempfile.TemporaryDirectory(prefix="ptb-judge-") as folder:
            workspace = Path(folder, "workspace")
            try:
                usage, looked, problem = self._work(review, task, Path(folder), workspace)
                answer = Answer.model_validate(read_json(workspace / "verdict.json", ANSWER_BYTES))
                if not problem:
                    problem = _unfounded(answer, looked, workspace / "verdict.json", review)
                if not problem:
                    rules = check_answer(answer, task, review)
            except (InputError, InfrastructureError) as error:
                problem = str(error)
            except UnreadableError as error:
                problem = f"its verdict.json cannot be read: {error}" + (f"; {problem}" if problem else "")
            except ValidationError as error:
                problem = f"its verdict has the wrong form: {one_line(error)}"
        return Vote(
            judge=self.name,
            number=number,
            key=key(self.name, task, review),
            state="done" if rules else "failed",
            problem=problem,
            rules=rules,
            exposed=steering(review),
            usage=usage,
            seconds=round(time.monotonic() - started, 3),
        )

    def _work(self, review: Review, task: ReviewTask, folder: Path, workspace: Path) -> tuple[JudgeUsage, bool, str]:
        """Run the agent.

        Returns:
            The totals of its model calls, whether it looked at the copy, and a description of the problem, if any. An
            agent whose provider failed has a problem, whatever it wrote before.
        """
        copy = Mount("review", review.root)
        mounts = {
            "workspace": Mount("workspace", workspace, writable=True),
            "tmp": Mount("tmp", workspace / ".tmp", writable=True),
            "shm": Mount("dev/shm", workspace / ".shm", writable=True),
            "review": copy,
        }
        prompt_bytes = prompt(task, review, new_mark(), self._sandbox.locate(copy)).encode()
        with open_session(self._agent, self._sandbox, mounts, folder, {}) as session:
            if session.gateway is None:
                raise InputError(f"`{self.name}` has no model, so it cannot judge.")
            began = time.time()
            process = self._process = session.start(resume=False)
            try:
                printed, errors = (b"", "") if self._stopped else _converse(process.popen, prompt_bytes)
            finally:
                process.kill(0)
            output = session.redactor.line(" ".join((printed[-TAIL:].decode(errors="replace") + errors).split()))
        calls = session.calls()  # all of them only now: the gateway writes a call after its answer was passed on
        totals = total_usage(calls, began)
        usage = JudgeUsage(
            requests=totals.requests,
            input=totals.input,
            cached=totals.cached,
            cache_write=totals.cache_write,
            output=totals.output,
            cost=None if totals.unpriced else totals.cost,
        )
        exited = process.popen.returncode == 0
        ending = why_ended(
            calls,
            AgentEnd.EXITED if exited else AgentEnd.CRASHED,
            ended=time.time(),
            budget=SECONDS,
            max_provider_away=1.0,
            output=output,
        )
        problem = ending.text if ending.cause else "" if exited else f"the agent failed: {output}"
        looked = looks_at(printed, load_scaffold(self._agent.scaffold).trajectory, self._sandbox.locate(copy))
        return usage, looked, visible(problem)


def looks_at(printed: bytes, format: str, folder: str) -> bool:
    """Return whether an agent made a tool call that names a folder and does more than list its files.

    Args:
        printed: the standard output of the agent.
        format: output format of its scaffold.
        folder: path of the folder as the agent sees it.
    """
    reader = reader_for(format)
    lines = (Line(0.0, "stdout", line) for line in printed.decode(errors="replace").split("\n"))
    for timed in reader.steps(lines):
        for call in timed.step.tool_calls or ():
            values = [str(value) for name, value in call.arguments.items() if name != "description"]
            if not NO_LOOK.search(call.function_name) and _reads("\n".join(values), folder):
                return True
    return False


def _reads(command: str, folder: str) -> bool:
    """Return whether a command or a path, more than listing files, reads what the agent under review wrote or did."""
    if shell := SHELL.match(command):
        command = shell[1]
    agents = re.compile(rf"{re.escape(folder)}(?!/(?:{'|'.join(map(re.escape, NOT_BY_AGENT))}))")
    inside = False
    for part in re.split(r"[|;&\n]+", REDIRECTION.sub("", command)):
        listing = LISTING.match(part) and not RUNS_OTHERS.search(part)
        named = agents.search(part) is not None
        if not listing and (named or (inside and len(part.split()) > 1 and not part.strip().startswith(NOT_BY_AGENT))):
            return True
        inside |= named and part.strip(" '\"").startswith("cd ")
    return False


def _unfounded(answer: Answer, looked: bool, verdict: Path, review: Review) -> str:
    """Return why a verdict does not count although it is well-formed, "" if it does."""
    if not looked and any(rule.state == "clean" for rule in answer.rules):
        return "it decided without looking at the run"
    content = verdict.read_bytes()
    for name, size in review.files.items():
        if size == len(content) and (review.root / name).read_bytes() == content:
            return f"its verdict.json is a copy of {visible(name)}, a file under review"
    return ""


def _converse(popen: "subprocess.Popen[bytes]", prompt_bytes: bytes) -> tuple[bytes, str]:
    """Send the prompt and wait for the end. Return the end of the output, and the end of the errors."""
    tails: dict[str, bytearray] = {"output": bytearray(), "errors": bytearray()}
    limits = {"output": OUTPUT_BYTES, "errors": TAIL}

    def drain(name: str, stream: IO[bytes]) -> None:
        tail = tails[name]
        while data := stream.read1(2**16):  # type: ignore[attr-defined]
            tail += data
            del tail[: max(0, len(tail) - limits[name])]

    if popen.stdin is None or popen.stdout is None or popen.stderr is None:
        raise RuntimeError("a sandbox must give all three streams as pipes")
    readers: list[threading.Thread] = []
    for name, stream in (("output", popen.stdout), ("errors", popen.stderr)):
        readers.append(threading.Thread(target=drain, args=(name, stream), daemon=True))
        readers[-1].start()
    try:
        popen.stdin.write(prompt_bytes)
        popen.stdin.close()
    except (BrokenPipeError, ValueError):
        pass  # the agent has exited, or does not read its prompt
    try:
        popen.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return bytes(tails["output"]), f" it ran for more than {SECONDS:.0f} seconds"
    for reader in readers:
        reader.join(DRAIN_SECONDS)  # a background process may hold the pipe open
    return bytes(tails["output"]), " " + tails["errors"].decode(errors="replace")


def steering(review: Review) -> list[Quote]:
    """Return the passages of a copy that try to steer a reviewer, at most `MAX_QUOTES`.

    All files of the agent are searched, because it is unknown which of them the judge reads.
    """
    quotes: list[Quote] = []
    for name in review.files:
        if not name.startswith(NOT_BY_AGENT):
            for number, line in enumerate(read_lines(review.root / name, 1, SCANNED), 1):
                if phrase := find_steering_text(line[:SCANNED]):
                    quotes.append(Quote(file=name, line=number, text=visible(phrase)[:200]))
                    if len(quotes) == MAX_QUOTES:
                        return quotes
    return quotes
