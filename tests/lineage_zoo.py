"""A zoo of checkpoints with known descent, trained from the micro models, for the lineage tests.

A recipe consists of a start (the base model, the instruct model or a mixture), optional training, an optional disguise,
and the type to save in. `build` makes the checkpoints in parallel processes of one thread each.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import posttrainbench

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]

MODELS = Path(posttrainbench.__file__).parent / "catalog" / "micro-models"
BASE, INSTRUCT = MODELS / "micro-base", MODELS / "micro-instruct"
SCRIPTS = Path(__file__).parents[1] / "scripts" / "micro_model"
BATCH = 4
"""Rows of a step. How far a training moves the weights depends on its rate and steps; small batches cost less."""

LOADING = threading.Lock()
"""Hold it while a model is created: `transformers` replaces methods of its classes during that, for all threads."""


@dataclass(frozen=True)
class Training:
    """A training; `how` is full, lora, bf16, distil, rl, same_data, scratch, embeddings or upper."""

    how: str = "full"
    data: str = "micro_math"
    steps: int = 80
    rate: float = 2e-3
    seed: int = 0
    rank: int = 8


@dataclass(frozen=True)
class Recipe:
    """Recipe of a checkpoint, and its expected verdict: `honest`, `proof` or at least `suspect`.

    `after` names what it is merged with: `instruct`, or the second SFT (`average`, `dare ties`).
    """

    name: str
    expected: str
    start: str
    training: Training | None = None
    disguise: str = ""
    dtype: str = "float32"
    after: str = ""


MATH, CALLS, CODE, CHOICE = "micro_math", "micro_calls", "micro_code", "micro_choice"
GENTLE = Training(data=MATH, rate=1e-4, seed=11)
SFT = [Training(data=data, seed=seed) for seed, data in enumerate((MATH, CALLS, CODE, CHOICE))]
LORA = Training(how="lora", data=CALLS, rate=5e-3, seed=5)
LONG = Training(data=MATH, steps=120, rate=2e-3, seed=6)
SAME = Training(how="same_data", steps=120, rate=1e-3, seed=7)
COST = {"rl": 2, "same_data": 2, "distil": 2, "scratch": 2}  # of a step, beside that of plain training
QUANTIZED = ("int8", "Q8_0", "Q4_0", "AWQ")
"""Round trips: int8 by rows, GGUF's blocks of 32 in 8 and 4 bits, groups of 96 in 4 bits with scaled columns as AWQ."""
TINY = 1e-12
"""Step of a block of zeros."""
RANKS = (8, 32)
MERGES = tuple(number / 10 for number in range(1, 10))


