"""The egress proxy: the one way from a sandbox to the internet. It applies the run's policy and writes all down."""

from posttrainbench.gateway.egress.host import Egress, Rehearsal, start_egress
from posttrainbench.gateway.egress.policy import EgressPolicy

__all__ = ["Egress", "EgressPolicy", "Rehearsal", "start_egress"]
