"""Submissions in many forms: what trainers and libraries write, mistakes, and attacks, each with its right decision."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, Gemma3Config, Gemma3ForCausalLM, PreTrainedModel

from posttrainbench import catalog

Tensors = dict[str, torch.Tensor]
SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
HEAD, EMBEDDINGS, NORM = "lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"
UP = "model.layers.0.mlp.up_proj.weight"
TOKENIZER = Path(catalog.models()["micro-base"].directory)
TOKENS = Tokenizer.from_file(str(TOKENIZER / "tokenizer.json")).get_vocab_size()
ROWS = TOKENS + 64
PROMPTS = ["Walt has 4 melons and gives 1 to Finn.", "How many are left?\n\nThink first."]
BASES = ("qwen3", "smollm3", "gemma3", "gemma3_text", "untied")

_SIZES = {
    "vocab_size": ROWS, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256, "torch_dtype": "bfloat16",
}  # fmt: skip
_QWEN = _SIZES | {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "tie_word_embeddings": True, "rope_theta": 1000000,
    "rope_scaling": None, "rms_norm_eps": 1e-6, "hidden_act": "silu", "eos_token_id": 0, "bos_token_id": 0,
    "attention_bias": False, "transformers_version": "4.57.1",
}  # fmt: skip
_SMOL = {key: value for key, value in _QWEN.items() if key not in ("head_dim", "bos_token_id")} | {
    "architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "pad_token_id": 0, "rope_theta": 5000000.0,
    "no_rope_layers": [1, 0], "no_rope_layer_interval": 4,
}  # fmt: skip
_GEMMA_TEXT = {key: value for key, value in _SIZES.items() if key != "torch_dtype"} | {
    "model_type": "gemma3_text", "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 64,
    "query_pre_attn_scalar": 16,
}  # fmt: skip
_GEMMA = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": _GEMMA_TEXT,
    "vision_config": {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
                      "image_size": 28, "patch_size": 14, "model_type": "siglip_vision_model",
                      "vision_use_head": False},
    "mm_tokens_per_image": 4, "boi_token_index": 2050, "eoi_token_index": 2051, "image_token_index": 2052,
    "eos_token_id": [0, 2], "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3": _QWEN,
    "smollm3": _SMOL,
    "gemma3": _GEMMA,
    "gemma3_text": _GEMMA_TEXT | {"architectures": ["Gemma3ForCausalLM"], "torch_dtype": "bfloat16"},
    "untied": _QWEN | {"tie_word_embeddings": False},
}
"""config.json as the Hub has it, written by transformers 4."""


def build_base(name: str, folder: Path, **sizes: int) -> Path:
    """Write a small random base model with the names and the configuration that the Hub has."""
    folder.mkdir(parents=True)
    config = dict(CONFIGS[name])
    text = {"text_config": config["text_config"] | sizes} if "text_config" in config else sizes
    (folder / CONFIG).write_text(json.dumps(config | text))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / file, folder)
    torch.manual_seed(BASES.index(name))
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.bfloat16)
    stored = {hub_name(key): value for key, value in model.state_dict().items() if name == "untied" or key != HEAD}
    save_file({key: value.clone().contiguous() for key, value in stored.items()}, folder / SINGLE, {"format": "pt"})
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2], "do_sample": True, "top_k": 64}))
    return folder


def hub_name(name: str) -> str:
    """Return the name that transformers 4 gives to a tensor of Gemma; other names stay the same."""
    if name.startswith("model.language_model."):
        return name.replace("model.language_model.", "language_model.model.", 1)
    return name.removeprefix("model.") if name.startswith(("model.vision_tower.", "model.multi_modal_")) else name


def text_name(name: str) -> str:
    """Return the name in a text-only model."""
    return name.removeprefix("language_model.")


@dataclass(frozen=True)
class Place:
    """Where a variant is written.

    Attributes:
        base: directory of the base model.
        workspace: the agent's.
        name: of the base model.
    """

    base: Path
    workspace: Path
    name: str

    @property
    def final(self) -> Path:
        """The submission."""
        return self.workspace / "final_model"

    @property
    def config(self) -> dict[str, Any]:
        """A copy of the base model's config.json."""
        return dict(json.loads((self.base / CONFIG).read_text()))

    @property
    def trained(self) -> Tensors:
        """All weights after training, with the base model's names."""
        return dict(_trained(self.base))

    @property
    def text(self) -> Tensors:
        """The weights after training, with the names of a text-only model."""
        return {text_name(key): value for key, value in _trained(self.base).items() if "vision" not in key
                and "multi_modal" not in key}  # fmt: skip

    def model(self) -> PreTrainedModel:
        """The trained model in the installed transformers."""
        model = AutoModelForCausalLM.from_pretrained(self.base, dtype=torch.bfloat16)
        names = {hub_name(key): value for key, value in model.state_dict().items()}
        with torch.no_grad():
            for key, value in self.trained.items():
                names[key].copy_(value)
        return model

    def save(self, tensors: Tensors, config: dict[str, Any] | None = None, folder: Path | None = None) -> None:
        """Write a complete checkpoint as transformers 4 does."""
        folder = folder or self.final
        folder.mkdir(parents=True, exist_ok=True)
        contiguous = {key: value.clone().contiguous() for key, value in tensors.items()}
        save_file(contiguous, folder / SINGLE, {"format": "pt"})
        (folder / CONFIG).write_text(json.dumps(config or self.config))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(self.base / file, folder)