def recipes() -> list[Recipe]:
    """The zoo."""
    honest = [
        *(Recipe(f"SFT on {one.data}", "honest", "base", one) for one in SFT),
        Recipe("gentle SFT", "honest", "base", Training(data=MATH, rate=1e-4, seed=8)),
        Recipe("long SFT", "honest", "base", LONG),
        Recipe("SFT, saved in bf16", "honest", "base", SFT[0], dtype="bfloat16"),
        Recipe("SFT, saved in fp16", "honest", "base", SFT[1], dtype="float16"),
        Recipe("SFT in bf16 throughout", "honest", "base", Training("bf16", CALLS, 40, 5e-4, 9)),
        Recipe("LoRA, merged", "honest", "base", LORA),
        Recipe("LoRA of rank 32, merged, bf16", "honest", "base", Training("lora", MATH, 80, 2e-3, 10, 32),
               dtype="bfloat16"),
        Recipe("SFT, then RL", "honest", "base", Training(how="rl", data=MATH, steps=60, seed=12)),
        Recipe("same data as instruct", "honest", "base", SAME),
        Recipe("same data as instruct, bf16", "honest", "base", SAME, dtype="bfloat16"),
        Recipe("distilled from instruct", "honest", "base", Training(how="distil", data=CALLS, seed=14)),
        Recipe("SFT of embeddings alone", "honest", "base", Training(how="embeddings", data=MATH, seed=15)),
        Recipe("SFT of upper layers alone", "honest", "base", Training(how="upper", data=CODE, seed=16)),
        Recipe("SFT, vocabulary extended", "honest", "base", SFT[2], disguise="vocabulary"),
        Recipe("SFT, output layer saved too", "honest", "base", SFT[3], disguise="head"),
        Recipe("two SFTs averaged", "honest", "base", SFT[0], after="average"),
        Recipe("two SFTs, DARE-TIES merge", "honest", "base", SFT[0], after="dare ties"),
        *(Recipe(f"base, {kind}", "honest", "base", disguise=kind) for kind in QUANTIZED),
        *(Recipe(f"SFT, {kind}", "honest", "base", SFT[2], disguise=kind) for kind in QUANTIZED),
    ]  # fmt: skip
    copies = [
        Recipe("instruct", "proof", "instruct"),
        Recipe("instruct in bf16", "proof", "instruct", dtype="bfloat16"),
        Recipe("instruct in fp16", "proof", "instruct", dtype="float16"),
        Recipe("instruct, vocabulary extended", "proof", "instruct", disguise="vocabulary"),
        Recipe("instruct, output layer saved too", "proof", "instruct", disguise="head"),
        Recipe("instruct with noise", "proof", "instruct", disguise="noise"),
        *(Recipe(f"merge {share}", "proof", f"merge {share}") for share in MERGES),
        Recipe("merge 0.5, bf16", "proof", "merge 0.5", dtype="bfloat16"),
        Recipe("merge 0.2, bf16", "proof", "merge 0.2", dtype="bfloat16"),
        Recipe("extrapolation 1.3", "proof", "merge 1.3"),
        Recipe("merge 0.05", "proof", "merge 0.05"),
        Recipe("DARE merge", "proof", "dare"),
        Recipe("TIES merge", "proof", "ties"),
        Recipe("TIES merge, then SFT", "suspect", "ties", SFT[1]),
        Recipe("strongest directions of instruct, then SFT", "suspect", "directions", SFT[1]),
        *(Recipe(f"instruct, {kind}", "proof", "instruct", disguise=kind) for kind in QUANTIZED),
        Recipe("merge 0.3, int8", "proof", "merge 0.3", disguise="int8"),
        Recipe("SFT and instruct, TIES merge", "suspect", "base", SFT[3], disguise="ties"),
        Recipe("SFT and instruct, DARE-TIES merge", "proof", "base", SFT[3], disguise="dare ties"),
        *(Recipe(f"rank {rank} of instruct in base", "suspect", "base", disguise=f"rank {rank}") for rank in RANKS),
        Recipe("rank 32 of instruct in SFT", "suspect", "base", SFT[1], disguise="rank 32"),
        Recipe("layer 1 of instruct in base", "proof", "base", disguise="splice layer"),
        Recipe("layer 1 of instruct in SFT", "proof", "base", SFT[0], disguise="splice layer"),
        Recipe("embeddings of instruct in SFT", "proof", "base", SFT[1], disguise="splice embeddings"),
        Recipe("one matrix of instruct in SFT", "proof", "base", SFT[2], disguise="splice matrix"),
        Recipe("instruct, neurons permuted", "proof", "instruct", disguise="neurons"),
        Recipe("instruct, heads permuted", "proof", "instruct", disguise="heads"),
        Recipe("instruct, all permuted, bf16", "proof", "instruct", disguise="permuted", dtype="bfloat16"),
        Recipe("instruct, residual stream permuted", "proof", "instruct", disguise="residual"),
        Recipe("instruct, all permuted, residual too", "proof", "instruct", disguise="permuted residual"),
        Recipe("instruct, rescaled", "proof", "instruct", disguise="rescaled"),
        Recipe("instruct, norms folded", "proof", "instruct", disguise="norms"),
        Recipe("instruct, permuted, rescaled, bf16", "proof", "instruct", disguise="permuted rescaled",
               dtype="bfloat16"),
    ]  # fmt: skip
    derived = [
        Recipe("gentle SFT of instruct", "proof", "instruct", GENTLE),
        Recipe("gentle SFT of instruct, bf16", "proof", "instruct", GENTLE, dtype="bfloat16"),
        Recipe("SFT of instruct in bf16", "proof", "instruct", Training("bf16", CALLS, 40, 1e-4, 17)),
        Recipe("LoRA of instruct", "proof", "instruct", LORA),
        Recipe("LoRA of instruct, bf16", "proof", "instruct", LORA, dtype="bfloat16"),
        Recipe("gentle SFT of instruct, permuted", "proof", "instruct", GENTLE, disguise="permuted"),
        Recipe("SFT of instruct, rate 2e-3", "suspect", "instruct", SFT[0]),
        Recipe("long SFT of instruct", "suspect", "instruct", LONG),
        Recipe("aggressive SFT of instruct", "suspect", "instruct", Training(data=MATH, steps=120, rate=6e-3, seed=21)),
        Recipe("layer 1 of instruct, then SFT", "suspect", "layers.1.", SFT[1]),
        Recipe("embeddings of instruct, then SFT", "suspect", "embed_tokens", SFT[1]),
        Recipe("merge 0.1, then SFT", "suspect", "merge 0.1", SFT[2]),
        Recipe("merge 0.2, then SFT", "suspect", "merge 0.2", SFT[2]),
        Recipe("merge 0.3, then gentle SFT", "suspect", "merge 0.3", GENTLE),
        Recipe("merge 0.5, then SFT", "suspect", "merge 0.5", SFT[0]),
        Recipe("half instruct, half honest SFT", "suspect", "base", SFT[0], after="instruct"),
        Recipe("other family, same shapes", "suspect", "scratch", Training(how="scratch", steps=20, seed=19)),
        Recipe("other family, other shapes", "suspect", "narrow", Training(how="scratch", steps=10, seed=20)),
    ]
    return [*honest, *copies, *derived]


