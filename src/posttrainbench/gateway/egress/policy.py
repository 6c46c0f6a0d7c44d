"""What a run may ask of the internet."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from posttrainbench.destinations import Destination, is_among, is_version_of
from posttrainbench.records import Record

FORBIDDEN, UNAVAILABLE = 403, 451


@dataclass(frozen=True)
class Denial:
    """Why a request is not sent on.

    Attributes:
        status: 451 for what a rule of the run withholds, 403 for what its network does not reach.
        reason: one sentence for the agent.
    """

    status: int
    reason: str


class EgressPolicy(Record):
    """A run's network policy.

    Attributes:
        network: `open`: every public address; `allowlist`: those of `hosts`.
        hosts: names; `*.example.org` stands for all below it.
        test_data: repositories, as `destinations.is_among` takes them, whose files are withheld.
        instruct: the model whose versions are withheld; None for no such model.
        base: a model whose versions are never withheld.
        benchmark: what the withheld data belongs to, for the sentence that the agent reads.
    """

    network: Literal["open", "allowlist"]
    hosts: list[str] = Field(default_factory=list)
    test_data: list[str] = Field(default_factory=list)
    instruct: str | None = None
    base: str = ""
    benchmark: str = ""

    def of_host(self, host: str) -> Denial | None:
        """Why nothing of a host can be had; None where something can."""
        if self.network == "open" or _is_listed(host.lower().rstrip("."), self.hosts):
            return None
        return Denial(
            FORBIDDEN,
            f"The network policy of this run does not include {host[:100]}; it includes: {', '.join(self.hosts)}.",
        )

    def of(self, destination: Destination) -> Denial | None:
        """Why an address cannot be had; None where it can."""
        if is_among(destination, self.test_data):
            return Denial(
                UNAVAILABLE,
                f"This run withholds the test data of {self.benchmark}, to which {destination.repo} belongs; "
                "evaluate.py has what it needs on disk, and other files of the repository can be had one by one.",
            )
        if self.instruct is not None and is_version_of(destination, self.instruct, self.base):
            return Denial(
                UNAVAILABLE,
                f"This run withholds {self.instruct} and its copies, to which {destination.repo} belongs: "
                "only the given base model may be fine-tuned.",
            )
        return None


def _is_listed(host: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)
