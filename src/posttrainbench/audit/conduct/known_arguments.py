"""The command line of a script, as `argparse` reads it."""

from __future__ import annotations

from posttrainbench.audit.conduct.call import Call
from posttrainbench.audit.conduct.values import (
    Value,
    text_value,
)


def argument(call: Call) -> Value:
    """An argument of the command line: its default, or what the command gave."""
    options = [text for value in call.arguments for text in sorted(value.texts)]
    if not options or call.receiver is None:
        return Value()
    named = call.named.get("dest")
    long = next((one for one in options if one.startswith("--")), options[0])
    name = min(named.texts, default="") if named is not None else long.lstrip("-").replace("-", "_")
    action = min((call.named.get("action") or Value()).texts, default="")
    default = call.named.get("default") or Value()
    argv = call.reader.run.argv
    value = default
    if action in ("store_true", "store_false"):
        value = Value(truth=None)
        if argv is not None:
            value = Value(truth=any(one in argv for one in options) == (action == "store_true"))
    elif argv is not None:
        given = _given(argv, options) if options[0].startswith("-") else _positional(call.receiver, argv)
        if given is not None:
            value = text_value(given)
            value.number = int(given) if given.isdigit() else None
    elif not default.texts and default.number is None:
        value = Value()
    call.receiver.set_field(name, value, certain=True)
    return Value()


def _given(argv: list[str], options: list[str]) -> str | None:
    for index, word in enumerate(argv):
        for option in options:
            if word == option and index + 1 < len(argv):
                return argv[index + 1]
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return None


def _positional(parser: Value, argv: list[str]) -> str | None:
    place = parser.fields.setdefault("__positional__", Value(number=0))
    index, place.number = place.number or 0, (place.number or 0) + 1
    words = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word
        else:
            words.append(word)
    return words[index] if index < len(words) else None
