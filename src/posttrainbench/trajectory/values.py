"""Convert the loosely typed results of tools to text."""

import json
from typing import Any


def content_text(content: Any) -> str | None:
    """Return a result's content as text: a string, or blocks of text, images and others; None for no content.

    Images and files are replaced by their type and size; their data is in `output.jsonl`.
    """
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_block(block) for block in content)
    if isinstance(content, dict) and isinstance(message := content.get("message"), str):
        return message
    return _json(content)


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return _json(block)
    if isinstance(text := block.get("text"), str):
        return text
    source = block.get("source")
    media = source if isinstance(source, dict) else block
    data, kind = media.get("data"), media.get("media_type") or media.get("mimeType")
    if isinstance(data, str):
        return f"[{block.get('type')} {kind}: {len(data)} characters in output.jsonl]"
    return _json(block)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "[nested too deeply]"
