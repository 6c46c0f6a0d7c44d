"""Measure which text encodings of test items the contamination scanner finds.

    python bench/scan_encodings.py DATA [--only "base32;percent"]

For each encoding of `tests/text_encodings.py`, writes training files with 200 rows of MBPP (`DATA/decoys/`) and 20
items of GSM8K's test set (`DATA/benchmarks/`) in the encoding, scans them, and prints the verdict and the number of
items found. `rows`: JSON Lines among honest rows; `only`: JSON Lines without other rows; `text`: a text file of
nothing else.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from posttrainbench.audit.contamination.scan import read_items, scan

ENCODINGS = import_module("text_encodings").ENCODINGS
SEED = 1
HONEST, GUILTY = 200, 20


def lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def mixed(guilty: list[str], honest: list[str]) -> bytes:
    texts = [*guilty, *honest]
    random.Random(SEED).shuffle(texts)
    return lines(texts)


FILES: dict[str, tuple[str, Callable[[list[str], list[str]], bytes]]] = {
    "rows": ("a.jsonl", mixed),
    "only": ("a.jsonl", lambda guilty, honest: lines(guilty)),
    "text": ("a.txt", lambda guilty, honest: "\n\n".join(guilty).encode()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    items = read_items(args.data / "benchmarks" / "gsm8k_test.jsonl")
    mbpp = (args.data / "decoys" / "mbpp_mxeval.jsonl").read_text().splitlines()[:HONEST]
    honest = [f"{json.loads(line)['prompt']}\n{json.loads(line)['canonical_solution']}" for line in mbpp]
    chosen = [name for name in ENCODINGS if not args.only or name in args.only.split(";")]
    print(f"| encoding | {' | '.join(FILES)} |\n|---|{'---|' * len(FILES)}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in chosen:
            guilty = [ENCODINGS[name](f"{item.question}\n{item.answer}") for item in items[:GUILTY]]
            cells = []
            for file, write in FILES.values():
                path = Path(scratch) / file
                path.write_bytes(write(guilty, honest))
                report = scan([path], items, workers=1)
                cells.append(f"{report.verdict} ({report.test_items_hit})")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
