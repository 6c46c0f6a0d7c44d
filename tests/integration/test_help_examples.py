"""The help of every command: in panels, without types of flags, with an example that works; and the first tutorial."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from original_results import write_run
from posttrainbench.cli.app import app
from posttrainbench.records import AgentSpec
from posttrainbench.run import Run
from support import Finished

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

TYPE = re.compile(r"<[a-z_]+[\[>|]")
"""A type, such as `<str>`; a range of numbers is shown as `[1<=x<=25]`."""
EXAMPLE = re.compile(r"\[bold\](ptb.*?)\[/bold\]", re.DOTALL)
PANELS = ["Run", "Look", "Audit", "Evaluate", "Set up"]
DRY = ("demo", "run", "launch", "reproduce")
"""Commands whose example is only checked, because it takes minutes."""
REFUSED = {
    "stop": "has finished",
    "judge": "OPENAI_API_KEY",
    "judge run": "OPENAI_API_KEY",
    "judge calibrate": "OPENAI_API_KEY",
    "data pull": "HF_HUB_OFFLINE is set; unset it and pull",
    "data import": "gsm8k",
    "agents check": "claude is not on this machine",
    "agents install": "npm",
    "image build": "podman",
    "image check": "podman",
}
"""What the examples say for which this test has no key, network, program or data; they exit with 1 or 2."""
VERDICTS = ("audit", "scan", "lineage", "lineage check", "data verify", "check-submission", "doctor")
"""Commands for which exit code 1 is a finding."""


def commands() -> dict[str, Any]:
    """Return name -> command, with groups that are commands too."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: list[str]) -> None:
        if hasattr(command, "commands"):
            if words and (command.invoke_without_command or EXAMPLE.search(command.help or "")):
                found[" ".join(words)] = command
            for name, each in command.commands.items():
                walk(each, [*words, name])
        elif not command.hidden:
            found[" ".join(words)] = command

    walk(typer.main.get_command(app), [])
    return found


COMMANDS = commands()


@pytest.fixture(scope="module")
def place(flagged: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with what the examples name."""
    return make_place(flagged, tmp_path_factory.mktemp("place"))


def make_place(flagged: Finished, place: Path) -> Path:
    """Fill a working directory with what the examples and the documentation name."""
    for agent in ("recipe-sft", "recipe-noop", "recipe-cheat-swap"):
        root = place / "runs" / "demo" / f"{agent}-micro-math-seed0"
        shutil.copytree(flagged.root, root)
        spec, result = Run(root).spec, json.loads((root / "result.json").read_text())
        named = AgentSpec(name=agent, scaffold=spec.agent.scaffold, settings=spec.agent.settings)
        (root / "run.json").write_text(spec.model_copy(update={"agent": named, "run": root.name}).model_dump_json())
        (root / "result.json").write_text(json.dumps(result | {"run": root.name}))
    shutil.copytree(flagged.root / "solve" / "final_model", place / "final_model")
    for name in ("train.jsonl", "test.jsonl"):
        (place / name).write_text('{"question": "1 + 1", "answer": "#### 2"}\n')
    header = "model,aime2025,arenahardwriting,bfcl,gpqamain,gsm8k,healthbench,humaneval"
    rows = (f"{model},0.1,0.2,0.3,0.4,0.5,0.6,0.7" for model in MODELS)
    for name in ("final_results.csv", "baseline.csv"):
        (place / name).write_text("\n".join([header, *rows]) + "\n")
        rows = (f"{model},0.0,0.1,0.2,0.3,0.4,0.5,0.6" for model in MODELS)
    write_run(place / "results")
    shutil.copytree(place / "runs" / "demo", place / "runs" / "other")
    (place / "demo").symlink_to("runs/demo")
    (place / "examples").symlink_to(ROOT / "examples")
    (place / "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    return place


MODELS = ("Qwen3-1.7B-Base", "Qwen3-4B-Base", "SmolLM3-3B-Base", "gemma-3-4b-pt")


@pytest.fixture
def bare(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys, no network and no agents, npm or podman."""
    tools = place / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("bwrap", "git", "sh", "env", "python3"):
        if (found := shutil.which(name)) and not (tools / name).exists():
            (tools / name).symlink_to(found)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(place / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "data"))
    monkeypatch.setattr("posttrainbench.report.site.live.serve", lambda *given: None)  # until somebody interrupts it
    monkeypatch.setattr(
        "posttrainbench.sandbox.limit_checks.check_limits", lambda chosen: []
    )  # takes long; tested alone


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help(name: str, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = ptb_here(*name.split(), "--help")
    assert said.returncode == 0
    assert "Example:  ptb " in " ".join(said.stdout.split()).replace("Example: ", "Example:  ")
    assert not TYPE.search(said.stdout)
    assert "…" not in said.stdout  # nothing is cut off
    assert "[[" not in said.stdout


def test_commands_are_grouped_in_panels(ptb_here: Ptb) -> None:
    said = ptb_here("--help")
    assert [line.split("─")[1].strip() for line in said.stdout.splitlines() if line.startswith("╭─")] == [
        "Options",
        *PANELS,
    ]
    assert not TYPE.search(said.stdout)
    assert not [command for command in COMMANDS.values() if not command.help]


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.usefixtures("short_evaluations", "bare")
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_examples_work_as_printed(name: str, place: Path, ptb_here: Ptb) -> None:
    examples = EXAMPLE.findall(COMMANDS[name].help)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])[1:]
        assert words[: len(name.split()[:1])] == name.split()[:1]
        if name == "adjudicate":
            findings = place / "runs" / words[1] / "audit" / "findings.jsonl"
            words = [
                json.loads(findings.read_text().splitlines()[0])["id"] if word == "3f2a" else word for word in words
            ]
        if name in ("verify", "reproduce"):
            ptb_here("export", "runs/demo", "--out", "demo.tar.zst", cwd=place)
        said = ptb_here(*words, *(["--dry-run"] if name in DRY else []), cwd=place)
        assert "see `ptb" not in said.stderr  # a usage error
        assert "Traceback" not in said.stderr
        if name in REFUSED:
            assert said.returncode in (1, 2)
            assert REFUSED[name] in said.stderr
            assert len(said.stderr) < 600
        else:
            assert said.returncode in ((0, 1) if name in VERDICTS else (0,)), said.stderr
            assert said.stdout or said.stderr


ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs/tutorials"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (?:ptb .*\n)+", re.MULTILINE)
PROGRAM = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(?:ptb|make|pip|python|pytest|source|export|harbor|git|npm|ray) ", re.MULTILINE
)
SYNTAX = re.compile(r" \[|\w\|\w| \.\.\. ")
"""In lines that describe the syntax of a command instead of showing one."""
RUN, EXPERIMENT = "runs/demo/recipe-sft-micro-math-seed0", "runs/demo"
NAMED = {
    "RUN": RUN,
    "runs/default/RUN": RUN,
    "runs/default": EXPERIMENT,
    "runs/first": EXPERIMENT,
    "runs/second": "runs/other",
    "EXPERIMENT": EXPERIMENT,
    "TABLE.csv": "final_results.csv",
}
"""Words of the documentation -> what they are in the tests."""


