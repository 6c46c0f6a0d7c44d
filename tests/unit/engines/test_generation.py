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


def recorded(generator, requests: list, monkeypatch: pytest.MonkeyPatch) -> tuple[list, dict[int, list]]:
    """Return the completions, and the scores of each step by the seed of the request."""
    steps: dict[int, list] = {}
    pick = generator.pick

    def recording(scores, rows):
        for place, row in rows.items():
            steps.setdefault(row.request.seed, []).append(scores[place].clone())
        return pick(scores, rows)

    with monkeypatch.context() as patch:
        patch.setattr(generator, "pick", recording)
        return generator.generate(requests), steps


@pytest.mark.parametrize("kind", ["greedy", "sampling"])
@pytest.mark.slow
def test_completions_do_not_depend_on_other_requests(kind: str, request: pytest.FixtureRequest) -> None:
    generator = request.getfixturevalue(kind)
    wanted = requests_of(generator, "micro-math", 90) + requests_of(generator, "micro-calls", 8)
    assert len(wanted) > generator.rows.count
    together = generator.generate(wanted)
    assert len({done.text for done in together}) > 10
    assert generator.generate(wanted[::-1]) == together[::-1]
    for index in (0, 53, 95):
        assert generator.generate([wanted[index]]) == [together[index]]


@pytest.mark.parametrize("kind", ["greedy", "sampling"])
def test_scores_do_not_depend_on_other_requests_by_a_single_bit(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    generator = request.getfixturevalue(kind)
    wanted = requests_of(generator, "micro-math", 70) + requests_of(generator, "micro-calls", 1, seed=70)
    assert len(wanted) > generator.rows.count
    for index in (0, 70):
        done, alone = recorded(generator, wanted[index : index + 1], monkeypatch)
        for batch in (wanted, wanted[::-1]):
            completions, steps = recorded(generator, batch, monkeypatch)
            assert completions[batch.index(wanted[index])] == done[0]
            assert len(steps[index]) == len(alone[index]) > 1
            assert all(map(torch.equal, steps[index], alone[index]))


LONG = tuple(range(10, 310))
HALF = "\N{REPLACEMENT CHARACTER}"


def of_architecture(kind: str, folder: Path, **settings: object):
    """A generator with a small model of random weights, and the micro models' tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes: dict[str, object] = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "head_dim": 16,
        "num_key_value_heads": 2, "vocab_size": 1024, "max_position_embeddings": 1024, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes | settings))
    for tensor in model.parameters():
        tensor.data.mul_(3)  # otherwise, random models repeat one token
    model.generation_config.eos_token_id = None
    shutil.copytree(catalog.models()["micro-instruct"].directory, folder / kind)
    model.save_pretrained(folder / kind)
    return load(folder / kind)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("qwen3", {}),
        ("llama", {}),
        ("smollm3", {}),
        ("gemma3_text", {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"] * 2}),
        ("mistral", {"sliding_window": 16}),
        ("mamba", {"state_size": 4}),
    ],
)
def test_tokens_are_those_of_the_library(kind: str, settings: dict[str, object], tmp_path: Path) -> None:
    import torch

    from posttrainbench.engines.generation import Request
    from posttrainbench.engines.slots import OneRow, Slots

    generator = of_architecture(kind, tmp_path, **settings)
    assert isinstance(generator.rows, OneRow if kind == "mamba" else Slots)
    generator.rows.together = 1
    prompts = [LONG[:5], LONG, (*LONG[:70], 1, 2), LONG[:128], LONG[3:20]]
    generator.generate([Request(LONG[:64], 2, 0)])
    done = generator.generate([Request(prompt, 12, 0) for prompt in prompts])
    for prompt, completion in zip(prompts, done, strict=True):
        ids = torch.tensor([prompt])
        tokens = generator.model.generate(ids, do_sample=False, max_new_tokens=12, attention_mask=torch.ones_like(ids))
        expected = generator.tokenizer.decode(tokens[0, len(prompt) :], skip_special_tokens=True)
        assert completion.text == expected.rstrip(HALF)


def test_pieces_of_another_row_are_copied_and_give_the_same_scores(greedy, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from posttrainbench.engines.generation import Request

    piece = greedy.rows.piece
    prompts = [LONG, (*LONG[: 2 * piece], 5, 6, 7), LONG[: piece + 1], (9, *LONG)]
    copied: list[int] = []
    copy = greedy.rows._copy_prefix
    monkeypatch.setattr(greedy.rows, "_copy_prefix", lambda *args: copied.append(copy(*args)) or copied[-1])
    greedy.rows.held = [()] * greedy.rows.count
    _, together = recorded(greedy, [Request(LONG, 3, 9)], monkeypatch)
    _, together = recorded(greedy, [Request(prompt, 3, seed) for seed, prompt in enumerate(prompts)], monkeypatch)
    assert copied == [0, len(LONG) // piece * piece, 2 * piece, piece, 0]
    for seed, prompt in enumerate(prompts):
        greedy.rows.held = [()] * greedy.rows.count
        _, alone = recorded(greedy, [Request(prompt, 3, seed)], monkeypatch)
        assert all(map(torch.equal, alone[seed], together[seed]))


def test_repetition_penalty_counts_the_tokens_of_the_row_only(tmp_path: Path, greedy) -> None:
    import torch

    generator = load(with_decoding(tmp_path, repetition_penalty=1.3))
    wanted = requests_of(greedy, "micro-math", 3) + requests_of(greedy, "micro-calls", 3)
    for request, completion in zip(wanted, generator.generate(wanted), strict=True):
        ids = torch.tensor([request.prompt])
        tokens = generator.model.generate(
            ids, do_sample=False, max_new_tokens=TOKENS, attention_mask=torch.ones_like(ids), repetition_penalty=1.3
        )
        assert completion.text == generator.tokenizer.decode(tokens[0, len(request.prompt) :], skip_special_tokens=True)


def test_error_ends_the_requests_that_have_begun_and_the_next_ones_are_answered(
    greedy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posttrainbench.engines.transformers_server import Batcher

    wanted = requests_of(greedy, "micro-math", 3)
    expected = greedy.generate(wanted)
    batcher = Batcher(greedy)
    with monkeypatch.context() as patch:
        patch.setattr(greedy.rows, "decode", lambda tokens: 1 / 0)
        for one in wanted:
            with pytest.raises(ZeroDivisionError):
                batcher.submit(one).result(60)
    assert [batcher.submit(one).result(60) for one in wanted] == expected


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
        type(one).__name__.removesuffix("LogitsWarper").removesuffix("LogitsProcessor")
        for one in generator.decoding_of(()).processors
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