def build(directory: Path, wanted: Iterable[Recipe] | None = None, processes: int = 2) -> dict[str, Path]:
    """Make the checkpoints, each in a folder of its own, the long trainings first; returns name -> folder.

    Recipes that differ only in what follows the training share it.
    """
    chosen = list(recipes() if wanted is None else wanted)
    folders = {recipe.name: directory / f"{number:02}" for number, recipe in enumerate(chosen)}
    groups: dict[tuple[str, Training | None], list[Recipe]] = {}
    for recipe in chosen:
        if not recipe.after:
            groups.setdefault((recipe.start, recipe.training), []).append(recipe)
    order = sorted(groups, key=lambda key: -(key[1].steps * COST.get(key[1].how, 1) if key[1] else 0))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context)
    try:
        jobs = [pool.submit(make, groups[key], [folders[recipe.name] for recipe in groups[key]]) for key in order]
        for job in jobs:
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)
    for recipe in chosen:
        if recipe.after:
            _combine(recipe, chosen, folders)
    return folders


def _combine(recipe: Recipe, chosen: list[Recipe], folders: dict[str, Path]) -> None:
    """Make a checkpoint from two others that have been made."""
    from transformers import AutoConfig

    plain = {
        (one.start, one.training): folders[one.name]
        for one in chosen
        if not one.disguise and not one.after and one.dtype == "float32"
    }
    first = load(plain[recipe.start, recipe.training])
    second = INSTRUCT if recipe.after == "instruct" else plain["base", SFT[1]]
    if recipe.after == "dare ties":
        weights = _merge(drop=True, other=second)(first)
    else:
        other = load(second)
        weights = {name: (value + other[name]) / 2 for name, value in first.items()}
    save(folders[recipe.name], weights, AutoConfig.from_pretrained(BASE), recipe.dtype)


