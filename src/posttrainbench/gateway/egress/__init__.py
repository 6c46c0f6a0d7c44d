"""The egress proxy: a sandbox's only route to the internet. It enforces the run's policy and logs every request."""

from posttrainbench.gateway.egress.host import Egress, start_egress
from posttrainbench.gateway.egress.policy import EgressPolicy

__all__ = ["Egress", "EgressPolicy", "start_egress"]
