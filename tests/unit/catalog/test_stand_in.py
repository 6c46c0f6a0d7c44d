"""The catalog that `scripts/stand_in.py` writes: the suite `small` with another model."""

import runpy
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.catalog import loading

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "stand_in.py"))
MODEL, INSTRUCT, SUITE = SCRIPT["MODEL"], SCRIPT["INSTRUCT"], SCRIPT["SUITE"]


def test_suite_of_the_stand_in_has_the_settings_of_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SCRIPT["write_entries"](tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv(loading.VARIABLE, str(tmp_path))
        loading.load_shelf.cache_clear()
        suites, models = catalog.suites(), catalog.models()
        template = catalog.chat_template(models[MODEL], tools=True)
    loading.load_shelf.cache_clear()
    differ = {key for key, value in suites["small"] if value != getattr(suites[SUITE], key)}
    assert differ == {"id", "title", "models", "required"}
    assert {*suites["small"].required} - {*suites[SUITE].required} == {"model_substitution"}
    assert suites[SUITE].models == [MODEL]
    assert models[MODEL].instruct == INSTRUCT
    assert models[MODEL].directory == models[INSTRUCT].directory == (tmp_path / "checkpoint").resolve()
    assert "<tools>" in template
