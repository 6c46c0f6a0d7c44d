"""bfcl: one call of one given function, category `exec_simple` of the Berkeley Function-Calling Leaderboard v3.

100 requests, each with one function (Patil et al. 2025, https://proceedings.mlr.press/v267/patil25a.html). The chat
template shows the function as `tools`, and the model writes the call as text; see `scorers/bfcl.py`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posttrainbench.benchmarks.base import Benchmark, Item, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import wrong_field
from posttrainbench.benchmarks.scorers import bfcl

if TYPE_CHECKING:
    from inspect_ai import Task

# The Hub calls this split `train`; it is the test set.
SOURCES: dict[Split, Source] = {
    "test": Source(
        repository="gorilla-llm/Berkeley-Function-Calling-Leaderboard",
        revision="1bf8bbc3c0e35d04d00339c223a3fd653aa195ac",
        files=("BFCL_v3_exec_simple.json",),
    )
}
JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
"""BFCL's types that have another name in JSON Schema."""
ORDER = ("type", "function", "name", "description", "parameters", "properties", "required", "items")
"""Order of the keys in a tool, as chat templates show them to models; other keys follow by name."""


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the requests with their functions and calls.

    The Hub's rows are complete. The original release has questions and answers in two files, whose rows are joined by
    their ids.

    Raises:
        InputError: a row lacks a field, or a field is invalid.
    """
    joined: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        joined.setdefault(row.get("id", number), {}).update(row)
    return [_item(f"bfcl/{split}/{number:04d}", row) for number, row in enumerate(joined.values())]


def _item(name: str, row: Row) -> Item:
    question = _only(name, row, "question", "one user message in one turn", depth=2)
    function = _only(name, row, "function", "one function", depth=1)
    truth = _only(name, row, "ground_truth", "one call", depth=1)
    try:
        request = question["content"].strip()
        tool = tool_of(function)
        optional = tool["function"]["parameters"]["properties"].items()
        required = tool["function"]["parameters"]["required"]
    except (AttributeError, KeyError, TypeError):
        raise wrong_field(name, "function", function, "a function with parameters, beside a text as question") from None
    try:
        call = call_of(str(truth))
    except (SyntaxError, TypeError, ValueError):
        raise wrong_field(name, "ground_truth", truth, "a call with literal keyword arguments") from None
    defaults = {key: schema["default"] for key, schema in optional if key not in required and "default" in schema}
    return _make_item(name, request, tool, call, defaults)


def _only(name: str, row: Row, key: str, wanted: str, depth: int) -> Any:
    """Return the only element of a list, or of a list of lists."""
    value = row.get(key)
    for _ in range(depth):
        if not isinstance(value, list) or len(value) != 1:
            raise wrong_field(name, key, row.get(key), wanted)
        value = value[0]
    return value


def tool_of(function: Row) -> dict[str, Any]:
    """Convert BFCL's description of a function to the format of OpenAI's `tools`."""
    tool = {key: function[key] for key in ("name", "description")}
    return in_order({"type": "function", "function": {**tool, "parameters": _schema(function["parameters"])}})


def _schema(schema: Row) -> dict[str, Any]:
    """Return the JSON Schema of a parameter. Column files fill missing keys with null; only `default` can be null."""
    kept = {key: value for key, value in schema.items() if value is not None or key == "default"}
    if "type" in kept:
        kept["type"] = JSON_TYPES.get(kept["type"], kept["type"])
    if "items" in kept:
        kept["items"] = _schema(kept["items"])
    if "properties" in kept:
        kept["properties"] = {key: _schema(part) for key, part in kept["properties"].items() if part is not None}
    return kept


def in_order(schema: Row) -> dict[str, Any]:
    """Return a tool, or a part of one, with its keys in a fixed order; required parameters first."""
    made = {key: schema[key] for key in _ranked(schema, ORDER)}
    for key in {"function", "parameters", "items"} & made.keys():
        made[key] = in_order(made[key])
    if "properties" in made:
        names = _ranked(made["properties"], made.get("required", ()))
        made["properties"] = {name: in_order(made["properties"][name]) for name in names}
    return made


def _ranked(keys: Iterable[str], first: Sequence[str]) -> list[str]:
    return sorted(keys, key=lambda key: (first.index(key) if key in first else len(first), key))


def load(split: Split) -> list[Item]:
    """Return the items of the data store with ordered keys; the store does not preserve the order."""
    return [replace(item, tools=[in_order(tool) for tool in item.tools]) for item in stored_items("bfcl", split)]


def call_of(source: str) -> dict[str, Any]:
    """`f(x=1, y=(2, 3))` as `{"name": "f", "arguments": {"x": 1, "y": [2, 3]}}`, without running anything.

    Raises:
        SyntaxError: the source is not Python.
        ValueError: the source is not a call of a name with only literal keyword arguments.
    """
    call = ast.parse(source.strip(), mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError("not a call with keyword arguments")
    arguments = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("the call unpacks a mapping")
        arguments[keyword.arg] = ast.literal_eval(keyword.value)
    as_json: dict[str, Any] = json.loads(json.dumps({"name": call.func.id, "arguments": arguments}))
    return as_json


def _make_item(name: str, request: str, tool: Row, call: Row, defaults: Row) -> Item:
    answer = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
    return Item(name, request, answer, {**call, "defaults": defaults}, tools=[tool])


def examples() -> list[Item]:
    """Return worked examples, none of them from BFCL."""
    return [
        _make_item(f"bfcl/example/{number}", request, tool_of(function), call_of(call), {})
        for number, (request, function, call) in enumerate(WORKED_EXAMPLES)
    ]


def _function(name: str, description: str, **parameters: tuple[str, str]) -> Row:
    properties = {key: {"type": kind, "description": text} for key, (kind, text) in parameters.items()}
    schema = {"type": "dict", "properties": properties, "required": list(parameters)}
    return {"name": name, "description": description, "parameters": schema}


WORKED_EXAMPLES = (
    (
        "Our garden bed measures 3.5 by 2 metres. How much soil does it take to fill it 40 centimetres deep?",
        _function(
            "box_volume",
            "Volume of a box.",
            length=("float", "Length in metres."),
            width=("float", "Width in metres."),
            height=("float", "Height in metres."),
        ),
        "box_volume(length=3.5, width=2, height=0.4)",
    ),
    (
        "Please remind me on the 3rd of May 2031 to renew the insurance.",
        _function(
            "add_reminder",
            "Notes a reminder for a day.",
            text=("string", "What to be reminded of."),
            date=("string", "The day as YYYY-MM-DD."),
        ),
        "add_reminder(text='renew the insurance', date='2031-05-03')",
    ),
    (
        "These are the minutes that my bus was late this week: 4, 0, 11, 2, 7. What was the longest delay?",
        _function("largest", "The largest of some numbers.", numbers=("array", "The numbers.")),
        "largest(numbers=[4, 0, 11, 2, 7])",
    ),
    (
        "Does the library in Coimbra open on Sundays?",
        _function(
            "opens_on",
            "Tells whether a place is open on a day of the week.",
            place=("string", "Kind of place, such as museum."),
            city=("string", "Name of the city."),
            day=("string", "Day of the week in English."),
        ),
        "opens_on(place='library', city='Coimbra', day='Sunday')",
    ),
)


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("bfcl", items, bfcl.score)


BENCHMARK = Benchmark(
    id="bfcl",
    load=load,
    task=task,
    scorer=Path(bfcl.__file__),
    sources=SOURCES,
    parse=parse,
    examples=examples,
)
