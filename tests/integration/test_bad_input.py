"""Bad input: one sentence with the fix, exit code 2, nothing on stdout, nothing changed on disk."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.records import Stage, Status
from posttrainbench.run import Run
from support import PTB, Finished, agent, assert_refused, contents, make_run, ptb, settle

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]

CHOICES = {"agent": "recipe-noop", "model": "micro-base", "benchmark": "micro-math"}


def options(**changed: str | None) -> list[str]:
    """The options of `ptb run`, some of them changed or (None) left out."""
    chosen = {name: value for name, value in (CHOICES | changed).items() if value is not None}
    return [word for name, value in chosen.items() for word in (f"--{name}", value)]


WRONG_WORDS: dict[str, tuple[list[str], str]] = {
    "agent": (["run", *options(agent="recipe-sftt")], "Unknown agent `recipe-sftt`; did you mean `recipe-sft`?"),
    "agent unlike any": (["run", *options(agent="zzz")], "Unknown agent `zzz`; choose one of: "),
    "model": (["run", *options(model="micro-bass")], "Unknown model `micro-bass`; did you mean `micro-base`?"),
    "instruct model": (["run", *options(model="micro-instruct")], "`micro-instruct` is not a base model"),
    "benchmark": (["run", *options(benchmark="micro-maths")], "did you mean `micro-math`?"),
    "no agent": (["run", *options(agent=None)], "--agent"),
    "no model": (["run", *options(model=None)], "--model"),
    "no benchmark": (["run", *options(benchmark=None)], "--benchmark"),
    **{
        f"budget {budget}": (["run", *options(), f"--budget={budget}"], "is not a valid time; use a value above zero")
        for budget in ("0s", "-5s", "soon", "1d", "1e3", "nan", "9" * 400, "")
    },
    "budget without unit": (["run", *options(), "--budget", "10"], "has no unit; write 10s, 10m or 10h"),
    "absurd budget": (["run", *options(), "--budget", "5000h"], "use a value from 1s to 720h"),
    "memory": (["run", *options(), "--memory", "1K"], "No agent can work with --memory 1K; use at least 64M"),
    "engine setting": (["run", *options(), "--engine-setting", "x=1"], "The engine transformers has no setting `x`"),
    "agent setting": (["run", *options(agent="react/openai/m?colour=red")], "`colour` is not a setting of react"),
    "setting": (["run", *options(agent="recipe-sft?steps")], "`steps` in agent"),
    "no sandbox unasked": (["run", *options(), "--sandbox", "process"], "add --insecure-no-sandbox"),
    "sandbox": (["run", *options(), "--sandbox", "bubblewarp"], "not among the installed sandboxes"),
    "image of no sandbox": (["run", *options(), "--insecure-no-sandbox", "--image", "x"], "does not use images"),
    "size": (["run", *options(), "--memory", "lots"], "`lots` is not a valid size"),
    "GPUs": (["run", *options(), "--gpus", "all"], "`all` is not a valid list of GPUs"),
    "more GPUs than any": (["run", *options(), "--gpus", "4096"], "GPU 4096, but this machine has"),
    "no script": (["run", *options(agent="recipe")], "recipe?script=PATH"),
    "absent script": (["run", *options(agent="recipe?script=absent.py")], "recipe?script=PATH"),
    "directory as script": (["run", *options(agent="recipe?script=.")], "recipe?script=PATH"),
    "absent run.json": (["run", "@absent/run.json"], "absent/run.json does not exist; give @RUN/run.json"),
    "resume": (["resume", "absent"], "absent does not exist; give"),
    "status": (["status", "absent"], "absent does not exist; give"),
    "status without runs": (["status"], "runs does not exist"),
    "trace": (["trace", "absent"], "absent does not exist; give"),
    "audit": (["audit", "absent"], "absent does not exist; give"),
    "leaderboard": (["leaderboard", "absent"], "absent does not exist; give"),
    "compare": (["compare", "absent", "a", "b"], "absent does not exist; give"),
    "baseline of no suite": (["baseline", "--suite", "micr"], "did you mean `micro`?"),
    "baseline of no kind": (["baseline", "--suite", "micro", "--kind", "best"], "base, few_shot, instruct"),
    "baseline of another suite": (["baseline", "--suite", "v1", "--benchmark", "micro-math"], "does not have"),
    "run without its model": (
        ["run", "--agent", "recipe-noop", "--model", "Qwen3-1.7B-Base", "--benchmark", "gsm8k"],
        "ptb data pull",
    ),
    "data of nothing": (["data", "pull", "nothing"], "nothing"),
    "experiment file": (["launch", "absent.yaml"], "absent.yaml does not exist; give an experiment file"),
    "port": (["view", "--port", "99999"], "--port"),
    "absent catalog": (["--catalog", "absent", "catalog"], "absent"),
    "evaluate": (["evaluate", "absent"], "absent does not exist; give the directory of a run or a checkpoint"),
    "shelf": (["catalog", "agent"], "Unknown catalog section `agent`"),
    "entry": (["catalog", "agents", "recipe-nop"], "did you mean `recipe-noop`?"),
}


@pytest.mark.sandbox
@pytest.mark.parametrize(("words", "mention"), WRONG_WORDS.values(), ids=[name[:20] for name in WRONG_WORDS])
def test_wrong_words(words: list[str], mention: str, ptb_here: Ptb, tmp_path: Path) -> None:
    assert_refused(ptb_here(*words, cwd=tmp_path), mention)
    assert contents(tmp_path) == {}


@pytest.mark.sandbox
@pytest.mark.parametrize("kind", ["run", "full directory", "file"])
def test_out_that_is_taken(kind: str, ptb_here: Ptb, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "run":
        make_run(out, "recipe-noop")
    elif kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    before = contents(tmp_path)
    assert_refused(ptb_here("run", *options(), "--out", out), str(out), "--out")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("words", [["demo"], ["harbor", "export"]], ids=lambda words: words[0])
def test_out_that_is_a_file(words: list[str], ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    refused = ptb_here(*words, "--out", "out", cwd=tmp_path)
    assert_refused(refused, "out is a file; give the path of a new or empty directory with --out.")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.sandbox
def test_out_that_cannot_be_made() -> None:
    assert_refused(ptb("run", *options(), "--out", "/proc/runs/one"), "--out")


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.parametrize("word", ["resume", "audit"])
def test_run_that_another_process_works_on(word: str, flagged: Finished, tmp_path: Path) -> None:
    run = Run(shutil.copytree(flagged.root, tmp_path / "run"))
    before = contents(tmp_path)
    with run.lock():
        assert_refused(ptb(word, run.root), f"Process {os.getpid()} is working on {run.root}")
    assert contents(tmp_path) == before


UNREADABLE_RUNS = {"empty": b"", "no JSON": b"{", "binary": b"\xff\xfe\x00", "of another version": b'{"run": "one"}'}


@pytest.mark.parametrize("word", ["resume", "trace", "audit", "evaluate", "leaderboard"])
@pytest.mark.parametrize("content", UNREADABLE_RUNS.values(), ids=UNREADABLE_RUNS)
def test_unreadable_run(content: bytes, word: str, ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    before = contents(tmp_path)
    assert_refused(ptb_here(word, tmp_path), str(tmp_path))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("content", UNREADABLE_RUNS.values(), ids=UNREADABLE_RUNS)
def test_status_lists_an_unreadable_run_with_the_reason(content: bytes, ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    said = ptb_here("status", tmp_path, "--json")
    (shown,) = json.loads(said.stdout)
    assert (said.returncode, shown["state"], shown["score"]) == (0, "damaged", None)
    assert "run.json" in shown["problem"]
    assert contents(tmp_path).keys() == {"run.json"}


@pytest.mark.parametrize("content", UNREADABLE_RUNS.values(), ids=UNREADABLE_RUNS)
def test_run_from_an_unreadable_run(content: bytes, ptb_here: Ptb, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    before = contents(tmp_path)
    assert_refused(ptb_here("run", f"@{tmp_path}/run.json", cwd=tmp_path), "run.json cannot be read")
    assert contents(tmp_path) == before


@pytest.mark.sandbox
@pytest.mark.parametrize("word", ["trace", "audit", "evaluate"])
def test_run_that_has_not_come_so_far(word: str, ptb_here: Ptb, tmp_path: Path) -> None:
    root = make_run(tmp_path / "run", "recipe-noop").root
    before = contents(root)
    assert_refused(ptb_here(word, root), f"ptb resume {root}")
    assert contents(root) == before


def truncate(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.chmod(0o644)
    os.truncate(weights, weights.stat().st_size // 2)


def empty(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"")


def invalidate_config(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text("{")


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.parametrize("damage", [truncate, empty, invalidate_config])
def test_checkpoint_that_cannot_be_loaded(damage: Callable[[Path], None], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(catalog.models()["micro-base"].directory, checkpoint)
    damage(checkpoint)
    before = contents(checkpoint)
    said = ptb("evaluate", checkpoint, "--benchmark", "micro-math", "--limit", 1)
    assert_refused(said, f"{checkpoint} cannot be evaluated as a checkpoint of micro-base", "--base")
    assert contents(checkpoint) == before


@pytest.mark.parametrize(
    "words",
    [["run", *options()], ["resume", "RUN"], ["evaluate", "CHECKPOINT", "--benchmark", "micro-math"]],
    ids=lambda words: words[0],
)
def test_missing_bubblewrap(words: list[str], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", agent(tmp_path, ""), sandbox="process")
    spec = json.loads((run.root / "run.json").read_text()) | {"sandbox": "bubblewrap"}
    (run.root / "run.json").write_text(json.dumps(spec))
    places = {"RUN": run.root, "CHECKPOINT": catalog.models()["micro-base"].directory}
    before = contents(tmp_path)
    bare = os.environ | {"PATH": str(tmp_path)}
    said = ptb(*(places.get(word, word) for word in words), cwd=tmp_path, env=bare)
    assert_refused(said, "bubblewrap", "apt install bubblewrap", "--insecure-no-sandbox")
    assert contents(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of so many megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.sandbox
def test_disk_too_small_for_a_run(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("size=1m")
    assert_refused(ptb("run", *options(), "--out", disk / "run"), "MB left, and a run needs", "--out")
    assert contents(disk) == {}


@pytest.mark.sandbox
def test_disk_that_is_read_only(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("ro,size=1m")
    assert_refused(ptb("run", *options(), "--out", disk / "run"), "not writable", "--out")


@pytest.mark.sandbox
@pytest.mark.training
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.SOLVE])
def test_disk_that_fills_up(stage: Stage, small_disk: Callable[[str], Path], tmp_path: Path) -> None:
    disk = small_disk("size=300m")
    fill = "import posttrainbench.run.pipeline as p, pathlib, errno\nfrom posttrainbench.records import Stage\n"
    fill += f"original = p.STAGES[Stage({stage.value!r})]\n"
    fill += "def filled(*given):\n    with pathlib.Path(given[0].root.parent, 'ballast').open('wb') as file:\n"
    fill += "        try:\n            while True: file.write(bytes(4096)); file.flush()\n"
    fill += "        except OSError as error: assert error.errno == errno.ENOSPC\n    original(*given)\n"
    fill += f"p.STAGES[Stage({stage.value!r})] = filled"
    run = make_run(disk / "run", agent(tmp_path, ""))
    said = ptb("resume", run.root, "--json", code=fill)
    assert said.returncode == 2, said.stderr
    assert said.stdout == ""
    assert said.stderr.splitlines()[-1].startswith(f"ptb: The disk of {run.root} is full; free some space")
    assert "Traceback" not in said.stderr
    assert run.next_stage() is stage

    (disk / "ballast").unlink()
    assert settle(run).status is Status.BASE_FALLBACK


def test_unknown_options_end_with_2_and_no_traceback() -> None:
    said = subprocess.run([PTB, "run", "--agnt", "x"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    assert "--agnt" in said.stderr
    assert "Traceback" not in said.stderr


def test_module_is_the_same_command() -> None:
    said = subprocess.run([sys.executable, "-m", "posttrainbench", "status", "absent"], capture_output=True, text=True)
    assert_refused(said, "absent does not exist; give")
