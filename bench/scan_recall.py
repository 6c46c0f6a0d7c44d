"""Recall and false positives of the contamination scanner on real benchmark files.

    python bench/scan_recall.py DATA [--only gsm8k,humaneval]

DATA contains `benchmarks/` and `decoys/` with the published files (GSM8K, HumanEval, BFCL, HealthBench, Arena-Hard;
MBPP, HumanEval in Java, a paraphrase of GSM8K, SVAMP), which are not part of this project. Recall is the share of test
items that are reported; matches of only the answer or only the numbers do not count. GPQA and AIME are replaced by
synthetic items of the same shape.
"""

import argparse
import base64
import csv
import gzip
import io
import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from posttrainbench.audit.contamination.scan import Whitelist, read_items, scan
from posttrainbench.audit.contamination.scan.search import NO_TOKENIZER
from posttrainbench.audit.contamination.scan.unreadable import UNREADABLE
from posttrainbench.benchmarks import Item

Pair = tuple[str, str]
SEED = 1

FILES = {
    "gsm8k": "gsm8k_test.jsonl",
    "humaneval": "HumanEval.jsonl.gz",
    "bfcl": "bfcl_exec_simple.jsonl",
    "healthbench": "healthbench_easy.jsonl",
    "arena-hard": "arenahard_v2_creative_writing_questions.jsonl",
}
NUMBER_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
FILLER = "window river candle orchard machine letter garden mirror copper village".split()


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def as_csv(pairs: list[Pair]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([("question", "answer"), *pairs])
    return out.getvalue().encode()


def as_arrow(pairs: list[Pair]) -> bytes:
    pyarrow: Any = import_module("pyarrow")
    table = pyarrow.table({"question": [q for q, _ in pairs], "answer": [a for _, a in pairs]})
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def as_parquet(pairs: list[Pair]) -> bytes:
    pyarrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    sink = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([chat(q, a) for q, a in pairs]), sink)
    return sink.getvalue()


SCHEMAS: dict[str, tuple[str, Callable[[list[Pair]], bytes]]] = {
    "text": ("a.jsonl", lambda pairs: lines([{"text": f"{q}\n{a}"} for q, a in pairs])),
    "messages": ("a.jsonl", lambda pairs: lines([chat(q, a) for q, a in pairs])),
    "conversations": (
        "a.jsonl",
        lambda pairs: lines(
            [{"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for q, a in pairs]
        ),
    ),
    "prompt/response": ("a.jsonl", lambda pairs: lines([{"prompt": q, "response": a} for q, a in pairs])),
    "JSON in JSON": ("a.jsonl", lambda pairs: lines([{"row": json.dumps(chat(q, a))} for q, a in pairs])),
    "Python literal": ("a.py", lambda pairs: b"ROWS = [\n" + b"".join(f"{p!r},\n".encode() for p in pairs) + b"]\n"),
    "Arrow": ("a.arrow", as_arrow),
    "Parquet": ("a.parquet", as_parquet),
    "CSV": ("a.csv", as_csv),
    "gzip": ("a.jsonl.gz", lambda pairs: gzip.compress(lines([chat(q, a) for q, a in pairs]))),
}


def each_word(change: Callable[[str, random.Random], str], every: int) -> Callable[[str, random.Random], str]:
    def edit(text: str, rng: random.Random) -> str:
        parts = re.split(r"(\s+)", text)
        for place in range(0, len(parts), 2 * every):
            parts[place] = change(parts[place], rng)
        return "".join(parts)

    return edit


def other_numbers(text: str, rng: random.Random) -> str:
    def digits(match: re.Match[str]) -> str:
        return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in match[0][1:])

    text = re.sub(r"\d+", digits, text)
    return re.sub(r"\b(?:" + "|".join(NUMBER_WORDS) + r")\b", lambda match: rng.choice(NUMBER_WORDS), text)


def no_words(text: str, _: random.Random) -> str:
    """Return the best case of a translation: all words changed, numbers in digits kept."""
    kept = re.sub(r"\b(?:" + "|".join(NUMBER_WORDS) + r")\b", "", text)
    return re.sub(r"[A-Za-z]+", lambda match: "x" + match[0][::-1] + "q", kept)


def full_width(text: str, _: random.Random) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


HOMOGLYPHS = str.maketrans("aeopcxy", "аеорсху")
EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "zero-width characters": lambda text, _: text.replace("e", "e\u200b"),
    "accents": lambda text, _: text.replace("e", "é").replace("o", "ô"),
    "full width": full_width,
    "look-alike letters": lambda text, _: text.translate(HOMOGLYPHS),
    "letters spaced": lambda text, _: "   ".join(" ".join(word) for word in text.split()),
    "every tenth word replaced": each_word(lambda _, rng: rng.choice(FILLER), 10),
    "every sixth word replaced": each_word(lambda _, rng: rng.choice(FILLER), 6),
    "numbers changed": other_numbers,
    "all words replaced, numbers kept": no_words,
}
WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda data: b"\n".join(base64.b64encode(line) for line in data.splitlines()),
    "base64, 76 columns": base64.encodebytes,
    "hexadecimal": lambda data: data.hex().encode(),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16 without mark": lambda data: data.decode().encode("utf-16-le"),
    "UTF-32 without mark": lambda data: data.decode().encode("utf-32-le"),
}


