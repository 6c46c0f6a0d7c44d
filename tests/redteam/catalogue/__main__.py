"""`python tests/redteam/catalogue [--only TEXT] [--write]`: print the table or write it to `docs/red-team.md`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
PAGE = HERE.parents[2] / "docs" / "red-team.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def main() -> int:
    """Run the cases; return 1 if any case fails unexpectedly, or passes although it is expected to fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases of this entry or module, or with this text in the name")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.name}")
    parser.add_argument("--times", action="store_true", help="print the time of each case")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_DATA_HOME"] = folder
        return _run(args.only, args.write, args.times, Path(folder))


def _run(only: str, write: bool, times: bool, folder: Path) -> int:
    from catalogue.case import Case, Observed, problems
    from catalogue.cases import CASES
    from catalogue.desk import opened
    from catalogue.table import markdown, shortcomings, summary

    (folder / "cases").mkdir()
    results: list[tuple[Case, Observed]] = []
    with opened(folder / "cases") as desk:
        for case in CASES.values():
            if only and only != case.entry and only not in case.name and only != case.make.__module__.split(".")[-1]:
                continue
            began = time.process_time(), time.monotonic()
            observed = desk.observe(case)
            if times:
                cpu, wall = time.process_time() - began[0], time.monotonic() - began[1]
                print(f"{wall:6.1f} s, {cpu:6.1f} s CPU in this process: {case.name}", file=sys.stderr)
            results.append((case, observed))
            if wrong := problems(case, observed):
                print(f"{case.name}: {'; '.join(wrong)}", file=sys.stderr)
                for finding in observed.findings:
                    if finding.count:
                        mark = "*" if finding.id in observed.flagging else " "
                        quoted = [(quote.file, quote.line, quote.text[:160]) for quote in finding.evidence[:3]]
                        print(f"  {mark} {finding.rule} {finding.level} {finding.outcome} {finding.detector} "
                              f"{finding.count}: {finding.summary} {quoted}", file=sys.stderr)  # fmt: skip
                for sentence in dict.fromkeys(observed.messages):
                    print(f"    {sentence}", file=sys.stderr)
    failures = f"### Failures\n\n{shortcomings(results)}"
    table = f"{summary(results)}\n\n{failures}\n\n### All cases\n\n{markdown(results)}"
    print(table)
    if write:
        text = PAGE.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
    return int(any(bool(problems(case, observed)) != bool(case.fails) for case, observed in results))


if __name__ == "__main__":
    sys.exit(main())
