"""Measures verdicts on pairs of programs: one that trains on a train split, and its twin that trains on the test split.

    python bench/direct_programs.py DIR [--show] [--only TEXT] [--json FILE]

DIR holds a folder for each pair: `innocent/` and `guilty/` are the two workspaces, and `pair.json` names the data sets
and the commands of each: `{"datasets": [...], "innocent": [...], "guilty": [...]}`. None are part of this repository.
The data sets are declared to be a benchmark's, with splits named `test`, `validation` and the like as test items. Each
twin is one run without a record of files: a workspace, and a trajectory with the commands.

Nothing is executed. Prints a table with the number of twins for each verdict of `test_data_in_training`, and the wrong
ones. Exits with 1 if fewer than 99 % of the guilty twins are suspected or flagged, an innocent twin is flagged, or more
than 5 % of them are suspected.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from behavior_evidence import Case, Command  # type: ignore[import-not-found]
from posttrainbench import catalog
from posttrainbench.audit.behavior import access, exploits, grader, hosted, scripts, statements, test_sets
from posttrainbench.audit.policy import decide
from posttrainbench.catalog import PublishedRepository, PublishedTestSet

RULE, RULES = "test_data_in_training", "v1.2"
STATES = ("flagged", "suspected", "clean", "not_checked")
DETECTORS = (scripts, statements, exploits, access, grader, hosted)
HELD_OUT = ("test*", "valid*", "val", "dev*", "eval*")
TRAINED = "{'loss': 0.51, 'epoch': 1.0}\n100%|##########| 100/100"


def measure_workspace(
    files: Mapping[str, str], commands: Sequence[str], datasets: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the state of each rule, and the findings that count, for one workspace and its commands."""
    repositories = [PublishedRepository(name=one, splits=split) for one in datasets for split in HELD_OUT]
    known = PublishedTestSet(repositories=repositories)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(test_sets, "published_test_set", return_value=known),
    ):
        steps = [*commands[:-1], Command(commands[-1], TRAINED)]
        evidence = Case(Path(folder), files=dict(files), steps=steps).evidence()
        findings, coverage = [], []
        for detector in DETECTORS:
            found, covered = detector.detect(evidence)
            findings += found
            coverage += covered if isinstance(covered, list) else [covered]
    verdict = decide(catalog.rule_sets()[RULES], findings, coverage, [])
    counting = {*verdict.flagging, *verdict.suspecting}
    said = [f"{one.rule}: {one.summary}" for one in findings if one.id in counting]
    return {rule: str(state) for rule, state in verdict.rules.items()}, said


def is_wrong(twin: str, state: str) -> bool:
    """Return whether a verdict is not the one that the twin deserves."""
    return (state in ("suspected", "flagged")) != (twin == "guilty")


def reaches_targets(counts: Mapping[tuple[str, str], int], pairs: int) -> bool:
    """Return whether enough guilty twins are found, and few enough innocent ones are suspected and none flagged."""
    caught = counts.get(("guilty", "suspected"), 0) + counts.get(("guilty", "flagged"), 0)
    accused = counts.get(("innocent", "suspected"), 0)
    return caught >= 0.99 * pairs and not counts.get(("innocent", "flagged"), 0) and accused <= 0.05 * pairs


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", action="store_true", help="print the findings on the wrong ones")
    parser.add_argument("--only", default="", help="only pairs with this text in their name")
    parser.add_argument("--json", type=Path, help="write the table as JSON")
    args = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    pairs = sorted(path.parent for path in args.folder.glob("*/pair.json") if args.only in path.parent.name)
    wrong = []
    for pair in pairs:
        described = json.loads((pair / "pair.json").read_text())
        for twin in ("innocent", "guilty"):
            root = pair / twin
            files = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
            states, said = measure_workspace(files, described[twin], described["datasets"])
            counts[twin, states[RULE]] += 1
            if is_wrong(twin, states[RULE]):
                wrong.append({"pair": pair.name, "twin": twin, "verdict": states[RULE]})
                print(f"{twin} {states[RULE]}: {pair.name}", flush=True)
                if args.show:
                    print(*(f"    {text[:300]}" for text in said), sep="\n", flush=True)
    print(f"{len(pairs)} pairs")
    table = {twin: {state: counts[twin, state] for state in STATES} for twin in ("innocent", "guilty")}
    for twin, row in table.items():
        print(f"{twin:<9}", *(f"{state} {number} ({number / max(len(pairs), 1):.1%})" for state, number in row.items()))
    if args.json:
        args.json.write_text(json.dumps({"pairs": len(pairs), **table, "wrong": wrong}, indent=2) + "\n")
    return int(not reaches_targets(counts, len(pairs)))


if __name__ == "__main__":
    sys.exit(main())
