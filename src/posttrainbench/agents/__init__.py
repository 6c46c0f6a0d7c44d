"""Agent scaffolds: how each agent is configured and started in its sandbox."""

from posttrainbench.agents.base import NO_ACCESS, Access, Launch, Requirement, Scaffold, load_scaffold

__all__ = ["NO_ACCESS", "Access", "Launch", "Requirement", "Scaffold", "load_scaffold"]