@cache
def _trained(base: Path) -> Tensors:
    torch.manual_seed(99)
    weights = load_file(base / SINGLE)
    return {key: value + 0.05 * torch.randn(value.shape).to(value.dtype) for key, value in weights.items()}


Build = Callable[[Place], Tensors | None]
"""Writes `final_model`, and returns its weights with the names of a text-only model (None if not accepted)."""


@dataclass(frozen=True)
class Variant:
    """A form of submission.

    Attributes:
        base: name of the base model.
        build: see `Build`.
        state: the right decision.
        mentions: a part of the reason, or of a fact.
        silent: nothing about it is worth reporting.
    """

    base: str
    build: Build
    state: str = "accepted"
    mentions: str = ""
    silent: bool = False


VARIANTS: dict[str, Variant] = {}


def add(name: str, build: Build, state: str = "accepted", mentions: str = "", base: str = "qwen3", **more: Any) -> None:
    assert name not in VARIANTS
    VARIANTS[name] = Variant(base, build, state, mentions, **more)


# Complete checkpoints, as libraries save them.


def saved(place: Place, **options: Any) -> Tensors:
    place.model().save_pretrained(place.final, **options)
    return place.text


def renamed(rename: Callable[[str], str]) -> Build:
    def build(place: Place) -> Tensors:
        place.save({rename(key): value for key, value in place.trained.items()})
        return place.text

    return build


def with_tokenizer_class(place: Place) -> Tensors:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(place.base).save_pretrained(place.final)
    return saved(place)


def text_only(place: Place) -> Tensors:
    """Gemma's language model, taken out of the multimodal model and saved on its own."""
    whole = place.model()
    config = whole.config
    assert isinstance(config, Gemma3Config)
    model = Gemma3ForCausalLM(config.text_config).to(torch.bfloat16)
    model.load_state_dict({key: value for key, value in place.text.items() if key != HEAD}, strict=False)
    model.save_pretrained(place.final)
    return place.text


for _base in BASES:
    add(f"{_base}: transformers 5", saved, base=_base, silent=True)
    add(f"{_base}: transformers 4.57", renamed(str), base=_base, silent=True)
add("transformers 5 with its tokenizer", with_tokenizer_class)
add("transformers 5 in shards", lambda place: saved(place, max_shard_size="50KB"), silent=True)
add("gemma3: transformers 5 in shards", lambda place: saved(place, max_shard_size="50KB"), base="gemma3")
add("gemma3: transformers 5, text only", text_only, base="gemma3")
add("gemma3: multimodal names of transformers 5",
    renamed(lambda key: key.replace("language_model.model.", "model.language_model.", 1)), base="gemma3")  # fmt: skip
add("gemma3: names of a text-only model", lambda place: (place.save(place.text), place.text)[1], base="gemma3")

