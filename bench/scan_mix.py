"""Speed of the contamination scanner on the kinds of files that a run leaves, compared with a pure-Python 13-gram set.

    python bench/scan_mix.py DATA [--size 30] [--packages DIR] [--scratch DIR] [--only code,logs]

Builds directories of chat rows, code, logs, notebooks, checkpoints and installed packages (`--size` MB each), from the
JSONL files in DATA and from installed packages, and searches each for the test items of GSM8K and HumanEval in DATA
(`benchmarks/`). Speeds are bytes per CPU second (`time.process_time`) of one thread, the best of `--repeat`, without
building the index; both methods read the same files. Compressed files count by their size on disk.
"""

import argparse
import base64
import io
import json
import random
import re
import resource
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from posttrainbench.audit.contamination.scan import read_items
from posttrainbench.audit.contamination.scan.index import Index, build_index
from posttrainbench.audit.contamination.scan.scanner import Search
from posttrainbench.audit.contamination.scan.whitelist import entries
from posttrainbench.benchmarks import Item

SEED = 1
GRAM = 13
WORD = re.compile(r"\w+")
CONTAMINATED = ("gsm8k_test.jsonl", "rephrase_gsm8k.jsonl", "mhe_java_v1.1.jsonl")
BENCHMARKS = ("gsm8k_test.jsonl", "HumanEval.jsonl.gz")


class Material:
    """Text to make files of: the strings of JSONL files, Python sources, and other files of packages."""

    def __init__(self, data: Path, packages: Path) -> None:
        self.rng = random.Random(SEED)
        self._sets = [
            [
                text
                for line in path.read_text(errors="replace").splitlines()
                if line.startswith("{")
                for text in _strings(json.loads(line))
                if len(text) > 40
            ]
            for path in sorted(data.rglob("*.jsonl"))
            if path.name not in CONTAMINATED
        ]
        self.sources = sorted(path for path in packages.rglob("*.py") if path.stat().st_size > 500)
        self.rng.shuffle(self.sources)
        self._sets = [texts for texts in self._sets if texts]
        self.binaries = sorted(path for suffix in ("so", "pyc") for path in packages.rglob(f"*.{suffix}"))
        self.rng.shuffle(self.binaries)

    def text(self) -> str:
        """Return a random text of a random data set."""
        return self.rng.choice(self.rng.choice(self._sets))

    def source(self) -> bytes:
        """Return the content of a random source file."""
        return self.rng.choice(self.sources).read_bytes()


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def chats(material: Material, directory: Path, size: int) -> None:
    """Write chat rows, with texts cut at random so that rows differ."""
    with (directory / "train.jsonl").open("w") as file:
        written = 0
        while written < size:
            first, second = material.text(), material.text()
            second = second[material.rng.randrange(len(second) // 2) :]
            row = {"messages": [{"role": "user", "content": first}, {"role": "assistant", "content": second}]}
            written += file.write(json.dumps(row) + "\n")


def code(material: Material, directory: Path, size: int) -> None:
    """Copy source files."""
    written = 0
    for number, path in enumerate(material.sources):
        if written >= size:
            return
        written += (directory / f"{number}.py").write_bytes(path.read_bytes())


def logs(material: Material, directory: Path, size: int) -> None:
    """Write logs of a trainer, of a server, and an agent's output as JSON lines."""
    rng = material.rng
    with (directory / "train.log").open("w") as file:
        step = 0
        while file.tell() < size / 3:
            loss, rate = rng.random() * 2, rng.random() * 1e-5
            file.write(
                f"{{'loss': {loss:.4f}, 'grad_norm': {rng.random():.6f}, 'learning_rate': {rate}, 'epoch': 1}}\n"
            )
            file.write(
                f"\r {step % 100}%|{'█' * (step % 20):20}| {step}/10000 [{step // 60:02}:{step % 60:02}<1:02:03]"
            )
            step += 1
    with (directory / "server.log").open("w") as file:
        while file.tell() < size / 3:
            name, port = rng.choice(material.sources).name, rng.randrange(30000, 60000)
            file.write(f"INFO 05-17 03:{rng.randrange(60):02}:{rng.randrange(60):02} [{name}:{rng.randrange(900)}] ")
            file.write(f"Avg prompt throughput: {rng.random() * 900:.1f} tokens/s, Running: {rng.randrange(64)} reqs\n")
            file.write(f'INFO:     127.0.0.1:{port} - "POST /v1/chat/completions HTTP/1.1" 200 OK\n')
            file.write(f"request id chatcmpl-{rng.getrandbits(128):032x} finished\n")
    with (directory / "output.jsonl").open("w") as file:
        while file.tell() < size / 3:
            text = material.source().decode("utf-8", "replace")[: rng.randrange(200, 4000)]
            part = {"type": "tool_result", "tool_use_id": f"toolu_{rng.getrandbits(96):024x}", "content": text}
            row = {"type": "user", "message": {"content": [part]}, "uuid": f"{rng.getrandbits(128):032x}"}
            file.write(json.dumps(row) + "\n")


def notebooks(material: Material, directory: Path, size: int) -> None:
    """Write notebooks with code, printed output, and plots as base64 of random bytes, which compressed images are."""
    rng, written, number = material.rng, 0, 0
    while written < size:
        cells = []
        for _ in range(12):
            source = material.source().decode("utf-8", "replace")[:2500].splitlines(keepends=True)
            output = material.text()[:1500].splitlines(keepends=True)
            plot = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randrange(3000, 20000))).decode()
            shown = [
                {"output_type": "stream", "name": "stdout", "text": output},
                {"output_type": "display_data", "data": {"image/png": plot}, "metadata": {}},
            ]
            cells.append(
                {"cell_type": "code", "metadata": {}, "source": source, "outputs": shown[: rng.choice((1, 1, 2))]}
            )
        book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        written += (directory / f"{number}.ipynb").write_text(json.dumps(book, indent=1))
        number += 1


