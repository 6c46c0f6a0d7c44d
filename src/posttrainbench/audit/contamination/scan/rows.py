"""Read test items from a local file of rows, in the schemas in which benchmarks are published."""

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from posttrainbench.benchmarks import Item
from posttrainbench.errors import InputError, one_line
from posttrainbench.files import require_existing

_QUESTION = (
    "question",
    "prompt",
    "problem",
    "instruction",
    "query",
    "input",
    "turns",
    "messages",
    "conversations",
    "text",
)
_ANSWER = (
    "answer",
    "canonical_solution",
    "solution",
    "ideal_completion",
    "correct answer",
    "output",
    "response",
    "completion",
)
_ID = ("id", "task_id", "uid", "prompt_id", "question_id")
_TARGET = ("test", "tests", "test_list", "rubrics", "choices", "options")
_TOOLS = ("function", "functions", "tools")


def read_items(path: Path) -> list[Item]:
    """Read the test items of a JSONL file (also gzipped), or of a JSON file with an array of rows.

    Supported are the schemas of GSM8K, HumanEval, BFCL, HealthBench, Arena-Hard and GPQA, and rows with a text under
    `question`, `prompt`, `problem`, `instruction`, `query`, `input`, `turns`, `messages`, `conversations` or `text`.
    A row without any of them becomes an item without a question, which cannot be searched for.

    Raises:
        InputError: the file cannot be read, or no row has a question.
    """
    require_existing(path, "a JSONL file with the test items")
    if not path.is_file():
        raise InputError(f"{path} is not a file; give a JSONL file with the test items.")
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8-sig")
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in _lines(text)]
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        why = one_line(error).rstrip(".")
        raise InputError(f"{path} cannot be read as JSONL ({why}); give one JSON object on each line.") from None
    name = path.name.split(".")[0]
    items = [_item(row if isinstance(row, dict) else {}, f"{name}/{number:04}") for number, row in enumerate(rows)]
    if not any(item.question.strip() for item in items):
        raise InputError(
            f"{path} contains no test items; each row needs a text under `question`, `prompt` or `messages`."
        )
    return items


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.split("\n") if line.strip())


def _item(row: dict[str, Any], default_id: str) -> Item:
    row = {key.lower(): value for key, value in row.items()}
    ideal = row.get("ideal_completions_data")
    if isinstance(ideal, dict) and "ideal_completion" in ideal:
        row["ideal_completion"] = ideal["ideal_completion"]
    question = flat(next((row[key] for key in _QUESTION if row.get(key)), ""))
    if row.get("body") and isinstance(row["body"], str):
        question = f"{row['body']} {question}"
    target: dict[str, Any] = {key: row[key] for key in _TARGET if row.get(key)}
    if isinstance(target.get("rubrics"), list):
        target["rubrics"] = [
            part["criterion"] if isinstance(part, dict) and "criterion" in part else flat(part)
            for part in target["rubrics"]
        ]
    wrong = [str(row[key]) for key in sorted(row) if key.startswith("incorrect answer")]
    if wrong:
        target["choices"] = [str(row.get("correct answer", "")), *wrong]
    tools: Any = next((row[key] for key in _TOOLS if row.get(key)), [])
    return Item(
        id=str(next((row[key] for key in _ID if row.get(key) not in (None, "")), default_id)),
        question=question,
        answer=flat(next((row[key] for key in _ANSWER if row.get(key)), "")),
        target=target,
        tools=[tool for tool in (tools if isinstance(tools, list) else [tools]) if isinstance(tool, dict)],
    )


def flat(value: Any) -> str:
    """Return the text of a string, a message, or a nested list of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(flat, value)))
    if isinstance(value, dict):
        return flat(value.get("content") or value.get("value") or value.get("text") or "")
    return "" if value is None else str(value)
