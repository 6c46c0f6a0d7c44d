"""Network access of the agent: the choice of the suite or the user, and the policy of the egress proxy."""

from typing import Literal

from posttrainbench import catalog
from posttrainbench.benchmarks.test_sets import published_test_set
from posttrainbench.catalog import PublishedTestSet
from posttrainbench.errors import InputError
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.records import RunSpec
from posttrainbench.sandbox import Sandbox

Network = Literal["open", "allowlist", "none"]


def choose_network(requested: Network | None, denies: bool, suite: catalog.Suite, sandbox: Sandbox) -> Network:
    """Return the network access of the agent.

    Args:
        requested: by the user; None for the suite's.
        denies: True if the user wants requests to be blocked.

    Raises:
        InputError: the sandbox cannot restrict the network.
    """
    if sandbox.network == "host" and (requested is not None or denies):
        raise InputError(
            f"The sandbox `{sandbox.name}` leaves the host's network open and cannot restrict it; "
            "leave out the network options, or use a sandbox that isolates the network."
        )
    return requested or suite.network


def egress_policy(spec: RunSpec) -> EgressPolicy | None:
    """Return the policy of a run's egress proxy; None if the agent has no network."""
    if spec.network == "none":
        return None
    base = catalog.find(catalog.models(), spec.model, "model")
    instruct = catalog.instruct_of(base)
    facts = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    published = published_test_set(spec.benchmark) if spec.deny_test_data else PublishedTestSet()
    return EgressPolicy(
        network=spec.network,
        hosts=spec.hosts,
        test_data=[repository.pattern for repository in published.repositories],
        addresses=published.addresses,
        instruct=instruct.hub if spec.deny_instruct and instruct.id != base.id else None,
        base=base.hub or "",
        benchmark=facts.id,
    )


def network_access(spec: RunSpec, sandbox: Sandbox) -> Literal["none", "host", "recorded"]:
    """Return the network access of an agent, as recorded in `outcome.json`."""
    if sandbox.network == "host":
        return "host"
    return "none" if spec.network == "none" else "recorded"
