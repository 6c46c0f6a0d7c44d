"""Generated requests with one function each, and the calls that they ask for.

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
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
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
    Kind("number", ("probability", "share"), "The {0}, between 0 and 1", lambda r: r.randint(1, 99) / 100),
    Kind("array", ("point", "position"), "The {0} as [x, y]", lambda r: [r.randint(-9, 30), r.randint(-9, 30)]),
    Kind("string", ("symbol", "currency"), "The {0} as an abbreviation", lambda r: "".join(r.choices(LETTERS, k=3))),
    Kind(
        "string",
        ("date", "deadline"),
        "The {0} as YYYY-MM-DD",
        lambda r: f"20{r.randint(10, 39)}-{r.randint(10, 12)}-{r.randint(10, 28)}",
    ),
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
