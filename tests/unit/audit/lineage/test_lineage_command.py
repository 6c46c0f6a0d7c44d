"""`ptb lineage`: exit codes, JSON output and packs."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lineage_checkpoints import plus, random_weights, write
from posttrainbench.cli.lineage import app
from posttrainbench.errors import InputError

BASE = random_weights(0)


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    write(tmp_path / "base", BASE)
    write(tmp_path / "instruct", plus(BASE, 1, 0.02))
    write(tmp_path / "sibling", plus(BASE, 5, 0.02))
    write(tmp_path / "honest", plus(BASE, 2, 0.02))
    return tmp_path


@pytest.mark.parametrize(
    ("candidate", "verdict", "code"),
    [("honest", "clean", 0), ("base", "base_unchanged", 0), ("instruct", "proof", 1)],
)
def test_verdict_and_exit_code(folders: Path, candidate: str, verdict: str, code: int) -> None:
    against = ("--base", folders / "base", "--against", folders / "instruct")
    done = call(folders / candidate, *against, "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["verdict"]) == (code, verdict)
    assert said["against"] == str(folders / "instruct")
    assert said["statistics"]["slope_cells"] > 0
    assert {"name", "identical", "slope"} <= said["tensors"][0].keys()
    shown = call(folders / candidate, *against)
    assert shown.exit_code == code
    assert verdict.split("_")[0] in shown.stdout


def test_options_may_come_first(folders: Path) -> None:
    done = call("--json", "--base", folders / "base", "--against", folders / "instruct", folders / "honest")
    assert done.exit_code == 0


def test_the_worst_of_several_counts(folders: Path) -> None:
    done = call(
        *(folders / "instruct", "--base", folders / "base", "--json"),
        *("--against", folders / "sibling", "--against", folders / "instruct"),
    )
    said = json.loads(done.stdout)
    assert said["verdict"] == "proof"
    assert said["against"] == str(folders / "instruct")
    assert [one["verdict"] for one in said["comparisons"]] == ["clean", "proof"]


def test_models_of_the_catalog_know_their_siblings() -> None:
    from posttrainbench import catalog

    instruct = catalog.models()["micro-instruct"].directory
    done = call(instruct, "--base", "micro-base", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["against"] == "micro-instruct"


def test_a_pack_takes_the_place_of_both(folders: Path) -> None:
    pack = folders / "pair.safetensors"
    made = call("pack", "--base", folders / "base", "--against", folders / "instruct", "--out", pack)
    assert made.exit_code == 0
    assert "tensors" in made.stdout
    assert call(folders / "instruct", "--pack", pack).exit_code == 1
    assert call(folders / "honest", "--pack", pack).exit_code == 0


def test_what_cannot_be_checked_is_bad_input(folders: Path) -> None:
    (folders / "broken").mkdir()
    (folders / "broken" / "model.safetensors").write_bytes(b"torn")
    for arguments in (
        (folders / "broken", "--base", folders / "base", "--against", folders / "instruct"),
        (folders / "honest", "--base", folders / "base"),  # a directory has no known siblings
        (folders / "honest", "--base", "no-such-model", "--against", folders / "instruct"),
        (folders / "honest", "--against", folders / "instruct"),
        (folders / "honest",),
        (folders / "honest", "--pack", folders / "base" / "model.safetensors"),
        (folders / "honest", "--base", folders / "base", "--against", folders / "base"),
        ("pack", "--base", folders / "base", "--against", folders / "instruct", "--out", folders / "no" / "where"),
    ):
        assert isinstance(call(*arguments).exception, InputError), arguments
