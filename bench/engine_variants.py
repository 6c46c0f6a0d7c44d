"""Load every form of submission that the final check accepts in both engines: `python bench/engine_variants.py`.

The submissions are those of the tests: small random models of the official architectures. For each, the canonical
form is loaded by the generator of the transformers engine and by vLLM, and their greedy completions of two prompts in
float32 are compared. Submissions that are links are left out. Needs `make vllm`; takes five CPU minutes.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from posttrainbench.submission.sanitize import sanitize

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from submission_variants import PROMPTS, VARIANTS, Place, build_base  # type: ignore[import-not-found]
from vllm_here import PYTHON, SIZES, engines_differ  # type: ignore[import-not-found]

MAX_TOKENS = 8


def main() -> int:
    """Print one row for each form. Return 1 if the engines differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", type=Path, default=PYTHON, metavar="PYTHON", help="interpreter that has vLLM")
    parser.add_argument("--forms", default="", metavar="REGEX", help="only these submissions")
    args = parser.parse_args()
    rows: list[tuple[str, str, Path]] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        bases: dict[str, Path] = {}
        for number, (variant, facts) in enumerate(VARIANTS.items()):
            if facts.state != "accepted" or "link" in variant or not re.search(args.forms, variant):
                continue
            base = bases.setdefault(facts.base, root / facts.base)
            if not base.exists():
                build_base(facts.base, base, **SIZES)
            place = Place(base, root / str(number) / "workspace", facts.base)
            place.workspace.parent.mkdir()
            facts.build(place)
            (canonical := root / str(number) / "canonical").mkdir()
            manifest = sanitize(place.final, canonical, base, lambda: PROMPTS)
            if manifest.state == "accepted":
                rows.append((facts.base, variant, canonical))
        differences = engines_differ([row[2] for row in rows], PROMPTS, MAX_TOKENS, args.vllm)
    table = Table("base", "submission", "greedy answers of both engines", box=None)
    for (base_name, variant, _), difference in zip(rows, differences, strict=True):
        table.add_row(base_name, variant, difference or "same")
    Console(width=200).print(table)
    wrong = sum(map(bool, differences))
    print(f"{len(rows)} submissions, {wrong} different")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
