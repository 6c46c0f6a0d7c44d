"""One short real call of an agent, in its sandbox and through its gateway, before hours are spent on it."""

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.gateway.calls import ModelCall
from posttrainbench.gateway.passage import NO_CONNECTION
from posttrainbench.records import AgentSpec, ModelUsage
from posttrainbench.run.restart import HOPELESS
from posttrainbench.run.session import Session, open_session, require_agent, total
from posttrainbench.sandbox import Mount, Sandbox

SECONDS = 180.0
PROMPT = b"Answer with the one word: ready. Call no tool.\n"
POLL_SECONDS = 0.5
MENDS = {401: "the key", 402: "the account's credit", 403: "the key's rights", 404: "the model's name and base_url"}
TAIL = 400
"""Characters of what the agent printed that an error quotes."""


@dataclass(frozen=True)
class Checked:
    """A call that succeeded.

    Attributes:
        seconds: from the start of the command to its end.
        versions: of the programs that were used.
    """

    seconds: float
    usage: ModelUsage
    versions: dict[str, str]


def check_agent(agent: AgentSpec, sandbox: Sandbox) -> Checked:
    """Start an agent with a trivial prompt and see that its model answers. Costs a call, system prompt included.

    Raises:
        InputError: something is wrong or missing on this machine, or the agent has no model that could be called.
        InfrastructureError: the call failed; the message says how.
    """
    launch = require_agent(agent, sandbox)
    sandbox.check()
    with tempfile.TemporaryDirectory(prefix="ptb-check-") as place:
        workspace = Path(place, "workspace")
        mounts = {
            "workspace": Mount("workspace", workspace, writable=True),
            "tmp": Mount("tmp", workspace / ".tmp", writable=True),
            "shm": Mount("dev/shm", workspace / ".shm", writable=True),
        }
        with open_session(agent, sandbox, mounts, Path(place), {}) as session:
            if session.gateway is None:
                raise InputError(f"`{agent.name}` has no model: there is nothing to call.")
            began = time.time()
            process = session.start(resume=False)
            try:
                output, errors = _answer(process.popen, session)
            finally:
                process.kill(0)
            seconds = time.time() - began
            calls = session.calls()
        said = session.redactor.line(" ".join((output + errors).decode(errors="replace").split()))
        failures = [call for call in calls if call.status != 200 or call.error is not None]
        failed = next(iter([*filter(_hopeless, calls), *reversed(failures)]), None)
        if process.popen.returncode != 0 or not any(call.status == 200 and call.error is None for call in calls):
            raise InfrastructureError("provider_failed", f"`{agent.name}` does not work: {_reason(failed, said)}")
        return Checked(seconds, total(calls, began), launch.versions)


def _answer(popen: "subprocess.Popen[bytes]", session: Session) -> tuple[bytes, bytes]:
    """What it prints until its end, or until no other try of its own can help."""
    prompt: bytes | None = PROMPT
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            return popen.communicate(prompt, POLL_SECONDS)
        except subprocess.TimeoutExpired:
            prompt = None  # it has been handed over
        if any(map(_hopeless, session.calls())):
            break
    return b"", b""


def _hopeless(call: ModelCall) -> bool:
    """Whether a call failed in a way that does not pass: the address, the key, the account or the model is wrong."""
    unreachable = call.status == 502 and (call.error or "").startswith(NO_CONNECTION)
    return not call.refused and (unreachable or call.status in HOPELESS)


def _reason(failed: ModelCall | None, said: str) -> str:
    if failed is None:
        return f"it made no call; it said: ...{said[-TAIL:]}" if said else "it made no call, and said nothing"
    told = f"HTTP {failed.status}, {(failed.error or 'without a reason').rstrip('.')}"
    if (failed.error or "").startswith(NO_CONNECTION):
        return f"{failed.error}; see base_url, and this machine's way to it."
    return f"{told}; see {MENDS[failed.status]}." if failed.status in MENDS else f"{told}."
