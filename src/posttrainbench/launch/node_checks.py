"""Make the checks of a dry run on the nodes of a cluster: the same checks, by a process on each node.

Covers: every agent, model and benchmark of the experiment on up to `MAX_NODES` nodes, at least one of each kind.
Does not cover: nodes that are busy or down, which are named, and what changes before a job starts; each job checks its
node again, right before the agent starts.
"""

import sys
from pathlib import Path

from posttrainbench.launch.node_answers import NodeProblem
from posttrainbench.launch.standing import request_for, run_directories
from posttrainbench.records import Experiment, RunKey
from posttrainbench.run.prepare import check_request

NODE_SECONDS = 180.0
"""Seconds in which all nodes must answer."""
NOT_OF_A_NODE = frozenset({"task", "budget", "seed", "output", "network", "kit and prompt"})
"""Checks of the request, which are made once, where the experiment is launched."""


def command(experiment: Experiment, root: Path) -> list[str]:
    """Return the command that makes the checks on a node."""
    return [sys.executable, "-m", "posttrainbench", "check-node", experiment.model_dump_json(), str(root)]


def check_here(experiment: Experiment, root: Path) -> list[NodeProblem]:
    """Make the checks for every agent, model and benchmark on this machine.

    Args:
        experiment: the experiment.
        root: its directory.
    """
    keys: dict[tuple[str, str, str], RunKey] = {}
    for key in run_directories(experiment, root).values():
        keys.setdefault(key[:3], key)
    found: dict[tuple[str, str], list[RunKey]] = {}
    for key in keys.values():
        for result in check_request(request_for(experiment, key), root / "new", NOT_OF_A_NODE):
            if result.state == "problem":
                found.setdefault((result.name, result.text), []).append(key)
    return [NodeProblem(check, text, each) for (check, text), each in found.items()]