for _prefix in ("_orig_mod.", "module.", "module._orig_mod.", "_fsdp_wrapped_module.", "base_model.model."):
    add(f"prefix {_prefix}", renamed(lambda key, _prefix=_prefix: _prefix + key), silent=True)  # type: ignore[misc]
add("gemma3: prefix _orig_mod.", renamed(lambda key: f"_orig_mod.{key}"), base="gemma3")
add("wrapped layers", renamed(lambda key: key.replace("mlp.", "_fsdp_wrapped_module._checkpoint_wrapped_module.mlp.")))
add("without the model's prefix", renamed(lambda key: key.removeprefix("model.")))


def with_extra(place: Place) -> Tensors:
    place.save(place.trained | {"v_head.summary.weight": torch.ones(1, 32), "v_head.summary.bias": torch.zeros(1)})
    return place.text


add("value head of a PPO trainer", with_extra, mentions="v_head.summary.weight")


def adapted(suffix: str) -> Build:
    def build(place: Place) -> None:
        name = f"base_model.model.{UP}".replace(".weight", suffix)
        place.save(
            {f"base_model.model.{key}": value for key, value in place.trained.items()} | {name: torch.ones(4, 4)}
        )

    return build


for _part in (".lora_A.default.weight", ".base_layer.weight", ".modules_to_save.default.weight"):
    add(f"PEFT, not merged: {_part}", adapted(_part), "broken", "merge_and_unload()")


