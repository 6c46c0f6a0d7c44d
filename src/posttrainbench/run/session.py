"""An agent in its sandbox, with its way to its models, started once or several times."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.agents import NOWHERE, Access, Launch, load_scaffold
from posttrainbench.errors import InputError
from posttrainbench.gateway import Gateway, forwarder, start_gateway
from posttrainbench.gateway.calls import ModelCall, read_calls
from posttrainbench.gateway.egress import Egress, EgressPolicy, start_egress
from posttrainbench.gateway.egress.host import environment as egress_environment
from posttrainbench.gateway.redact import Redactor
from posttrainbench.gateway.services import HostService
from posttrainbench.records import AgentSpec, ModelUsage
from posttrainbench.run.model_cache import HOME as HUB_HOME
from posttrainbench.run.recorder import host_keys
from posttrainbench.sandbox import Limits, Mount, Sandbox, SandboxProcess
from posttrainbench.sandbox.base import NO_LIMITS

PORT = 8787
"""Of the sandbox's own loopback; nobody else is there."""
EGRESS_PORT = 8788

PATH = ("/usr/local/bin", "/usr/bin", "/bin")
FOLDERS = ("", ".home", ".tmp", ".shm")


@dataclass(frozen=True)
class Session:
    """An agent that is ready to be started.

    Attributes:
        gateway: None for an agent without models.
        service: what its `evaluate.py` asks: the grader service, the evaluator, or None.
        egress: its way to the internet; None where it has none, or the host's.
        redactor: takes out every key that this run could meet.
        environment: all that a process in the sandbox has.
    """

    launch: Launch
    gateway: Gateway | None
    service: HostService | None
    egress: Egress | None
    redactor: Redactor
    sandbox: Sandbox
    mounts: list[Mount]
    environment: dict[str, str]
    workdir: str

    def start(
        self,
        resume: bool,
        deadline: float | None = None,
        limits: Limits = NO_LIMITS,
        gpus: Sequence[int] = (),
    ) -> SandboxProcess:
        """Start it, anew or in its latest session; its prompt is to be given on standard input.

        Args:
            deadline: by `recorder.clock`, for the case that this process cannot end it any more.
            limits: of all its processes together.
            gpus: indices of those that it sees.

        Raises:
            InfrastructureError: the sandbox could not be started.
        """
        argv = (self.launch.resume if resume else None) or self.launch.argv
        locate, ways = self.sandbox.locate, []
        if self.gateway is not None and self.sandbox.network == "none":
            ways += ["copy", str(PORT), locate(_gateway_socket(self.gateway))]
        if self.egress is not None:
            ways += ["hand", str(EGRESS_PORT), locate(_egress_mounts(self.egress)[0])]
        if ways:
            argv = [self.sandbox.python, locate(FORWARDER), *ways, "--", *argv]
        return self.sandbox.start(
            argv,
            self.mounts,
            self.environment,
            self.workdir,
            limits=limits,
            gpus=gpus,
            deadline=deadline,
        )

    def calls(self) -> list[ModelCall]:
        """Its model calls so far, in the order of their ends."""
        return list(read_calls(self.gateway.usage)) if self.gateway is not None else []

    def check(self) -> None:
        """Whether the host's services for it are still there.

        Raises:
            InfrastructureError: the gateway, the service or the egress proxy has ended.
        """
        if self.egress is not None:
            self.egress.check()
        if self.gateway is not None:
            self.gateway.check()
        if self.service is not None:
            self.service.check()


@contextmanager
def open_session(
    agent: AgentSpec,
    sandbox: Sandbox,
    mounts: Mapping[str, Mount],
    out: Path,
    variables: Mapping[str, str],
    service: HostService | None = None,
    policy: EgressPolicy | None = None,
) -> Iterator[Session]:
    """Lay out a new workspace, start the gateway and the egress proxy, and have all ready; both end on leaving.

    Args:
        mounts: what every agent sees; `workspace` and `tmp` among them.
        out: where `usage.jsonl` and `gateway.log` are written.
        variables: added to the environment.
        service: shown to the agent's `evaluate.py`.
        policy: of its network, in sandboxes that have none of their own; None for no network.

    Raises:
        InputError: a setting is wrong, or something that the agent needs is missing.
        InfrastructureError: the gateway or the proxy did not start.
    """
    scaffold = load_scaffold(agent.scaffold)
    config = scaffold.gateway(agent)
    shared = sandbox.network == "host"
    open_network = shared or (policy is not None and policy.network == "open")
    gateway, keys = None, []
    with ExitStack() as stack:
        if config is not None:
            changed = {"loopback": shared, "provider_tools": open_network}
            gateway = stack.enter_context(start_gateway(config.model_copy(update=changed), out))
            keys = [config.read_key(), gateway.token]
        egress = None
        if policy is not None and not shared:
            egress = stack.enter_context(start_egress(policy, out, [*host_keys(os.environ), *keys]))
        if gateway is None:
            launch = scaffold.launch(agent, sandbox)
        else:
            address = gateway.address if shared and gateway.address else f"http://127.0.0.1:{PORT}"
            launch = scaffold.launch(agent, sandbox, Access(address, gateway.token, open_network))
        yield _session(launch, gateway, service, egress, keys, sandbox, mounts, variables)


