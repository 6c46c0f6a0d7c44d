"""Takes shell text apart: simple commands with their redirections, heredocs and pipes. Nothing is run.

Covers: quotes, `;`, `&&`, `||`, `|`, `&`, newlines, comments, redirections, heredocs and here-strings, `$(...)`,
variables assigned in the same text, `for`/`while`/`if` bodies (each read once), `cd`.

Does not cover: functions' arguments, arithmetic, `eval`, arrays, process substitution. What is not understood stays as
words, so that a reader loses precision and not the command.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import join, normpath

_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;|&()\n]")
_REDIRECTION = re.compile(r"(\d*)(>>|>\||>&|<<<|<<-|<<|<&|<|>)|&>>?")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:(:-|-)([^}]*))?\}|(\w+))")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_HEADS = {"do", "then", "else", "elif", "if", "while", "until", "!", "time", "{", "}", "fi", "done", "coproc", "esac"}


@dataclass
class Simple:
    """One simple command.

    Attributes:
        words: the command and its arguments, unquoted; unknown variables stay as `$NAME`.
        env: assignments before it.
        reads: files that it is fed with.
        text: a heredoc that it is fed with.
        writes: (file, whether it is appended to), standard output and error alike.
        cwd: where it runs, "" for where the text began.
        piped: whether its input is the output of the command before.
    """

    words: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    text: str | None = None
    writes: list[tuple[str, bool]] = field(default_factory=list)
    cwd: str = ""
    piped: bool = False


def parse(text: str, variables: dict[str, str] | None = None, cwd: str = "") -> list[Simple]:
    """The simple commands of a text, in order. `variables` is updated by the assignments found."""
    known = {} if variables is None else variables
    commands: list[Simple] = []
    for simple in _commands(text, known):
        simple.cwd = cwd
        words = simple.words
        while words and words[0] in _HEADS:
            words.pop(0)
        if words[:1] == ["for"] or words[:1] == ["case"] or words[:1] == ["function"]:
            continue
        while words and (match := _ASSIGNMENT.fullmatch(words[0])):
            simple.env[match[1]] = match[2]
            words.pop(0)
        if not words and not simple.writes:
            known.update(simple.env)
            continue
        if words[:1] in (["export"], ["declare"], ["readonly"], ["local"]):
            known.update({match[1]: match[2] for word in words[1:] if (match := _ASSIGNMENT.fullmatch(word))})
            continue
        if words[:1] in (["cd"], ["pushd"]) and len(words) > 1:
            cwd = normpath(join(cwd, words[1])) if not words[1].startswith("$") else cwd
            continue
        commands.append(simple)
    return commands


def _commands(text: str, variables: dict[str, str]) -> Iterator[Simple]:
    text = text.replace("\\\n", " ").replace("\r\n", "\n")
    current, pending = Simple(), list[tuple[Simple, str, bool]]()
    position, length = 0, len(text)
    while position < length:
        char = text[position]
        if char in " \t":
            position += 1
        elif char == "#" and (position == 0 or text[position - 1] in " \t\n;"):
            end = text.find("\n", position)
            position = length if end < 0 else end
        elif (match := _REDIRECTION.match(text, position)) and (match[0][0] != "&" or match[0].startswith("&>")):
            position = _redirect(text, match, current, pending, variables)
        elif match := _OPERATOR.match(text, position):
            position = match.end()
            if match[0] == "\n" and pending:
                position = _heredocs(text, position, pending)
            if current.words or current.writes or current.text is not None:
                # A variable assigned here is known to the commands behind it, not to those before.
                if all(_ASSIGNMENT.fullmatch(word) for word in current.words) and not current.writes:
                    variables.update(m.groups() for w in current.words if (m := _ASSIGNMENT.fullmatch(w)))  # type: ignore[misc]
                yield current
            current = Simple(piped=match[0] in ("|", "|&"))
        else:
            word, position = _word(text, position, variables)
            current.words.append(word)
    if pending:
        _heredocs(text, length, pending)
    if current.words or current.writes:
        yield current


def _redirect(
    text: str,
    match: re.Match[str],
    current: Simple,
    pending: list[tuple[Simple, str, bool]],
    variables: dict[str, str],
) -> int:
    operator = match[2] or match[0]
    position = match.end()
    while position < len(text) and text[position] in " \t":
        position += 1
    if position >= len(text) or text[position] in "\n;|":
        return position
    if operator in (">&", "<&") and re.match(r"[\d-]", text[position]):
        return position + 1
    target, position = _word(text, position, variables)
    if operator in ("<<", "<<-"):
        pending.append((current, target, operator == "<<-"))
    elif operator == "<<<":
        current.text = target
    elif operator == "<":
        current.reads.append(target)
    elif operator != "<&" and target != "/dev/null" and match[1] != "2":
        current.writes.append((target, operator.endswith(">>")))
    return position


def _heredocs(text: str, position: int, pending: list[tuple[Simple, str, bool]]) -> int:
    for simple, mark, strip in pending:
        body: list[str] = []
        while position < len(text):
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            line = text[position:end]
            position = min(end + 1, len(text))
            if (line.lstrip("\t") if strip else line).rstrip() == mark:
                break
            body.append(line.lstrip("\t") if strip else line)
        simple.text = "\n".join(body) + "\n"
    pending.clear()
    return position


def _word(text: str, position: int, variables: dict[str, str]) -> tuple[str, int]:
    """The word that begins there, unquoted, and where it ends."""
    parts: list[str] = []
    length = len(text)
    while position < length:
        char = text[position]
        if char == "'":
            end = text.find("'", position + 1)
            end = length if end < 0 else end
            parts.append(text[position + 1 : end])
            position = end + 1
        elif char == '"':
            quoted, position = _double(text, position + 1)
            parts.append(_expanded(quoted, variables))
        elif char == "\\" and position + 1 < length:
            parts.append(text[position + 1])
            position += 2
        elif text.startswith("$(", position) or char == "`":
            end = _closing(text, position)
            parts.append(text[position:end])
            position = end
        elif char == "$" and (match := _VARIABLE.match(text, position)):
            parts.append(_expanded(match[0], variables))
            position = match.end()
        elif char in " \t\n;|&()<>":
            break
        else:
            parts.append(char)
            position += 1
    if not parts:  # an operator out of place
        return text[position : position + 1], position + 1
    return "".join(parts), position


def _double(text: str, position: int) -> tuple[str, int]:
    parts: list[str] = []
    while position < len(text) and text[position] != '"':
        if text.startswith("$(", position):
            end = _closing(text, position)
            parts.append(text[position:end])
            position = end
        elif text[position] == "\\" and position + 1 < len(text) and text[position + 1] in '"\\`\n':
            parts.append(text[position + 1])
            position += 2
        elif text.startswith("\\$", position):
            parts.append("\\$")
            position += 2
        else:
            parts.append(text[position])
            position += 1
    return "".join(parts), position + 1


def _closing(text: str, position: int) -> int:
    """The end of a substitution that begins there."""
    if text[position] == "`":
        end = text.find("`", position + 1)
        return len(text) if end < 0 else end + 1
    depth = 0
    for index in range(position + 1, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if depth == 0:
            return index + 1
    return len(text)


def substitutions(word: str) -> list[str]:
    """The commands inside of a word's `$(...)`."""
    found = []
    position = word.find("$(")
    while position >= 0:
        end = _closing(word, position)
        found.append(word[position + 2 : end - 1])
        position = word.find("$(", end)
    return found


def _expanded(text: str, variables: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        return variables.get(name, match[3] if match[2] else match[0])

    return _VARIABLE.sub(value, text).replace("\\$", "$")
