"""Read the chat template of a checkpoint from any of its usual files."""

import json
from pathlib import Path
from typing import Any

from posttrainbench.errors import InputError


def read_template(checkpoint: Path, tools: bool) -> str:
    """Return the chat template of a checkpoint.

    Args:
        tools: prefer the variant for tools, if there are named variants.

    Raises:
        InputError: the checkpoint has no chat template.
    """
    if (file := checkpoint / "chat_template.jinja").is_file():
        return file.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        if (file := checkpoint / name).is_file():
            template = _choose(json.loads(file.read_text(encoding="utf-8")).get("chat_template"), tools)
            if template is not None:
                return template
    raise InputError(f"{checkpoint} has no chat template; use an instruct model with one.")


def _choose(templates: Any, tools: bool) -> str | None:
    """Choose a template: the only one, or from a list of `{name, template}` the one for the purpose."""
    if not isinstance(templates, list):
        return str(templates) if templates else None
    by_name = {one["name"]: str(one["template"]) for one in templates}
    return (by_name.get("tool_use") if tools else None) or by_name.get("default")