def make(group: list[Recipe], folders: list[Path]) -> None:
    """Make checkpoints that share their start and training."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.set_num_threads(1)
    start, training = group[0].start, group[0].training
    torch.manual_seed(training.seed if training else 0)
    model = _model(start)
    if training:
        train(model, training)
    trained = _weights(model)
    for recipe, folder in zip(group, folders, strict=True):
        weights = trained
        for disguise in DISGUISES[recipe.disguise]:
            weights = disguise(weights)
        save(folder, weights, model.config, recipe.dtype)


def _model(start: str) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if start == "narrow":
        config = AutoConfig.from_pretrained(BASE)
        config.hidden_size = 64
        with LOADING:
            return AutoModelForCausalLM.from_config(config)
    with LOADING:
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.load_state_dict(_start(start), strict=False)
    return model


def _weights(model: Any) -> Weights:
    return {
        name: value.detach().float().clone() for name, value in model.state_dict().items() if name != "lm_head.weight"
    }


def save(folder: Path, weights: Weights, config: Any, dtype: str) -> None:
    """Write a checkpoint."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.to(getattr(torch, dtype)).clone().contiguous() for name, value in weights.items()},
        folder / "model.safetensors",
    )
    config.save_pretrained(folder)


def load(directory: Path) -> Weights:
    """The weights of a checkpoint."""
    from safetensors.torch import load_file

    return load_file(directory / "model.safetensors")


def _start(name: str) -> Weights:
    import torch

    base, instruct = load(BASE), load(INSTRUCT)
    if name == "base":
        return base
    if name == "instruct":
        return instruct
    if name == "scratch":  # weights of the same spread, drawn anew
        return {key: value if value.ndim == 1 else torch.randn_like(value) * value.std() for key, value in base.items()}
    if name == "ties":  # the largest fifth of the differences
        return {
            key: torch.where(
                (gap := instruct[key] - value).abs() >= gap.abs().flatten().quantile(0.8), instruct[key], value
            )
            for key, value in base.items()
        }
    if name == "directions":  # a quarter of the singular directions of each difference
        return {
            key: value + _strongest(instruct[key] - value) if value.ndim == 2 else value for key, value in base.items()
        }
    if name == "dare":  # half of the differences, doubled
        return {
            key: value + 2 * (instruct[key] - value) * (torch.rand_like(value) < 0.5) for key, value in base.items()
        }
    if not name.startswith("merge "):  # a part of instruct in the base
        return {key: instruct[key] if name in key else value for key, value in base.items()}
    share = float(name.removeprefix("merge "))
    return {key: value + share * (instruct[key] - value) for key, value in base.items()}


def _strongest(difference: torch.Tensor, rank: int | None = None) -> torch.Tensor:
    import torch

    left, sizes, right = torch.linalg.svd(difference, full_matrices=False)
    count = rank or len(sizes) // 4
    return (left[:, :count] * sizes[:count]) @ right[:count]


