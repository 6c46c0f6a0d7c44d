"""Test an agent with one short model call, in its sandbox and through its gateway."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.gateway.proxied_request import NO_CONNECTION
from posttrainbench.records import AgentSpec, ModelUsage
from posttrainbench.run.session import Session, open_session, require_agent, total_usage
from posttrainbench.run.why_ended import PERMANENT_STATUSES
from posttrainbench.sandbox import Mount, Sandbox
from posttrainbench.usage.calls import ModelCall

SECONDS = 180.0
PROMPT = b"Answer with the one word: ready. Call no tool.\n"
POLL_SECONDS = 0.5
REMEDIES = {401: "the key", 402: "the account's credit", 403: "the key's rights", 404: "the model's name and base_url"}
TAIL = 400
"""Number of characters of the agent's output that an error quotes."""


@dataclass(frozen=True)
class CheckResult:
    """Result of a successful call.

    Attributes:
        seconds: duration of the agent's command.
        versions: of the programs that it uses.
    """

    seconds: float
    usage: ModelUsage
    versions: dict[str, str]


def check_agent(agent: AgentSpec, sandbox: Sandbox) -> CheckResult:
    """Start an agent with a trivial prompt and check that its model answers. Costs one call with the system prompt.

    Raises:
        InputError: something is invalid or missing on this machine, or the agent has no model.
        InfrastructureError: the call failed; the message gives the reason.
    """
    launch = require_agent(agent, sandbox)
    sandbox.check()
    with tempfile.TemporaryDirectory(prefix="ptb-check-") as folder:
        workspace = Path(folder, "workspace")
        mounts = {
            "workspace": Mount("workspace", workspace, writable=True),
            "tmp": Mount("tmp", workspace / ".tmp", writable=True),
            "shm": Mount("dev/shm", workspace / ".shm", writable=True),
        }
        with open_session(agent, sandbox, mounts, Path(folder), {}) as session:
            if session.gateway is None:
                raise InputError(f"`{agent.name}` has no model, so there is nothing to check.")
            began = time.time()
            process = session.start(resume=False)
            try:
                output, errors = _answer(process.popen, session)
            finally:
                process.kill(0)
            seconds = time.time() - began
        calls = session.calls()  # all of them only now: the gateway writes a call after its answer was passed on
        text = session.redactor.line(" ".join((output + errors).decode(errors="replace").split()))
        failures = [call for call in calls if call.status != 200 or call.error is not None]
        failed = next(iter([*filter(_is_permanent, calls), *reversed(failures)]), None)
        if process.popen.returncode != 0 or not any(call.status == 200 and call.error is None for call in calls):
            raise InfrastructureError("provider_failed", f"`{agent.name}` does not work: {_reason(failed, text)}")
        return CheckResult(seconds, total_usage(calls, began), launch.versions)


def _answer(popen: "subprocess.Popen[bytes]", session: Session) -> tuple[bytes, bytes]:
    """Return the output and errors of the agent. Stop early, with nothing, once a call has failed permanently."""
    prompt: bytes | None = PROMPT
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            return popen.communicate(prompt, POLL_SECONDS)
        except subprocess.TimeoutExpired:
            prompt = None  # it was sent with the first call
        if any(map(_is_permanent, session.calls())):
            break
    return b"", b""


def _is_permanent(call: ModelCall) -> bool:
    """Return True if retrying a call cannot help: the address, the key, the account or the model is wrong."""
    unreachable = call.status == 502 and (call.error or "").startswith(NO_CONNECTION)
    return not call.refused and (unreachable or call.status in PERMANENT_STATUSES)


def _reason(failed: ModelCall | None, output: str) -> str:
    if failed is None:
        return (
            f"it made no model call; its output: ...{output[-TAIL:]}"
            if output
            else "it made no model call and printed nothing"
        )
    reason = f"HTTP {failed.status}, {(failed.error or 'no reason given').rstrip('.')}"
    if (failed.error or "").startswith(NO_CONNECTION):
        return f"{failed.error}; check base_url and this machine's network."
    return f"{reason}; check {REMEDIES[failed.status]}." if failed.status in REMEDIES else f"{reason}."
