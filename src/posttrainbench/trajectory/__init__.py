"""What an agent did, as ATIF (the Agent Trajectory Interchange Format) and as text for people."""

from posttrainbench.trajectory.plain import write_trajectory
from posttrainbench.trajectory.render import read_output

__all__ = ["read_output", "write_trajectory"]
