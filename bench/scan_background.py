"""Rate of background hits of the contamination scanner on permitted data, with exact intervals.

    python bench/scan_background.py SETS --benchmark-file gsm8k_test.jsonl [--benchmark-file HumanEval.jsonl.gz]

SETS is a directory with one permitted data set in each file (JSONL, Parquet or text). For each benchmark, prints the
number of rows, of rows with a match of a test item, and of different items, with the exact (Clopper-Pearson) 95 percent
interval of the rate, for each set and in total. Rows are counted as in a verdict: documents that can contain an item,
without repetitions. True copies of test items count as hits too, so look at them (`--show`) before using a rate.
"""

import argparse
from pathlib import Path

from posttrainbench.audit.contamination.scan import read_items
from posttrainbench.audit.contamination.scan.documents import joined
from posttrainbench.audit.contamination.scan.files import FileResult
from posttrainbench.audit.contamination.scan.index import build_index
from posttrainbench.audit.contamination.scan.scanner import Search
from posttrainbench.audit.contamination.scan.verdict import BACKGROUND, poisson_bound
from posttrainbench.audit.contamination.scan.whitelist import Whitelist, entries
from posttrainbench.scoring.proportions import clopper_pearson


def line(name: str, rows: int, hits: int, items: int) -> str:
    """Return a row of the table; rates are per million rows."""
    low, high = clopper_pearson(hits, max(rows, 1))
    low, high = 1e6 * low, 1e6 * high
    return f"| {name} | {rows:,} | {hits} | {items} | {1e6 * hits / max(rows, 1):.1f} | {low:.1f} to {high:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--benchmark-file", type=Path, action="append", required=True)
    parser.add_argument("--permitted", type=Path, help="the train split of the benchmark, as in an audit")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--show", action="store_true", help="print every match")
    args = parser.parse_args()
    files = sorted(entries(args.sets), key=lambda entry: entry.relative)
    permitted = Whitelist(items=read_items(args.permitted)).texts if args.permitted else []
    for path in args.benchmark_file:
        index = build_index(read_items(path), permitted)
        totals = Search(index)(files, workers=args.workers)
        parts: dict[str, FileResult] = {files[number].relative: part for number, part in totals.parts.items()}
        print(f"\n{path.name}: {index.test_items} items\n")
        print("| set | rows | hits | items | per million | 95 percent interval |\n|---|---|---|---|---|---|")
        for name, part in parts.items():
            found = part.matches()
            print(line(name, part.counted.different, found.sightings, len(found.items)))
        rows = joined([part.counted for part in parts.values()]).different
        hits = sum(part.matches().sightings for part in parts.values())
        items = {item for part in parts.values() for item in part.matches().items}
        print(line(f"all {len(parts)} sets", rows, hits, len(items)))
        print(f"\nassumed: {1e6 * BACKGROUND:.1f} per million; explained by chance: {poisson_bound(BACKGROUND * rows)}")
        for skip in totals.skipped:
            print(f"not read: {skip.path}: {skip.reason}")
        if args.show:
            for part in parts.values():
                for hit in part.hits.values():
                    print(f"{hit.file}:{hit.line} {hit.unit} {hit.method} {hit.score:.2f}")
                    print(f"  {hit.text}\n  {hit.item_text}")


if __name__ == "__main__":
    main()
