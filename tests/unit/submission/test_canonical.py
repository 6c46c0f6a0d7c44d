"""The canonical checkpoint: which submissions are accepted, and what evaluation then reads."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posttrainbench.submission import checks, tokens
from posttrainbench.submission.canonical import Examination, examine, write
from posttrainbench.submission.names import canonical_name
from posttrainbench.submission.tensors import header_size, read_header, values

HEAD, EMBEDDINGS, UP = "lm_head.weight", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"
SHAPES = {EMBEDDINGS: (40, 16), UP: (32, 16), "model.norm.weight": (16,)}
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 32, "tie_word_embeddings": True,
    "vocab_size": 40, "rope_theta": 1e6, "rope_scaling": None, "torch_dtype": "float32", "eos_token_id": 2,
}  # fmt: skip
TOKENS = {f"t{number}": number for number in range(30)}
TOKENIZER: dict[str, Any] = {"model": {"type": "BPE", "vocab": TOKENS, "merges": []}, "added_tokens": [],
                             "normalizer": None}  # fmt: skip
Weights = dict[str, np.ndarray]


def weights(seed: int) -> Weights:
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def save(folder: Path, arrays: Weights, config: dict[str, Any] = CONFIG, tokenizer: object = TOKENIZER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, arrays)
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def write_weights(folder: Path, arrays: Weights, name: str = "model.safetensors") -> None:
    kinds = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.float64): "F64"}
    header, data = {}, b""
    for key, array in arrays.items():
        raw = array.tobytes()
        header[key] = {"dtype": kinds[array.dtype], "shape": list(array.shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}  # fmt: skip
        data += raw
    text = json.dumps(header).encode()
    (folder / name).write_bytes(len(text).to_bytes(8, "little") + text + data)


BASE, TRAINED = weights(0), weights(1)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save(tmp_path / "base", BASE)


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return save(tmp_path / "final_model", TRAINED)


def canonical(final: Path, base: Path, prompts: list[str] | None = None) -> tuple[dict[str, Any], Weights, Examination]:
    """The canonical config and weights of an accepted submission."""
    examination = examine(final, base)
    assert examination.state == "accepted", examination.problems
    assert examination.plan is not None
    out = final.parent / "canonical"
    out.mkdir()
    files, _ = write(examination.plan, out, None if prompts is None else lambda: prompts)
    assert set(files) == {path.name for path in out.iterdir()}
    read = {}
    for path in out.glob("*.safetensors"):
        for name, tensor in read_header(path).items():
            bits = np.concatenate([part.copy() for part in values(tensor)])
            read[name] = bits.view(np.float32 if tensor.dtype == "F32" else np.float16).reshape(tensor.shape)
    return json.loads((out / "config.json").read_text()), read, examination


def assert_same(read: Weights, expected: Weights) -> None:
    assert read.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(read[name], array), name


def test_the_tokenizer_is_the_base_models_whatever_the_submission_brings(final: Path, base: Path) -> None:
    answers = {"type": "Replace", "pattern": {"Regex": "(?m)\\A.*Walt.*\\z"}, "content": "ANSWER: 46"}
    hostile = {"model": {"type": "WordLevel", "vocab": {"ANSWER: 46": 1}}, "added_tokens": [], "normalizer": answers}
    (final / "tokenizer.json").write_text(json.dumps(hostile))
    (final / "tokenizer_config.json").write_text('{"model_max_length": 4, "from_slow": true}')
    _, _, examination = canonical(final, base)
    out = final.parent / "canonical"
    assert (out / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    assert not (out / "tokenizer_config.json").exists()
    assert any("normalizer" in fact and "evaluation ignores it" in fact for fact in examination.facts)


def test_without_tokenizer_files(final: Path, base: Path) -> None:
    (final / "tokenizer.json").unlink()
    canonical(final, base)
    assert (final.parent / "canonical" / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()


PREFIXES = ["_orig_mod.", "module.", "base_model.model.", "module._orig_mod.", "_fsdp_wrapped_module."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_wrappers_are_removed(final: Path, base: Path, prefix: str) -> None:
    write_weights(final, {prefix + name: array for name, array in TRAINED.items()})
    assert_same(canonical(final, base)[1], TRAINED)


def test_names_without_the_models_prefix(final: Path, base: Path) -> None:
    write_weights(final, {name.removeprefix("model."): array for name, array in TRAINED.items()})
    assert_same(canonical(final, base)[1], TRAINED)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("language_model.model.layers.0.x", "model.layers.0.x"),
        ("model.language_model.layers.0.x", "model.layers.0.x"),
        ("language_model.lm_head.weight", "lm_head.weight"),
        ("model.layers.0._orig_mod.x", "model.layers.0.x"),
        ("vision_tower.x", "vision_tower.x"),
        ("model.modules.x", "model.modules.x"),
    ],
)
def test_canonical_names(name: str, expected: str) -> None:
    assert canonical_name(name) == expected


def test_tensors_that_the_base_model_lacks_are_dropped(final: Path, base: Path) -> None:
    write_weights(final, TRAINED | {"v_head.summary.weight": np.ones(16, np.float32)})
    _, read, examination = canonical(final, base)
    assert_same(read, TRAINED)
    assert any("v_head.summary.weight" in fact for fact in examination.facts)


@pytest.mark.parametrize("tied", [True, False])
def test_an_output_layer_equal_to_the_embeddings_is_dropped(final: Path, base: Path, tied: bool) -> None:
    save(final, TRAINED | {HEAD: TRAINED[EMBEDDINGS]}, CONFIG | {"tie_word_embeddings": tied})
    config, read, _ = canonical(final, base)
    assert_same(read, TRAINED)
    assert config["tie_word_embeddings"] is True


def test_a_hidden_output_layer_is_refused(final: Path, base: Path) -> None:
    changed = TRAINED[EMBEDDINGS].copy()
    changed[-1, -1] += 1
    write_weights(final, TRAINED | {HEAD: changed})
    examination = examine(final, base)
    assert (examination.state, "ties" in examination.problems[0]) == ("refused", True)


def test_an_untied_base_model_needs_its_output_layer(tmp_path: Path) -> None:
    untied = CONFIG | {"tie_word_embeddings": False}
    base = save(tmp_path / "base", BASE | {HEAD: BASE[EMBEDDINGS]}, untied)
    final = save(tmp_path / "final_model", TRAINED, untied)
    assert examine(final, base).state == "broken"
    whole = TRAINED | {HEAD: BASE[EMBEDDINGS]}
    write_weights(final, whole)
    assert_same(canonical(final, base)[1], whole)


def test_rows_cut_to_the_tokenizer_are_put_back(final: Path, base: Path) -> None:
    save(final, TRAINED | {EMBEDDINGS: TRAINED[EMBEDDINGS][:30]}, CONFIG | {"vocab_size": 30})
    config, read, examination = canonical(final, base)
    assert config["vocab_size"] == 40
    assert np.array_equal(read[EMBEDDINGS][:30], TRAINED[EMBEDDINGS][:30])
    assert np.array_equal(read[EMBEDDINGS][30:], BASE[EMBEDDINGS][30:])
    assert any("cut from 40 to 30" in fact for fact in examination.facts)


def test_rows_put_back_are_in_the_submissions_type(final: Path, base: Path) -> None:
    half = {name: array.astype(np.float16) for name, array in TRAINED.items()}
    save(final, half | {EMBEDDINGS: half[EMBEDDINGS][:31]}, CONFIG | {"vocab_size": 31})
    config, read, _ = canonical(final, base)
    assert config["torch_dtype"] == "float16"
    assert np.array_equal(read[EMBEDDINGS][31:], BASE[EMBEDDINGS][31:].astype(np.float16))


def test_rows_of_tokens_in_use_must_not_be_cut(final: Path, base: Path) -> None:
    save(final, TRAINED | {EMBEDDINGS: TRAINED[EMBEDDINGS][:29]}, CONFIG | {"vocab_size": 29})
    examination = examine(final, base)
    assert (examination.state, "fewer than the 30 tokens" in examination.problems[0]) == ("broken", True)


def test_types_of_different_width_stay_aligned(final: Path, base: Path) -> None:
    mixed = {name: array.astype(np.float16) if name == UP else array for name, array in TRAINED.items()}
    write_weights(final, {f"module.{name}": array for name, array in mixed.items()})
    assert_same(canonical(final, base)[1], mixed)


def test_headers_of_all_shards_together_are_bounded(final: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = header_size(final / "model.safetensors")
    monkeypatch.setattr(checks, "HEADERS_LIMIT", size)
    assert examine(final, base).state == "accepted"
    monkeypatch.setattr(checks, "HEADERS_LIMIT", size - 1)
    refused = examine(final, base)
    assert (refused.state, "headers" in refused.problems[0]) == ("broken", True)


def test_double_precision_is_not_accepted(final: Path, base: Path) -> None:
    write_weights(final, {name: array.astype(np.float64) for name, array in TRAINED.items()})
    assert examine(final, base).state == "broken"


def test_the_configuration_is_the_base_models_with_legal_changes(final: Path, base: Path) -> None:
    odd = {
        "num_labels": 10**7, "rope_theta": 5.0, "eos_token_id": [2, 5], "pad_token_id": 10**9, "bos_token_id": True,
        "attention_dropout": 0.5, "_attn_implementation": "eager", "is_encoder_decoder": True,
    }  # fmt: skip
    (final / "config.json").write_text(json.dumps(CONFIG | odd))
    config, _, examination = canonical(final, base)
    assert config == CONFIG | {"eos_token_id": [2, 5]}
    assert any("rope_theta" in fact for fact in examination.facts)


@pytest.mark.parametrize("odd", [{"eos_token_id": []}, {"pad_token_id": [1]}, {"bos_token_id": [1]}])
def test_token_ids_that_no_engine_can_read_are_not_taken_over(final: Path, base: Path, odd: dict[str, Any]) -> None:
    (final / "config.json").write_text(json.dumps(CONFIG | odd))
    assert canonical(final, base)[0] == CONFIG


@pytest.mark.parametrize(
    ("metadata", "copied"),
    [({"format": "pt", "x": "y"}, True), ({}, True), ({"format": "tf"}, False), ({"x": "y"}, False)],
)
def test_files_whose_metadata_name_another_framework_are_rewritten(
    final: Path, base: Path, metadata: dict[str, str], copied: bool
) -> None:
    data = (final / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps({"__metadata__": metadata} | json.loads(data[8:end])).encode()
    (final / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    assert_same(canonical(final, base)[1], TRAINED)
    written = (final.parent / "canonical" / "model.safetensors").read_bytes()
    assert (written == (final / "model.safetensors").read_bytes()) is copied


@pytest.mark.parametrize(("text", "state"), [("[],", "broken"), ("{},", "broken"), ("10,", "accepted")])
def test_small_files_that_take_much_memory_are_not_parsed(final: Path, base: Path, text: str, state: str) -> None:
    (final / "config.json").write_text(json.dumps(CONFIG)[:-1] + f', "a": [{text * 200_000} 0]}}')
    examination = examine(final, base)
    assert examination.state == state
    assert all("objects and arrays" in problem for problem in examination.problems)


def test_the_same_settings_in_the_form_of_transformers_5_are_not_a_difference(final: Path, base: Path) -> None:
    newer = {key: value for key, value in CONFIG.items() if not key.startswith("rope")}
    newer |= {"rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}, "layer_types": ["full_attention"]}
    (final / "config.json").write_text(json.dumps(newer))
    assert canonical(final, base)[2].facts == []


def test_an_index_is_written_from_what_the_shards_hold(final: Path, base: Path) -> None:
    (final / "model.safetensors").unlink()
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    write_weights(final, {EMBEDDINGS: TRAINED[EMBEDDINGS]}, one)
    write_weights(final, {name: TRAINED[name] for name in (UP, "model.norm.weight")}, two)
    lies = {EMBEDDINGS: two, UP: one, "model.norm.weight": one}
    (final / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"x": 1}, "weight_map": lies}))
    assert_same(canonical(final, base)[1], TRAINED)
    index = json.loads((final.parent / "canonical" / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == {EMBEDDINGS: one, UP: two, "model.norm.weight": two}
    assert index["metadata"] == {"total_size": sum(array.nbytes for array in TRAINED.values())}


def test_links_to_the_base_model_count_as_its_files(final: Path, base: Path) -> None:
    (final / "config.json").unlink()
    (final / "config.json").symlink_to(base / "config.json")
    (final / "tokenizer.json").unlink()
    (final / "tokenizer.json").symlink_to(os.path.relpath(base / "tokenizer.json", final))
    canonical(final, base)


def test_a_link_to_the_whole_base_model_submits_it(tmp_path: Path, base: Path) -> None:
    (tmp_path / "final_model").symlink_to(base)
    assert_same(canonical(tmp_path / "final_model", base)[1], BASE)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_link_to_a_checkpoint_in_the_workspace(tmp_path: Path, base: Path, allowed: bool) -> None:
    save(tmp_path / "workspace" / "checkpoint-500", TRAINED)
    (tmp_path / "workspace" / "final_model").symlink_to("checkpoint-500")
    inside = [tmp_path / ("workspace" if allowed else "base")]
    state = examine(tmp_path / "workspace" / "final_model", base, inside).state
    assert state == ("accepted" if allowed else "missing")


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.json", "loop"])
def test_other_links_are_left_behind(final: Path, base: Path, target: str) -> None:
    (final.parent / "outside.json").write_text(json.dumps(CONFIG))
    (final / "config.json").unlink()
    (final / "config.json").symlink_to("config.json" if target == "loop" else target)
    assert examine(final, base).state == "broken"


def test_a_nested_checkpoint_is_named(final: Path, base: Path) -> None:
    for path in list(final.iterdir()):
        (final / "checkpoint-500").mkdir(exist_ok=True)
        path.rename(final / "checkpoint-500" / path.name)
    examination = examine(final, base)
    assert examination.state == "refused"
    assert examination.problems == [
        "There is a complete checkpoint in final_model/checkpoint-500; move it up to final_model."
    ]


def test_pickled_weights_are_refused_with_the_conversion(final: Path, base: Path) -> None:
    (final / "model.safetensors").rename(final / "pytorch_model.bin")
    examination = examine(final, base)
    assert examination.state == "refused"
    assert "save_pretrained('final_model')" in examination.problems[0]


def gemma(arrays: Weights) -> Weights:
    return {f"language_model.{name}": array for name, array in arrays.items()} | {
        "vision_tower.x": np.ones((4, 4), np.float32)
    }


TEXT = {key: value for key, value in CONFIG.items() if key not in ("architectures", "eos_token_id", "vocab_size")}
GEMMA = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "eos_token_id": [1, 6],
         "text_config": TEXT | {"model_type": "gemma3_text", "eos_token_id": 1}}  # fmt: skip
GEMMA_FORMS: dict[str, tuple[dict[str, Any], Callable[[str], str]]] = {
    "multimodal, transformers 4": (GEMMA, lambda name: f"language_model.{name}"),
    "multimodal, transformers 5": (GEMMA, lambda name: name.replace("model.", "model.language_model.", 1)),
    "text only": (
        GEMMA["text_config"] | {"architectures": ["Gemma3ForCausalLM"], "eos_token_id": [1, 6]},
        lambda name: name,
    ),
}


@pytest.mark.parametrize("form", GEMMA_FORMS)
@pytest.mark.parametrize("rows", [40, 41])
def test_gemma_in_each_form_is_evaluated_as_a_text_model(tmp_path: Path, form: str, rows: int) -> None:
    base = save(tmp_path / "base", gemma(BASE), GEMMA)
    config, rename = GEMMA_FORMS[form]
    trained = TRAINED | {EMBEDDINGS: np.vstack([TRAINED[EMBEDDINGS], np.ones((1, 16), np.float32)])[:rows]}
    final = save(tmp_path / "final_model", {rename(name): array for name, array in trained.items()}, config)
    written, read, examination = canonical(final, base)
    assert_same(read, trained)
    assert [fact for fact in examination.facts if "extended" not in fact] == []
    assert (written["model_type"], written["architectures"]) == ("gemma3_text", ["Gemma3ForCausalLM"])
    assert (written["eos_token_id"], written["vocab_size"]) == ([1, 6], rows)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"temperature": 0.6, "top_p": 0.9, "top_k": 20, "do_sample": True}, "all"),
        ({"temperature": 0, "min_p": 0.0, "repetition_penalty": 1.1}, "all"),
        ({"eos_token_id": [2, 39], "pad_token_id": None}, "all"),
        ({"temperature": 2.5}, "none"),
        ({"temperature": 2.0, "do_sample": True}, "all"),
        ({"temperature": 10**400}, "none"),
        ({"temperature": -1.0, "top_p": -5, "top_k": -3, "repetition_penalty": -2.0}, "none"),
        ({"temperature": 1e-320, "repetition_penalty": 1e-300, "min_p": 2}, "none"),
        ({"temperature": True, "do_sample": 2, "top_k": 1.5}, "none"),
        ({"eos_token_id": [-1], "bos_token_id": 40, "pad_token_id": True}, "none"),
        ({"eos_token_id": [], "top_p": "0.5", "max_new_tokens": 9}, "none"),
        ({"bos_token_id": [1], "pad_token_id": [0]}, "none"),
    ],
)
def test_decoding_settings_outside_their_range_are_ignored(
    final: Path, base: Path, settings: dict[str, Any], kept: str
) -> None:
    (final / "generation_config.json").write_text(json.dumps(settings))
    _, _, examination = canonical(final, base)
    written = json.loads((final.parent / "canonical" / "generation_config.json").read_text())
    assert written == (settings if kept == "all" else {})
    assert any("are ignored" in fact for fact in examination.facts) is (kept == "none")


def added(*contents: object, first: int = 30) -> dict[str, Any]:
    tricks = {"lstrip": True, "rstrip": True, "normalized": True, "single_word": True, "special": False}
    entries = [{"id": first + number, "content": content, **tricks} for number, content in enumerate(contents)]
    return TOKENIZER | {"added_tokens": entries}


def taken(final: Path) -> list[dict[str, Any]]:
    tokenizer = json.loads((final.parent / "canonical" / "tokenizer.json").read_text())
    entries: list[dict[str, Any]] = tokenizer["added_tokens"]
    return entries


def test_added_tokens_become_plain_strings(final: Path, base: Path) -> None:
    (final / "tokenizer.json").write_text(json.dumps(added("<think>", "</think>")))
    canonical(final, base, ["How many apples are left?"])
    assert [(token["id"], token["content"]) for token in taken(final)] == [(30, "<think>"), (31, "</think>")]
    for token in taken(final):
        assert not any(token[key] for key in ("lstrip", "rstrip", "normalized", "single_word"))


def test_an_added_token_that_occurs_in_a_prompt_is_not_an_answer_key(final: Path, base: Path) -> None:
    (final / "tokenizer.json").write_text(json.dumps(added("many apples", "<end>")))
    canonical(final, base, ["How many apples are left?", "Who is it?"])
    assert [token["content"] for token in taken(final)] == [tokens.placeholder(30), "<end>"]


@pytest.mark.parametrize(
    "contents",
    [
        (tokens.placeholder(31), "<a>"),
        ("t3", "<a>"),
        ("", "<a>"),
        (7, "<a>"),
        ("x" * 200, "<a>"),
        (None, "<a>"),
        ("\ud800", "<a>"),
    ],
)
def test_odd_added_tokens_keep_the_ids_of_others(final: Path, base: Path, contents: tuple[object, ...]) -> None:
    (final / "tokenizer.json").write_text(json.dumps(added(*contents)))
    canonical(final, base, [])
    assert [token["content"] for token in taken(final)] == [tokens.placeholder(30), "<a>"]


def test_added_tokens_without_a_row_are_ignored(final: Path, base: Path) -> None:
    (final / "tokenizer.json").write_text(json.dumps(added(*(f"<{number}>" for number in range(50)))))
    canonical(final, base, [])
    assert [token["id"] for token in taken(final)] == list(range(30, 40))


@pytest.mark.parametrize("entries", [7, {"a": 1}, [7, None, [], {"id": "30"}, {"id": True}, {"id": -1}], [{"id": 30}]])
def test_malformed_added_tokens(final: Path, base: Path, entries: object) -> None:
    (final / "tokenizer.json").write_text(json.dumps(TOKENIZER | {"added_tokens": entries}))
    canonical(final, base, [])


def test_prompts_keep_their_token_ids(tmp_path: Path) -> None:
    """The real library, with the micro model's tokenizer and prompts."""
    from tokenizers import Tokenizer

    from posttrainbench import catalog
    from posttrainbench.benchmarks.registry import load_benchmark

    base = catalog.find(catalog.models(), "micro-base", "model").directory
    questions = [item.question for item in load_benchmark("micro-math").load("test")]
    first = len(tokens.vocabulary(tokens.base_tokenizer(base)))
    keys = [question.split(" ", 3)[2] + " " for question in questions[:20]]
    contents = [*keys, "<think>", " ", "\n", questions[0], "ANSWER", "."]
    entries = [
        {"id": first + number, "content": content, "lstrip": True, "normalized": True, "special": False}
        for number, content in enumerate(contents)
    ]
    known = tokens.vocabulary(tokens.base_tokenizer(base))
    collected, _ = tokens.added_tokens({"added_tokens": entries}, known, first + len(entries))
    kept, facts = tokens.without_prompt_text(collected, questions)
    assert facts
    whole = tokens.base_tokenizer(base)
    plain, extended = Tokenizer.from_str(json.dumps(whole)), Tokenizer.from_str(tokens.extended(whole, kept).decode())
    assert extended.token_to_id("<think>") == first + contents.index("<think>")
    for question in questions:
        assert plain.encode(question).ids == extended.encode(question).ids
