"""The scaffolds: how an agent is started in its sandbox."""

from posttrainbench.agents.base import Launch, Scaffold, load_scaffold

__all__ = ["Launch", "Scaffold", "load_scaffold"]
