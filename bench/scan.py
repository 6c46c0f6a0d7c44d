"""Speed of the contamination scanner, compared with a pure-Python n-gram set on the same corpus.

    python bench/scan.py [--size 1000] [--cores 1,2,4] [--grams 12000,150000,2000000] [--scratch DIR]

Generates a corpus of chat rows (`--size` MB, with escapes and numbers) with planted test questions, and test sets of
several sizes. Prints the speed of the pure-Python set and of the scanner on one core and on more, its dependence on the
sizes of corpus and test set, and the number of planted items that each found. Paraphrases are searched for in test sets
with 100 word problems or more. Times are wall-clock, the best of `--repeat`; an earlier pass loads the corpus into the
page cache and compiles the kernels. Run it on an idle machine.
"""

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posttrainbench.audit.contamination.scan.index import Index, build_index
from posttrainbench.audit.contamination.scan.scanner import Search
from posttrainbench.audit.contamination.scan.whitelist import entries
from posttrainbench.benchmarks import Item

SEED = 1
VOCABULARY = 30_000
PLANTED = 50
MAX_SECONDS = 30.0  # for a pure-Python set, which need not finish the corpus
WORD = re.compile(r"[a-z0-9]+")


class Language:
    """Generates text with the word frequencies of a natural language (Zipf), with numbers and sentence ends."""

    def __init__(self) -> None:
        rng = random.Random(SEED)
        syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "ea", "or", "in")]
        made: dict[str, None] = {}
        while len(made) < VOCABULARY:
            made["".join(rng.choice(syllables) for _ in range(rng.choice((1, 1, 2, 2, 2, 3, 3, 4))))] = None
        self._words = np.array(list(made), dtype=object)
        weights = 1 / (np.arange(VOCABULARY) + 5.0)
        self._steps = np.cumsum(weights / weights.sum())
        self._rng = np.random.default_rng(SEED)

    def text(self, words: int) -> str:
        """Return a text of `words` words."""
        chosen = self._words[np.searchsorted(self._steps, self._rng.random(words))].copy()
        kinds = self._rng.random(words)
        for place in np.flatnonzero(kinds < 0.03):
            chosen[place] = str(self._rng.integers(2, 2000))
        for place in np.flatnonzero((kinds > 0.90) & (kinds < 0.98)):
            chosen[place] += "."
        for place in np.flatnonzero(kinds >= 0.98):
            chosen[place] += ".\n"
        return " ".join(chosen)