def blocks(page: Path) -> list[str]:
    """Return the blocks of commands that need nothing: a block with a title says what it needs."""
    return [block for info, block in FENCE.findall(page.read_text()) if info == "sh"]


BLOCKS = {page.stem: blocks(page) for page in sorted(TUTORIALS.glob("*.md"))}
RUN_HERE = [page for page in PAGES if blocks(page) and page.parent != TUTORIALS]


def test_every_block_of_commands_is_run_or_says_what_it_needs() -> None:
    assert {name for name, own in BLOCKS.items() if own} == {"micro", "small"}  # run by tests of their own
    for page in PAGES:
        text = page.read_text()
        for info, block in FENCE.findall(text):
            if PROGRAM.search(block) and not SYNTAX.search(block):
                assert info == "sh" or re.fullmatch(r'sh title="\w.+"', info), (page.name, info, block)
        for block in INDENTED.findall(FENCE.sub("", text)):
            assert SYNTAX.search(block), (
                page.name,
                "write commands between ```sh and ```, with a title if they need something",
                block,
            )


def lines(block: str) -> list[list[str]]:
    """Return the commands of a block as lists of words, without the first one, `ptb`."""
    text = block.replace("\\\n", " ")
    found = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words[1 : words.index(">") if ">" in words else None] for words in found if words[:1] == ["ptb"]]


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.usefixtures("short_evaluations", "bare")
@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work_as_printed(page: Path, flagged: Finished, tmp_path: Path, ptb_here: Ptb) -> None:
    place = make_place(flagged, tmp_path)
    for name, content in re.findall(
        r'^```yaml title="(\S+/\S+)"\n(.*?)^```$', page.read_text(), re.MULTILINE | re.DOTALL
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    for words in [words for block in blocks(page) for words in lines(block)]:
        given = [NAMED.get(word, word) for word in words]
        if "runs/imported/RUN" in given:  # what the command before has made
            made = min(path.parent for path in (place / "runs/imported").rglob("run.json"))
            given[given.index("runs/imported/RUN")] = str(made)
        command = given[2] if given[0] == "--catalog" else given[0]
        if command in ("run", "reproduce"):
            given.append("--dry-run")
        said = ptb_here(*given, cwd=place)
        assert "Traceback" not in said.stderr
        assert "see `ptb" not in said.stderr, (given, said.stderr)  # a usage error
        if command in REFUSED:
            assert re.search(f"{REFUSED[command]}|No agent in .* is running", said.stderr), given
        else:
            assert said.returncode in ((0, 1) if command in VERDICTS else (0,)), (given, said.stderr)


def test_the_commands_of_the_tutorial_on_small_work_without_its_models(ptb_here: Ptb, tmp_path: Path) -> None:
    for line in "".join(BLOCKS["small"]).splitlines():
        words = shlex.split(line)[1:]
        said = ptb_here(*words, cwd=tmp_path)
        assert said.returncode in ((0, 1) if words[0] in VERDICTS else (0,)), (line, said.stderr)
        assert "Traceback" not in said.stderr


@pytest.mark.sandbox
@pytest.mark.training
def test_the_tutorial_works_on_runs_where_its_commands_put_them(
    flagged: Finished, tmp_path: Path, ptb_here: Ptb
) -> None:
    made = []
    for line in "".join(BLOCKS["micro"]).splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "run":
            made.append(words[words.index("--name") + 1])
            shutil.copytree(flagged.root, tmp_path / "runs" / made[-1])
            words.append("--dry-run")
            words[words.index("--name") + 1] += "-again"
        said = ptb_here(*words, cwd=tmp_path)
        assert said.returncode in ((0, 1) if words[0] in VERDICTS else (0,)), (line, said.stderr)
        assert "Traceback" not in said.stderr
    assert made == ["tutorial/honest", "tutorial/cheat"]