def adapter(whole: bool) -> Build:
    def build(place: Place) -> Tensors | None:
        place.save(place.trained)
        if not whole:
            (place.final / SINGLE).unlink()
        save_file({f"base_model.model.{UP}.lora_A.weight": torch.ones(4, 4)}, place.final / "adapter_model.safetensors")
        (place.final / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        return place.text if whole else None

    return build


add("only an adapter", adapter(False), "broken", "only an adapter")
add("an adapter beside the merged model", adapter(True))


# Number formats.


def cast(dtype: torch.dtype, *names: str) -> Build:
    def build(place: Place) -> Tensors:
        place.save(
            {key: value.to(dtype) if not names or key in names else value for key, value in place.trained.items()}
        )
        return {key: value.to(dtype) if not names or key in names else value for key, value in place.text.items()}

    return build


add("float16", cast(torch.float16), silent=True)
add("float32", cast(torch.float32), silent=True)
add("gemma3: float32", cast(torch.float32), base="gemma3")
add("a norm in float32", cast(torch.float32, NORM))
add("float64", cast(torch.float64), "broken", "F64")
add("integers", cast(torch.int8), "broken", "I8")


def dtype_lie(place: Place) -> Tensors:
    place.save(place.trained, place.config | {"torch_dtype": "float8_e4m3fn", "dtype": "int8"})
    return place.text


add("a number type that is not true", dtype_lie)


# Shards.


def sharded(spoil: Callable[[Path], object] | None = None, whole: bool = False) -> Build:
    def build(place: Place) -> Tensors:
        place.save(place.trained)
        names = sorted(place.trained)
        weight_map = {}
        for number, part in enumerate((names[:5], names[5:]), 1):
            file = f"model-{number:05}-of-00002.safetensors"
            save_file({key: place.trained[key] for key in part}, place.final / file, {"format": "pt"})
            weight_map |= dict.fromkeys(part, file)
        (place.final / INDEX).write_text(json.dumps({"metadata": {"dtype": "int8"}, "weight_map": weight_map}))
        if not whole:
            (place.final / SINGLE).unlink()
        if spoil:
            spoil(place.final)
        return place.text

    return build


FIRST, SECOND = (f"model-{number:05}-of-00002.safetensors" for number in (1, 2))
add("shards", sharded(), silent=True)
add("shards beside a whole model", sharded(whole=True))
add("an old shard beside shards", sharded(lambda f: shutil.copy(f / FIRST, f / "model-00001-of-00009.safetensors")))
add("a shard is missing", sharded(lambda f: (f / SECOND).unlink()), "broken", SECOND)
add("the index is missing", sharded(lambda f: (f / INDEX).unlink()), "broken", INDEX)
add("a tensor in two shards", sharded(lambda f: shutil.copy(f / FIRST, f / SECOND)), "broken", "in two shards")
add("the index leads elsewhere", sharded(lambda f: (f / INDEX).write_text('{"weight_map": {"a": "../../x"}}')),
    "broken", "is missing")  # fmt: skip


# The vocabulary.


def resized(rows: int) -> Build:
    """Resized by the installed transformers."""

    def build(place: Place) -> Tensors:
        model = place.model()
        torch.manual_seed(5)
        model.resize_token_embeddings(rows, mean_resizing=False)
        model.save_pretrained(place.final)
        embeddings = model.get_input_embeddings().weight.detach()
        return place.text | {EMBEDDINGS: whole_rows(place, embeddings)}

    return build


def whole_rows(place: Place, embeddings: torch.Tensor) -> torch.Tensor:
    """Embeddings with the base model's rows in place of those that were cut."""
    base = {text_name(key): value for key, value in load_file(place.base / SINGLE).items()}[EMBEDDINGS]
    return torch.cat([embeddings, base[len(embeddings) :].to(embeddings.dtype)])


def resized_by_hand(rows: int, key: str, dtype: torch.dtype = torch.bfloat16, claimed: int | None = None) -> Build:
    """Resized in the layout of transformers 4."""

    def build(place: Place) -> Tensors:
        old = place.trained[key].to(dtype)
        new = torch.cat([old, old[:64] * 0.5])[:rows]
        config = place.config
        config.get("text_config", config)["vocab_size"] = claimed or rows
        place.save({name: value.to(dtype) for name, value in place.trained.items()} | {key: new}, config)
        return {name: value.to(dtype) for name, value in place.text.items()} | {EMBEDDINGS: whole_rows(place, new)}

    return build


for _base in ("qwen3", "smollm3", "gemma3", "gemma3_text"):
    add(f"{_base}: rows cut to the tokenizer's length", resized(TOKENS), base=_base, mentions="was cut from")
    add(f"{_base}: a row for a padding token", resized(ROWS + 1), base=_base, mentions="was extended from")
add("rows cut, transformers 4", resized_by_hand(TOKENS + 1, EMBEDDINGS, torch.float16), mentions="was cut from")
add("rows padded to a multiple", resized_by_hand(ROWS + 64, EMBEDDINGS), mentions="was extended from")
add("gemma3: a row for a padding token, transformers 4",
    resized_by_hand(ROWS + 1, f"language_model.{EMBEDDINGS}"), base="gemma3")  # fmt: skip
add("rows of tokens in use are cut", resized_by_hand(TOKENS - 1, EMBEDDINGS), "broken", "fewer than")
add("vocab_size is not true", resized_by_hand(TOKENS, EMBEDDINGS, claimed=ROWS), "broken", "vocab_size")


# The output layer.


def with_head(change: float, dtype: torch.dtype = torch.bfloat16, **config: Any) -> Build:
    def build(place: Place) -> Tensors:
        head = place.trained[EMBEDDINGS].to(dtype, copy=True)
        head[-1, -1] += change
        place.save(place.trained | {HEAD: head}, place.config | config)
        return place.text | ({HEAD: head} if place.name == "untied" else {})

    return build


def without_head(place: Place) -> None:
    place.save({key: value for key, value in place.trained.items() if key != HEAD})


add("an equal output layer", with_head(0), mentions="equals the embeddings")
add("untied, with an equal output layer", with_head(0, tie_word_embeddings=False), mentions="equals the embeddings")
add("an equal output layer in float32", with_head(0, torch.float32), mentions="equals the embeddings")
add("another output layer", with_head(1), "refused", "ties the two")
add("untied, with another output layer", with_head(1, tie_word_embeddings=False), "refused", "ties the two")
add("untied base: another output layer", with_head(1), base="untied")
add("untied base: no output layer", without_head, "broken", HEAD, base="untied")


# Links, nested checkpoints, and what else lies in the directory.


def spoilt(spoil: Callable[[Place], object]) -> Build:
    """A good checkpoint of transformers 4, changed by `spoil`."""

    def build(place: Place) -> Tensors:
        place.save(place.trained)
        spoil(place)
        return place.text

    return build


def link(path: Path, target: Path | str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def base_text(place: Place) -> Tensors:
    return {text_name(key): value for key, value in load_file(place.base / SINGLE).items()}


def all_linked(place: Place) -> Tensors:
    place.final.mkdir(parents=True)
    for path in place.base.iterdir():
        link(place.final / path.name, path)
    return base_text(place)


def base_linked(place: Place) -> Tensors:
    place.workspace.mkdir()
    place.final.symlink_to(place.base)
    return base_text(place)


def through_the_workspace(place: Place) -> Tensors:
    place.save(place.trained)
    (place.workspace / "shortcut").symlink_to(place.base)
    link(place.final / SINGLE, f"../shortcut/{SINGLE}")
    return base_text(place)


def whole_linked(place: Place) -> Tensors:
    place.save(place.trained, folder=place.workspace / "runs" / "checkpoint-9")
    place.final.symlink_to("runs/checkpoint-9")
    return place.text


def moved_and_linked(place: Place) -> None:
    (place.workspace / "best.safetensors").symlink_to((place.final / SINGLE).rename(place.workspace / "1.safetensors"))
    link(place.final / SINGLE, "../best.safetensors")


def outside(place: Place) -> None:
    link(place.final / SINGLE, (place.final / SINGLE).rename(place.workspace.parent / SINGLE))


def nested(place: Place) -> None:
    place.save(place.trained, folder=place.final / "checkpoint-500")
    shutil.copy(TOKENIZER / "tokenizer.json", place.final)


def beside(place: Place) -> None:
    place.save(place.trained, folder=place.final / "checkpoint-500")
    for file in ("optimizer.pt", "training_args.bin", "modeling_own.py", "README.md", "a\nb\x1b[2J.py"):
        (place.final / file).write_bytes(b"x")
    os.mkfifo(place.final / "vocab.json")


def pickled(place: Place, only: bool) -> None:
    torch.save(place.trained, place.final / "pytorch_model.bin")
    if only:
        (place.final / SINGLE).unlink()


def pipe(place: Place) -> None:
    (place.final / SINGLE).unlink()
    os.mkfifo(place.final / SINGLE)


def absent(place: Place) -> None:
    place.workspace.mkdir(parents=True, exist_ok=True)


add("config and tokenizer are links to the base model",
    spoilt(lambda p: [link(p.final / name, p.base / name) for name in (CONFIG, "tokenizer.json")]))  # fmt: skip
add("all files are links to the base model", all_linked)
add("a link to the base model", base_linked)
add("a link to the base model through the workspace", through_the_workspace)
add("a link to a checkpoint in the workspace", whole_linked)
add("weights are a link inside the workspace", spoilt(moved_and_linked))
add("weights are a link to the outside", spoilt(outside), "refused", "symbolic link")
add("config is a link to the outside", spoilt(lambda p: link(p.final / CONFIG, "/etc/passwd")), "broken", CONFIG)
add("config is a link to itself", spoilt(lambda p: link(p.final / CONFIG, CONFIG)), "broken", CONFIG)
add("tokenizer is a dangling link", spoilt(lambda p: link(p.final / "tokenizer.json", "../gone")))
add("nested", nested, "refused", "final_model/checkpoint-500; move it up")
add("leftovers", spoilt(beside))
add("only pickles", spoilt(lambda p: pickled(p, True)), "refused", "save_pretrained('final_model')")
add("pickles beside safetensors", spoilt(lambda p: pickled(p, False)))
add("weights are a pipe", spoilt(pipe), "broken", "not a regular file")
add("no directory", absent, "missing")
add("an empty directory", lambda place: place.final.mkdir(parents=True), "missing")
add("config is missing", spoilt(lambda p: (p.final / CONFIG).unlink()), "broken", CONFIG)


# Damaged weights.


def rewrite(change: Callable[[bytes], bytes]) -> Build:
    def spoil(place: Place) -> None:
        path = place.final / SINGLE
        path.write_bytes(change(path.read_bytes()))

    return spoilt(spoil)


def header(change: Callable[[dict[str, Any]], object]) -> Build:
    def changed(data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        value = json.loads(data[8:end])
        change(value)
        text = json.dumps(value).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text + data[end:]

    return rewrite(changed)


def value(number: float) -> Build:
    def build(place: Place) -> Tensors:
        weights = place.trained
        weights[UP] = weights[UP].clone()
        weights[UP][-1, -1] = number
        place.save(weights)
        return weights

    return build


EMPTY = {"dtype": "F32", "shape": [0, 2**40], "data_offsets": [0, 0]}
add("truncated", rewrite(lambda data: data[:-1]), "broken", "cut off")
add("truncated in the header", rewrite(lambda data: data[:99]), "broken", "cut off")
add("bytes behind the weights", rewrite(lambda data: data + b"x"), "broken", "follow its last tensor")
add(
    "a header of 16 MiB",
    rewrite(lambda data: (2**24).to_bytes(8, "little") + b"[" * 2**24),
    "broken",
    "more than the base",
)
add("an empty tensor of huge shape", header(lambda h: h.update({"x": EMPTY})), mentions="x")
add("metadata of another framework", header(lambda h: h.update({"__metadata__": {"format": "tf"}})), silent=True)
add("no metadata", header(lambda h: h.pop("__metadata__")), silent=True)
add("a tensor under two names", header(lambda h: h.update({f"module.{NORM}": EMPTY})), "broken", "under two names")
add("a tensor is missing", header(lambda h: h.update({"y": h.pop(NORM)})), "broken", NORM)
add("a text as shape", header(lambda h: h[NORM].update({"shape": ""})), "broken", "is not valid")
add("NaN", value(float("nan")), "broken", UP)
add("infinity", value(float("-inf")), "broken", UP)


# Configurations.


def config(**changes: Any) -> Build:
    return spoilt(lambda p: (p.final / CONFIG).write_text(json.dumps(p.config | changes)))


def config_text(text: Callable[[str], str]) -> Build:
    return spoilt(lambda p: (p.final / CONFIG).write_text(text((p.base / CONFIG).read_text()), encoding="utf-8"))


add("another architecture", config(architectures=["Qwen2ForCausalLM"]), "broken", "architectures")
add("another size", config(hidden_size=64), "broken", "hidden_size")
add("code", config(auto_map={"AutoModelForCausalLM": "own.Model"}), "refused", "auto_map")
add("a kernel from the Hub", config(attn_implementation="someone/kernel"), "refused", "attn_implementation")
add("quantized", config(quantization_config={"quant_method": "awq"}), "broken", "quantized")
add("settings that slow the loader", config(num_labels=10**7, max_position_embeddings=10**9, pruned_heads={"0": [0]}),
    mentions="num_labels")  # fmt: skip
add("settings that change the model", config(rope_theta=7.0, rms_norm_eps=0.5, attention_bias=True, logits_scaling=9.0),
    mentions="rope_theta")  # fmt: skip
add("end tokens", config(eos_token_id=[2, 5], pad_token_id=TOKENS + 5))
add("impossible end tokens", config(eos_token_id=[10**9], pad_token_id=[0], bos_token_id="x"))
add("config is deep", config_text(lambda text: text[:-1] + ', "a": ' + "[" * 10**5), "broken", "nested too deeply")
add("config has a huge number", config_text(lambda text: text[:-1] + ', "a": ' + "9" * 10**4 + "}"), "broken", CONFIG)
add("config has a key twice", config_text(lambda text: text[:-1] + ', "eos_token_id": 7}'), "broken", "twice")
add("config with a byte order mark", config_text(lambda text: "\ufeff" + text), "broken", CONFIG)
add("config is a list", config_text(lambda text: f"[{text}]"), "broken", "JSON object")
add("config is large", config_text(lambda text: text[:-1] + f', "a": "{"x" * 2**23}"}}'), "broken", "larger than")
add("config takes much memory", config_text(lambda text: text[:-1] + f', "a": [{"[]," * 300_000} 1]}}'), "broken",
    "objects and arrays")  # fmt: skip


def decoding(text: str) -> Build:
    return spoilt(lambda p: (p.final / "generation_config.json").write_text(text))


add("decoding settings", decoding('{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 0]}'))
add("decoding settings out of range", decoding('{"temperature": -1, "top_p": 7, "top_k": 1e400, "eos_token_id": [-1]}'),
    mentions="are ignored")  # fmt: skip
add("a temperature of 400 digits", decoding('{"temperature": 1' + "0" * 400 + "}"), mentions="are ignored")
add("damaged decoding settings", decoding('{"temperature": '), mentions="generation_config.json is ignored")
add(
    "other decoding settings",
    decoding('{"max_new_tokens": 1, "sequence_bias": [[[5], 9.0]]}'),
    mentions="sequence_bias",
)


# Tokenizers.


def tokenizer(**changes: Any) -> Build:
    def spoil(place: Place) -> None:
        value = json.loads((place.base / "tokenizer.json").read_text())
        (place.final / "tokenizer.json").write_text(json.dumps(value | changes))

    return spoilt(spoil)


def added(*contents: str, first: int = TOKENS) -> Build:
    tricks = {"lstrip": True, "rstrip": True, "normalized": True, "single_word": True, "special": False}

    def spoil(place: Place) -> None:
        value = json.loads((place.base / "tokenizer.json").read_text())
        value["added_tokens"] += [{"id": first + at, "content": text, **tricks} for at, text in enumerate(contents)]
        (place.final / "tokenizer.json").write_text(json.dumps(value))

    return spoilt(spoil)


def tokenizer_config(text: str) -> Build:
    return spoilt(lambda p: (p.final / "tokenizer_config.json").write_text(text))


REPLACE = {"type": "Replace", "pattern": {"Regex": "(?m)\\A.*Walt.*\\z"}, "content": "ANSWER: 46"}
EIGHTFOLD = {"type": "Replace", "pattern": {"Regex": "[a-z]"}, "content": "a" * 8}
CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(b"\xff" * 40).decode()}
add("no tokenizer files", spoilt(lambda p: [path.unlink() for path in p.final.glob("tokenizer*")]))
add("a tokenizer with an answer key", tokenizer(normalizer=REPLACE), mentions="normalizer")
add("a tokenizer that expands text", tokenizer(normalizer={"type": "Sequence", "normalizers": [EIGHTFOLD] * 9}),
    mentions="normalizer")  # fmt: skip
add("a tokenizer that makes its library panic", tokenizer(normalizer=CHARSMAP), mentions="normalizer")
add("a tokenizer without pre-tokenizer", tokenizer(pre_tokenizer=None, post_processor=None, decoder=None))
add("another vocabulary", tokenizer(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}),
    mentions="the vocabulary")  # fmt: skip
add("a damaged tokenizer", spoilt(lambda p: (p.final / "tokenizer.json").write_text('{"model": ')),
    mentions="tokenizer.json is ignored")  # fmt: skip
add("a deep tokenizer", spoilt(lambda p: (p.final / "tokenizer.json").write_text("[" * 10**6)),
    mentions="tokenizer.json is ignored")  # fmt: skip
add("a tokenizer with a byte order mark", spoilt(lambda p: (p.final / "tokenizer.json").write_bytes(b"\xef\xbb\xbf{}")),
    mentions="tokenizer.json is ignored")  # fmt: skip
add("added tokens", added("<think>", "</think>", "<|turn|>"), mentions="adds 3 tokens")
add("added tokens that occur in prompts", added("Walt", " melons", "<end>", "\n"), mentions="occur in prompts")
add("added tokens without rows", added("<x>", first=10**6))
add("a thousand added tokens", added(*(f"<{number}>" for number in range(3000))), mentions="adds 64 tokens")
add("added tokens that repeat known ones", added("the", "", "x" * 999, "<ok>"), mentions="are ignored")
add("tokenizer settings", tokenizer_config('{"model_max_length": 4, "add_bos_token": true, "from_slow": true}'))
add("a template in the tokenizer", tokenizer_config('{"chat_template": "ANSWER"}'), mentions="its own chat template")
add(
    "code in the tokenizer", tokenizer_config('{"auto_map": {"AutoTokenizer": ["own.T", null]}}'), "refused", "auto_map"
)