def test_items(language: Language, grams: int) -> list[Item]:
    """Return items with about `grams` n-grams in total: 90 words each, which gives about 170 of both kinds."""
    return [Item(f"bench/{n}", language.text(90), f"#### {n % 97}", {}) for n in range(max(grams // 170, PLANTED))]


def write_corpus(path: Path, language: Language, size: int, planted: list[Item]) -> None:
    rng = random.Random(SEED)
    block = [language.text(rng.randint(40, 400)) for _ in range(20_000)]
    every = max(size // (len(planted) * 2), 1)
    with path.open("w") as file:
        written, next_plant, left = 0, every, list(planted)
        while written < size:
            question, answer = rng.choice(block), rng.choice(block)
            if left and written > next_plant:
                question, next_plant = left.pop().question, next_plant + every
            # Cut at a random position, so that no two rows are equal.
            answer = answer[rng.randrange(len(answer) // 2) :]
            row = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
            written += file.write(json.dumps(row) + "\n")


class PythonSet:
    """The usual approach: a dictionary of word n-grams; a match is half of a question's n-grams in one row.

    Args:
        items: the test items.
        masked: whether to search for 8-grams with masked numbers too, as the scanner does.
    """

    def __init__(self, items: list[Item], masked: bool) -> None:
        self._masked = masked
        self._known: dict[tuple[str, ...], int] = {}
        self._sizes = []
        for number, item in enumerate(items):
            grams = [*self._grams(item.question)]
            self._known |= dict.fromkeys(grams, number)
            self._sizes.append(len(set(grams)))

    def _grams(self, line: str) -> Iterator[tuple[str, ...]]:
        words = WORD.findall(line.lower())
        yield from zip(*(words[start:] for start in range(5)), strict=False)
        if self._masked:
            words = ["0" if word[0].isdigit() else word for word in words]
            words = [word for place, word in enumerate(words) if word != "0" or words[place - 1] != "0"]
            yield from zip(*(words[start:] for start in range(8)), strict=False)

    def scan(self, path: Path) -> tuple[float, int]:
        """Return MB/s and the number of items found."""
        known, done = self._known, 0
        found: set[int] = set()
        started = time.perf_counter()
        with path.open() as file:
            for line in file:
                hits: dict[int, int] = {}
                for gram in self._grams(line):
                    if gram in known:
                        hits[known[gram]] = hits.get(known[gram], 0) + 1
                found.update(number for number, count in hits.items() if count >= 0.5 * self._sizes[number])
                done += len(line)
                if time.perf_counter() - started > MAX_SECONDS:
                    break
        return done / 1e6 / (time.perf_counter() - started), len(found)


def scan_speed(path: Path, index: Index, workers: int, repeat: int) -> tuple[float, int]:
    """Return the scanner's MB/s, without building its index, and the number of items found."""
    best, found = 0.0, 0
    for _ in range(repeat):
        started = time.perf_counter()
        totals = Search(index)(entries(path), workers=workers)
        seconds = time.perf_counter() - started
        best = max(best, sum(part.size for part in totals.parts.values()) / 1e6 / seconds)
        found = len({hit.item for part in totals.parts.values() for hit in part.hits.values()})
    return best, found


def corpora(args: argparse.Namespace, scratch: Path, language: Language, items: list[Item]) -> Iterator[Path]:
    for share in (4, 2, 1):
        path = scratch / f"corpus-{args.size // share}.jsonl"
        write_corpus(path, language, args.size * 1_000_000 // share, items[:PLANTED])
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="MB of the corpus")
    parser.add_argument("--cores", default="1,2,4")
    parser.add_argument("--grams", default="12000,150000,2000000")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None)
    args = parser.parse_args()
    cores = [int(number) for number in args.cores.split(",")]
    sizes = [int(number) for number in args.grams.split(",")]
    language = Language()
    tests = {grams: test_items(language, grams) for grams in sizes}
    planted = tests[sizes[0]][:PLANTED]
    tests = {grams: [*planted, *items[PLANTED:]] for grams, items in tests.items()}
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        quarter, half, whole = corpora(args, Path(scratch), language, planted)
        small = build_index(tests[sizes[0]])
        scan_speed(whole, small, max(cores), 1)
        plain, plain_found = PythonSet(tests[sizes[0]], masked=False).scan(whole)
        slow, slow_found = PythonSet(tests[sizes[0]], masked=True).scan(whole)
        size, known = whole.stat().st_size / 1e6, len(small.postings.first) - 1
        print(f"corpus of {size:.0f} MB, {PLANTED} items planted, {known:,} n-grams\n")
        print("| | MB/s | speedup over the same in Python | items found |\n|---|---|---|---|")
        print(f"| pure-Python set of 5-grams, one core | {plain:.1f} | {plain / slow:.1f} | {plain_found} |")
        print(f"| pure-Python set, the same n-grams, one core | {slow:.1f} | 1 | {slow_found} |", flush=True)
        for number in cores:
            speed, found = scan_speed(whole, small, number, args.repeat)
            print(f"| scanner, {number} core(s) | {speed:.0f} | {speed / slow:.1f} | {found} |", flush=True)
        print("\n| corpus, one core | MB/s |\n|---|---|")
        for path in (quarter, half, whole):
            speed, _ = scan_speed(path, small, 1, args.repeat)
            print(f"| {path.stat().st_size / 1e6:.0f} MB | {speed:.0f} |", flush=True)
        print("\n| test set | n-grams | rewording | index built in s | MB/s, one core | items found |")
        print("|---|---|---|---|---|---|")
        for items in tests.values():
            started = time.perf_counter()
            index = build_index(items)
            built = time.perf_counter() - started
            speed, found = scan_speed(quarter, index, 1, args.repeat)
            print(
                f"| {len(items):,} items | {len(index.postings.first) - 1:,} | {'yes' if index.problems else 'no'} "
                f"| {built:.1f} | {speed:.0f} | {found} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
