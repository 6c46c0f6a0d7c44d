"""Read shell text as simple commands in the order of execution, with what flows between them. Nothing is executed.

Covers: lists, pipes, groups, subshells, loops, conditionals, functions and their arguments, variables, arrays, quotes,
braces, substitutions of commands and processes, heredocs, redirections, `exec` of redirections, `eval`, `read`,
`mapfile`, `cd`, `pushd`, `popd`, `set --`, `shift`, `export`. Both branches of a condition are read. A loop over known
words is unrolled; any other loop body is read once.

Does not cover: arithmetic, aliases, `trap`, jobs, the exit status of commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from tree_sitter import Node
from typing_extensions import override

from posttrainbench.audit.behavior.shell_builtins import BUILTINS
from posttrainbench.audit.behavior.shell_commands import Listing, SimpleCommand
from posttrainbench.audit.behavior.shell_expansion import Expansion
from posttrainbench.audit.behavior.shell_syntax import (
    DEEPEST,
    HERE_STRING,
    HEREDOC,
    ShellSyntax,
    UnreadShellError,
    syntax_of,
)
from posttrainbench.audit.behavior.shell_words import EMPTY, Stream, source_of, with_variables
from posttrainbench.audit.behavior.values import NONE

MOST_COMMANDS = 5000
"""Simple commands and loop passes of one text."""
MOST_PASSES = 64
"""Passes of one loop."""
MOST_CALLS = 20
"""Functions that call each other, and texts of `eval`."""
_STATEMENTS = frozenset(
    "program list pipeline redirected_statement command variable_assignment variable_assignments declaration_command "
    "unset_command test_command negated_command if_statement elif_clause else_clause while_statement for_statement "
    "c_style_for_statement case_statement case_item do_group compound_statement subshell function_definition "
    "ERROR".split()
)


def parse(text: str, cwd: str = "") -> list[SimpleCommand]:
    """Return the simple commands of a text, in order."""
    listing = Listing()
    Shell(listing, cwd).run_text(text)
    return listing.commands


@dataclass
class _Redirections:
    """Input of a statement, files that it reads, (file, appended) of its output; `lost`: output as error messages."""

    stdin: Stream | None = None
    reads: list[str] = field(default_factory=list)
    writes: list[tuple[str, bool]] = field(default_factory=list)
    lost: bool = False


@dataclass
class Shell(Expansion):
    """A shell, or a subshell of one.

    Attributes:
        functions: name -> (body, its text's syntax).
        stdout: file to which `exec` has redirected the output.
        stdin: its input.
        counter: commands and loop passes so far, shared with subshells.
    """

    functions: dict[str, tuple[Node, ShellSyntax]] = field(default_factory=dict)
    stdout: str = ""
    stdin: Stream = EMPTY
    counter: list[int] = field(default_factory=lambda: [0])
    _syntax: ShellSyntax | None = None
    _depth: int = 0
    _calls: int = 0
    _piped: bool = False

    def set_environment(self, env: Mapping[str, str]) -> None:
        """Set variables."""
        self.variables |= {name: [Stream(NONE, value)] for name, value in env.items()}

    def environment(self) -> dict[str, str]:
        """Return the variables that programs may see: those with names in upper case."""
        known = {name: values[0].text for name, values in self.variables.items() if values and name.isupper()}
        return {name: text for name, text in known.items() if text is not None}

    def run_text(self, text: str, stdin: Stream = EMPTY) -> Stream:
        """Run a text and return its output."""
        try:
            syntax = syntax_of(text)
        except UnreadShellError as error:
            self.host.unread(str(error), stopped=False)
            return Stream()
        if syntax.broken is not None:
            self.host.unread(f"not valid shell text (line {syntax.broken})", stopped=False)
        outer, self._syntax, outer_stdin, self.stdin = self._syntax, syntax, self.stdin, stdin
        try:
            return self._statements(syntax.root.children)
        finally:
            self._syntax, self.stdin = outer, outer_stdin

    @override
    def substituted(self, node: Node) -> Stream:
        """Return the output of a command substitution."""
        return self._subshell()._statements(node.children)

    # --- statements ---

    def _subshell(self, stdin: Stream | None = None) -> Shell:
        return replace(
            self,
            variables=dict(self.variables),
            functions=dict(self.functions),
            folders=list(self.folders),
            stdout="",
            stdin=self.stdin if stdin is None else stdin,
        )

    def _statements(self, nodes: list[Node]) -> Stream:
        output = EMPTY
        for node in nodes:
            if node.type in _STATEMENTS:
                output += self._statement(node)
        return output

    def _statement(self, node: Node) -> Stream:
        if self._depth >= DEEPEST:
            self.host.unread("nested too deeply", stopped=True)
            return Stream()
        self._depth += 1
        try:
            output = self._dispatch(node)
        finally:
            self._depth -= 1
        if self.stdout and output != EMPTY:
            self.host.write_file(self.stdout, output, self.cwd, append=True)
            return EMPTY
        return output

    def _dispatch(self, node: Node) -> Stream:
        match node.type:
            case "command":
                return self._command(node, _Redirections())
            case "list":
                return self._list(node, _Redirections())
            case "pipeline":
                return self._pipeline(node, _Redirections())
            case "redirected_statement":
                return self._redirected(node, self._redirections(node.children_by_field_name("redirect")))
            case "subshell":
                return self._subshell()._statements(node.children)
            case "variable_assignment" | "variable_assignments":
                nodes = [node] if node.type == "variable_assignment" else node.children
                for assignment in nodes:
                    self.assign(assignment)
                return EMPTY
            case "declaration_command":
                for child in node.children:
                    if child.type == "variable_assignment":
                        self.assign(child)
                    elif child.type not in ("variable_name", "word") and child.is_named:
                        self.assign_words(self.words(child))
                return EMPTY
            case "unset_command":
                for child in node.children:
                    self.variables.pop(source_of(child), None)
                return EMPTY
            case "test_command":
                self.expand_inside(node)
                return EMPTY
            case "for_statement":
                return self._for(node)
            case "while_statement":
                return self._while(node)
            case "if_statement" | "case_statement":
                return self._branches(node)
            case "function_definition":
                name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
                if name is not None and body is not None and self._syntax is not None:
                    self.functions[source_of(name)] = (body, self._syntax)
                return EMPTY
        return self._statements(node.children)

    def _list(self, node: Node, redirections: _Redirections) -> Stream:
        """Run commands joined by `&&` and `||`; the redirections belong to the last one."""
        parts: list[tuple[str, Node]] = []
        while node.type == "list" and node.child_count >= 3:  # nested on the left side
            parts.append((node.children[1].type, node.children[-1]))
            node = node.children[0]
        parts.append(("", node))
        output = EMPTY
        for operator, part in parts[:0:-1]:
            output += self._after(operator, part)
        return output + self._after(parts[0][0], parts[0][1], redirections)

    def _after(self, operator: str, node: Node, redirections: _Redirections | None = None) -> Stream:
        with self.host.optional() if operator == "||" else nullcontext():
            if redirections is None or redirections == _Redirections():
                return self._statement(node)
            return self._with(node, redirections)

    def _pipeline(self, node: Node, redirections: _Redirections) -> Stream:
        """Run a pipeline. Its first part may be a list, of which only the last command belongs to the pipeline."""
        parts = [child for child in node.children if child.type in _STATEMENTS]
        output, stream = EMPTY, self.stdin
        for number, part in enumerate(parts):
            shell = self._subshell(stream)
            shell._piped = number > 0
            inner = _Redirections()
            if number == 0:
                body = part.child_by_field_name("body")
                if part.type == "redirected_statement" and body is not None and body.type == "list":
                    inner, part = self._redirections(part.children_by_field_name("redirect")), body
                if part.type == "list":
                    output += self._statement(part.children[0])
                    part = part.children[-1]
            is_last = number == len(parts) - 1
            stream = shell._with(part, redirections if is_last else inner)
        return output + stream

    def _redirected(self, node: Node, redirections: _Redirections) -> Stream:
        body = node.child_by_field_name("body")
        output = self._write(redirections, EMPTY) if body is None else self._with(body, redirections)
        return output + self._statements([child for child in node.children if child.type == "ERROR"])

    def _with(self, node: Node, redirections: _Redirections) -> Stream:
        """Run a statement with redirections."""
        if node.type == "command":
            return self._command(node, redirections)
        if node.type == "list":
            return self._list(node, redirections)
        if node.type == "pipeline":
            return self._pipeline(node, redirections)
        outer_stdin, outer_stdout = self.stdin, self.stdout
        if redirections.stdin is not None:
            self.stdin = redirections.stdin
        if redirections.writes:
            self.stdout = ""
        try:
            return self._write(redirections, self._statement(node))
        finally:
            self.stdin, self.stdout = outer_stdin, outer_stdout

    def _write(self, redirections: _Redirections, output: Stream) -> Stream:
        """Write an output to the files that it is redirected to, and return what is left of it."""
        for path, append in redirections.writes:
            self.host.write_file(path, output, self.cwd, append=append)
        for path, _ in redirections.writes:
            self._finish(path)
        return EMPTY if redirections.writes or redirections.lost else output

    def _redirections(self, nodes: list[Node]) -> _Redirections:
        result = _Redirections()
        for node in nodes:
            if node.type != "file_redirect":
                continue
            operator = next((child.type for child in node.children if child.type[:1] in "<>&"), "")
            descriptor = node.child_by_field_name("descriptor")
            number = source_of(descriptor) if descriptor is not None else ""
            for target in node.children_by_field_name("destination")[:1]:
                self._redirect(operator, number, target, result)
            for extra in node.children_by_field_name("destination")[1:]:
                result.reads += [word.text or "" for word in self.words(extra)]
        return result

    def _redirect(self, operator: str, number: str, target: Node, result: _Redirections) -> None:
        raw = source_of(target)
        if raw.startswith(HEREDOC) and self._syntax is not None:
            document = self._syntax.heredocs.get(int(raw[1:]) if raw[1:].isdigit() else -1)
            if document is not None:
                text = Stream(NONE, document.text)
                result.stdin = self._heredoc(document.text) if document.expands else text
            return
        words = self.words(target)
        word = words[0] if words else EMPTY
        path = word.text or ""
        if raw.startswith(HERE_STRING):
            word = Stream(word.taints, f"{path.removeprefix(HERE_STRING)}\n")
            result.stdin = word if "$" not in path else Stream(word.taints)
        elif operator in (">&", "<&") and re.fullmatch(r"[\d-]+", path):
            result.lost |= operator == ">&" and path == "2" and number in ("", "1")
        elif operator.startswith("<"):
            result.reads.append(path)
            result.stdin = self.host.read_file(path, self.cwd)
        elif number in ("", "1") and path != "/dev/null":
            result.writes.append((path, ">>" in operator))

    def _heredoc(self, text: str) -> Stream:
        text, taints = text.replace("\\\n", ""), NONE
        if "$(" in text or "`" in text:
            try:
                inner = syntax_of('"' + text.replace('"', "") + '"').root
            except UnreadShellError:
                return Stream()
            taints = self.expand_inside(inner)
        return Stream(taints) + EMPTY if taints else with_variables(text, self.variables)

    # --- compound statements ---

    def _for(self, node: Node) -> Stream:
        variable, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
        if variable is None or body is None:
            return self._statements(node.children)
        values = node.children_by_field_name("value")
        words = [word for value in values for word in self.words(value)] if values else list(self.positional)
        output, name = EMPTY, source_of(variable)
        if len(words) > MOST_PASSES:
            taints = frozenset().union(*(word.taints for word in words))
            words = [*words[:MOST_PASSES], Stream(taints)]
        for word in words:
            if not self._count():
                break
            self.variables[name] = [word]
            output += self._statement(body)
        return output

    def _while(self, node: Node) -> Stream:
        body = node.child_by_field_name("body")
        conditions = [child for child in node.children_by_field_name("condition") if child.type in _STATEMENTS]
        text = self.stdin.text
        reads = any(re.match(r"(\w+=\S*\s+)*read\b", source_of(condition)) for condition in conditions)
        lines = text.splitlines()[: MOST_PASSES + 1] if reads and text is not None else [None]
        taints, outer = self.stdin.taints, self.stdin
        output = EMPTY
        for number, line in enumerate(lines):
            self.stdin = Stream(taints, f"{line}\n" if line is not None and number < MOST_PASSES else None)
            if not self._count():
                break
            output += self._statements(conditions)
            output += self._statement(body) if body is not None else EMPTY
        self.stdin = outer
        return output

    def _branches(self, node: Node) -> Stream:
        """Run all branches of a condition; those after the first may not replace what the first one wrote."""
        output = EMPTY
        for value in node.children_by_field_name("value"):
            self.words(value)
        for child in node.children:
            if child.type in ("elif_clause", "else_clause", "case_item"):
                with self.host.optional():
                    output += self._statements(child.children)
            elif child.type in _STATEMENTS:
                output += self._statement(child)
        return output

    def _count(self) -> bool:
        """Count a command or loop pass; return False after too many."""
        self.counter[0] += 1
        if self.counter[0] == MOST_COMMANDS:
            self.host.unread(f"more than {MOST_COMMANDS} commands", stopped=True)
        return self.counter[0] < MOST_COMMANDS

    def _finish(self, name: str) -> None:
        """Run the process substitution of this name that reads what was written to it."""
        node = self.pending.pop(name, None)
        if node is not None:
            output = self._subshell(self.host.read_file(name, self.cwd))._statements(node.children)
            if self.stdout:
                self.host.write_file(self.stdout, output, self.cwd, append=True)

    # --- simple commands ---

    def _command(self, node: Node, outer: _Redirections) -> Stream:
        own = self._redirections(node.children_by_field_name("redirect"))
        redirections = _Redirections(
            own.stdin if outer.stdin is None else outer.stdin,
            own.reads + outer.reads,
            own.writes + outer.writes,
            own.lost or outer.lost,
        )
        errors = EMPTY
        command = SimpleCommand(cwd=self.cwd, line=node.start_point.row + 1, shell=self, piped=self._piped)
        for child in node.children:
            if child.type == "variable_assignment":
                name, values = self.assigned(child)
                command.env[name] = (values[0].text if values else "") or ""
                command.taints = command.taints.union(*(value.taints for value in values))
            elif child.type == "ERROR":
                errors += self._statement(child)
            elif child.is_named and child.type not in ("file_redirect", "herestring_redirect", "heredoc_redirect"):
                words = self.words(child.children[0] if child.type == "command_name" else child)
                command.words += [word.text if word.text is not None else source_of(child) for word in words]
                command.taints = command.taints.union(*(word.taints for word in words))
        command.reads, command.writes = redirections.reads, redirections.writes
        stdin = self.stdin if redirections.stdin is None else redirections.stdin
        command.text = redirections.stdin.text if redirections.stdin is not None else None
        return errors + self._run(command, stdin, redirections)

    def _run(self, command: SimpleCommand, stdin: Stream, redirections: _Redirections) -> Stream:
        if not self._count():
            return Stream()
        name = command.words[0] if command.words else ""
        if name == "exec" and len(command.words) == 1:
            for path, append in redirections.writes:
                self.host.write_file(path, EMPTY, self.cwd, append=append)
                self.stdout = path
            self.stdin = stdin
            return EMPTY
        outer = self.stdout
        if redirections.writes:
            self.stdout = ""
        if command.words[:2] == ["printf", "-v"]:
            name = "printf -v"
        known = BUILTINS.get(name) if name not in self.functions else None
        output = self._call(command, stdin) if known is None else known(self, command, stdin)
        if redirections.writes:
            self.stdout = outer
        for word in command.words:
            self._finish(word)
        return self._write(redirections, output)

    def _call(self, command: SimpleCommand, stdin: Stream) -> Stream:
        """Run a function of the text, or a program."""
        function = self.functions.get(command.words[0]) if command.words else None
        if function is None or self._calls >= MOST_CALLS:
            return self.host.run(command, stdin)
        body, syntax = function
        saved = self.positional, self._syntax, self.stdin
        self.positional = [Stream(command.taints, word) for word in command.words[1:]]
        self._syntax, self.stdin = syntax, stdin
        self._calls += 1
        try:
            return self._statement(body)
        finally:
            self._calls -= 1
            self.positional, self._syntax, self.stdin = saved

    @override
    def evaluate(self, text: str, stdin: Stream) -> Stream:
        """Run a text in this shell, as `eval` and `source` do."""
        if self._calls >= MOST_CALLS:
            self.host.unread("nested too deeply", stopped=True)
            return Stream()
        self._calls += 1
        try:
            return self.run_text(text, stdin)
        finally:
            self._calls -= 1
