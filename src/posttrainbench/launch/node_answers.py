"""The answers of a cluster's nodes to the checks of a dry run; see `launch.node_checks`."""

import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from posttrainbench.errors import one_line
from posttrainbench.records import RunKey

MAX_NODES = 16
MARK = "ptb-node-checks:"
"""Begins the line with the answer of a node, which may print other lines too."""
Node = TypeVar("Node")


@dataclass(frozen=True)
class NodeProblem:
    """A problem that a node found.

    Attributes:
        check: name of the check.
        text: the problem with its fix.
        keys: the runs that it concerns, one of each agent, model and benchmark.
    """

    check: str
    text: str
    keys: Sequence[RunKey]


@dataclass(frozen=True)
class NodeAnswer:
    """The answer of one node.

    Attributes:
        node: its name.
        reached: whether it made the checks.
        problems: what it found.
        reason: why it was not reached.
    """

    node: str
    reached: bool
    problems: Sequence[NodeProblem] = ()
    reason: str = ""


_PROBLEMS = TypeAdapter(list[NodeProblem])


def to_line(problems: Sequence[NodeProblem]) -> str:
    """Return the line with which a node answers."""
    return f"{MARK}{_PROBLEMS.dump_json(list(problems)).decode()}"


def read_answer(node: str, output: str, errors: str) -> NodeAnswer:
    """Return what a node answered.

    Args:
        node: its name.
        output: what the command printed on standard output.
        errors: what it printed on standard error.
    """
    for line in reversed(output.splitlines()):
        if line.startswith(MARK):
            try:
                return NodeAnswer(node, True, _PROBLEMS.validate_json(line.removeprefix(MARK)))
            except ValidationError as error:
                return NodeAnswer(node, False, reason=f"its answer cannot be read: {one_line(error)}")
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    if any(sign in errors for sign in ("No module named", "No such file or directory", "execve")):
        text = (
            f"{sys.executable} with posttrainbench does not work there ({last[:200]}); install both at a path that all "
            "nodes share."
        )
        return NodeAnswer(node, True, [NodeProblem("environment", text, [])])
    return NodeAnswer(node, False, reason=last[:200] or "it printed nothing")


def choose_nodes(nodes: Sequence[Node], kind: Callable[[Node], Hashable]) -> list[Node]:
    """Return the nodes to check: all if there are few, else at least one of each kind.

    Args:
        nodes: the nodes that can execute a run.
        kind: returns the kind of a node.
    """
    by_kind: dict[Hashable, list[Node]] = {}
    for node in nodes:
        by_kind.setdefault(kind(node), []).append(node)
    first = [own[0] for own in by_kind.values()]
    others = [node for own in by_kind.values() for node in own[1:]]
    return first + others[: max(0, MAX_NODES - len(first))]


def describe(answers: Sequence[NodeAnswer]) -> list[str]:
    """Return sentences, without full stops, on the nodes that were checked and on those that were not."""
    checked = [answer.node for answer in answers if answer.reached]
    lines = [f"checked on {', '.join(checked)}"] if checked else []
    lines += [f"{answer.node} was not checked: {answer.reason.rstrip('.')}" for answer in answers if not answer.reached]
    return lines


def merged(answers: Sequence[NodeAnswer]) -> list[NodeProblem]:
    """Return each problem once, with the names of the nodes that have it."""
    found: dict[tuple[str, str], tuple[list[str], Sequence[RunKey]]] = {}
    for answer in answers:
        for problem in answer.problems:
            nodes, _ = found.setdefault((problem.check, problem.text), ([], problem.keys))
            nodes.append(answer.node)
    return [
        NodeProblem(check, f"On {', '.join(nodes)}: {text}", keys) for (check, text), (nodes, keys) in found.items()
    ]