def checkpoints(material: Material, directory: Path, size: int) -> None:
    """Write what a trainer saves beside its weights: an optimizer's state, a tokenizer, arrays."""
    rng = np.random.default_rng(SEED)
    pieces = {f"archive/data/{n}": rng.normal(0, 0.02, size // 40).astype(np.float32).tobytes() for n in range(8)}
    with zipfile.ZipFile(directory / "optimizer.pt", "w", zipfile.ZIP_STORED) as archive:
        for name, data in pieces.items():
            archive.writestr(name, data)
    rounded = rng.normal(0, 0.02, size // 20).astype(np.float32).view(np.uint32) >> np.uint32(16)
    (directory / "model.bin").write_bytes(rounded.astype(np.uint16).tobytes())
    words = sorted(
        {word for path in material.sources[:3000] for word in WORD.findall(path.read_text(errors="replace"))}
    )
    vocabulary = {"model": {"vocab": {word: n for n, word in enumerate(words)}, "merges": [f"{a} b" for a in words]}}
    (directory / "tokenizer.json").write_text(json.dumps(vocabulary, indent=2))
    with io.BytesIO() as file:
        np.save(file, rng.random(size // 80))
        (directory / "losses.npy").write_bytes(file.getvalue())


def packages(material: Material, directory: Path, size: int) -> None:
    """Copy shared libraries and compiled Python files, at most 4 MB of each."""
    written = 0
    for number, path in enumerate(material.binaries):
        if written >= size:
            return
        with path.open("rb") as file:
            written += (directory / f"{number}{path.suffix}").write_bytes(file.read(4_000_000))


KINDS: dict[str, Callable[[Material, Path, int], None]] = {
    "chats": chats,
    "code": code,
    "logs": logs,
    "notebooks": notebooks,
    "checkpoints": checkpoints,
    "packages": packages,
}


def ngram_set(items: list[Item]) -> set[tuple[str, ...]]:
    """Return the 13-grams of all items."""
    return {gram for item in items for gram in _grams(f"{item.question} {item.answer}")}


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return zip(*(words[start:] for start in range(GRAM)), strict=False)


def time_set(paths: list[Path], known: set[tuple[str, ...]]) -> float:
    """Return the CPU seconds in which the set of 13-grams searches files, by lines in blocks of 1 MiB."""
    started = time.process_time()
    for path in paths:
        with path.open("rb") as file:
            while block := file.readlines(2**20):
                known.isdisjoint(_grams(b"".join(block).decode("utf-8", "replace")))
    return time.process_time() - started


def time_scanner(directory: Path, index: Index) -> float:
    """Return the CPU seconds in which the scanner searches a directory with one thread."""
    files = list(entries(directory))
    started = time.process_time()
    Search(index)(files, workers=1)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="directory of JSONL files with `benchmarks/`")
    parser.add_argument("--size", type=float, default=30, help="MB of each kind")
    parser.add_argument("--packages", type=Path, default=Path(sysconfig.get_path("purelib")))
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--scratch", type=Path, default=None)
    args = parser.parse_args()
    items = [item for name in BENCHMARKS for item in read_items(args.data / "benchmarks" / name)]
    index, known = build_index(items), ngram_set(items)
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        material = Material(args.data, args.packages)
        print("| kind | MB | 13-gram set, MB/s | scanner, MB/s | ratio |\n|---|---|---|---|---|")
        totals = np.zeros(3)
        for kind in args.only.split(","):
            directory = Path(scratch) / kind
            directory.mkdir()
            KINDS[kind](material, directory, int(args.size * 1e6))
            paths = list(directory.iterdir())
            size = sum(path.stat().st_size for path in paths) / 1e6
            time_scanner(directory, index)
            slow = min(time_set(paths, known) for _ in range(args.repeat))
            fast = min(time_scanner(directory, index) for _ in range(args.repeat))
            totals += size, slow, fast
            print(f"| {kind} | {size:.0f} | {size / slow:.1f} | {size / fast:.1f} | {slow / fast:.1f} |", flush=True)
        size, slow, fast = totals
        print(f"| all | {size:.0f} | {size / slow:.1f} | {size / fast:.1f} | {slow / fast:.1f} |")
        print(f"\nmost memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
