"""Run the agent until it finishes or its deadline passes; restart it when `restart` allows."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from posttrainbench.errors import InfrastructureError
from posttrainbench.records import AgentEnd, AgentStart, LivingProcess, StartReason
from posttrainbench.run.living import MAX_PROCESSES, ProcessSampler
from posttrainbench.run.progress import ProgressListener, format_duration
from posttrainbench.run.provenance import Provenance
from posttrainbench.run.recorder import Recorder, clock
from posttrainbench.run.restart import ExitInfo, next_restart
from posttrainbench.run.session import Session
from posttrainbench.run.why_ended import good_calls, why_ended
from posttrainbench.sandbox import Enforcement, LimitHit, Limits, Report, SandboxProcess
from posttrainbench.usage.calls import ModelCall
from posttrainbench.usage.clients import is_from, is_good, scaffold_clients

POLL_SECONDS = 0.1
MIN_SECONDS = 60.0
"""Least time left for which an agent with background work is resumed."""
LATE_SECONDS = 5.0
"""Delay after deadline and grace period at which the sandbox ends itself, in case the orchestrator has died."""

RECORD_SECONDS = 0.5
"""Time in which the gateway records a call that has ended."""

KILLED = 137
"""Exit code after SIGKILL."""

PROMPTS: dict[StartReason, str] = {
    "time_left": "You stopped working before the deadline. Time left: {left}. {hint}Use it to evaluate {submission} "
    "and to improve it. The task and its rules have not changed.",
    "provider_failed": "Your model provider failed and interrupted your session. Time left: {left}. Continue the task "
    "from where you stopped.",
}
"""Prompts for resumed sessions."""

BACKGROUND_HINT = "Your background processes were ended with your session, so wait for such work before you stop. "
SUBMISSION_HINT = "{submission} does not contain a complete model. "


@dataclass
class AgentRun:
    """The agent's process, over all its starts.

    Attributes:
        prompt: the task's prompt.
        submission: path of the submission inside the sandbox.
        deadline: on `recorder.clock`.
        grace: seconds between SIGTERM and SIGKILL at the deadline.
        limits: resource limits of all processes together.
        gpus: indices of the visible GPUs.
        starts: the starts that have ended.
        process: the latest start.
        limit: the limit that ended the agent, else the last one that it reached.
        enforcement: limit -> mechanism that enforced it.
        budget: time limit in seconds.
        max_provider_away: share of the budget without a provider from which the run does not count.
        stop: file that requests an early end.
        provenance: the records of file provenance.
        on_deadline: called with a new deadline when the host gives back the time that it waits for the provider; None
            if the suite does not give it back.
        provider_away: seconds without a working provider, once the agent has ended.
        given_back: seconds by which the deadline was moved.
        suite_reprompt: see `catalog.entries.Suite`.
        is_whole: returns whether the workspace holds a whole submission. Called when no process of the agent is alive.
        living: the processes that were ended; see `Outcome.processes`.
    """

    session: Session
    recorder: Recorder
    listener: ProgressListener
    prompt: bytes
    submission: str
    deadline: float
    grace: float
    limits: Limits
    gpus: Sequence[int]
    budget: float
    max_provider_away: float
    suite_reprompt: float | None
    is_whole: Callable[[], bool]
    stop: Path
    provenance: Provenance
    on_deadline: Callable[[float], None] | None = None
    starts: list[AgentStart] = field(default_factory=list)
    process: SandboxProcess | None = None
    limit: LimitHit | None = None
    enforcement: dict[str, Enforcement] = field(default_factory=dict)
    provider_away: float = 0.0
    given_back: float = 0.0
    living: list[LivingProcess] = field(default_factory=list)
    _sampler: ProcessSampler | None = None
    _hint: str = ""
    _calls_before: int = 0
    _failures: int = 0
    _idle_reprompts: int = 0
    _limit_exceeded: bool = False
    _stopped: bool = False

    def run_to_completion(self) -> AgentEnd:
        """Start the agent, and restart it as `next_restart` decides. All its processes are dead on return.

        Raises:
            InfrastructureError: the sandbox, the gateway or the provider failed, or the agent never made a model call.
        """
        agent_end = self._run()
        if self.session.gateway is not None:
            end = why_ended(
                self._calls(),
                agent_end,
                ended=time.time(),
                budget=self.budget,
                max_provider_away=self.max_provider_away,
                clients=self.session.launch.clients,
                output=self.recorder.tail(),
            )
            if end.cause:
                raise InfrastructureError(end.cause, end.text)
            self.provider_away = end.provider_away
        return agent_end

    def _run(self) -> AgentEnd:
        why: StartReason = "task"
        prompt, resume = self.prompt, False
        while True:
            code = self._start(why, prompt, resume)
            if code is None:
                return AgentEnd.LIMIT if self._limit_exceeded else self._end_by_host()
            calls = self._calls()
            earlier, new_calls = calls[: self._calls_before], calls[self._calls_before :]
            self._calls_before = len(calls)
            clients = scaffold_clients(calls, self.session.launch.clients)
            answers = good_calls(new_calls, clients)
            background = self._background([call for call in calls if is_from(call, clients)])
            self._note_ended(background)
            can_resume = self.session.launch.resume is not None
            idle = why == "time_left" and len(answers) <= 1
            self._idle_reprompts = self._idle_reprompts + 1 if idle else 0
            restart = next_restart(
                ExitInfo(
                    calls=new_calls,
                    earlier=earlier,
                    failures=self._failures,
                    idle_reprompts=self._idle_reprompts,
                    seconds_left=self.deadline - clock(),
                    reprompt=self._reprompt(background) if can_resume else None,
                    clients=self.session.launch.clients,
                )
            )
            if restart is None or not can_resume:
                return AgentEnd.EXITED if code == 0 else AgentEnd.CRASHED
            self._failures = 0 if answers or restart.why == "time_left" else self._failures
            self._failures += restart.why == "provider_failed"
            if not self._wait(restart.wait):
                return self._end_by_host()
            why, resume = restart.why, not restart.fresh
            prompt = self._resume_prompt(why) if resume else self.prompt

    def _background(self, calls: Sequence[ModelCall]) -> list[LivingProcess]:
        """Return the background processes that the agent's exit ended.

        While the scaffold made its last call, it waited for no command. So what lived at that time was background work.

        Args:
            calls: the scaffold's calls.
        """
        last_call = max((call.time for call in calls), default=0.0)
        return self._sampler.latest.background(last_call) if self._sampler is not None else []

    def _note_ended(self, processes: Sequence[LivingProcess]) -> None:
        self.living = [*self.living, *processes][:MAX_PROCESSES]

    def _reprompt(self, background: Sequence[LivingProcess]) -> float | None:
        """Return the time left, in seconds, above which the agent that has exited is prompted to continue."""
        self._hint = BACKGROUND_HINT if background else ""
        if self.session.launch.reprompt is not None or self.suite_reprompt is None:
            return self.session.launch.reprompt
        seconds = self.suite_reprompt * self.budget
        if self.deadline - clock() > seconds and not self.is_whole():
            self._hint += SUBMISSION_HINT.format(submission=self.submission)
            return seconds
        return min(seconds, MIN_SECONDS) if background else None

    def _end_by_host(self) -> AgentEnd:
        return AgentEnd.STOPPED if self._stopped else AgentEnd.DEADLINE

    def _stop_requested(self) -> bool:
        self._stopped = self._stopped or self.stop.exists()
        return self._stopped

    def _calls(self) -> list[ModelCall]:
        """Return the model calls. An agent may exit a moment before the gateway has recorded its last call."""
        calls = self.session.calls()
        if self.session.gateway is None or (calls and is_good(calls[-1])):
            return calls
        time.sleep(RECORD_SECONDS)
        return self.session.calls()

    def _resume_prompt(self, why: StartReason) -> bytes:
        seconds = self.deadline - clock()
        left = format_duration(60 * round(seconds / 60) if seconds >= 120 else round(seconds))
        text = PROMPTS[why].format(left=left, submission=self.submission, hint=self._hint)
        self.recorder.prompt(text)
        return text.encode()

    def _start(self, why: StartReason, prompt: bytes, resume: bool) -> int | None:
        """Start the command and wait for its end. Return its exit code, or None if the host ended it."""
        began = clock()
        late = self.deadline + self.grace + LATE_SECONDS
        process = self.session.start(resume, late, self.limits, self.gpus, self.provenance.begin())
        self.process = process
        try:
            ended_by_host = self._supervise(process, prompt)
        finally:
            process.kill(0)
            self.recorder.join()
        exited = self._note_limits(process.report(), ended_by_host)
        self.provenance.end(process)
        code = process.popen.returncode if exited else None
        if not exited and self._sampler is not None:
            self._note_ended(self._sampler.latest.processes)
        start = AgentStart(
            t=round(began - self.recorder.started, 3),
            why=why,
            exit_code=code,
            seconds=clock() - began,
            model_calls=sum(not call.refused for call in self.session.calls()[self._calls_before :]),
        )
        self.starts.append(start)
        return code

    def _note_limits(self, report: Report | None, ended_by_host: bool) -> bool:
        """Record the limits that the start reached. Return True if the agent exited by itself.

        Raises:
            InfrastructureError: neither the agent nor this process ended the start.
        """
        if not ended_by_host and (report is None or not report.started or report.ended_by == "host"):
            raise InfrastructureError(
                "sandbox_failed", f"The sandbox failed; its messages are in {self.recorder.file.name}."
            )
        if report is None:
            return False
        self.limit = report.limit or self.limit
        self.enforcement = report.enforcement
        killed = report.limit == "oom-killed" and report.exit_code == KILLED
        self._limit_exceeded = report.ended_by == "limit" or killed
        return not ended_by_host and report.ended_by == "itself" and not self._limit_exceeded

    def _supervise(self, process: SandboxProcess, prompt: bytes) -> bool:
        """Send the prompt and wait; end the process at the deadline. Return True if the host ended it."""
        popen = process.popen
        if popen.stdin is None or popen.stdout is None or popen.stderr is None:
            raise RuntimeError("a sandbox must give all three streams as pipes")
        self.recorder.follow(popen.stdout, "stdout")  # type: ignore[arg-type]
        self.recorder.follow(popen.stderr, "stderr")  # type: ignore[arg-type]
        feeder = threading.Thread(target=_feed, args=(popen.stdin, prompt), daemon=True)
        feeder.start()
        self._sampler = ProcessSampler(process, self.session.redactor, self.gpus)
        with self._sampler.in_background():
            while popen.poll() is None and (left := self.deadline - clock()) > 0 and not self._stop_requested():
                self.session.check()
                self.recorder.check()
                self.provenance.check(process)
                self.listener.on_time_left(left)
                time.sleep(min(POLL_SECONDS, left))
        ended_by_host = popen.poll() is None
        process.kill(self.grace)
        return ended_by_host

    def _wait(self, seconds: float) -> bool:
        """Sleep, at most until the deadline or a stop request. Return True if the agent may start again."""
        if seconds:
            self.listener.on_message(f"the model provider failed; resuming in {seconds:.0f} s")
            self._give_back(seconds)
        end = clock() + seconds
        while (left := self.deadline - clock()) > 0 and clock() < end and not self._stop_requested():
            self.listener.on_time_left(left)
            time.sleep(min(POLL_SECONDS, left))
        return left > 0 and not self._stop_requested()

    def _give_back(self, seconds: float) -> None:
        """Move the deadline by a waiting time, in total by no more than a provider may be away in a run that counts."""
        seconds = min(seconds, self.max_provider_away * self.budget - self.given_back)
        if self.on_deadline is not None and seconds > 0:
            self.given_back += seconds
            self.deadline += seconds
            self.on_deadline(self.deadline)


def _feed(stdin: BinaryIO, prompt: bytes) -> None:
    """Write the prompt and close the pipe. An agent may end without reading it."""
    try:
        stdin.write(prompt)
        stdin.close()
    except (BrokenPipeError, ValueError):
        return
