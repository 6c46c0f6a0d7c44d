"""A judge that is an agent CLI, such as `claude-code/claude-opus-4-6`, in our sandbox.

It sees the copy of the run, read-only, and an empty working directory, into which it writes its verdict. There is no
network but the gateway to its own provider. Its citations are checked like those of any judge.
"""

import asyncio
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.audit.judge import Judge, ModelJudge, Review, ReviewTask, Vote
from posttrainbench.audit.judge.answer import judged
from posttrainbench.audit.judge.directed import directed
from posttrainbench.audit.judge.records import Answer, Judged, JudgeUsage
from posttrainbench.audit.judge.task import key, prompt
from posttrainbench.audit.judge.text import read_lines, visible
from posttrainbench.audit.untrusted import UnreadableError, read_json
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.records import AgentSpec, Evidence
from posttrainbench.run.session import open_session, require_agent, total
from posttrainbench.sandbox import Mount, Sandbox, SandboxProcess, load_sandbox

SECONDS = 3600.0
ANSWER_BYTES = 2**20
GIVEN = ("prepare/", "reference/", "audit/")
TAIL = 400
EXPOSED = 20
SCANNED = 20_000
"""Lines of a file, and characters of a line, that are searched for text that steers a reviewer."""


def load_judge(name: str, max_cost: float | None = None) -> Judge:
    """The judge of a name: an agent of the catalog with its model, a model of Inspect's, or `URL#MODEL`.

    Raises:
        InputError: there is none of that name here, its key is missing, or the limit cannot be kept.
    """
    if name.partition("/")[0].partition("?")[0] not in catalog.agents():
        return ModelJudge(name, max_cost=max_cost)
    if max_cost is not None:
        raise InputError("A judge that is an agent takes its limit as a setting: NAME?max_dollars=N.")
    return AgentJudge(catalog.agent_spec(name), load_sandbox("bubblewrap"))


class AgentJudge:
    """A judge by a scaffold of ours.

    Attributes:
        name: of the agent, with its settings.
    """

    def __init__(self, agent: AgentSpec, sandbox: Sandbox) -> None:
        """Check that all it needs is here; nothing is sent.

        Raises:
            InputError: something is missing, or the agent has no model.
        """
        self.name = agent.name
        self._agent, self._sandbox = agent, sandbox
        require_agent(agent, sandbox)
        sandbox.check()
        if sandbox.network != "none":
            raise InputError(f"The sandbox {sandbox.name} does not close the network; a judge needs one that does.")
        self._one_at_a_time = asyncio.Semaphore(1)
        self._process: SandboxProcess | None = None
        self._stopped = False

    async def vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        """See `Judge.vote`."""
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(self._vote, review, task, number)
            except asyncio.CancelledError:  # a thread cannot be cancelled: what it waits for is ended
                self._stopped = True
                if self._process is not None:
                    self._process.kill(0)
                raise

    def _vote(self, review: Review, task: ReviewTask, number: int) -> Vote:
        started = time.monotonic()
        rules: list[Judged] = []
        problem = ""
        usage = JudgeUsage()
        with tempfile.TemporaryDirectory(prefix="ptb-judge-") as place:
            workspace = Path(place, "workspace")
            try:
                usage, problem = self._work(review, task, Path(place), workspace)
                answer = Answer.model_validate(read_json(workspace / "verdict.json", ANSWER_BYTES))
                rules, problem = judged(answer, task, review), ""
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

    def _work(self, review: Review, task: ReviewTask, place: Path, workspace: Path) -> tuple[JudgeUsage, str]:
        """Let the agent work. Returns what its model calls took, and what seems to have gone wrong."""
        copy = Mount("review", review.root)
        mounts = {
            "workspace": Mount("workspace", workspace, writable=True),
            "tmp": Mount("tmp", workspace / ".tmp", writable=True),
            "shm": Mount("dev/shm", workspace / ".shm", writable=True),
            "review": copy,
        }
        told = prompt(task, review, "", self._sandbox.locate(copy)).encode()
        with open_session(self._agent, self._sandbox, mounts, place, {}) as session:
            if session.gateway is None:
                raise InputError(f"`{self.name}` has no model: it cannot judge.")
            began = time.time()
            process = self._process = session.start(resume=False)
            try:
                said = "" if self._stopped else _converse(process.popen, told)
            finally:
                process.kill(0)
            used = total(session.calls(), began)
            said = session.redactor.line(" ".join(said.split()))
        usage = JudgeUsage(
            requests=used.requests,
            input=used.input,
            cached=used.cached,
            cache_write=used.cache_write,
            output=used.output,
            cost=None if used.unpriced else used.cost,
        )
        return usage, "" if process.popen.returncode == 0 else visible(f"the agent failed: {said}")


def _converse(popen: "subprocess.Popen[bytes]", told: bytes) -> str:
    """Hand over the prompt and wait for the end. Returns the last that was printed."""
    last: dict[str, bytes] = {}

    def drain(name: str, stream: IO[bytes]) -> None:
        while data := stream.read1(2**16):  # type: ignore[attr-defined]
            last[name] = (last.get(name, b"") + data)[-TAIL:]

    if popen.stdin is None or popen.stdout is None or popen.stderr is None:
        raise RuntimeError("a sandbox must give all three streams as pipes")
    for name, stream in (("output", popen.stdout), ("errors", popen.stderr)):
        threading.Thread(target=drain, args=(name, stream), daemon=True).start()
    try:
        popen.stdin.write(told)
        popen.stdin.close()
    except (BrokenPipeError, ValueError):
        pass  # it has ended, or does not read
    try:
        popen.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return f"it took more than {SECONDS:.0f} seconds"
    return b" ".join(last.values()).decode(errors="replace")


def steering(review: Review) -> list[Evidence]:
    """What in a copy tells a reviewer what to find; which files an agent reads is not known."""
    found: list[Evidence] = []
    for name in review.files:
        if not name.startswith(GIVEN):
            for number, line in enumerate(read_lines(review.root / name, 1, SCANNED), 1):
                if phrase := directed(line[:SCANNED]):
                    found.append(Evidence(file=name, line=number, text=visible(phrase)[:200]))
                    if len(found) == EXPOSED:
                        return found
    return found