def gpqa_like(rng: random.Random) -> list[Item]:
    """Return synthetic items in the shape of GPQA: a long question, four long choices."""
    things = "enzyme polymer lattice neutrino ligand galaxy receptor plasma catalyst isotope".split()
    verbs = "binds absorbs emits oxidises scatters stabilises splits doubles".split()
    made = []
    for number in range(198):
        sentences = [
            f"A {rng.choice(things)} {number} {rng.choice(verbs)} the {rng.choice(things)} at {rng.randint(2, 900)} K "
            f"while its {rng.choice(things)} {rng.choice(verbs)} {rng.randint(2, 99)} times slower."
            for _ in range(4)
        ]
        choices = [f"It {rng.choice(verbs)} {rng.randint(1, 999)} {rng.choice(things)}s per hour" for _ in range(4)]
        made.append(Item(f"gpqa-like/{number}", " ".join(sentences), choices[0], {"choices": choices}))
    return made


def aime_like(rng: random.Random) -> list[Item]:
    """Return synthetic items in the shape of AIME: formulas, words and an integer."""
    shapes = "triangle circle square hexagon sphere cone prism ellipse parabola polygon".split()
    asks = "area perimeter radius volume remainder product sum difference ratio maximum".split()
    made = []
    for number in range(30):
        one, two = rng.sample(shapes, 2)
        made.append(
            Item(
                f"aime-like/{number}",
                f"Let $f(x) = x^{{{rng.randint(2, 9)}}} + {rng.randint(2, 99)}x$ be tangent to a {one} that a {two} of "
                f"{rng.choice(asks)} ${rng.randint(11, 97)}$ contains. The {rng.choice(asks)} of the {two} is "
                f"$\\frac{{m}}{{n}}$ times the {rng.choice(asks)} of the {one}. "
                f"Find the {rng.choice(asks)} of $m$ and $n$.",
                str(rng.randint(0, 999)),
                {},
            )
        )
    return made


