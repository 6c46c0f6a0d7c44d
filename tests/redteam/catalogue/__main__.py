"""`python tests/redteam/catalogue [--only TEXT] [--write]`: the table, printed or written into `docs/red-team.md`."""

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
    """The command line; ends with 1 if a case is not as it should be, or wrong where it is known to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose entry or module this is, or with it in their name")
    parser.add_argument("--write", action="store_true", help=f"write the table of all cases into {PAGE.name}")
    parser.add_argument("--times", action="store_true", help="tell how long each case took")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_DATA_HOME"] = place
        return _run(args.only, args.write, args.times, Path(place))


def _run(only: str, write: bool, times: bool, place: Path) -> int:
    from catalogue.case import Case, Observed, problems
    from catalogue.cases import CASES
    from catalogue.desk import opened
    from catalogue.table import markdown, shortcomings, summary

    (place / "cases").mkdir()
    results: list[tuple[Case, Observed]] = []
    with opened(place / "cases") as desk:
        for case in CASES.values():
            if only and only != case.entry and only not in case.name and only != case.make.__module__.split(".")[-1]:
                continue
            began = time.process_time(), time.monotonic()
            seen = desk.observe(case)
            if times:
                cpu, wall = time.process_time() - began[0], time.monotonic() - began[1]
                print(f"{wall:6.1f} s, {cpu:6.1f} s here: {case.name}", file=sys.stderr)
            results.append((case, seen))
            if wrong := problems(case, seen):
                print(f"{case.name}: {'; '.join(wrong)}", file=sys.stderr)
                for finding in seen.findings:
                    if finding.count:
                        mark = "*" if finding.id in seen.flagging else " "
                        quoted = [(one.file, one.line, one.text[:160]) for one in finding.evidence[:3]]
                        print(f"  {mark} {finding.rule} {finding.level} {finding.outcome} {finding.detector} "
                              f"{finding.count}: {finding.summary} {quoted}", file=sys.stderr)  # fmt: skip
                for sentence in dict.fromkeys(seen.said):
                    print(f"    {sentence}", file=sys.stderr)
    wrong = f"### Wrong today\n\n{shortcomings(results)}"
    table = f"{summary(results)}\n\n{wrong}\n\n### All cases\n\n{markdown(results)}"
    print(table)
    if write:
        text = PAGE.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
    return int(any(bool(problems(case, seen)) != bool(case.fails) for case, seen in results))


if __name__ == "__main__":
    sys.exit(main())
