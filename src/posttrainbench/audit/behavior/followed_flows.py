"""Follow rows with test items through a whole replay, to drop flows to training that a selection excludes."""

from collections.abc import Mapping
from dataclasses import replace

from posttrainbench.audit.behavior.inline_items import InlineItems
from posttrainbench.audit.behavior.item_files import ItemFile, ItemRow, item_file
from posttrainbench.audit.behavior.replay import Replay
from posttrainbench.audit.behavior.replay_state import FlowReport
from posttrainbench.audit.behavior.rows import World
from posttrainbench.audit.behavior.values import Taints
from posttrainbench.audit.evidence import Evidence

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".db", ".sqlite")
MOST_FILES = 40
"""Files of the workspace that are searched for test items."""
MOST_WORLDS = 8
"""Replays: each follows one row, or several as one."""
MOST_STEPS = 1_000_000
"""Steps of a replay that is not repeated for single rows."""


def kit_file(evidence: Evidence) -> ItemFile | None:
    """Return the rows of the kit's test file."""
    name = f"{evidence.sandbox_paths.get('kit', str(evidence.kit))}/data/test.jsonl"
    items = evidence.test_items
    return item_file(evidence.kit / "data" / "test.jsonl", (name,), items, range(len(items)))


def drop_excluded(evidence: Evidence, inline_items: Mapping[str, InlineItems], replay: Replay) -> None:
    """Take test data out of the training calls that no followed row reaches, in the replay's report."""
    report = replay.report
    reached = [trained for trained in report.trained if _tests(trained.sink.taints)]
    if not reached or replay.steps > MOST_STEPS:
        return
    items = evidence.test_items
    data = [entry for entry in evidence.workspace_files if not entry.reason and entry.relative.endswith(SUFFIXES)]
    found = [kit_file(evidence)]
    found += [item_file(entry.path, (entry.relative,), items, range(len(items))) for entry in data[:MOST_FILES]]
    files = [file for file in found if file is not None]
    if not 2 <= len(files) <= MOST_WORLDS:
        return
    each = max(MOST_WORLDS // len(files), 1)
    answers: dict[tuple[str, int], Taints] = {}
    for file in files:
        for rows in groups(file, each):
            world = World(file, rows[0], files, group=rows if len(rows) > 1 else ())
            for key, taints in _reached(evidence, inline_items, world).items():
                answers[key] = answers.get(key, frozenset()) | taints
    for number, trained in enumerate(report.trained):
        sink = trained.sink
        taints = answers.get((sink.script, sink.line), frozenset())
        if not _tests(sink.taints) or any(not taint.part for taint in taints):
            continue
        rest = sink.taints - _tests(sink.taints)
        unclear = frozenset(replace(taint, part="unclear") for taint in _tests(sink.taints)) if taints else frozenset()
        report.trained[number] = replace(trained, sink=replace(sink, taints=rest | unclear))


def groups(file: ItemFile, most: int) -> list[list[ItemRow]]:
    """Return all rows with items in groups: one by one or by kind if that makes at most `most`, else by list."""
    if len(file.rows) <= most:
        return [[row] for row in file.rows]
    if len(file.kinds) <= most:
        return file.kinds
    lists: dict[object, list[ItemRow]] = {}
    for row in file.rows:
        lists.setdefault(row.keys[:-1], []).append(row)
    return list(lists.values())


def _tests(taints: Taints) -> Taints:
    return frozenset(taint for taint in taints if taint.kind == "test")


def _reached(
    evidence: Evidence, inline_items: Mapping[str, InlineItems], world: World
) -> dict[tuple[str, int], Taints]:
    """Return the training calls that a row reaches, as script and line, with its origins."""
    replay = Replay(evidence, inline_items)
    replay.state.files.world = world
    report: FlowReport = replay.analyze()
    found: dict[tuple[str, int], Taints] = {}
    for trained in report.trained:
        key = trained.sink.script, trained.sink.line
        found[key] = found.get(key, frozenset()) | _tests(trained.sink.taints)
    return found
