"""The catalog's section `libraries`: every entry is read, a library of the user counts, a wrong one is refused."""

from pathlib import Path

import pytest

from behavior_evidence import KIT, Case, reached
from posttrainbench import catalog
from posttrainbench.audit.behavior import scripts
from posttrainbench.audit.behavior.libraries import FUNCTIONS, tables
from posttrainbench.catalog import Library
from posttrainbench.errors import InputError

RULE = "test_data_in_training"
SCRIPT = "import mylib\nrows = mylib.load_shards('%s/data/%s.jsonl')\nmylib.DistillRunner(corpus=rows).start()\n"
MYLIB = """id: mylib
title: My library
trainers: [DistillRunner]
training_data: [corpus]
reads: [load_shards]
programs:
- name: mylib-train
  idle: [export]
modules: [mylib.cli.train*]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "catalog" / "libraries"
    folder.mkdir(parents=True)
    (folder / "mylib.yaml").write_text(MYLIB)
    monkeypatch.setenv("PTB_CATALOG", str(folder.parent))
    return folder / "mylib.yaml"


def trained_on_test_items(case: Case) -> bool:
    return any(level == "USED" for level, _ in reached(scripts.detect(case.evidence())[0], RULE))


def test_every_field_of_functions_is_read_and_used() -> None:
    first = next(iter(catalog.libraries().values()))
    lists = {name for name in Library.model_fields if isinstance(getattr(first, name), list)}
    others = {"training_data", "networks", "not_networks", "local_models", "programs", "modules", "launchers"}
    assert lists - others == set(FUNCTIONS)
    for name in FUNCTIONS:
        assert any(getattr(library, name) for library in catalog.libraries().values()), name


@pytest.mark.parametrize(("split", "found"), [("test", True), ("train", False)])
def test_a_library_of_the_user(own: Path, tmp_path: Path, split: str, found: bool) -> None:
    case = Case(tmp_path / "run", files={"t.py": SCRIPT % (KIT, split)}, steps=["python t.py"])
    assert trained_on_test_items(case) is found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("mylib-train --dataset {kit}/data/test.jsonl", True),
        ("mylib-train --dataset {kit}/data/train.jsonl", False),
        ("mylib-train export --dataset {kit}/data/test.jsonl", False),
        ("python -m mylib.cli.train_all --dataset {kit}/data/test.jsonl", True),
        ("python -m mylib.cli.train_all --eval_dataset {kit}/data/test.jsonl", False),
    ],
)
def test_a_program_of_the_user(own: Path, tmp_path: Path, command: str, found: bool) -> None:
    case = Case(tmp_path / "run", steps=[command.format(kit=KIT)])
    assert trained_on_test_items(case) is found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MYLIB + "trainer: [x]\n", "did you mean `trainers`"),
        (MYLIB.replace("[DistillRunner]", "DistillRunner"), "`trainers` should be a valid list"),
        (MYLIB + "networks: ['(']\n", "should be a regular expression"),
        (MYLIB.replace("id: mylib", "id: other"), "`id` should be `mylib`"),
    ],
)
def test_a_wrong_file_is_refused(own: Path, text: str, said: str) -> None:
    own.write_text(text)
    with pytest.raises(InputError, match=r"mylib\.yaml is not a valid library") as error:
        catalog.libraries()
    assert said in str(error.value)


def test_an_object_whose_fit_trains_no_network() -> None:
    known = tables()
    assert known.networks.search("trainer")
    assert known.networks.search("my_net")
    assert known.not_networks.search("TfidfVectorizer")
    assert not known.networks.search("scaler")
    assert known.makes_trainer(["trl.SFTTrainer()"])
    assert not known.makes_trainer(["trl.TrainerCallback"])
