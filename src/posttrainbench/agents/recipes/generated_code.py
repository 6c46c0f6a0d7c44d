"""Generated tasks to write a small Python function from its docstring, with examples and solutions.

Runs inside the sandbox, without posttrainbench. The tasks are ours: everything is drawn from the lists below, and the
results in the docstrings are computed with the solutions.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WORDS = tuple(
    "lamp tent violin kettle jacket drill garden sensor parcel ticket level noon radar apple stone river".split()
)
VERBS = ("compute", "find", "get", "make", "return")
REQUEST = "Complete this Python function."
FORM = "Answer with one Python code block that holds the whole function, its imports included."


@dataclass(frozen=True)
class Input:
    """The argument of a function: its annotation, names, and a function that draws a value."""

    annotation: str
    names: tuple[str, ...]
    draw: Callable[[random.Random], Any]


NUMBERS = Input(
    "list[int]", ("values", "numbers", "items"), lambda r: [r.randint(-9, 30) for _ in range(r.randint(3, 6))]
)
NUMBER = Input("int", ("n", "value", "number"), lambda r: r.randint(1, 40))
TEXT = Input("str", ("text", "sentence", "phrase"), lambda r: " ".join(r.sample(WORDS, r.randint(2, 4))))
STRINGS = Input("list[str]", ("words", "names", "labels"), lambda r: r.sample(WORDS, r.randint(3, 5)))

TASKS: tuple[tuple[Input, str, str, str], ...] = (
    (NUMBERS, "int", "the sum of the elements that are greater than {k}", "return sum(x for x in {a} if x > {k})"),
    (NUMBERS, "int", "the number of elements that are divisible by {k}", "return sum(1 for x in {a} if x % {k} == 0)"),
    (NUMBERS, "list[int]", "the elements without the ones equal to {k}", "return [x for x in {a} if x != {k}]"),
    (NUMBERS, "list[int]", "the elements, each increased by {k}", "return [x + {k} for x in {a}]"),
    (NUMBERS, "list[int]", "the first {k} elements in ascending order", "return sorted({a})[:{k}]"),
    (NUMBERS, "bool", "whether any element is below {k}", "return any(x < {k} for x in {a})"),
    (NUMBERS, "int", "the difference between the largest and the smallest element", "return max({a}) - min({a})"),
    (NUMBERS, "list[int]", "the elements at positions that are multiples of {k}", "return {a}[::{k}]"),
    (NUMBERS, "list[int]", "the distinct elements in descending order", "return sorted(set({a}), reverse=True)"),
    (
        NUMBERS,
        "bool",
        "whether the elements are in ascending order",
        "return all(x <= y for x, y in zip({a}, {a}[1:]))",
    ),
    (
        NUMBERS,
        "list[int]",
        "the running totals",
        "total = 0\n    result = []\n    for x in {a}:\n        total += x\n        result.append(total)\n"
        "    return result",
    ),
    (
        NUMBERS,
        "int",
        "the product of the elements that are not zero",
        "result = 1\n    for x in {a}:\n        if x != 0:\n            result *= x\n    return result",
    ),
    (NUMBER, "int", "the sum of its decimal digits, plus {k}", "return sum(int(digit) for digit in str({a})) + {k}"),
    (NUMBER, "list[int]", "its divisors in ascending order", "return [d for d in range(1, {a} + 1) if {a} % d == 0]"),
    (NUMBER, "int", "the remainder of its square divided by {k}", "return {a} ** 2 % {k}"),
    (NUMBER, "int", "the sum of the multiples of {k} below it", "return sum(range(0, {a}, {k}))"),
    (
        NUMBER,
        "bool",
        "whether it is a prime number",
        "if {a} < 2:\n        return False\n    return all({a} % d for d in range(2, int({a} ** 0.5) + 1))",
    ),
    (
        NUMBER,
        "int",
        "the number of times that it can be divided by {k} without a remainder",
        "count = 0\n    while {a} and {a} % {k} == 0:\n        {a} //= {k}\n        count += 1\n    return count",
    ),
    (TEXT, "int", "the number of vowels", 'return sum(1 for letter in {a}.lower() if letter in "aeiou")'),
    (TEXT, "str", "its words in reverse order", 'return " ".join(reversed({a}.split()))'),
    (TEXT, "list[str]", "its words that have more than {k} letters", "return [w for w in {a}.split() if len(w) > {k}]"),
    (TEXT, "str", "the text without its spaces, in capital letters", 'return {a}.replace(" ", "").upper()'),
    (TEXT, "bool", "whether it reads the same in both directions", "return {a} == {a}[::-1]"),
    (
        TEXT,
        "dict[str, int]",
        "how often each letter occurs, without spaces",
        "counts: dict[str, int] = {{}}\n    for letter in {a}.replace(' ', ''):\n"
        "        counts[letter] = counts.get(letter, 0) + 1\n    return counts",
    ),
    (STRINGS, "str", "the longest one, or the first of them", "return max({a}, key=len)"),
    (STRINGS, "list[str]", "those that contain the letter e", 'return [word for word in {a} if "e" in word]'),
    (STRINGS, "dict[str, int]", "the length of each", "return {{word: len(word) for word in {a}}}"),
    (
        STRINGS,
        "list[str]",
        "all of them sorted by length, then alphabetically",
        "return sorted({a}, key=lambda w: (len(w), w))",
    ),
    (STRINGS, "str", "their first letters, joined", 'return "".join(word[0] for word in {a})'),
)
"""Input, type of the result, what to return in words, and the body. `a` is the argument and `k` a number."""


def functions(count: int, seed: int) -> list[dict[str, Any]]:
    """Return tasks to write a small Python function from its docstring, with solutions."""
    draw = random.Random(seed)
    return [_task(draw, number) for number in range(count)]


def _task(draw: random.Random, number: int) -> dict[str, Any]:
    given, result, words, template = draw.choice(TASKS)
    argument, k = draw.choice(given.names), draw.randint(2, 9)
    name = f"{draw.choice(VERBS)}_{number}"
    signature = f"def {name}({argument}: {given.annotation}) -> {result}:\n"
    body = f"    {template.format(a=argument, k=k)}"
    scope: dict[str, Any] = {}
    exec(signature + body, scope)  # noqa: S102 - one of the solutions above
    docstring = f'    """Given `{argument}`, return {words.format(k=k)}.\n\n'
    for _ in range(draw.randint(1, 2)):
        value = given.draw(draw)
        docstring += f"    >>> {name}({value!r})\n    {scope[name](value)!r}\n"
    docstring += '    """'
    return {
        "question": f"{REQUEST}\n\n```python\n{signature}{docstring}\n```\n\n{FORM}",
        "answer": f"```python\n{signature}{docstring}\n{body}\n```",
    }
