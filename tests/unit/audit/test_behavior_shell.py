import pytest

from posttrainbench.audit.behavior.shell import Shell, parse
from posttrainbench.audit.behavior.shell_commands import Listing, SimpleCommand
from posttrainbench.audit.behavior.shell_words import Stream
from posttrainbench.audit.behavior.values import Taint

TEST = Taint("test", "the test set", "", 1)


class Files(Listing):
    """A host with one tainted file, `test`, that records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.files = {"test": Stream(frozenset([TEST]))}
        self.problems: list[str] = []

    def run(self, command: SimpleCommand, stdin: Stream) -> Stream:
        output = super().run(command, stdin)
        if command.words[0] == "cat":
            taints = stdin.taints.union(*(self.read_file(word, "").taints for word in command.words[1:]))
            return Stream(taints, output.text)
        return Stream(command.taints, output.text) if command.words[0] in ("echo", "printf", "ask") else output

    def read_file(self, path: str, cwd: str) -> Stream:
        return self.files.get(path, Stream())

    def write_file(self, path: str, content: Stream, cwd: str, *, append: bool) -> None:
        self.files[path] = self.files.get(path, Stream()) + content if append else content

    def unread(self, reason: str, *, stopped: bool) -> None:
        self.problems.append(reason)


def words(text: str) -> list[list[str]]:
    return [command.words for command in parse(text)]


def test_commands_are_parsed() -> None:
    text = "A=1 python x.py --n '2 3' > out.txt 2>&1 && cd sub; cat a | jq '.b' | tee -a c &\n# no command\necho done"
    first, second, third, fourth, fifth = parse(text)
    assert (first.words, first.env, first.writes) == (
        ["python", "x.py", "--n", "2 3"],
        {"A": "1"},
        [("out.txt", False)],
    )
    assert [second.words, third.words, fourth.words] == [["cat", "a"], ["jq", ".b"], ["tee", "-a", "c"]]
    assert [second.piped, third.piped, fourth.piped] == [False, True, True]
    assert (second.cwd, fifth.words, fifth.line) == ("sub", ["echo", "done"], 3)


def test_heredocs() -> None:
    text = "cat > a.py <<'EOF' && ls\nx = \"$y\"\n\nEOF\npython - <<-END 2>&1 | tail -1\n\tprint(1)\n\tEND\npwd"
    first, _, third, fourth, fifth = parse(text)
    assert (first.writes, first.text) == ([("a.py", False)], 'x = "$y"\n\n')
    assert (third.words, third.text) == (["python", "-"], "print(1)\n")
    assert (fourth.words, fifth.words, fifth.line) == (["tail", "-1"], ["pwd"], 8)


def test_two_heredocs_on_a_line() -> None:
    first, second = parse("cat <<A; cat <<B\none\nA\ntwo\nB\n")
    assert (first.text, second.text) == ("one\n", "two\n")


def test_an_unclosed_heredoc_goes_to_the_end() -> None:
    (command,) = parse("cat > a <<EOF\none\ntwo")
    assert command.text == "one\ntwo\n"


def test_shifts_and_quotes_are_no_heredocs() -> None:
    assert words("python -c 'print(1 << 3)'; echo $((1 << 2)) \"a <<b\"; ls") == [
        ["python", "-c", "print(1 << 3)"],
        ["echo", "$((1 << 2))", "a <<b"],
        ["ls"],
    ]


def test_variables_of_the_same_text() -> None:
    assert words('D=/kit/data\ncp $D/test.jsonl "${D}/x" $UNKNOWN ${OTHER:-y} ${D%/*} ${D##*/}') == [
        ["cp", "/kit/data/test.jsonl", "/kit/data/x", "$UNKNOWN", "y", "/kit", "data"]
    ]


def test_loops_conditions_and_functions() -> None:
    text = 'for i in 1 2; do claude -p "n $i" >> d.jsonl; done; if [ -f a ]; then python b.py; else rm a; fi'
    assert words(text) == [["claude", "-p", "n 1"], ["claude", "-p", "n 2"], ["python", "b.py"], ["rm", "a"]]
    assert words("run()\n{\n  python $1\n}\nrun a") == [["python", "a"]]
    assert words('run() { python "$1.py" "${@:2}"; }; run a b c') == [["python", "a.py", "b", "c"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python {a,b}.py '{c,d}' x{,.bak} {1..3}", [["python", "a.py", "b.py", "{c,d}", "x", "x.bak", "1", "2", "3"]]),
        ("a=(1 '2 3'); run \"${a[@]}\"", [["run", "1", "2 3"]]),
        ('eval "python x.py"; pushd d; popd; (cd e; a); b', [["python", "x.py"], ["a"], ["b"]]),
        ("for s in $(echo a b); do python $s; done", [["echo", "a", "b"], ["python", "a"], ["python", "b"]]),
        ("echo 'a\nb' | while read s; do python $s; done", [["echo", "a\nb"], ["python", "a"], ["python", "b"]]),
        ("export X=te; run ${X}st", [["run", "test"]]),
        ('declare -A s=([a]=x [b]=y); run "${s[b]}"', [["run", "y"]]),
        ('printf -v p "%s/b" a; run $p', [["run", "a/b"]]),
    ],
)
def test_words_are_expanded(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cat test > out",
        "{ cat test; } > out",
        "(cat test) > out",
        "if true; then cat test; fi > out",
        "for f in test; do cat $f >> out; done",
        'while read l; do echo "$l"; done < test > out',
        'x=$(cat test); echo "$x" > out',
        'echo "$(cat test)" > out',
        "cat <<EOF > out\n$(cat test)\nEOF",
        'cat <<< "$(cat test)" > out',
        "cat <(cat test) > out",
        "cat test > >(cat > out)",
        'mapfile -t a < test; printf "%s" "${a[@]}" > out',
        "exec > out; cat test",
        "exec < test; cat > out",
        'f() { cat "$1"; }; f test > out',
        'eval "cat test" > out',
        'cat test | while read -r q; do ask "rewrite $q" >> out; done',
        "cat test | cat | cat > out",
    ],
)
def test_content_flows_through_the_shell(text: str) -> None:
    host = Files()
    Shell(host).run_text(text)
    assert TEST in host.files["out"].taints
    assert not host.problems


@pytest.mark.parametrize(
    "text",
    [
        "cat test; echo a > out",
        "cat test > out; cat other > out",
        '(x=$(cat test)); echo "$x" > out',
        "cat test >&2 | cat > out",
        "while read l; do echo a; done < test > out",
        "cat test > other; f() { cat test; }; echo a > out",
    ],
)
def test_other_content_does_not(text: str) -> None:
    host = Files()
    Shell(host).run_text(text)
    assert TEST not in host.files["out"].taints


@pytest.mark.parametrize(("text", "reason"), [("if true; then ls", "not valid"), ("(" * 5000, "brackets")])
def test_invalid_text_is_reported(text: str, reason: str) -> None:
    host = Files()
    Shell(host).run_text(text)
    assert reason in host.problems[0]


def test_hostile_text_terminates() -> None:
    for text in (
        *(
            part * (9999 // len(part))
            for part in ("'", '"', "`", "<<", ">", "\\", "((a;", "a=( ", "[a]=", "<<A\n", "f() ")
        ),
        "$(" * 20_000,
        "(a;" * 1000 + ")" * 1000,
        "a" * 10**6,
        "f() { f; f; }; f",
        "eval 'eval \"$0\"'",
        "for a in {1..99}; do for b in {1..99}; do for c in {1..99}; do ls; done; done; done",
        "a && " * 3000 + "b",
    ):
        assert len(parse(text)) <= 5000