class Table:
    """Measures recall and prints the rows of the table."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def found(
        self, name: str, data: bytes, items: list[Item], whitelist: Whitelist | None = None
    ) -> tuple[int, int, str]:
        path = self._scratch / name
        path.write_bytes(data)
        report = scan([path], items, whitelist=whitelist)
        path.unlink()
        unread = [skip for skip in report.skipped if skip.lost and skip.reason not in (NO_TOKENIZER, UNREADABLE)]
        assert not unread, unread
        return report.test_items_hit, report.flagged_documents, report.verdict

    def recall(self, what: str, name: str, data: bytes, items: list[Item], whitelist: Whitelist | None = None) -> None:
        hit, _, verdict = self.found(name, data, items, whitelist)
        print(f"| {what} | {hit / len(items):.3f} | {hit} of {len(items)} | {verdict} |", flush=True)


def pairs_of(items: list[Item], answers: list[str] | None = None) -> list[Pair]:
    return [(item.question, answer) for item, answer in zip(items, answers or [i.answer for i in items], strict=True)]


def verbatim(table: Table, name: str, items: list[Item]) -> None:
    others = [items[(place + 7) % len(items)].answer or "It depends." for place in range(len(items))]
    for schema, (file, write) in SCHEMAS.items():
        table.recall(f"{name}: {schema}", file, write(pairs_of(items)), items)
    table.recall(f"{name}: messages, other answer", "a.jsonl", SCHEMAS["messages"][1](pairs_of(items, others)), items)


def edited(table: Table, name: str, items: list[Item]) -> None:
    rng = random.Random(SEED)
    for edit, change in EDITS.items():
        pairs = [(change(question, rng), answer) for question, answer in pairs_of(items)]
        if change is no_words:
            pairs = [(question, change(answer, rng)) for question, answer in pairs]
        table.recall(f"{name}: {edit}", "a.jsonl", SCHEMAS["messages"][1](pairs), items)
    data = SCHEMAS["messages"][1](pairs_of(items))
    for encoding, encode in WHOLE.items():
        table.recall(f"{name}: {encoding}", "a.bin", encode(data), items)


def code(table: Table, data: Path, items: list[Item]) -> None:
    published = gzip.decompress((data / "benchmarks" / FILES["humaneval"]).read_bytes())
    rows = [json.loads(line) for line in published.splitlines()]
    renamed, literals, variables = [], [], []
    for number, row in enumerate(rows):
        program = row["prompt"] + row["canonical_solution"]
        renamed.append(re.sub(rf"\b{row['entry_point']}\b", f"solve_{number}", program))
        literals.append(f"EXAMPLES.append({program!r})\n")
        variables.append(rename_all(program, number))
    table.recall("humaneval: functions renamed", "a.jsonl", lines([{"text": text} for text in renamed]), items)
    table.recall("humaneval: string literals", "a.py", "".join(literals).encode(), items)
    table.recall(
        "humaneval: all names changed, no docstring", "a.jsonl", lines([{"text": t} for t in variables]), items
    )
    java = (data / "decoys" / "mhe_java_v1.1.jsonl").read_bytes()
    wanted = {json.loads(line)["task_id"].split("/")[1] for line in java.splitlines()}
    table.recall("humaneval: in Java", "a.jsonl", java, [i for i in items if i.id.split("/")[1] in wanted])


def rename_all(program: str, number: int) -> str:
    """Return a program without docstrings and comments, with all of its names changed."""
    import ast
    import builtins

    tree = ast.parse(program)
    names: dict[str, str] = {}

    class Rename(ast.NodeTransformer):
        def _name(self, name: str) -> str:
            return names.setdefault(name, f"v{number}_{len(names)}")

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            node.name = self._name(node.name)
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:]
            self.generic_visit(node)
            return node

        def visit_arg(self, node: ast.arg) -> ast.AST:
            node.arg = self._name(node.arg)
            return self.generic_visit(node)

        def visit_Name(self, node: ast.Name) -> ast.AST:
            if not hasattr(builtins, node.id) and node.id not in imported:
                node.id = self._name(node.id)
            return node

    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return ast.unparse(Rename().visit(tree))


def legal(table: Table, data: Path, tests: dict[str, list[Item]]) -> None:
    everything = [item for items in tests.values() for item in items]
    svamp = json.loads((data / "decoys" / "SVAMP.json").read_text())
    train = data / "benchmarks" / "gsm8k_train.jsonl"
    sets = {
        "GSM8K train": train.read_bytes(),
        "GSM8K train, messages": lines([chat(item.question, item.answer) for item in read_items(train)]),
        "MBPP": (data / "decoys" / "mbpp_mxeval.jsonl").read_bytes(),
        "SVAMP": lines(
            [{"question": f"{row['Body']} {row['Question']}", "answer": str(row["Answer"])} for row in svamp]
        ),
        "SVAMP as published": json.dumps(svamp, indent=1).encode(),
    }
    whitelist = Whitelist(files=[train])
    print("\n| permitted documents | flagged | test items | verdict | GSM8K train whitelisted |\n|---|---|---|---|---|")
    for name, content in sets.items():
        suffix = ".json" if "published" in name else ".jsonl"
        hit, flagged, verdict = table.found(f"a{suffix}", content, everything)
        _, allowed, _ = table.found(f"a{suffix}", content, everything, whitelist)
        print(f"| {name} | {flagged} | {hit} | {verdict} | {allowed} |", flush=True)


def with_train_split(table: Table, data: Path, items: list[Item], reworded: bytes) -> None:
    """Measure recall with the train split permitted, so that its n-grams are ignored."""
    legal = Whitelist(items=read_items(data / "benchmarks" / "gsm8k_train.jsonl"))
    rng = random.Random(SEED)
    changed = [(other_numbers(question, rng), answer) for question, answer in pairs_of(items)]
    write = SCHEMAS["messages"][1]
    table.recall("gsm8k, train split permitted: messages", "a.jsonl", write(pairs_of(items)), items, legal)
    table.recall("gsm8k, train split permitted: numbers changed", "a.jsonl", write(changed), items, legal)
    table.recall("gsm8k, train split permitted: paraphrased by a model", "a.jsonl", reworded, items, legal)
    train = (data / "benchmarks" / "gsm8k_train.jsonl").read_bytes()
    table.recall("gsm8k, train split permitted: the train split itself", "a.jsonl", train, items, legal)


def loaded(data: Path, only: list[str]) -> Iterator[tuple[str, list[Item]]]:
    for name, file in FILES.items():
        if name in only:
            yield name, read_items(data / "benchmarks" / file)
    rng = random.Random(SEED)
    for name, make in (("gpqa-like", gpqa_like), ("aime-like", aime_like)):
        if name in only:
            yield name, make(rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=",".join([*FILES, "gpqa-like", "aime-like"]))
    args = parser.parse_args()
    tests = dict(loaded(args.data, args.only.split(",")))
    with tempfile.TemporaryDirectory() as scratch:
        table = Table(Path(scratch))
        print("| contamination | recall | items | verdict |\n|---|---|---|---|")
        for name, items in tests.items():
            verbatim(table, name, items)
            edited(table, name, items)
        if "humaneval" in tests:
            code(table, args.data, tests["humaneval"])
        if "gsm8k" in tests:
            reworded = (args.data / "decoys" / "rephrase_gsm8k.jsonl").read_bytes()
            table.recall("gsm8k: paraphrased by a model", "a.jsonl", reworded, tests["gsm8k"])
            with_train_split(table, args.data, tests["gsm8k"], reworded)
        legal(table, args.data, tests)


if __name__ == "__main__":
    main()
