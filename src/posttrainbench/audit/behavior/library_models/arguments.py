"""Model of `argparse`."""

from __future__ import annotations

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.library_models.parsed_arguments import forget, note
from posttrainbench.audit.behavior.operations import words
from posttrainbench.audit.behavior.values import UNKNOWN, Value, text_value

_PLAIN_TYPES = frozenset(("int", "str", "float", "Path", "pathlib.Path"))


def argument(call: Call) -> Value:
    """Model of `add_argument`: set the option's value in the parser, from the command line or its default."""
    options = [text for value in call.arguments for text in sorted(value.texts)]
    if not options or call.receiver is None or len(options) != len(call.arguments):
        forget(call)
        return Value()
    note(call, [min(value.texts) for value in call.arguments], call.named)
    destination = call.named.get("dest")
    long = next((option for option in options if option.startswith("--")), options[0])
    name = min(destination.texts, default="") if destination is not None else long.lstrip("-").replace("-", "_")
    action = min((call.named.get("action") or Value()).texts, default="")
    default = call.named.get("default") or Value()
    argv = call.context.argv
    value = default
    if argv is not None and call.context.world is not None and _is_unclear(call, argv, options, action):
        value = Value()
    elif action in ("store_true", "store_false"):
        value = Value(truth=None)
        if argv is not None:
            value = Value(truth=any(option in argv for option in options) == (action == "store_true"))
    elif argv is not None and (several := _words(call, call.receiver, argv, options)):
        value = words(several, call.context.argv_taints)
    elif argv is not None:
        text = _option(argv, options) if options[0].startswith("-") else _positional(call.receiver, argv)
        if text is not None and call.context.world is not None and not _is_sure(text, argv, options):
            value = Value(texts=frozenset([UNKNOWN]))
        elif text is not None:
            value = text_value(text)
            value.number = int(text) if text.isdigit() else None
    elif not default.texts and default.number is None:
        value = Value()
    call.receiver.set_field(name, value, certain=True)
    return Value()


def _is_unclear(call: Call, argv: list[str], options: list[str], action: str) -> bool:
    """Return True if an option is given in a way whose meaning is not computed."""
    given = [word.partition("=")[0] for word in argv if word.startswith("-")]
    shortened = [word for word in given if len(word) > 2 and any(one.startswith(word) for one in options)]
    converted = bool(call.named.get("type", Value()).names - _PLAIN_TYPES or call.named.get("type", Value()).functions)
    own = "action" in call.named and not action
    others = own or action not in ("", "store", "store_true", "store_false") or converted
    return any(word not in options for word in shortened) or (others and any(word in options for word in given))


def _is_sure(text: str, argv: list[str], options: list[str]) -> bool:
    """Return False for a positional word after an option, which may take a value or not, and an option given twice."""
    if options[0].startswith("-"):
        return sum(word.partition("=")[0] in options for word in argv) == 1
    first = next((number for number, word in enumerate(argv) if word.startswith("-")), len(argv))
    return text in argv[:first]


def _words(call: Call, parser: Value, argv: list[str], options: list[str]) -> list[str]:
    """Return the words of an argument that takes several."""
    count = call.named.get("nargs")
    if count is None or not (count.texts & {"+", "*"} or count.number):
        return []
    if options[0].startswith("-"):
        after = argv[next((number for number, word in enumerate(argv, 1) if word in options), len(argv)) :]
    else:
        first = _positional(parser, argv)
        after = [] if first is None else argv[argv.index(first) :]
    end = next((number for number, word in enumerate(after) if word.startswith("-")), len(after))
    return after[: min(end, count.number or end)]


def _option(argv: list[str], options: list[str]) -> str | None:
    for index, word in enumerate(argv):
        for option in options:
            if word == option and index + 1 < len(argv):
                return argv[index + 1]
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return None


def _positional(parser: Value, argv: list[str]) -> str | None:
    counter = parser.fields.setdefault("__positional__", Value(number=0))
    index, counter.number = counter.number or 0, (counter.number or 0) + 1
    positional = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word
        else:
            positional.append(word)
    return positional[index] if index < len(positional) else None
