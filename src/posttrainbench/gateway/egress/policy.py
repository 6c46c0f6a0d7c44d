"""A run's network policy: which hosts and which repositories an agent may request."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from posttrainbench.gateway.egress.destinations import (
    Destination,
    is_model_variant,
    matches_repository,
    normal_host,
    page_address,
    unidentified,
)
from posttrainbench.records import Record

FORBIDDEN, UNAVAILABLE = 403, 451

_HOST = re.compile(r"\^?https\??:(?:\\?/){2}((?:[A-Za-z0-9-]|\\[.-]|\.|\[\.\])+?)\\?/")
"""The literal host at the beginning of a regular expression of web addresses."""


@dataclass(frozen=True)
class Denial:
    """The reason for denying a request.

    Attributes:
        status: 451 if a rule of the run blocks the content, 403 if the host is outside of the run's network.
        reason: one sentence for the agent.
    """

    status: int
    reason: str


class EgressPolicy(Record):
    """A run's network policy.

    Attributes:
        network: `open` permits every public address, `allowlist` only the addresses of `hosts`.
        hosts: host names; `*.example.org` matches all subdomains.
        test_data: blocked repositories, as `destinations.matches_repository` takes them.
        addresses: regular expressions of blocked web addresses, searched in `https://HOST/PATH?QUERY`.
        instruct: model whose variants are blocked; None to block none.
        base: model whose variants are never blocked.
        benchmark: name of the benchmark to which the blocked data belongs, for the error message.
    """

    network: Literal["open", "allowlist"]
    hosts: list[str] = Field(default_factory=list)
    test_data: list[str] = Field(default_factory=list)
    addresses: list[str] = Field(default_factory=list)
    instruct: str | None = None
    base: str = ""
    benchmark: str = ""

    def check_host(self, host: str) -> Denial | None:
        """Return why requests to a host are denied, or None if the host is permitted."""
        if self.network == "open" or _is_listed(normal_host(host) or host, self.hosts):
            return None
        return Denial(
            FORBIDDEN,
            f"The network policy of this run does not include {host[:100]}; it includes: {', '.join(self.hosts)}.",
        )

    def is_inspected(self, host: str) -> bool:
        """Return whether an address of this host is blocked, so that its paths must be visible."""
        found = (_HOST.match(address) for address in self.addresses)
        return any(each is not None and re.sub(r"[\\\[\]]", "", each[1]).lower() == host for each in found)

    def check_address(self, host: str, path: str) -> Denial | None:
        """Return why a web address is blocked, or None if it is permitted."""
        if not self.test_data and not self.addresses:
            return None
        address = page_address(host, path)
        if any(re.search(pattern, address) for pattern in self.addresses):
            return Denial(
                UNAVAILABLE,
                f"This run blocks the test data of {self.benchmark}, which is published at this address. "
                "evaluate.py has the test data on disk.",
            )
        if (what := unidentified(host, path)) is not None:
            return Denial(
                FORBIDDEN, f"This run blocks test data, so {what} are not available: name the repository in the URL."
            )
        return None

    def check(self, destination: Destination) -> Denial | None:
        """Return why a destination is blocked, or None if it is permitted."""
        if matches_repository(destination, self.test_data):
            return Denial(
                UNAVAILABLE,
                f"This run blocks the test data of {self.benchmark}, which {destination.repo} contains. "
                "evaluate.py has the test data on disk; other files of the repository can be downloaded one by one.",
            )
        if self.instruct is not None and is_model_variant(destination, self.instruct, self.base):
            return Denial(
                UNAVAILABLE,
                f"This run blocks {self.instruct} and its copies, one of which is {destination.repo}: "
                "only the given base model may be fine-tuned.",
            )
        return None


def _is_listed(host: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)
