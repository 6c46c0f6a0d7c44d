"""`evaluate.py` accepts a checkpoint if and only if the final check accepts it, and both evaluate the same files.

What is accepted gives the same tokens as the submitted weights with the base model's tokenizer.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

import posttrainbench
from posttrainbench.kit import evaluate
from posttrainbench.records import SubmissionManifest
from posttrainbench.run.prepare import SUBMISSION_CHECK
from posttrainbench.run.snapshot import snapshot
from posttrainbench.submission.sanitize import sanitize
from submission_variants import BASES, HEAD, PROMPTS, VARIANTS, Place, Tensors, Variant, build_base

PACKAGE = Path(posttrainbench.__file__).parent
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
SAMPLED = (
    "qwen3: transformers 5", "gemma3: transformers 4.57", "rows cut, transformers 4",
    "added tokens that occur in prompts",
    "a link to the base model through the workspace",
    "another output layer", "nested", "only pickles", "NaN",
    "a tokenizer that makes its library panic",
)  # fmt: skip
"""Variants on which the kit's `evaluate.py` runs as a program."""
RECORDING_ENGINE = """
import shutil

def complete(checkpoint, template, conversations, max_tokens, seed, options):
    shutil.copytree(checkpoint, "evaluated")
    return ["" for _ in conversations]
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: build_base(name, folder / name) for name in BASES}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit as a run gets it, with an engine that keeps what it is given."""
    folder = tmp_path_factory.mktemp("kit")
    for name in SUBMISSION_CHECK:
        target = folder / "evaluation_code" / "posttrainbench" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, target)
    shutil.copy(PACKAGE / "kit" / "evaluate.py", folder)
    (folder / "evaluation_code" / "engine.py").write_text(RECORDING_ENGINE)
    (folder / "evaluation_code" / "scorer.py").write_text("def score(text, target):\n    return False\n")
    (folder / "data").mkdir()
    rows = [{"id": f"t/{number}", "question": text, "target": {}} for number, text in enumerate(PROMPTS)]
    (folder / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "templates").mkdir()
    (folder / "templates" / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@dataclass(frozen=True)
class Case:
    """A variant that was written.

    Attributes:
        variant: its facts.
        place: where it was written.
        weights: its weights with canonical names; None if it must not be accepted.
        task: content of the kit's task.json.
    """

    variant: Variant
    place: Place
    weights: Tensors | None
    task: dict[str, Any]

    def final(self) -> tuple[SubmissionManifest, Path]:
        """The decision of the final check on a snapshot, and the canonical checkpoint."""
        folder = self.place.workspace.parent
        path = str(self.place.workspace)
        snapshot(self.place.workspace, path, folder / "snapshot", self.place.base, str(self.place.base))
        (folder / "submission").mkdir()
        return sanitize(
            folder / "snapshot", folder / "submission", self.place.base, lambda: PROMPTS
        ), folder / "submission"


@pytest.fixture
def written(bases: dict[str, Path], tmp_path: Path) -> Callable[[str], Case]:
    def write(name: str) -> Case:
        variant = VARIANTS[name]
        place = Place(bases[variant.base], tmp_path / "workspace", variant.base)
        weights = variant.build(place)
        task = {
            "base_model": str(place.base), "workspace": str(place.workspace), "feedback": "open", "max_tokens": 4,
            "evaluation_seed": 0,
        }  # fmt: skip
        return Case(variant, place, weights, task)

    return write


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def tokens(model: PreTrainedModel, prompt: list[int]) -> list[int]:
    """The first four greedy tokens."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(4):
            ids = torch.cat([ids, model(ids, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    return [int(number) for number in ids[0, len(prompt) :]]


def reference(case: Case) -> PreTrainedModel:
    """The submitted weights in the base model's architecture, without the code under test."""
    assert case.weights is not None
    config = AutoConfig.from_pretrained(case.place.base).get_text_config()
    embeddings = case.weights["model.embed_tokens.weight"]
    config.vocab_size = len(embeddings)
    config.architectures = None
    model = AutoModelForCausalLM.from_config(config, dtype=embeddings.dtype)
    missing, unexpected = model.load_state_dict(case.weights, strict=False)
    assert (set(missing) - {HEAD}, unexpected) == (set(), [])
    model.tie_weights()
    return model.eval()


def assert_evaluated_as_submitted(case: Case, canonical: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(canonical, dtype="auto").eval()
    original = reference(case)
    assert model.dtype == original.dtype
    ours = Tokenizer.from_file(str(canonical / "tokenizer.json"))
    base = Tokenizer.from_file(str(case.place.base / "tokenizer.json"))
    for prompt in PROMPTS:
        ids = base.encode(prompt).ids
        assert ours.encode(prompt).ids == ids
        assert tokens(model, ids) == tokens(original, ids)


@pytest.mark.parametrize("name", VARIANTS)
def test_kit_and_final_check_decide_alike(
    written: Callable[[str], Case], kit: Path, name: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    case = written(name)
    manifest, canonical = case.final()
    assert manifest.state == case.variant.state, manifest.problems
    assert case.variant.mentions in " ".join(manifest.problems or manifest.facts)
    assert len(manifest.problems) == (0 if manifest.state == "accepted" else 1)
    if case.variant.silent:
        assert (manifest.facts, manifest.refused) == ([], [])

    monkeypatch.setattr(evaluate, "KIT", kit)
    monkeypatch.chdir(case.place.workspace)
    (own := case.place.workspace.parent / "own").mkdir()
    problem = evaluate.write_canonical(Path("final_model"), own, TEMPLATE, case.task)
    notes = [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert (problem == "") is (manifest.state == "accepted"), problem
    assert contents(own) == contents(canonical)
    if manifest.state == "accepted":
        assert notes == manifest.facts
        (again := case.place.workspace.parent / "again").mkdir()
        assert sanitize(canonical, again, case.place.base, lambda: PROMPTS).state == "accepted"
        assert contents(again) == contents(canonical)
        assert_evaluated_as_submitted(case, canonical)
    else:
        assert contents(canonical) == {}


@pytest.mark.parametrize("name", SAMPLED)
def test_evaluate_py_evaluates_the_canonical_files(written: Callable[[str], Case], kit: Path, name: str) -> None:
    case = written(name)
    manifest, canonical = case.final()
    (kit / "task.json").write_text(json.dumps(case.task))
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    command = [sys.executable, str(kit / "evaluate.py"), "--model-path", "final_model"]
    output = subprocess.run(command, cwd=case.place.workspace, env=environment, capture_output=True, text=True)
    assert output.returncode == (0 if manifest.state == "accepted" else 2), output.stderr
    if manifest.state == "accepted":
        assert contents(case.place.workspace / "evaluated") == contents(canonical)
        assert json.loads(output.stdout)["accuracy"] == 0
    else:
        assert output.stderr.strip() == manifest.problems[0]
        assert not (case.place.workspace / "evaluated").exists()


@pytest.mark.parametrize("base", BASES)
def test_the_library_reads_a_submission_as_evaluation_does(written: Callable[[str], Case], base: str) -> None:
    """The model as its author tested it: loaded from `final_model`, whose layout is the library's own."""
    case = written(f"{base}: transformers 5")
    canonical = case.final()[1]
    own = AutoModelForCausalLM.from_pretrained(case.place.final, dtype="auto").eval()
    model = AutoModelForCausalLM.from_pretrained(canonical, dtype="auto").eval()
    ids = AutoTokenizer.from_pretrained(case.place.base)(PROMPTS[0], add_special_tokens=False).input_ids
    assert tokens(own, ids) == tokens(model, ids)


def test_training_changes_the_tokens(written: Callable[[str], Case]) -> None:
    """Otherwise equal tokens would say nothing."""
    case = written("qwen3: transformers 5")
    base = AutoModelForCausalLM.from_pretrained(case.place.base, dtype="auto").eval()
    ids = Tokenizer.from_file(str(case.place.base / "tokenizer.json")).encode(PROMPTS[0]).ids
    assert tokens(base, ids) != tokens(reference(case), ids)


def test_the_variants_are_many() -> None:
    states = [variant.state for variant in VARIANTS.values()]
    assert len(states) >= 60
    assert {state: states.count(state) > 1 for state in set(states)} == dict.fromkeys(
        ("accepted", "refused", "broken", "missing"), True
    )