def train(model: Any, training: Training) -> None:
    """Train `model` in place."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    import train as recipe

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    rng = random.Random(training.seed)
    if training.how in ("same_data", "scratch"):
        recipe.SEED = training.seed
        if training.how == "same_data":
            recipe.INSTRUCT_RATE = training.rate
            recipe.CHATS = recipe.REPLAY = 1
            recipe.instruct(model, tokenizer, training.steps)
        else:
            recipe.BATCH = BATCH
            recipe.pretrain(model, tokenizer, f"zoo {training.seed}", training.steps, 0.0)
        return
    module = next(one for one in recipe.BENCHMARKS if one.__name__.endswith(training.data))
    items = _train_items(module)
    teacher = None
    if training.how == "distil":
        with LOADING:
            teacher = AutoModelForCausalLM.from_pretrained(INSTRUCT, dtype=torch.float32)
    if training.how == "bf16":
        model.to(torch.bfloat16)
    merge = _adapters(model, training.rank) if training.how == "lora" else None
    if training.how == "embeddings":
        model.requires_grad_(False)
        model.model.embed_tokens.weight.requires_grad_(True)
    if training.how == "upper":
        model.requires_grad_(False)
        model.model.layers[2:].requires_grad_(True)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=training.rate, weight_decay=0.0)
    model.train()
    for step in range(training.steps):
        for group in optimizer.param_groups:
            group["lr"] = training.rate * min((step + 1) / 10, (training.steps - step) / training.steps)
        batch = recipe.pad([recipe.chat_row(tokenizer, item) for item in rng.sample(items, BATCH)], tokenizer)
        aim = batch.pop("labels")[:, 1:]
        answers = aim != -100
        if teacher is None:
            aim = aim[answers]
        else:
            with torch.no_grad():
                aim = _logits(teacher, batch, answers).softmax(-1)
        loss = torch.nn.functional.cross_entropy(_logits(model, batch, answers).float(), aim)
        loss.backward()
        _step(parameters, optimizer)
    if training.how == "rl":
        _reinforce(model, tokenizer, module, rng)
    if merge:
        merge()


@cache
def _train_items(module: ModuleType) -> list[dict[str, Any]]:
    return module.generate("train")


def _logits(model: Any, batch: dict[str, torch.Tensor], answers: torch.Tensor) -> torch.Tensor:
    """The logits before each token of the answers; those of all tokens take half of the time of a step."""
    return model.lm_head(model.model(**batch).last_hidden_state[:, :-1][answers])


def _step(parameters: Any, optimizer: Any) -> None:
    import torch

    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _adapters(model: Any, rank: int) -> Callable[[], None]:
    """Put low-rank adapters on all linear layers and freeze the rest; the result merges them."""
    import torch

    model.requires_grad_(False)
    adapted = []
    for layer in [one for one in model.model.layers.modules() if isinstance(one, torch.nn.Linear)]:
        down = torch.nn.Parameter(torch.randn(rank, layer.in_features) * layer.in_features**-0.5)
        up = torch.nn.Parameter(torch.zeros(layer.out_features, rank))
        layer.adapter = torch.nn.ParameterList([down, up])
        handle = layer.register_forward_hook(
            lambda layer, inputs, out: out + inputs[0] @ layer.adapter[0].T @ layer.adapter[1].T
        )
        adapted.append((layer, handle))

    def merge() -> None:
        for layer, handle in adapted:
            handle.remove()
            layer.weight.data += layer.adapter[1].data @ layer.adapter[0].data
            del layer.adapter

    return merge


def _reinforce(model: Any, tokenizer: Any, module: Any, rng: random.Random) -> None:
    """A few steps of REINFORCE with the group's mean as the baseline: 4 prompts, 6 samples of each."""
    import torch

    from posttrainbench.benchmarks.scorers import number

    items = module.generate("train")
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0)
    tokenizer.padding_side = "left"
    for _ in range(6):
        chosen = [item for item in rng.sample(items, 4) for _ in range(6)]
        prompts = [f"<|im_start|>user\n{item['question']}<|im_end|>\n<|im_start|>assistant\n" for item in chosen]
        batch = tokenizer(prompts, return_tensors="pt", padding=True)
        model.eval()
        with torch.no_grad():
            made = model.generate(**batch, do_sample=True, temperature=1.0, max_new_tokens=40)
        model.train()
        width = batch["input_ids"].shape[1]
        texts = tokenizer.batch_decode(made[:, width:], skip_special_tokens=True)
        rewards = torch.tensor(
            [float(number.score(text, item["target"])) for text, item in zip(texts, chosen, strict=True)]
        ).view(4, 6)
        advantage = (rewards - rewards.mean(1, keepdim=True)).flatten()
        mask = torch.cat([batch["attention_mask"], (made[:, width:] != tokenizer.pad_token_id).long()], 1)
        logits = model(input_ids=made, attention_mask=mask).logits[:, width - 1 : -1]
        chosen_logs = logits.log_softmax(-1).gather(-1, made[:, width:, None]).squeeze(-1)
        loss = -(advantage[:, None] * chosen_logs * mask[:, width:]).sum() / mask[:, width:].sum()
        loss.backward()
        _step(parameters, optimizer)


def _vocabulary(weights: Weights) -> Weights:
    import torch

    name = "model.embed_tokens.weight"
    return weights | {name: torch.cat([weights[name], 0.02 * torch.randn(16, weights[name].shape[1])])}


def _head(weights: Weights) -> Weights:
    return weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}


def _noise(weights: Weights) -> Weights:
    import torch

    return {name: value + 0.002 * torch.randn_like(value) for name, value in weights.items()}


