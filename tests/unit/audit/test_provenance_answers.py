"""Answers of the graph of file provenance on small records, complete and incomplete."""

import json
from pathlib import Path

import pytest

from posttrainbench.audit.provenance import FinalFile, Graph, read_graph
from posttrainbench.sandbox.provenance.record import NAME

NEVER = float("inf")
START = {"t": 1.0, "op": "start", "version": 1, "epoch": 0.0}
END = {"t": 9.0, "op": "end", "epoch": 0.0}
READ = {"t": 3.0, "p": "5.1", "op": "open", "m": "r", "path": "/w/test", "ino": "test"}
WRITE = {"t": 4.0, "p": "5.1", "op": "open", "m": "wt", "path": "/w/model", "ino": "model", "made": True}
MODEL = FinalFile("model", "model", NEVER)


def graph_of(tmp_path: Path, *events: dict[str, object]) -> Graph:
    path = tmp_path / NAME
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return read_graph(path)


def is_test(path: str) -> bool:
    return path == "/w/test"


def test_a_path_a_proof_and_an_unknown_writer(tmp_path: Path) -> None:
    assert graph_of(tmp_path, START, READ, WRITE, END).feeds([MODEL], is_test).kind == "path"
    assert graph_of(tmp_path, START, WRITE, END).feeds([MODEL], is_test).kind == "no path"
    answer = graph_of(tmp_path, START, READ, END).feeds([MODEL], is_test)
    assert answer.kind == "unproven"
    assert answer.reasons == ("no recorded program wrote model",)


def test_records_of_several_starts_are_one_graph(tmp_path: Path) -> None:
    """The first start copies a test item into a file, from which the second one makes the model."""
    copied = {"path": "/w/copy", "ino": "copy"}
    first = [START, READ, {**WRITE, **copied}, {"t": 5.0, "op": "gone", "p": "5.1"}, END]
    second = [{**START, "t": 10.0}, {**READ, "t": 11.0, "p": "6.2", **copied}, {**WRITE, "t": 12.0, "p": "6.2"}]
    paths = [tmp_path / "1", tmp_path / "2"]
    for path, events in zip(paths, (first, [*second, {**END, "t": 13.0}]), strict=True):
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert read_graph(*paths).feeds([MODEL], is_test).kind == "path"
    assert read_graph(paths[1]).feeds([MODEL], is_test).kind == "no path"
    paths[0].write_text("".join(json.dumps(event) + "\n" for event in first[:-1]))
    assert read_graph(*paths).missing == ["the record has no end: the recorder died"]


def test_no_final_file_proves_nothing(tmp_path: Path) -> None:
    assert graph_of(tmp_path, START, READ, WRITE, END).feeds([], is_test).kind == "unproven"


@pytest.mark.parametrize(
    "event",
    [
        {"t": 5.0, "op": "unavailable", "reason": "EBUSY"},
        {"t": 5.0, "op": "limit", "bytes": 1},
        {"t": 5.0, "op": "fault", "error": "x"},
        {"t": 5.0, "op": "reach", "p": "5.1", "how": "descriptor", "m": "rw", "target": None},
    ],
    ids=["unavailable", "limit", "fault", "reach"],
)
def test_an_incomplete_record_proves_nothing(tmp_path: Path, event: dict[str, object]) -> None:
    assert graph_of(tmp_path, START, WRITE, event, END).feeds([MODEL], is_test).kind == "unproven"
    assert graph_of(tmp_path, START, READ, WRITE, event, END).feeds([MODEL], is_test).kind == "path"


def test_a_record_without_end_or_with_a_broken_line_proves_nothing(tmp_path: Path) -> None:
    assert graph_of(tmp_path, START, WRITE).feeds([MODEL], is_test).kind == "unproven"
    path = tmp_path / NAME
    path.write_text("".join(json.dumps(event) + "\n" for event in (START, WRITE, END)) + '{"t"')
    assert read_graph(path).feeds([MODEL], is_test).kind == "unproven"
    assert read_graph(tmp_path / "missing").feeds([MODEL], is_test).kind == "unproven"


def test_content_that_came_after_the_last_change_is_no_path(tmp_path: Path) -> None:
    late = {**READ, "t": 6.0}
    changed = FinalFile("model", "model", 5.0)
    assert graph_of(tmp_path, START, WRITE, late, END).feeds([changed], is_test).kind == "no path"
    assert graph_of(tmp_path, START, WRITE, late, END).feeds([MODEL], is_test).kind == "path"
    mapped = {**WRITE, "m": "rwt"}  # can be changed through a map without a new time of change
    assert graph_of(tmp_path, START, mapped, late, END).feeds([changed], is_test).kind == "path"


def test_a_program_that_is_cut_passes_nothing_on(tmp_path: Path) -> None:
    image = {"t": 2.0, "p": "5.1", "op": "image", "path": "/usr/bin/cli", "argv": ["cli"], "ino": "", "fds": []}
    new = {"t": 1.5, "p": "5.1", "op": "new", "parent": "", "started": 1.5}
    graph = graph_of(tmp_path, START, new, image, READ, WRITE, END)
    assert graph.feeds([MODEL], is_test, cut=lambda image: image.program == "/usr/bin/cli").kind == "no path"
    assert graph.feeds([MODEL], is_test, cut=lambda image: image.program == "/usr/bin/other").kind == "path"
