"""Tokens that a submission adds to the base model's vocabulary, and nothing else of its tokenizer.

A tokenizer is a program over the prompt: a normalizer can replace each test question by its answer. So evaluation uses
the base model's tokenizer. A submission may append tokens, for example an end-of-turn mark. They are taken over as
plain strings that match only themselves, and only if they occur in no prompt of the benchmark, so every prompt has the
same token ids with and without them.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from posttrainbench.submission.tensors import JSON_CONTAINERS, JSON_LIMIT
from posttrainbench.untrusted import UnreadableError, printable, read_json

TOKENIZER = "tokenizer.json"
TOKENIZER_FILES = (
    TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "tokenizer.model",
)  # fmt: skip
"""Files of the base model that make up its tokenizer."""
MAX_ADDED = 1024
MAX_LENGTH = 128
"""Characters of an added token."""
_PLACEHOLDER = "<|ignored_added_token_"


def base_tokenizer(base_model: Path) -> dict[str, Any]:
    """Read the base model's `tokenizer.json`; {} if it has none."""
    try:
        value = read_json((base_model / TOKENIZER).resolve(), JSON_LIMIT, JSON_CONTAINERS)
    except UnreadableError:
        return {}
    return value if isinstance(value, dict) else {}


def vocabulary(tokenizer: dict[str, Any]) -> dict[str, int]:
    """Return token -> id of a trusted `tokenizer.json`, added tokens included."""
    known = tokenizer.get("model", {}).get("vocab", {})
    if isinstance(known, list):  # Unigram: a list of [token, score]
        known = {token: number for number, (token, _) in enumerate(known)}
    return dict(known) | {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}


def added_tokens(tokenizer: Any, known: dict[str, int], rows: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Collect the tokens that a submission's `tokenizer.json` appends to the base model's vocabulary.

    Args:
        tokenizer: the parsed file; hostile.
        known: the base model's vocabulary.
        rows: of the submission's embeddings; a token without a row cannot be generated.

    Returns:
        The entries in the order of their ids, which follow the base model's without a gap; and facts on what is
        ignored.
    """
    first = max(known.values(), default=-1) + 1
    entries = tokenizer.get("added_tokens") if isinstance(tokenizer, dict) else None
    contents = {}
    special = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and type(entry.get("id")) is int and first <= entry["id"] < rows:
            contents[entry["id"]] = entry.get("content")
            special[entry["id"]] = entry.get("special") is True
    if not contents:
        return [], []
    last = min(max(contents), first + MAX_ADDED - 1)
    taken, ignored, used = [], [], set(known)
    for number in range(first, last + 1):
        content = contents.get(number)
        if not _is_plain(content) or content in used:
            if number in contents:
                ignored.append(number)
            content = placeholder(number)
        used.add(str(content))
        taken.append(entry_of(number, str(content), special.get(number, True)))
    facts = [f"tokenizer.json adds {last - first + 1} tokens to the base model's vocabulary."]
    if ignored or len(contents) > len(taken):
        facts.append("Some added tokens are ignored: they repeat known tokens or are not short plain strings.")
    return taken, facts


def _is_plain(content: Any) -> bool:
    if not isinstance(content, str) or not 0 < len(content) <= MAX_LENGTH or content.startswith(_PLACEHOLDER):
        return False
    return not any(0xD800 <= ord(character) < 0xE000 for character in content)


def placeholder(number: int) -> str:
    """Return the name of a token that is kept only so that the ids of later tokens stay the same."""
    return f"{_PLACEHOLDER}{number}|>"


def entry_of(number: int, content: str, special: bool) -> dict[str, Any]:
    """Return an entry of `added_tokens` that matches exactly `content` and leaves all other text alone."""
    return {
        "id": number,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": special,
    }


def without_prompt_text(added: list[dict[str, Any]], prompts: Iterable[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Replace each added token that occurs in a prompt by a placeholder, so that prompts keep their token ids.

    Args:
        prompts: of the benchmark, as the engine renders them.

    Returns:
        The entries, and facts on what is ignored.
    """
    text = "\0".join(prompts)
    found = [token for token in added if token["content"] in text]
    if not found:
        return added, []
    kept = [
        entry_of(token["id"], placeholder(token["id"]), token["special"]) if token in found else token
        for token in added
    ]
    names = ", ".join(printable(json.dumps(token["content"])[:40]) for token in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return kept, [f"Added tokens that occur in prompts of the benchmark are ignored: {names}{more}."]


def extended(tokenizer: dict[str, Any], added: list[dict[str, Any]]) -> bytes:
    """Return the base model's `tokenizer.json` with the added tokens appended."""
    whole = tokenizer | {"added_tokens": [*tokenizer.get("added_tokens", []), *added]}
    return json.dumps(whole, ensure_ascii=False).encode()
