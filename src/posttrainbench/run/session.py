"""An agent's session: its sandbox, environment, model gateway and egress proxy."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.agents import NO_ACCESS, Access, Launch, load_scaffold
from posttrainbench.engines.base import IDLE_THREADS
from posttrainbench.errors import InputError
from posttrainbench.feedback.service import HostService
from posttrainbench.gateway import Gateway, forwarder, start_gateway
from posttrainbench.gateway.egress import Egress, EgressPolicy, start_egress
from posttrainbench.gateway.egress.host import environment as egress_environment
from posttrainbench.records import AgentSpec, ModelUsage
from posttrainbench.redaction import Redactor
from posttrainbench.run.model_cache import HOME as HUB_HOME
from posttrainbench.run.recorder import host_secrets
from posttrainbench.sandbox import Limits, Mount, Sandbox, SandboxProcess
from posttrainbench.sandbox.base import NO_LIMITS
from posttrainbench.usage.calls import ModelCall, read_calls

PORT = 8787
"""Port of the gateway on the sandbox's own loopback interface."""
EGRESS_PORT = 8788

PATH = ("/usr/local/bin", "/usr/bin", "/bin")
FOLDERS = ("", ".home", ".tmp", ".shm")


@dataclass(frozen=True)
class Session:
    """An agent that is ready to be started, once or several times.

    Attributes:
        gateway: the model gateway; None for an agent without a model.
        service: the host service of `evaluate.py`: the grader service, the evaluator, or None.
        egress: the egress proxy; None if the agent has no network or the host's.
        redactor: removes all secrets that the run may encounter.
        environment: all environment variables in the sandbox.
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
        record: Path | None = None,
    ) -> SandboxProcess:
        """Start the agent. It reads its prompt from standard input.

        Args:
            resume: resume the latest session of the scaffold, if it supports that.
            deadline: on `recorder.clock`, enforced by the sandbox in case this process dies.
            limits: resource limits of all processes together.
            gpus: indices of the visible GPUs.
            record: directory for a record of file provenance; None for no record.

        Raises:
            InfrastructureError: the sandbox could not be started.
        """
        argv = (self.launch.resume if resume else None) or self.launch.argv
        locate, routes = self.sandbox.locate, []
        if self.gateway is not None and self.sandbox.network == "none":
            routes += ["copy", str(PORT), locate(_gateway_socket(self.gateway))]
        if self.egress is not None:
            routes += ["hand", str(EGRESS_PORT), locate(_egress_mounts(self.egress)[0])]
        if routes:
            argv = [self.sandbox.python, locate(FORWARDER), *routes, "--", *argv]
        return self.sandbox.start(
            argv,
            self.mounts,
            self.environment,
            self.workdir,
            limits=limits,
            gpus=gpus,
            deadline=deadline,
            record=record,
        )

    def calls(self) -> list[ModelCall]:
        """Return the model calls so far, ordered by their end times."""
        return list(read_calls(self.gateway.usage)) if self.gateway is not None else []

    def check(self) -> None:
        """Check that the host's services of the session are running.

        Raises:
            InfrastructureError: the gateway, the service or the egress proxy has ended.
        """
        if self.egress is not None:
            self.egress.child.check()
        if self.gateway is not None:
            self.gateway.child.check()
        if self.service is not None:
            self.service.child.check()


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
    """Create the folders of a new workspace, and run the gateway and the egress proxy until the context exits.

    Args:
        mounts: by role, including `workspace` and `tmp`.
        out: directory for `usage.jsonl` and `gateway.log`.
        variables: additional environment variables.
        service: host service of the agent's `evaluate.py`.
        policy: egress policy, for sandboxes without a network of their own; None for no network.

    Raises:
        InputError: a setting is invalid, or something that the agent needs is missing.
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
            egress = stack.enter_context(start_egress(policy, out, [*host_secrets(os.environ), *keys]))
        if gateway is None:
            launch = scaffold.launch(agent, sandbox)
        else:
            address = gateway.address if shared and gateway.address else f"http://127.0.0.1:{PORT}"
            launch = scaffold.launch(agent, sandbox, Access(address, gateway.token, open_network))
        yield _session(launch, gateway, service, egress, keys, sandbox, mounts, variables)


def require_agent(agent: AgentSpec, sandbox: Sandbox) -> Launch:
    """Check an agent's settings and requirements before anything is changed.

    Returns:
        The launch configuration without access to a model.

    Raises:
        InputError: something is invalid or missing; the message says how to fix it.
    """
    launch = require_launch(agent, sandbox)
    require_needs(agent)
    return launch


def require_launch(agent: AgentSpec, sandbox: Sandbox) -> Launch:
    """Return the launch configuration without access to a model.

    Raises:
        InputError: a setting is invalid, or the agent's program is missing.
    """
    return load_scaffold(agent.scaffold).launch(agent, sandbox, NO_ACCESS)


def require_needs(agent: AgentSpec) -> list[str]:
    """Return the names of what an agent requires on this machine, such as its program and key.

    Raises:
        InputError: something is missing.
    """
    needs = load_scaffold(agent.scaffold).requirements(agent)
    for need in needs:
        if need.problem:
            raise InputError(need.problem)
    return [need.name for need in needs]


def total_usage(calls: list[ModelCall], started: float) -> ModelUsage:
    """Return the totals of model calls.

    Args:
        started: start of the agent, seconds since 1970.
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
    workdir = sandbox.locate(mounts["workspace"])
    python = Path(sandbox.python)
    python_folder = [str(python.parent)] if python.is_absolute() else []
    environment = {
        "PATH": ":".join(dict.fromkeys((*python_folder, *PATH))),
        "HOME": f"{workdir}/.home",
        "TMPDIR": sandbox.locate(mounts["tmp"]),
        "USER": "agent",
        "LANG": "C.UTF-8",
        "HF_HOME": f"{workdir}/{HUB_HOME}",
        **({"HF_HUB_OFFLINE": "1"} if egress is None else {}),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **IDLE_THREADS,
        **variables,
        **launch.environment,
    }
    all_mounts = [*mounts.values(), *launch.mounts]
    if gateway is not None and sandbox.network == "none":
        all_mounts.append(_gateway_socket(gateway))
    if egress is not None:
        socket, authorities = _egress_mounts(egress)
        all_mounts += [socket, authorities]
        environment |= egress_environment(EGRESS_PORT, sandbox.locate(authorities))
    if sandbox.network == "none" and (gateway is not None or egress is not None):
        all_mounts.append(FORWARDER)
    if service is not None:
        socket = Mount(service.kind.role, service.socket)
        all_mounts.append(socket)
        environment[service.kind.variable] = sandbox.locate(socket)
    redactor = Redactor([*host_secrets(os.environ), *keys])
    return Session(launch, gateway, service, egress, redactor, sandbox, all_mounts, environment, workdir)


FORWARDER = Mount("run/ptb/forwarder.py", Path(forwarder.__file__))


def _gateway_socket(gateway: Gateway) -> Mount:
    return Mount("run/ptb/gateway.sock", gateway.socket)


def _egress_mounts(egress: Egress) -> tuple[Mount, Mount]:
    return Mount("run/ptb/egress.sock", egress.socket), Mount("run/ptb/authorities.pem", egress.authorities)
