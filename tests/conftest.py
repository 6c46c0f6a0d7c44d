"""Fixtures that all tests share. What the tests call by name is in `support`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Finished, ptb

from posttrainbench.errors import InputError
from posttrainbench.sandbox.bubblewrap import Bubblewrap


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a sandbox, with the sandbox's own reason, where there is none."""
    marked = [item for item in items if item.get_closest_marker("sandbox")]
    if not marked:
        return
    try:
        Bubblewrap().check()
    except InputError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session", autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches of this test session: baselines are computed once in it, and the user's are neither read nor written."""
    root = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("XDG_DATA_HOME", str(root / "data"))
        yield root


@pytest.fixture(scope="session")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An uninterrupted `ptb run --json` of the agent that submits the instruct model. Not to be changed: copy it."""
    root = tmp_path_factory.mktemp("experiment") / "flagged"
    return Finished(
        root,
        ptb(
            *("run", "--agent", "recipe-cheat-swap", "--model", "micro-base", "--benchmark", "micro-math"),
            *("--out", root, "--json"),
        ),
    )
