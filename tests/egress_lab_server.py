"""The egress proxy's process with servers on this machine in place of the internet's; see `egress_lab`.

`LAB_FILE` names a JSON file: `hosts`, name -> `ADDRESS:PORT`, and `root`, PEM of the authority that signed for them.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from posttrainbench.gateway.egress.addresses import Addresses
from posttrainbench.gateway.egress.authority import upstream_context
from posttrainbench.gateway.egress.server import main

LAB_FILE = "EGRESS_LAB_FILE"


class LabAddresses(Addresses):
    """Resolves some hosts to servers of the lab, and permits connections to these."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts

    @override
    async def lookup(self, host: str, port: int) -> list[tuple[str, int]]:
        if host in self._hosts:
            address, _, lab_port = self._hosts[host].rpartition(":")
            return [(address, int(lab_port))]
        return await super().lookup(host, port)

    @override
    def is_allowed(self, address: str, port: int) -> bool:
        return f"{address}:{port}" in self._hosts.values() or super().is_allowed(address, port)


if __name__ == "__main__":
    servers = json.loads(Path(os.environ[LAB_FILE]).read_text())
    context = upstream_context()
    context.load_verify_locations(cadata=servers["root"])
    asyncio.run(main(LabAddresses(servers["hosts"]), context))