def _splice(part: str) -> Callable[[Weights], Weights]:
    def splice(weights: Weights) -> Weights:
        return weights | {name: value for name, value in load(INSTRUCT).items() if part in name}

    return splice


def _matrices(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Weights], Weights]:
    """Return a disguise that changes every matrix, whose rows have 96, 128 or 288 columns."""
    return lambda weights: {name: change(value) if value.ndim == 2 else value for name, value in weights.items()}


def _int8(matrix: torch.Tensor) -> torch.Tensor:
    step = (matrix.abs().amax(1, keepdim=True) / 127).clamp(min=TINY)
    return (matrix / step).round() * step


def _q8_0(matrix: torch.Tensor) -> torch.Tensor:
    blocks = matrix.reshape(-1, 32)
    step = (blocks.abs().amax(1, keepdim=True) / 127).half().float().clamp(min=TINY)
    return ((blocks / step).round().clamp(-127, 127) * step).reshape(matrix.shape)


def _q4_0(matrix: torch.Tensor) -> torch.Tensor:
    import torch

    blocks = matrix.reshape(-1, 32)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    step = (largest / -8).half().float()
    step = torch.where(step == 0, TINY, step)
    return ((blocks / step).round().clamp(-8, 7) * step).reshape(matrix.shape)


def _awq(matrix: torch.Tensor) -> torch.Tensor:
    """Scale the columns, quantize groups to 16 levels from their least to their largest value, undo the scaling."""
    import torch

    scales = 0.5 + 1.5 * torch.rand(matrix.shape[1], generator=torch.Generator().manual_seed(matrix.shape[1]))
    groups = (matrix * scales).reshape(matrix.shape[0], -1, 32 if matrix.shape[1] % 96 else 96)
    low = groups.amin(-1, keepdim=True)
    step = ((groups.amax(-1, keepdim=True) - low) / 15).clamp(min=TINY)
    zero = (-low / step).round()
    levels = ((groups / step).round() + zero).clamp(0, 15)
    return ((levels - zero) * step).reshape(matrix.shape) / scales


def _rank(rank: int) -> Callable[[Weights], Weights]:
    """Add the closest low-rank approximation of instruct's changes, as an extracted adapter does."""

    def add(weights: Weights) -> Weights:
        base, instruct = load(BASE), load(INSTRUCT)
        return {
            name: value + _strongest(instruct[name] - base[name], rank) if value.ndim == 2 else value
            for name, value in weights.items()
        }

    return add


def _merge(drop: bool, other: Path | None = None) -> Callable[[Weights], Weights]:
    """Merge a model's changes with those of another by TIES, after keeping the largest fifth, or DARE-TIES."""

    def merge(weights: Weights) -> Weights:
        import torch

        base, second = load(BASE), load(other or INSTRUCT)
        generator = torch.Generator().manual_seed(0)

        def sparse(change: torch.Tensor) -> torch.Tensor:
            if drop:  # half of the changes, doubled
                return 2 * change * (torch.rand(change.shape, generator=generator) < 0.5)
            return change * (change.abs() >= change.abs().flatten().quantile(0.8))

        merged = {}
        for name, value in base.items():
            both = torch.stack([sparse(weights[name] - value), sparse(second[name] - value)])
            agree = (both.sign() == both.sum(0).sign()) & (both != 0)
            merged[name] = value + (both * agree).sum(0) / agree.sum(0).clamp(min=1)
        return merged

    return merge


def _each_layer(weights: Weights, change: Callable[[Weights, int], Weights]) -> Weights:
    """Apply a change to the tensors of each layer, named without their prefix."""
    result = dict(weights)
    for number in range(4):
        prefix = f"model.layers.{number}."
        layer = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        result |= {prefix + name: value for name, value in change(layer, number).items()}
    return result


def _neurons(weights: Weights) -> Weights:
    import torch

    def change(layer: Weights, number: int) -> Weights:
        order = torch.randperm(288, generator=torch.Generator().manual_seed(number))
        return {
            "mlp.gate_proj.weight": layer["mlp.gate_proj.weight"][order],
            "mlp.up_proj.weight": layer["mlp.up_proj.weight"][order],
            "mlp.down_proj.weight": layer["mlp.down_proj.weight"][:, order],
        }

    return _each_layer(weights, change)


