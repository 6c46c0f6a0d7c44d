"""A row's numbers do not depend on the rows beside it; its seed decides what it samples."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks.registry import load_benchmark

pytestmark = pytest.mark.training

TEMPLATE = catalog.models()["micro-instruct"].directory / "chat_template.jinja"
TOKENS = 16


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As the engine and the kit compute: with several threads a row's numbers would depend on its place."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(checkpoint: Path):
    from posttrainbench.engines.generation import Generator

    return Generator(checkpoint, TEMPLATE.read_text())


@pytest.fixture(scope="module")
def greedy():
    return load(catalog.models()["micro-instruct"].directory)


@pytest.fixture(scope="module")
def sampling(tmp_path_factory: pytest.TempPathFactory):
    return load(with_decoding(tmp_path_factory.mktemp("checkpoint"), do_sample=True, temperature=3.0, top_p=0.9))


def with_decoding(folder: Path, **settings: object) -> Path:
    """The instruct model with other decoding settings."""
    checkpoint = folder / "checkpoint"
    shutil.copytree(catalog.models()["micro-instruct"].directory, checkpoint)
    path = checkpoint / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return checkpoint


def requests_of(generator, benchmark: str, count: int, seed: int | None = None) -> list:
    from posttrainbench.engines.generation import Request

    items = load_benchmark(benchmark).load("test")[:count]
    chats = [[{"role": "user", "content": item.question}] for item in items]
    return [
        Request(generator.encode(chat), TOKENS, number if seed is None else seed) for number, chat in enumerate(chats)
    ]


class Recorder:
    """A logits processor that changes nothing and keeps what it saw, step by step."""

    def __init__(self) -> None:
        self.steps: list = []

    def __call__(self, ids, scores):
        self.steps.append(scores.clone())
        return scores


def recorded(generator, requests: list) -> tuple[list, list]:
    """What was generated for one batch, and the scores of all its rows at every step."""
    recorder = Recorder()
    generator.processors.append(recorder)
    try:
        return generator.generate(requests), recorder.steps
    finally:
        generator.processors.remove(recorder)


@pytest.mark.parametrize("kind", ["greedy", "sampling"])
@pytest.mark.slow
def test_completions_do_not_depend_on_their_batch(kind: str, request: pytest.FixtureRequest) -> None:
    generator = request.getfixturevalue(kind)
    wanted = requests_of(generator, "micro-math", 54) + requests_of(generator, "micro-calls", 8)
    assert len({one.bucket for one in wanted}) > 1
    together = generator.generate(wanted)
    assert len({done.text for done in together}) > 10
    assert generator.generate(wanted[::-1]) == together[::-1]
    for index in (0, 53, 60):
        assert generator.generate([wanted[index]]) == [together[index]]


@pytest.mark.parametrize("kind", ["greedy", "sampling"])
def test_scores_do_not_depend_on_the_batch_by_a_single_bit(kind: str, request: pytest.FixtureRequest) -> None:
    import torch

    generator = request.getfixturevalue(kind)
    wanted = requests_of(generator, "micro-math", 40)
    bucket = wanted[0].bucket
    wanted = [one for one in wanted if one.bucket == bucket]
    assert len(wanted) > 5
    _, alone = recorded(generator, wanted[:1])
    for place, batch in ((0, wanted), (len(wanted) - 1, wanted[::-1])):
        _, steps = recorded(generator, batch)
        assert len(steps) >= len(alone)
        for mine, all_rows in zip(alone, steps, strict=False):
            assert torch.equal(mine[0], all_rows[place])


def test_sampling_is_reproducible_by_seed_and_varies_with_it(sampling) -> None:
    first, same, other = (sampling.generate(requests_of(sampling, "micro-math", 30, seed)) for seed in (1, 1, 2))
    assert first == same
    assert sum(one != another for one, another in zip(first, other, strict=True)) > 10


def test_rows_with_one_prompt_and_several_seeds_differ(sampling) -> None:
    from posttrainbench.engines.generation import Request

    [prompt] = {one.prompt for one in requests_of(sampling, "micro-math", 1)}
    done = sampling.generate([Request(prompt, TOKENS, seed) for seed in range(20)])
    assert len({one.text for one in done}) > 5


def test_greedy_decoding_ignores_the_seed(greedy) -> None:
    first, other = (greedy.generate(requests_of(greedy, "micro-math", 5, seed)) for seed in (1, 2))
    assert first == other


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"do_sample": True, "temperature": 0.7, "top_p": 0.5, "top_k": 5}, ["Temperature", "TopK", "TopP"]),
        ({"do_sample": True, "temperature": 1.0}, []),
        ({"do_sample": True, "min_p": 0.1, "repetition_penalty": 1.1}, ["RepetitionPenalty", "MinP"]),
        ({"do_sample": False, "temperature": 0.7, "repetition_penalty": 1.1}, ["RepetitionPenalty"]),
    ],
)
def test_decoding_settings_of_the_checkpoint_apply(
    settings: dict[str, object], expected: list[str], tmp_path: Path
) -> None:
    generator = load(with_decoding(tmp_path, **{"top_k": 0} | settings))
    names = [
        type(one).__name__.removesuffix("LogitsWarper").removesuffix("LogitsProcessor") for one in generator.processors
    ]
    assert names == expected
    assert generator.sample == settings["do_sample"]


def test_top_k_of_one_is_greedy(tmp_path: Path, greedy) -> None:
    generator = load(with_decoding(tmp_path, do_sample=True, temperature=5.0, top_k=1))
    wanted = requests_of(greedy, "micro-math", 5)
    assert generator.generate(wanted) == greedy.generate(wanted)


def test_limit_cuts_and_says_so(greedy) -> None:
    from dataclasses import replace

    [whole] = greedy.generate([replace(requests_of(greedy, "micro-math", 1)[0], max_tokens=200)])
    [cut] = greedy.generate([replace(requests_of(greedy, "micro-math", 1)[0], max_tokens=3)])
    assert not whole.cut
    assert (cut.cut, cut.tokens) == (True, 3)
    assert whole.text.startswith(cut.text)
    assert "<|im_end|>" not in whole.text


def test_checkpoint_brings_no_chat_template(tmp_path: Path, greedy) -> None:
    checkpoint = with_decoding(tmp_path)
    (checkpoint / "chat_template.jinja").write_text("hijacked")
    assert load(checkpoint).encode([{"role": "user", "content": "x"}]) == greedy.encode(
        [{"role": "user", "content": "x"}]
    )
