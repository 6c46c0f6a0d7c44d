from posttrainbench.audit.behavior.makefile import MOST_LINES, recipe


def lines(text: str, *words: str, **env: str) -> list[str]:
    return recipe(list(words), "", env, lambda name, _: text if name == "Makefile" else "")[1]


def test_prerequisites_come_first_and_once() -> None:
    text = "# all: no\na: b c | d\n\techo $@ $< '$^' $$HOME\nb: c\n\t-@echo b\nc:; echo c\nd: ; echo d\n"
    assert lines(text) == ["echo c", "echo b", "echo d", "echo a b 'b c d' $HOME"]
    assert lines(text, "c", "c") == ["echo c"]
    assert lines(text, "nowhere") == []


def test_variables() -> None:
    text = "A = $(B)/x\nB := 1\nC ?= 2\nB += 3\nD != ls\nall:\n\techo $(A) ${C} $(D) $(E) $(shell cat f)\n"
    assert lines(text) == ["echo 1 3/x 2 $(ls) ${E} $(cat f)"]
    assert lines(text, "B=9", C="8") == ["echo 9/x 8 $(ls) ${E} $(cat f)"]


def test_pattern_rules_and_variables_of_a_target() -> None:
    text = "x: N = 7\nx: data/a.out\n%.out: %.in\n\tcp $< $@ # $* $(N)\n"
    assert lines(text, "x") == ["cp data/a.in data/a.out # data/a 7"]


def test_options() -> None:
    text = "all:\n\tls\n"
    assert recipe(["-C", "sub", "-j", "4", "all"], "top", {}, lambda name, cwd: text) == ("top/sub", ["ls"])
    assert recipe(["--file=x.mk"], "", {}, lambda name, cwd: text if name == "x.mk" else "") == ("", ["ls"])
    assert lines(text, "-n") == []


def test_hostile_makefiles_terminate() -> None:
    bomb = "".join(f"A{n} = $(A{n + 1}){f'$(A{n + 1})' * 9}\n" for n in range(30))
    assert len(lines(f"{bomb}all:\n\techo $(A0)\n")) == 1
    assert lines("A = $(A)\nall: all\n\techo $(A)\n")
    chain = "".join(f"t{n}: t{n + 1}\n\techo {n}\n" for n in range(5000))
    assert lines(chain)
    assert len(lines("all:\n" + "\tls\n" * 5000)) == MOST_LINES
    assert lines("a" + " " * 200_000 + "b\n:\n::=\n=\n\tls\n$(: x\n") == []