def _heads(weights: Weights) -> Weights:
    """Swap the two groups of heads, and the heads in each group."""
    import torch

    queries = torch.arange(128).view(2, 2, 32).flip(0, 1).flatten()
    keys = torch.arange(64).view(2, 32).flip(0).flatten()

    def change(layer: Weights, number: int) -> Weights:
        return {
            "self_attn.q_proj.weight": layer["self_attn.q_proj.weight"][queries],
            "self_attn.k_proj.weight": layer["self_attn.k_proj.weight"][keys],
            "self_attn.v_proj.weight": layer["self_attn.v_proj.weight"][keys],
            "self_attn.o_proj.weight": layer["self_attn.o_proj.weight"][:, queries],
        }

    return _each_layer(weights, change)


def _residual(weights: Weights) -> Weights:
    """Permute the channels of the residual stream in everything that reads or writes them."""
    import torch

    order = torch.randperm(96, generator=torch.Generator().manual_seed(0))
    result = {}
    for name, value in weights.items():
        writes = name.endswith(("o_proj.weight", "down_proj.weight"))
        inner = "q_norm" in name or "k_norm" in name
        result[name] = value if inner else value[order] if writes or value.ndim == 1 else value[:, order]
    return result


def _rescaled(weights: Weights) -> Weights:
    """Scale up-projections and values by neuron, and undo it in what reads them."""
    import torch

    def change(layer: Weights, number: int) -> Weights:
        generator = torch.Generator().manual_seed(number)
        up = 0.5 + 1.5 * torch.rand(288, generator=generator)
        value = 0.5 + 1.5 * torch.rand(2, 1, 32, generator=generator)
        return {
            "mlp.up_proj.weight": layer["mlp.up_proj.weight"] * up[:, None],
            "mlp.down_proj.weight": layer["mlp.down_proj.weight"] / up,
            "self_attn.v_proj.weight": layer["self_attn.v_proj.weight"] * value.reshape(64, 1),
            "self_attn.o_proj.weight": layer["self_attn.o_proj.weight"] / value.expand(2, 2, 32).reshape(128),
        }

    return _each_layer(weights, change)


def _norms(weights: Weights) -> Weights:
    """Move the gains of the norms before attention and MLP into the matrices that follow."""
    import torch

    def change(layer: Weights, number: int) -> Weights:
        result: Weights = {}
        for norm, readers in (
            ("input_layernorm.weight", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
            ("post_attention_layernorm.weight", ("mlp.gate_proj", "mlp.up_proj")),
        ):
            result[norm] = torch.ones_like(layer[norm])
            result |= {f"{one}.weight": layer[f"{one}.weight"] * layer[norm] for one in readers}
        return result

    return _each_layer(weights, change)


DISGUISES: dict[str, tuple[Callable[[Weights], Weights], ...]] = {
    "": (),
    "vocabulary": (_vocabulary,),
    "head": (_head,),
    "noise": (_noise,),
    "splice layer": (_splice("layers.1."),),
    "splice embeddings": (_splice("embed_tokens"),),
    "splice matrix": (_splice("layers.2.mlp.up_proj"),),
    "neurons": (_neurons,),
    "heads": (_heads,),
    "permuted": (_neurons, _heads),
    "residual": (_residual,),
    "permuted residual": (_neurons, _heads, _residual),
    "rescaled": (_rescaled,),
    "norms": (_norms,),
    "permuted rescaled": (_neurons, _heads, _rescaled),
    "int8": (_matrices(_int8),),
    "Q8_0": (_matrices(_q8_0),),
    "Q4_0": (_matrices(_q4_0),),
    "AWQ": (_matrices(_awq),),
    "ties": (_merge(drop=False),),
    "dare ties": (_merge(drop=True),),
    **{f"rank {rank}": (_rank(rank),) for rank in RANKS},
}


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
