"""Requests to the transformers engine: limits, stop texts, settings of their own, errors, and the memory for rows."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from posttrainbench import catalog

pytestmark = pytest.mark.training

CHECKPOINT = catalog.models()["micro-instruct"].directory
QUESTIONS = [f"Ana has {number} pens and buys 3 more. How many pens does she have?" for number in range(2, 12)]
TOKENS = 24


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(kv_memory: int | None = None):
    from posttrainbench.engines.generation import Generator

    return Generator(CHECKPOINT, (CHECKPOINT / "chat_template.jinja").read_text(), kv_memory=kv_memory)


@pytest.fixture(scope="module")
def generator():
    return load()


def asked(generator, question: str = QUESTIONS[0], **more: object):
    from posttrainbench.engines.generation import Request

    prompt = generator.encode([{"role": "user", "content": question}])
    return Request(**{"prompt": prompt, "max_tokens": TOKENS, "seed": 0} | more)


def end_of(batcher, request) -> object:
    """The completion, or the error."""
    future: Future = batcher.submit(request)
    return future.exception(60) or future.result()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": ()}, "prompt is empty"),
        ({"prompt": (5, 10**6)}, "token that the model does not have"),
        ({"prompt": (5,) * 512}, "the model's context is 512"),
        ({"max_tokens": 0}, "at least 1"),
        ({"max_tokens": -3}, "at least 1"),
        ({"stop": ("x", "")}, "stop text is empty"),
    ],
)
def test_invalid_request_is_refused_with_the_reason(change: dict[str, object], reason: str, generator) -> None:
    from posttrainbench.engines.generation import RequestError

    with pytest.raises(RequestError, match=reason):
        generator.accept(asked(generator, **change))


def test_limit_ends_with_the_context(generator) -> None:
    assert generator.accept(asked(generator, prompt=(5,) * 500, max_tokens=100)).max_tokens == 12
    assert generator.accept(asked(generator, prompt=(5,) * 511, max_tokens=1)).max_tokens == 1


def test_request_that_fails_ends_alone(generator) -> None:
    from posttrainbench.engines.transformers_server import Batcher

    whole = [asked(generator, question) for question in QUESTIONS[:6]]
    expected = generator.generate(whole)
    batcher = Batcher(generator)
    wrong = [asked(generator, prompt=()), asked(generator, prompt=(10**6,)), asked(generator, seed=2**70)]
    mixed = [*whole[:3], *wrong, *whole[3:]]
    futures = [batcher.submit(one) for one in mixed]
    errors = [future.exception(60) for future in futures]
    assert [error is not None for error in errors] == [one in wrong for one in mixed]
    assert "empty" in str(errors[3])
    assert [future.result() for future, error in zip(futures, errors, strict=True) if error is None] == expected


def test_scores_that_are_not_numbers_end_only_their_request(generator, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [asked(generator, question, decoding=(("temperature", 1.0),)) for question in QUESTIONS[:3]]
    decode = generator.rows.decode

    def broken(tokens):
        scores = decode(tokens).clone()
        scores[1] = float("nan")
        return scores

    done: dict[int, object] = {}
    with monkeypatch.context() as patch:
        patch.setattr(generator.rows, "decode", broken)
        for index, one in enumerate(requests):
            generator.add(one, lambda result, index=index: done.update({index: result}))
        while generator.busy:
            generator.step()
    assert [isinstance(done[index], RuntimeError) for index in range(3)] == [False, True, False]


def test_request_whose_client_has_gone_is_given_up(generator) -> None:
    from posttrainbench.engines.transformers_server import Batcher

    batcher = Batcher(generator)
    gone = [batcher.submit(asked(generator, max_tokens=400)) for _ in range(3)]
    assert all(future.cancel() for future in gone)
    assert batcher.submit(asked(generator, max_tokens=4)).result(60).tokens <= 4
    assert not generator.busy


def test_special_token_as_stop_text_cuts(generator, monkeypatch: pytest.MonkeyPatch) -> None:
    special = generator.tokenizer.all_special_tokens
    [mark] = [token for token in special if token == "<|im_start|>"]
    parts = [generator.tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Six pens", "user and more")]
    ids = [*parts[0], generator.tokenizer.convert_tokens_to_ids(mark), *parts[1]]
    for stop, text in (
        ((mark,), "Six pens"),
        ((f"{mark}us",), "Six pens"),
        ((f"s{mark}",), "Six pen"),
        (("and", mark), "Six pens"),
        (("pens", mark), "Six "),
        (("more",), "Six pensuser and "),
        (("im_start",), "Six pensuser and more"),
        ((), "Six pensuser and more"),
    ):
        done = generator._completion(ids, stop)
        assert (done.text, done.cut) == (text, text.endswith("more"))


def test_tokens_after_the_stop_text_are_not_counted(generator) -> None:
    ids = generator.tokenizer("one two three four five six", add_special_tokens=False)["input_ids"]
    done = generator._completion(ids, ("two",))
    assert done.text == "one "
    assert "two" in generator.tokenizer.decode(ids[: done.tokens])
    assert "two" not in generator.tokenizer.decode(ids[: done.tokens - 1])


def test_decoding_of_a_request_replaces_that_of_the_checkpoint(generator) -> None:
    greedy, *others = generator.generate(
        [
            asked(generator),
            asked(generator, decoding=(("temperature", 0.0),)),
            asked(generator, decoding=(("temperature", 2.0), ("top_k", 1))),
            asked(generator, decoding=(("top_p", 0.5),)),
            *(asked(generator, decoding=(("temperature", 2.0),), seed=seed) for seed in range(8)),
            asked(generator, decoding=(("repetition_penalty", 2.0),)),
        ]
    )
    assert others[:3] == [greedy] * 3
    assert len({one.text for one in others[3:11]}) > 3
    assert others[11] != greedy


def test_rows_beside_others_with_another_decoding_are_the_same(generator) -> None:
    hot = [asked(generator, question, decoding=(("temperature", 2.0),), seed=3) for question in QUESTIONS[:4]]
    cold = [asked(generator, question) for question in QUESTIONS[:4]]
    mixed = generator.generate([one for pair in zip(hot, cold, strict=True) for one in pair])
    assert mixed[0::2] == generator.generate(hot)
    assert mixed[1::2] == generator.generate(cold)


def size_of(rows) -> int:
    return sum(store.numel() * store.element_size() for store in (*rows.keys.values(), *rows.values.values()))


def test_memory_of_rows_is_bounded_and_the_answers_are_the_same(generator) -> None:
    from posttrainbench.engines.slots import token_bytes

    requests = [asked(generator, question, max_tokens=200, stop=("%%",)) for question in QUESTIONS]
    requests += [asked(generator, "pens " * 150 + question, max_tokens=60) for question in QUESTIONS]
    requests += [asked(generator, question, max_tokens=8) for question in QUESTIONS]
    limit = 2000 * token_bytes(generator.model)
    small = load(limit)
    sizes, counts = [], []
    step = small.step

    def watched() -> None:
        step()
        sizes.append(size_of(small.rows))
        counts.append(small.rows.count)

    small.step = watched
    assert [one.text for one in small.generate(requests)] == [one.text for one in generator.generate(requests)]
    assert max(sizes) <= limit
    assert min(counts) < max(counts) < generator.rows.count
    assert size_of(generator.rows) > limit


def test_displaced_requests_are_computed_again(generator, monkeypatch: pytest.MonkeyPatch) -> None:
    from posttrainbench.engines.slots import token_bytes

    small = load(3 * 256 * token_bytes(generator.model))
    for one in (generator, small):
        monkeypatch.setattr(one, "ends", set())  # so that all rows grow together
    requests = [asked(generator, question, max_tokens=300) for question in QUESTIONS[:4]]
    requests += [
        asked(generator, question, max_tokens=300, decoding=(("temperature", 1.0),)) for question in QUESTIONS[:2]
    ]
    displaced = []
    fit = small.rows.fit
    monkeypatch.setattr(
        small.rows, "fit", lambda length, live, wanted: _noted(fit(length, live, wanted), live, displaced)
    )
    assert [one.text for one in small.generate(requests)] == [one.text for one in generator.generate(requests)]
    assert displaced


def _noted(kept: int | None, live: list[int], displaced: list[int]) -> int | None:
    if kept is not None and kept < len(live):
        displaced.append(len(live) - kept)
    return kept


def test_request_that_does_not_fit_in_the_memory_is_refused_with_the_reason(generator) -> None:
    from posttrainbench.engines.generation import RequestError
    from posttrainbench.engines.slots import token_bytes

    small = load(256 * token_bytes(generator.model))
    assert small.accept(asked(generator, prompt=(5,) * 100, max_tokens=50))
    with pytest.raises(RequestError, match=r"does not hold 300 tokens"):
        small.accept(asked(generator, prompt=(5,) * 100, max_tokens=200))


def body_of(**more: object) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4} | more).encode()


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": -1}, {"temperature": 2.5}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -2}, {"min_p": 2}, {"n": 0},
        {"repetition_penalty": 0}, {"seed": 2**63}, {"seed": 1.5}, {"stop": [""]}, {"stop": [4]}, {"max_tokens": 0},
        {"max_tokens": 1.5}, {"stream": True}, {"logprobs": True}, {"presence_penalty": 1}, {"logit_bias": {"5": 50}},
        {"response_format": {"type": "json_object"}}, {"min_tokens": 3}, {"ignore_eos": True}, {"messages": []},
        {"tools": [{"type": "function"}]}, {"tools": [{"type": "function"}], "tool_choice": "required"},
        {"max_completion_tokens": 0}, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    ],
)  # fmt: skip
def test_options_that_are_invalid_or_not_implemented_are_refused(more: dict[str, object]) -> None:
    from posttrainbench.engines.chat_request import read_request
    from posttrainbench.engines.generation import RequestError

    with pytest.raises(RequestError, match=next(iter(more)).split("_")[0]):
        read_request(body_of(**more))


@pytest.mark.parametrize(
    "more",
    [
        {"colour": "red"}, {"echo": False}, {"stream": False}, {"logprobs": None}, {"presence_penalty": 0.0}, {"n": 1},
        {"response_format": {"type": "text"}}, {"top_k": -1}, {"stop": []}, {"stop": None}, {"model": None},
        {"tools": [{"type": "function"}], "tool_choice": "none"}, {"tools": []}, {"max_tokens": "4"}, {"seed": None},
    ],
)  # fmt: skip
def test_options_without_effect_are_accepted(more: dict[str, object]) -> None:
    from posttrainbench.engines.chat_request import read_request

    assert read_request(body_of(**more)).limit() == 4


def test_checkpoint_of_another_template_refuses_messages_as_a_bad_request(generator, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from posttrainbench.engines.transformers_server import build_app

    client = TestClient(build_app(generator, "key"), headers={"Authorization": "Bearer key"})
    template = generator.tokenizer.chat_template
    generator.tokenizer.chat_template = "{{ raise_exception('no such role') }}"
    try:
        reply = client.post("/v1/chat/completions", content=body_of())
    finally:
        generator.tokenizer.chat_template = template
    assert reply.status_code == 400
    assert "no such role" in reply.json()["error"]["message"]
    assert client.post("/v1/chat/completions", content=body_of(model="m")).status_code == 404
    both = client.post("/v1/chat/completions", content=body_of(n=2, temperature=2, seed=1, max_tokens=20)).json()
    one, two = (choice["message"]["content"] for choice in both["choices"])
    other = client.post("/v1/chat/completions", content=body_of(temperature=2, seed=2, max_tokens=20)).json()
    assert one != two == other["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("names", "cache"),
    [
        (("memory.max", "memory.current"), "inactive_file"),
        (("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"),
    ],
)
def test_free_memory_of_a_control_group_counts_cached_files_as_free(
    names: tuple[str, str], cache: str, tmp_path: Path
) -> None:
    from posttrainbench.engines.slots import _group_memory

    assert _group_memory(tmp_path) is None
    (tmp_path / names[0]).write_text("1000\n")
    (tmp_path / names[1]).write_text("900\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\n{cache} 600\nfile 700\n")
    assert _group_memory(tmp_path) == 700
    (tmp_path / names[0]).write_text("max\n")
    assert _group_memory(tmp_path) is None


def test_free_memory_is_below_that_of_the_machine() -> None:
    import psutil

    from posttrainbench.engines.slots import free_memory

    assert 0 < free_memory("cpu") < psutil.virtual_memory().total
