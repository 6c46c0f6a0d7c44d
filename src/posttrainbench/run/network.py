"""What a run's agent reaches of the internet: the suite's choice, or the user's, made into a policy of the proxy."""

from typing import Literal

from posttrainbench import catalog
from posttrainbench.errors import InputError
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.records import RunSpec
from posttrainbench.sandbox import Sandbox

Network = Literal["open", "allowlist", "none"]


def choose_network(asked: Network | None, denies: bool, suite: catalog.Suite, sandbox: Sandbox) -> Network:
    """The network that an agent gets.

    Args:
        asked: by the user; None for the suite's.
        denies: whether the user wants anything withheld.

    Raises:
        InputError: the sandbox cannot keep an agent to it.
    """
    if sandbox.network == "host" and (asked is not None or denies):
        raise InputError(
            f"The sandbox `{sandbox.name}` leaves the host's network open, so nothing can be asked of it; "
            "leave out the options on the network, or run in a sandbox that isolates."
        )
    return asked or suite.network


def policy_of(spec: RunSpec) -> EgressPolicy | None:
    """The policy of a run's proxy; None where it has none, since nothing can be reached."""
    if spec.network == "none":
        return None
    base = catalog.find(catalog.models(), spec.model, "model")
    instruct = catalog.instruct_of(base)
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    return EgressPolicy(
        network=spec.network,
        hosts=spec.hosts,
        test_data=facts.test_repositories if spec.deny_test_data else [],
        instruct=instruct.hub if spec.deny_instruct and instruct.id != base.id else None,
        base=base.hub or "",
        benchmark=facts.id,
    )


def what_was_open(spec: RunSpec, sandbox: Sandbox) -> Literal["none", "host", "recorded"]:
    """What an agent could reach, for `outcome.json`."""
    if sandbox.network == "host":
        return "host"
    return "none" if spec.network == "none" else "recorded"
