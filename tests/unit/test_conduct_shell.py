from posttrainbench.audit.conduct.shell import parse, substitutions


def words(text: str) -> list[list[str]]:
    return [command.words for command in parse(text)]


def test_commands_are_taken_apart() -> None:
    text = "A=1 python x.py --n '2 3' > out.txt 2>&1 && cd sub; cat a | jq '.b' | tee -a c &\n# no command\necho done"
    first, second, third, fourth, fifth = parse(text)
    assert (first.words, first.env, first.writes) == (
        ["python", "x.py", "--n", "2 3"],
        {"A": "1"},
        [("out.txt", False)],
    )
    assert [second.words, third.words, fourth.words] == [["cat", "a"], ["jq", ".b"], ["tee", "-a", "c"]]
    assert [second.piped, third.piped, fourth.piped] == [False, True, True]
    assert (second.cwd, fifth.words) == ("sub", ["echo", "done"])


def test_heredocs() -> None:
    first, second, third = parse("cat > a.py <<'EOF'\nx = \"$y\"\n\nEOF\npython - <<-END\n\tprint(1)\n\tEND\nls")
    assert (first.writes, first.text) == ([("a.py", False)], 'x = "$y"\n\n')
    assert (second.words, second.text) == (["python", "-"], "print(1)\n")
    assert third.words == ["ls"]


def test_two_heredocs_on_a_line() -> None:
    first, second = parse("cat <<A; cat <<B\none\nA\ntwo\nB\n")
    assert (first.text, second.text) == ("one\n", "two\n")


def test_an_unclosed_heredoc_goes_to_the_end() -> None:
    (command,) = parse("cat > a <<EOF\none\ntwo")
    assert command.text == "one\ntwo\n"


def test_variables_of_the_same_text() -> None:
    assert words('D=/kit/data\ncp $D/test.jsonl "${D}/x" $UNKNOWN ${OTHER:-y}') == [
        ["cp", "/kit/data/test.jsonl", "/kit/data/x", "$UNKNOWN", "y"]
    ]


def test_loops_and_conditions() -> None:
    text = 'for i in 1 2; do claude -p "n $i" >> d.jsonl; done; if [ -f a ]; then python b.py; else rm a; fi'
    assert words(text) == [["claude", "-p", "n $i"], ["[", "-f", "a", "]"], ["python", "b.py"], ["rm", "a"]]


def test_substitutions_stay_as_text() -> None:
    (command,) = parse('echo "$(cat a | head -1) and $(cat b)"')
    assert substitutions(command.words[1]) == ["cat a | head -1", "cat b"]


def test_hostile_text_ends() -> None:
    for text in (
        "'" * 9999,
        '"' * 9999,
        "$(" * 20_000,
        "`" * 9999,
        "<<" * 9999,
        ">" * 9999,
        "\\" * 9999,
        "(" * 9999,
        "a" * 10**6,
    ):
        parse(text)
