"""An agent at work: started, watched, ended at its deadline, and started again where there is reason to."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from posttrainbench.errors import InfrastructureError
from posttrainbench.records import AgentEnd, AgentStart, StartReason
from posttrainbench.run.recorder import Recorder, clock
from posttrainbench.run.restart import Ended, restart
from posttrainbench.run.session import Session
from posttrainbench.run.watch import Watch
from posttrainbench.sandbox import Enforcement, LimitHit, Limits, Report, SandboxProcess

POLL_SECONDS = 0.1
LATE_SECONDS = 5.0
"""So long after the deadline and its grace the sandbox ends by itself; it comes to that if the orchestrator is dead."""

KILLED = 137
"""Exit code after SIGKILL."""

PROMPTS: dict[StartReason, str] = {
    "time_left": "You have ended your work, but {left} are left. Use them: look at what {submission} scores and make "
    "it better. The task and its rules stay as they are.",
    "provider_failed": "Your model's provider failed, and your session was interrupted. {left} are left. Go on with "
    "the task where you stopped.",
}
"""What an agent is told that is started again."""


@dataclass
class Work:
    """One agent's work.

    Attributes:
        prompt: the task.
        submission: where the agent is to leave its model, as it sees the place.
        deadline: by `recorder.clock`.
        grace: seconds between SIGTERM and SIGKILL at the deadline.
        limits: of all its processes together.
        gpus: indices of those that it sees.
        starts: those that have ended.
        process: the latest start.
        limit: the limit that ended it, or else the last that it ran into.
        enforcement: how each limit was held.
    """

    session: Session
    recorder: Recorder
    watch: Watch
    prompt: bytes
    submission: str
    deadline: float
    grace: float
    limits: Limits
    gpus: Sequence[int]
    starts: list[AgentStart] = field(default_factory=list)
    process: SandboxProcess | None = None
    limit: LimitHit | None = None
    enforcement: dict[str, Enforcement] = field(default_factory=dict)
    _calls_before: int = 0
    _worked: bool = False
    _failures: int = 0
    _asked: int = 0
    _over: bool = False

    def to_the_end(self) -> AgentEnd:
        """Start the agent, and again where `restart` says so; all its processes are dead on return.

        Raises:
            InfrastructureError: the sandbox, the gateway or the provider failed.
        """
        why: StartReason = "task"
        prompt, resume = self.prompt, False
        while True:
            code = self._start(why, prompt, resume)
            if code is None:
                return AgentEnd.LIMIT if self._over else AgentEnd.DEADLINE
            calls = self.session.calls()
            since = calls[self._calls_before :]
            self._calls_before = len(calls)
            left = self.deadline - clock()
            can_resume = self.session.launch.resume is not None
            reprompt = self.session.launch.reprompt if can_resume else None
            idle = why == "time_left" and self.starts[-1].model_calls <= 1
            self._asked = self._asked + 1 if idle else 0
            following = restart(Ended(code, since, self._worked, self._failures, self._asked, left, reprompt))
            worked = any(call.status == 200 and call.error is None for call in since)
            self._worked = self._worked or worked
            if following is None or not can_resume:
                return AgentEnd.EXITED if code == 0 else AgentEnd.CRASHED
            self._failures = 0 if worked or following.why == "time_left" else self._failures
            self._failures += following.why == "provider_failed"
            if not self._wait(following.wait):
                return AgentEnd.DEADLINE
            why, resume = following.why, not following.fresh
            prompt = self._told(why) if resume else self.prompt

    def _told(self, why: StartReason) -> bytes:
        minutes = (self.deadline - clock()) / 60
        left = f"{minutes:.0f} minutes" if minutes >= 2 else f"{minutes * 60:.0f} seconds"
        text = PROMPTS[why].format(left=left, submission=self.submission)
        self.recorder.prompt(text)
        return text.encode()

    def _start(self, why: StartReason, prompt: bytes, resume: bool) -> int | None:
        """Start the command and wait for its end. Returns its exit code; None when the host ended it."""
        began = clock()
        process = self.session.start(resume, self.deadline + self.grace + LATE_SECONDS, self.limits, self.gpus)
        self.process = process
        try:
            ended_by_host = self._drive(process, prompt)
        finally:
            process.kill(0)
            self.recorder.settle()
        by_itself = self._judge(process.report(), ended_by_host)
        code = process.popen.returncode if by_itself else None
        start = AgentStart(
            t=round(began - self.recorder.started, 3),
            why=why,
            exit_code=code,
            seconds=clock() - began,
            model_calls=sum(not call.refused for call in self.session.calls()[self._calls_before :]),
        )
        self.starts.append(start)
        return code

    def _judge(self, report: Report | None, ended_by_host: bool) -> bool:
        """Note the limits that it met. Returns whether it ended by itself.

        Raises:
            InfrastructureError: neither the agent nor this process brought about the end.
        """
        if not ended_by_host and (report is None or not report.started or report.ended_by == "host"):
            raise InfrastructureError(
                "sandbox_failed", f"The sandbox failed; what it said is in {self.recorder.file.name}."
            )
        if report is None:
            return False
        self.limit = report.limit or self.limit
        self.enforcement = report.enforcement
        killed = report.limit == "oom-killed" and report.exit_code == KILLED
        self._over = report.ended_by == "limit" or killed
        return not ended_by_host and report.ended_by == "itself" and not self._over

    def _drive(self, process: SandboxProcess, prompt: bytes) -> bool:
        """Hand over the prompt, wait for the end, and bring it about at the deadline. Returns whether the host did."""
        popen = process.popen
        if popen.stdin is None or popen.stdout is None or popen.stderr is None:
            raise RuntimeError("a sandbox must give all three streams as pipes")
        self.recorder.follow(popen.stdout, "stdout")  # type: ignore[arg-type]
        self.recorder.follow(popen.stderr, "stderr")  # type: ignore[arg-type]
        feeder = threading.Thread(target=_feed, args=(popen.stdin, prompt), daemon=True)
        feeder.start()
        while popen.poll() is None and (left := self.deadline - clock()) > 0:
            self.session.check()
            self.recorder.check()
            self.watch.left(left)
            time.sleep(min(POLL_SECONDS, left))
        ended_by_host = popen.poll() is None
        process.kill(self.grace)
        return ended_by_host

    def _wait(self, seconds: float) -> bool:
        """Let time pass; returns whether there is any left then."""
        if seconds:
            self.watch.say(f"the model's provider failed; going on in {seconds:.0f} s")
        end = clock() + seconds
        while (left := self.deadline - clock()) > 0 and clock() < end:
            self.watch.left(left)
            time.sleep(min(POLL_SECONDS, left))
        return left > 0


def _feed(stdin: BinaryIO, prompt: bytes) -> None:
    """Write the prompt and close; an agent that does not read it is free to do so."""
    try:
        stdin.write(prompt)
        stdin.close()
    except (BrokenPipeError, ValueError):
        return
