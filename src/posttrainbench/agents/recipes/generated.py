"""Generated training rows for benchmarks without a train split: calls of invented functions, and small functions.

Runs inside the sandbox, without posttrainbench. Everything is drawn from the lists below, so no row comes from a
benchmark.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NAMES = ("Amara", "Boris", "Chidi", "Dalia", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jelena", "Kofi", "Lena")
TOWNS = ("Bern", "Porto", "Kyoto", "Lagos", "Oslo", "Quito", "Riga", "Turin", "Utrecht", "Windhoek", "York", "Zadar")
THINGS = ("lamp", "tent", "violin", "backpack", "kettle", "telescope", "jacket", "bicycle", "keyboard", "drill")
UNITS = ("metric", "imperial")
SUBJECTS = ("garden", "invoice", "sensor", "parcel", "ticket", "recipe", "workout", "meeting", "playlist", "budget")
VERBS = ("compute", "get", "find", "estimate", "convert", "create", "update", "list", "count", "check")


@dataclass(frozen=True)
class Kind:
    """A kind of argument: its JSON type, names, a description, and a function that draws a value."""

    type: str
    names: Sequence[str]
    description: str
    draw: Callable[[random.Random], Any]


KINDS = (
    Kind("integer", ("count", "quantity", "days", "year", "age"), "The number of {0}", lambda r: r.randint(1, 2000)),
    Kind("number", ("weight", "height", "rate", "price"), "The {0} as a decimal", lambda r: r.randint(1, 9999) / 100),
    Kind("string", ("city", "location", "destination"), "The name of the {0}", lambda r: r.choice(TOWNS)),
    Kind("string", ("name", "owner", "user"), "The {0}", lambda r: r.choice(NAMES)),
    Kind("string", ("item", "product"), "The {0} in question", lambda r: r.choice(THINGS)),
    Kind("string", ("unit", "system"), "The {0}, metric or imperial", lambda r: r.choice(UNITS)),
    Kind("boolean", ("verbose", "round_up", "urgent"), "Whether to be {0}", lambda r: r.random() < 0.5),
    Kind("array", ("values", "scores"), "A list of {0}", lambda r: r.choices(range(1, 100), k=r.randint(2, 6))),
)


def calls(count: int, seed: int) -> list[dict[str, Any]]:
    """Return requests, each with one function and the call that it asks for."""
    draw = random.Random(seed)
    return [_call(draw) for _ in range(count)]


def _call(draw: random.Random) -> dict[str, Any]:
    verb, subject = draw.choice(VERBS), draw.choice(SUBJECTS)
    properties: dict[str, dict[str, Any]] = {}
    arguments: dict[str, Any] = {}
    phrases = []
    for kind in draw.sample(KINDS, draw.choice((1, 2, 2, 3, 3, 4))):
        name = draw.choice(kind.names)
        properties[name] = {"type": kind.type, "description": kind.description.format(name.replace("_", " ")) + "."}
        if kind.type == "array":
            properties[name]["items"] = {"type": "integer"}
        arguments[name] = kind.draw(draw)
        phrases.append(_phrase(draw, name.replace("_", " "), arguments[name]))
    required = list(properties)
    if len(properties) > 1 and draw.random() < 0.3:
        optional = required.pop()
        properties[optional]["description"] += " Optional."
        if draw.random() < 0.5:
            del arguments[optional]
            phrases.pop()
    name = draw.choice((f"{verb}_{subject}", f"{subject}_{verb}", f"{verb}_{subject}_details", f"{subject}.{verb}"))
    function = {
        "name": name,
        "description": f"{verb.capitalize()} a {subject} from its properties.",
        "parameters": {"type": "object", "properties": properties, "required": required},
    }
    wishes = (f"Please {verb} the {subject}", f"Can you {verb} a {subject} for me", f"I need to {verb} my {subject}")
    opening = draw.choice(wishes) + draw.choice((", with", ". Use", ", given"))
    joined = phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    return {
        "question": f"{opening} {joined}{draw.choice(('.', '?', ', thanks.'))}",
        "answer": f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>",
        "tools": [{"type": "function", "function": function}],
    }


def _phrase(draw: random.Random, name: str, value: object) -> str:
    text = json.dumps(value).strip('"[]')
    if isinstance(value, bool):
        return f"{name} switched {'on' if value else 'off'}"
    return draw.choice((f"{name} {text}", f"a {name} of {text}", f"{text} as the {name}"))


OPERATIONS = (
    ("add {k} to {a}", "{a} + {k}"),
    ("multiply {a} by {k}", "{a} * {k}"),
    ("subtract {k} from {a}", "{a} - {k}"),
    ("the remainder of {a} divided by {k}", "{a} % {k}"),
    ("the larger one of {a} and {k}", "max({a}, {k})"),
)
LISTS = (
    ("the sum of the elements of {xs} that are greater than {k}", "sum(x for x in {xs} if x > {k})"),
    ("the number of elements of {xs} that are divisible by {k}", "sum(1 for x in {xs} if x % {k} == 0)"),
    ("the elements of {xs} without the ones equal to {k}", "[x for x in {xs} if x != {k}]"),
    ("the elements of {xs}, each increased by {k}", "[x + {k} for x in {xs}]"),
    ("the first {k} elements of {xs} in ascending order", "sorted({xs})[:{k}]"),
    ("whether any element of {xs} is below {k}", "any(x < {k} for x in {xs})"),
)


def functions(count: int, seed: int) -> list[dict[str, Any]]:
    """Return tasks to write a small Python function from its docstring, with solutions."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        over_list = draw.random() < 0.6
        argument = draw.choice(("values", "numbers", "items")) if over_list else draw.choice(("n", "value", "size"))
        words, code = draw.choice(LISTS if over_list else OPERATIONS)
        parts = {"xs": argument, "a": argument, "k": draw.randint(2, 9)}
        head = f"def task_{number}({argument}: {'list[int]' if over_list else 'int'}):"
        docstring = f'    """Return {words.format(**parts)}."""'
        body = f"    return {code.format(**parts)}"
        question = f"Complete this Python function.\n\n```python\n{head}\n{docstring}\n```"
        rows.append({"question": question, "answer": f"```python\n{head}\n{docstring}\n{body}\n```"})
    return rows


GENERATORS = {"bfcl": calls, "humaneval": functions}
"""Benchmark -> what to call for training rows with the same form of answer."""