def require_agent(agent: AgentSpec, sandbox: Sandbox) -> Launch:
    """Check an agent's settings and that all it needs is here, before anything is changed.

    Returns:
        How it would be started, without the way to its models.

    Raises:
        InputError: something is wrong or missing; the message says how to mend that.
    """
    scaffold = load_scaffold(agent.scaffold)
    launch = scaffold.launch(agent, sandbox, NOWHERE)
    for need in scaffold.needs(agent):
        if need.problem:
            raise InputError(need.problem)
    return launch


def total(calls: list[ModelCall], started: float) -> ModelUsage:
    """What calls took together.

    Args:
        started: when the agent was started, seconds since 1970.
    """
    sent = [call for call in calls if not call.refused]
    return ModelUsage(
        requests=len(sent),
        refused=len(calls) - len(sent),
        failed=sum(call.status != 200 or call.error is not None for call in sent),
        estimated=sum(call.estimated for call in sent),
        input=sum(call.input for call in sent),
        cached=sum(call.cached for call in sent),
        cache_write=sum(call.cache_write + call.cache_write_1h for call in sent),
        output=sum(call.output for call in sent),
        reasoning=sum(call.reasoning for call in sent),
        cost=sum(call.cost or 0.0 for call in sent),
        unpriced=sum(call.cost is None and call.input + call.output > 0 for call in sent),
        first_call=round(min(call.time for call in calls) - started, 3) if calls else None,
    )


def _session(
    launch: Launch,
    gateway: Gateway | None,
    service: HostService | None,
    egress: Egress | None,
    keys: list[str],
    sandbox: Sandbox,
    mounts: Mapping[str, Mount],
    variables: Mapping[str, str],
) -> Session:
    workspace = mounts["workspace"].source
    for folder in FOLDERS:
        (workspace / folder).mkdir()
    for name, content in launch.files.items():
        path = workspace / ".home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    seen = sandbox.locate(mounts["workspace"])
    python = Path(sandbox.python)
    own = [str(python.parent)] if python.is_absolute() else []
    environment = {
        "PATH": ":".join(dict.fromkeys((*own, *PATH))),
        "HOME": f"{seen}/.home",
        "TMPDIR": sandbox.locate(mounts["tmp"]),
        "USER": "agent",
        "LANG": "C.UTF-8",
        "HF_HOME": f"{seen}/{HUB_HOME}",
        **({"HF_HUB_OFFLINE": "1"} if egress is None else {}),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **variables,
        **launch.environment,
    }
    shown = [*mounts.values(), *launch.mounts]
    if gateway is not None and sandbox.network == "none":
        shown.append(_gateway_socket(gateway))
    if egress is not None:
        socket, authorities = _egress_mounts(egress)
        shown += [socket, authorities]
        environment |= egress_environment(EGRESS_PORT, sandbox.locate(authorities))
    if sandbox.network == "none" and (gateway is not None or egress is not None):
        shown.append(FORWARDER)
    if service is not None:
        socket = Mount(service.kind.role, service.socket)
        shown.append(socket)
        environment[service.kind.variable] = sandbox.locate(socket)
    redactor = Redactor([*host_keys(os.environ), *keys])
    return Session(launch, gateway, service, egress, redactor, sandbox, shown, environment, seen)


FORWARDER = Mount("run/ptb/forwarder.py", Path(forwarder.__file__))


def _gateway_socket(gateway: Gateway) -> Mount:
    return Mount("run/ptb/gateway.sock", gateway.socket)


def _egress_mounts(egress: Egress) -> tuple[Mount, Mount]:
    return Mount("run/ptb/egress.sock", egress.socket), Mount("run/ptb/authorities.pem", egress.authorities)
