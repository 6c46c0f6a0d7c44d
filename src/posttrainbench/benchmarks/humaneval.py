"""humaneval: complete a Python function from its signature and docstring (Chen et al. 2021, arXiv 2107.03374).

164 functions, zero-shot, pass@1: one completion each, correct if all unit tests pass. The tests run in a sandbox
without network, in another process than the completion; see `scorers/humaneval.py`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks.base import Benchmark, Item, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import text_field, wrong_field
from posttrainbench.benchmarks.scorers import humaneval

if TYPE_CHECKING:
    from inspect_ai import Task

SOURCES: dict[Split, Source] = {
    "test": Source(
        repository="openai/openai_humaneval",
        revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
        files=("openai_humaneval/test-00000-of-00001.parquet",),
    )
}
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
QUESTION = """Complete this Python function.

```python
{prompt}
```

Answer with one Python code block that holds the whole function, its imports included."""


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the functions; the Hub's file and the original release have the same keys.

    Raises:
        InputError: a row lacks a field, or its prompt does not define its function.
    """
    return [_item(f"humaneval/{split}/{number:04d}", row) for number, row in enumerate(rows)]


def _item(name: str, row: Row) -> Item:
    for key in KEYS:
        text_field(name, row, key)
    if f"def {row['entry_point']}(" not in row["prompt"]:
        raise wrong_field(name, "entry_point", row["entry_point"], "the name of a function in `prompt`")
    target = {"prompt": row["prompt"], "function": row["entry_point"], "test": row["test"]}
    return _make_item(name, row["prompt"], row["canonical_solution"], target)


def _make_item(name: str, prompt: str, body: str, target: Row) -> Item:
    solution = prompt.strip() + "\n" + body.rstrip()
    return Item(name, QUESTION.format(prompt=prompt.strip()), f"```python\n{solution}\n```", target)


def examples() -> list[Item]:
    """Return worked examples, none of them from HumanEval."""
    return [
        _make_item(f"humaneval/example/{number}", prompt, body, {})
        for number, (prompt, body) in enumerate(WORKED_EXAMPLES)
    ]


WORKED_EXAMPLES = (
    (
        'def gaps(stops: list[int]) -> list[int]:\n    """Distances between neighbouring stops.\n'
        '    >>> gaps([2, 5, 9])\n    [3, 4]\n    """\n',
        "    return [right - left for left, right in zip(stops, stops[1:])]\n",
    ),
    (
        'def initials(name: str) -> str:\n    """The first letters of the words of a name, as capitals with dots.\n'
        "    >>> initials('ada king')\n    'A.K.'\n    \"\"\"\n",
        '    return "".join(f"{word[0].upper()}." for word in name.split())\n',
    ),
    (
        "from typing import Dict, List\n\n\ndef by_length(words: List[str]) -> Dict[int, List[str]]:\n"
        '    """Words grouped by their length, in their order.\n'
        "    >>> by_length(['a', 'to', 'b'])\n    {1: ['a', 'b'], 2: ['to']}\n    \"\"\"\n",
        "    groups: Dict[int, List[str]] = {}\n    for word in words:\n"
        "        groups.setdefault(len(word), []).append(word)\n    return groups\n",
    ),
    (
        'def halvings(n: int) -> int:\n    """How often a positive number can be halved without a remainder.\n'
        '    >>> halvings(12)\n    2\n    """\n',
        "    count = 0\n    while n % 2 == 0:\n        n //= 2\n        count += 1\n    return count\n",
    ),
)


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task; the services must be able to run code."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    execute = services.execute
    if execute is None:
        raise ValueError("humaneval needs a sandbox to run code")
    return scored_task("humaneval", items, lambda text, target: humaneval.judge(text, target, execute))


BENCHMARK = Benchmark(
    id="humaneval",
    load=partial(stored_items, "humaneval"),
    task=task,
    scorer=Path(humaneval.__file__),
    sources=SOURCES,
    parse=parse,
    examples=examples,
    executes=True,
)
