"""Split test items into units: the parts that may occur on their own in training data."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from posttrainbench.benchmarks import Item

ANSWER, PROGRAM, SOLUTION = "answer", "program", "solution"
SHORTEST_SOLUTION = 25
"""Number of words from which an answer is a worked solution, which is evidence without its question."""

_KINDS = {
    "rubric": "rubric",
    "rubrics": "rubric",
    "criteria": "rubric",
    "choices": "choices",
    "options": "choices",
    "test": "tests",
    "tests": "tests",
    "docstring": "docstring",
    "tool": "tool",
    "tools": "tool",
    "function": "tool",
    "functions": "tool",
}
"""Key of an item's target -> kind of unit; any other key holds an answer."""

_DOCSTRING = re.compile(r'("""|\'\'\')(.*?)\1', re.DOTALL)


@dataclass(frozen=True)
class Unit:
    """A part of a test item.

    Attributes:
        item: position of the item.
        kind: `question`, `docstring`, `program` (signature and solution, with and without its docstring), `tests`,
            `tool`, `rubric`, `choices`, `solution` (an answer of many words that is not a program) or `answer`.
        text: the published text.
    """

    item: int
    kind: str
    text: str

    @property
    def primary(self) -> bool:
        """True if the unit counts as evidence. Answers do not, because many are idioms or numbers."""
        return self.kind != ANSWER

    @property
    def shows_item(self) -> bool:
        """True if the unit belongs to the item itself and not to its answer."""
        return self.kind not in (ANSWER, SOLUTION)


def units(items: Sequence[Item]) -> list[Unit]:
    """Return the units of all items in order, without units that repeat the words of another unit of their item.

    Only the first of several equal items has units.
    """
    result = []
    for number in different_items(items):
        seen = set()
        for kind, text in _parts(items[number]):
            key = _key(text)
            if key and key not in seen:
                seen.add(key)
                result.append(Unit(number, kind, text))
    return result


def different_items(items: Sequence[Item]) -> list[int]:
    """Return the positions of the items without those that repeat the text of an earlier one, except its answers."""
    first: dict[tuple[str, ...], int] = {}
    for number, item in enumerate(items):
        key = tuple(" ".join(text.lower().split()) for kind, text in _parts(item) if kind not in (ANSWER, SOLUTION))
        first.setdefault(key if any(key) else (str(number),), number)
    return list(first.values())


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _parts(item: Item) -> Iterator[tuple[str, str]]:
    question = "\n".join(message["content"] for message in item.messages) or item.question
    yield "question", question
    for match in _DOCSTRING.finditer(question):
        yield "docstring", match[2]
        prose = match[2].split(">>>")[0]
        if prose != match[2]:
            yield "docstring", prose
    if "def " in question and "return" in item.answer:
        program = item.answer if "def " in item.answer else question + item.answer
        yield PROGRAM, _DOCSTRING.sub("", program)
        yield PROGRAM, program
    for tool in item.tools:
        yield "tool", json.dumps(tool, ensure_ascii=False)
    is_solution = "def " not in question and len(re.findall(r"\w+", item.answer)) >= SHORTEST_SOLUTION
    yield SOLUTION if is_solution else ANSWER, item.answer
    for key, value in item.target.items():
        kind = _KINDS.get(key.lower(), ANSWER)
        for text in _texts(value, kind):
            if text.strip() not in question:
                yield kind, text


def _texts(value: Any, kind: str) -> Iterator[str]:
    """Yield the texts of a target's value: one for each rubric or tool, else a single one."""
    if isinstance(value, list) and kind in ("rubric", "tool"):
        for part in value:
            yield from _texts(part.get("criterion", part) if isinstance(part, dict) else part, kind)
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        yield "\n".join(value)
    elif isinstance(value, list) and all(isinstance(part, dict) and "content" in part for part in value):
        return  # a copy of the conversation
    else:
        yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
