"""Inspect tasks in our sandboxes with `sandbox="ptb"`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import CORRECT, INCORRECT, Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import TaskState, generate
from inspect_ai.util import OutputLimitExceededError, SandboxEnvironmentSpec, sandbox
from inspect_ai.util._sandbox.environment import SandboxUserUnsupportedError

from posttrainbench.sandbox import load_sandbox
from posttrainbench.sandbox.inspect_sandbox import PtbSandbox, PtbSandboxConfig
from support import marked

pytestmark = pytest.mark.sandbox

T = TypeVar("T")


@pytest.fixture
def environment() -> Iterator[PtbSandbox]:
    made = PtbSandbox(load_sandbox("bubblewrap"))
    yield made
    made.folder.cleanup()


@pytest.fixture
def do() -> Callable[[Awaitable[T]], T]:
    async def waited(what: Awaitable[T]) -> T:
        return await what

    return lambda what: asyncio.run(waited(what))


@scorer(metrics=[accuracy()])
def passes() -> Scorer:
    """Score whether the program that the model wrote adds correctly."""

    async def score(state: TaskState, target: Target) -> Score:
        await sandbox().write_file("program.py", state.output.completion)
        done = await sandbox().exec(["python3", "-c", "from program import add; assert add(2, 3) == 5"], timeout=20)
        return Score(value=CORRECT if done.success else INCORRECT, explanation=done.stderr)

    return score


@pytest.mark.parametrize("config", [None, PtbSandboxConfig(backend="process")], ids=["default", "process"])
def test_a_task_has_a_models_code_run(config: PtbSandboxConfig | None, tmp_path: Path) -> None:
    asked = "ptb" if config is None else SandboxEnvironmentSpec("ptb", config)
    written = ["def add(a, b): return a + b", "def add(a, b): return a - b"]
    outputs = [ModelOutput.from_content("mockllm/model", one) for one in written]
    for output in outputs:
        output.usage = ModelUsage()  # else a tokenizer is fetched to count
    model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
    samples = [Sample(input="Write add.", target="", id=number) for number in (1, 2)]
    task = Task(dataset=samples, solver=generate(), scorer=passes(), sandbox=asked)
    log = eval(task, model=model, log_dir=str(tmp_path), display="none", max_samples=1)[0]
    assert log.status == "success", log.error
    assert [next(iter(sample.scores.values())).value for sample in log.samples or []] == [CORRECT, INCORRECT]


def test_commands_share_a_directory_and_nothing_else(environment: PtbSandbox, do: Callable) -> None:
    done = do(environment.exec(["sh", "-c", "cat; echo of it > note; id -u; ls /home"], input="a word\n"))
    assert (done.success, done.stdout.splitlines()[:2]) == (False, ["a word", "1000"])
    assert "ls: cannot access '/home'" in done.stderr
    assert do(environment.read_file("note")) == "of it\n"
    assert do(environment.exec(["sh", "-c", "echo $A; pwd"], cwd="sub", env={"A": "b"})).returncode != 0
    do(environment.write_file("sub/deep/bytes", b"\xff\r\n"))
    assert do(environment.read_file("/workspace/sub/deep/bytes", text=False)) == b"\xff\r\n"
    assert do(environment.exec(["pwd"], cwd="sub/deep")).stdout == "/workspace/sub/deep\n"


@pytest.mark.parametrize(
    ("prepare", "file", "error"),
    [
        ("true", "absent", FileNotFoundError),
        ("mkdir folder", "folder", IsADirectoryError),
        ("echo x > file; chmod 0 file", "file", PermissionError),
    ],
)
def test_files_that_cannot_be_read(
    prepare: str, file: str, error: type[Exception], environment: PtbSandbox, do: Callable
) -> None:
    do(environment.exec(["sh", "-c", prepare]))
    if error is PermissionError and do(environment.exec(["cat", file])).success:
        pytest.skip("the sandbox's user is root outside, whom no mode binds")
    with pytest.raises(error):
        do(environment.read_file(file))


def test_links_do_not_reach_host_files(environment: PtbSandbox, do: Callable, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    do(environment.exec(["ln", "-s", str(secret), "link"]))
    with pytest.raises(FileNotFoundError):
        do(environment.read_file("link"))
    with pytest.raises(OSError, match="link"):
        do(environment.write_file("link", "changed"))
    assert secret.read_text() == "secret"


def test_time_and_output_are_limited(environment: PtbSandbox, do: Callable, tmp_path: Path) -> None:
    marker = f"sleeper-{tmp_path.name}"
    with pytest.raises(TimeoutError):
        do(environment.exec(["sh", "-c", f"sleep 600 # {marker}\ntrue"], timeout=1))
    assert marked(marker) == []
    with pytest.raises(OutputLimitExceededError):
        do(environment.exec(["yes"]))
    with pytest.raises(SandboxUserUnsupportedError):
        do(environment.exec(["true"], user="root"))
