"""Turn ways of the graph into the records that findings carry: files by name, times since the start of the record."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.provenance.graph import Graph, Node, Read, Step, Way
from posttrainbench.records import PathStep, ProvenancePath
from posttrainbench.records.submission import FINAL
from posttrainbench.untrusted import printable

NAME_CHARACTERS = 200


def recorded_path(evidence: Evidence, graph: Graph, way: Way, reads: Sequence[Read] = ()) -> ProvenancePath:
    """Return a way to a file of the submission as a record.

    Args:
        evidence: the run.
        graph: its graph.
        way: the way.
        reads: how content came to the program at which the way starts: each program read a file and wrote the next
            one. Empty if the way starts at a file.
    """
    steps = [_step(evidence, graph, step) for step in way.steps[:-1]]
    before: list[PathStep] = []
    for number, read in enumerate(reads):
        file, program = Step(graph.label(read.file), "", -1.0, read.file), graph.leader(read.program)
        if number:
            file = replace(file, why="writes", seconds=_begin(graph, reads[number - 1].program, read.file, "writes"))
        how = "executes" if _begin(graph, read.file, program, "executes") == read.seconds else "reads"
        reader = Step(graph.label(program), how, read.seconds, program)
        before += [_step(evidence, graph, file), _step(evidence, graph, reader)]
    steps = before + steps[bool(before) :]
    last = way.steps[-1]
    final = f"{evidence.workspace_path}/{FINAL}/{printable(way.file)}"
    return ProvenancePath(steps=[*steps, PathStep(operation=last.why, file=final, seconds=_seconds(graph, last))])


def _begin(graph: Graph, source: Node, target: Node, why: str) -> float:
    """Return the time from which content flowed from a node to another; -1 if it did not."""
    edges = graph.edges.get(graph.leader(source), ())
    times = (edge.begin for edge in edges if edge.why == why and graph.leader(edge.target)[:2] == target[:2])
    return min(times, default=-1.0)


def _step(evidence: Evidence, graph: Graph, step: Step) -> PathStep:
    kind, key, _ = step.node
    seconds = _seconds(graph, step)
    if kind != "image":
        return PathStep(operation=step.why, file=_file(evidence, step.label), seconds=seconds)
    pid = key.partition(".")[0]
    process = printable(" ".join(step.label.split())[:NAME_CHARACTERS])
    return PathStep(
        operation=step.why, process=process or "?", pid=int(pid) if pid.isdecimal() else None, seconds=seconds
    )


def _seconds(graph: Graph, step: Step) -> float | None:
    """Return a time since the start of the record; None for what was there before, and if it is not known."""
    if graph.began is None or step.seconds < graph.began:
        return None
    return round(step.seconds - graph.began, 3)


def _file(evidence: Evidence, path: str) -> str:
    """Return a file's name: relative to the run directory if it is in the workspace."""
    workspace = evidence.sandbox_paths.get("workspace", str(evidence.workspace))
    whole = PurePosixPath(path)
    if whole.is_relative_to(workspace):
        path = f"{evidence.workspace_path}/{whole.relative_to(workspace)}"
    return printable(path)[-NAME_CHARACTERS:]
