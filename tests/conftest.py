"""Fixtures for all tests. Helper functions are in `support`."""

import fcntl
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

import posttrainbench
from posttrainbench.cli import main
from posttrainbench.errors import InputError
from posttrainbench.records import Result, Stage, Status
from posttrainbench.run import Run, pipeline
from posttrainbench.run.solve import solve
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from support import Finished, ptb

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several workers share the cores
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes would compile the same modules
sys.dont_write_bytecode = False
hypothesis.settings.register_profile("untimed", deadline=None)  # other processes must not make a test fail
hypothesis.settings.load_profile("untimed")


LONGEST = ("test_image_build", "test_lineage_zoo", "test_catalogue", "test_agents_models", "test_parity_humaneval")
"""Modules that take minutes, longest first."""
LONGEST_REPORT = 4000
"""Characters of a failure's traceback that are printed at once."""
DEEPEST = 10_000
"""Depth of directories in tests."""
SLOWEST = 25
"""Modules in the list of the slowest ones, which a session of at least `LONG_SESSION` seconds of tests prints."""
LONG_SESSION = 300.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long modules first, so that no worker is left with one at the end, and unit tests last.

    Skip tests that need a sandbox if it does not work, with its own reason.
    """
    items.sort(key=_rank)
    marked = [item for item in items if item.get_closest_marker("sandbox")]
    if not marked:
        return
    try:
        Bubblewrap().check()
    except InputError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print a failure when it happens: the end of a run that is cut off, with its list of failures, is lost."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid} failed in its {report.when}:\n{report.longreprtext[-LONGEST_REPORT:]}", flush=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Let pytest remove directories of earlier sessions however deep they are; otherwise it ends without a summary."""
    sys.setrecursionlimit(DEEPEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the slowest modules of a long session, and the CPU time of all processes."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if seconds.total() < LONG_SESSION:
        return
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    terminalreporter.section("slowest modules")
    for name, duration in seconds.most_common(SLOWEST):
        terminalreporter.write_line(f"{duration:6.0f} s {name}")
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    terminalreporter.write_line(f"{seconds.total():6.0f} s in all, {cpu:.0f} s of CPU time")


def _rank(item: pytest.Item) -> tuple[int, bool]:
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST), "unit" in item.path.parts


def kernel_cache(config: pytest.Config, otherwise: Path) -> Path:
    """Return the directory for compiled kernels of these sources, shared by all sessions and their processes.

    Args:
        otherwise: used if pytest runs without its cache.
    """
    cache = getattr(config, "cache", None)
    if cache is None:
        otherwise.mkdir()
        return otherwise
    digest = hashlib.sha256()
    for source in sorted((Path(posttrainbench.__file__).parent / "audit").glob("*/**/*.py")):
        if "numba" in (text := source.read_text()) or "scan" in source.parts:
            digest.update(text.encode())
    return Path(cache.mkdir(f"kernels-{digest.hexdigest()[:16]}"))


def shared_by_workers(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary directory that all workers of this session share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def own_caches(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set up caches for this session, so that the user's are not touched. All workers share the computed baselines.

    Only compiled kernels outlive a session, because compiling them takes longer than most tests.
    """
    root = tmp_path_factory.mktemp("caches")
    shared = shared_by_workers(tmp_path_factory) / "baselines"
    shared.mkdir(exist_ok=True)
    (root / "cache" / "posttrainbench").mkdir(parents=True)
    (root / "cache" / "posttrainbench" / "baselines").symlink_to(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(kernel_cache(pytestconfig, root / "kernels")))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("XDG_DATA_HOME", str(root / "data"))
        yield root


@pytest.fixture(scope="session")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of the agent that submits the instruct model, by `ptb run --json`. Copy it before changing it.

    One worker makes it for all.
    """
    shared = shared_by_workers(tmp_path_factory)
    root, kept = shared / "experiment" / "flagged", shared / "flagged.json"
    with (shared / "flagged.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            root.parent.mkdir()
            done = ptb(
                *("run", "--agent", "recipe-cheat-swap", "--model", "micro-base", "--benchmark", "micro-math"),
                *("--out", root, "--json"),
            )
            kept.write_text(json.dumps([done.args, done.returncode, done.stdout, done.stderr]))
    return Finished(root, subprocess.CompletedProcess(*json.loads(kept.read_text())))


@pytest.fixture
def short_evaluations() -> Iterator[None]:
    """Evaluate runs on a few items, with an engine in this process, whose start takes longer than the answers do."""
    pytest.importorskip("torch")
    from engine_here import short_evaluations

    with short_evaluations():
        yield


@pytest.fixture
def solve_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the solve stage in this process, so that monkeypatches apply to it."""
    monkeypatch.setitem(pipeline.STAGES, Stage.SOLVE, solve)


@pytest.fixture
def solving_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make runs end after the stage solve, for tests that check only its files."""

    def settle(run: Run) -> None:
        none = {"score": None, "raw_score": None, "base_score": None, "instruct_score": None}
        result = Result(run=run.spec.run, status=Status.NOT_AUDITED, verdict={}, reasons=[], evidence=[], **none)
        (run.root / "result.json").write_text(result.model_dump_json())

    stages = {stage: pipeline.STAGES[stage] for stage in (Stage.PREPARE, Stage.SOLVE)}
    monkeypatch.setattr(pipeline, "STAGES", stages)
    monkeypatch.setattr(pipeline, "settle", settle)


@pytest.fixture
def ptb_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """Run `ptb` in this process, which is much faster than `support.ptb` and can be patched."""
    handler = signal.getsignal(signal.SIGTERM)
    catalogs = os.environ.get("PTB_CATALOG")  # the option `--catalog` sets it, for child processes

    def call(*args: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        words = [str(word) for word in args]
        monkeypatch.setattr(sys, "argv", ["ptb", *words])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, code, said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, handler)
    if catalogs is None:
        os.environ.pop("PTB_CATALOG", None)
    else:
        os.environ["PTB_CATALOG"] = catalogs
