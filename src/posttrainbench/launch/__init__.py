"""Where runs execute. Here: on this machine, some at a time, each in a process of its own."""

from posttrainbench.launch.local import launch

__all__ = ["launch"]
