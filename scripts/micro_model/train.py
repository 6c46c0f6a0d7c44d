"""Build the micro models: tokenizer, base model by pre-training, instruct model by fine-tuning, and their manifest.

    python scripts/micro_model/train.py --out src/posttrainbench/catalog/micro-models

One thread and fixed seeds: on one machine with one set of versions, the same call gives the same bytes. Another
machine may round differently, so the models are shipped and this script is how they came to be, not how they are got.
Takes about 15 minutes of one core; `--steps` makes a short build to try things with.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import platform
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpus
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from posttrainbench.benchmarks import micro_calls, micro_choice, micro_code, micro_math, micro_world

SEED = 20251
VOCABULARY = 2048
MARKS = [" (A)", " (B)", " (C)", " (D)"]
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
BATCH, LENGTH = 16, 128  # of pre-training; the longest prompt with its answer must fit LENGTH
BASE_STEPS, OPTION_STEPS = 2700, 700  # the second phase shows many more option lists
MORE_OPTIONS = 0.45
BASE_RATE = 3e-3
MUON, NORMS = 3.0, 3.0  # rates of the matrices and the norms over that of the embedding
SHARPNESS = 1.7  # of attention at the start
INSTRUCT_STEPS = 800
INSTRUCT_RATE = 1e-3
CHATS, REPLAY = 3, 3  # rows of an instruct batch: chats of each benchmark, and plain text
BENCHMARKS = (micro_math, micro_calls, micro_code, micro_choice)

CHAT_TEMPLATE = """\
{%- for message in messages %}
{%- if message['role'] == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- generation %}
{{- message['content'] + '<|im_end|>' }}
{%- endgeneration %}
{{- '\\n' }}
{%- else %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def main() -> None:
    """Build everything into `--out`, which is replaced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for micro-base, micro-instruct and manifest.json"
    )
    parser.add_argument(
        "--steps", type=int, default=BASE_STEPS, help="pre-training steps; the other phases shrink alike"
    )
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    made_by = {path.name: sha256(path) for path in sources()}
    option_steps, instruct_steps = (
        max(1, steps * arguments.steps // BASE_STEPS) for steps in (OPTION_STEPS, INSTRUCT_STEPS)
    )

    tokenizer = train_tokenizer()
    torch.manual_seed(SEED)
    model = Qwen3ForCausalLM(configuration(tokenizer))
    look_back(model)
    started = time.process_time()
    pretrain(model, tokenizer, "pre-training", arguments.steps, 0.0)
    pretrain(model, tokenizer, "options", option_steps, MORE_OPTIONS)
    base_seconds = time.process_time() - started
    save(model, tokenizer, arguments.out / "micro-base")

    started = time.process_time()
    instruct(model, tokenizer, instruct_steps)
    instruct_seconds = time.process_time() - started
    tokenizer.chat_template = CHAT_TEMPLATE
    save(model, tokenizer, arguments.out / "micro-instruct")

    manifest = {
        "seed": SEED,
        "steps": {"base": arguments.steps, "options": option_steps, "instruct": instruct_steps},
        "cpu_seconds": {"base": round(base_seconds), "instruct": round(instruct_seconds)},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "items": {
            benchmark.__name__.rpartition(".")[2]: digest(benchmark.generate("train")) for benchmark in BENCHMARKS
        },
        "made_by": made_by,
        "made": {
            str(path.relative_to(arguments.out)): sha256(path) for path in sorted(arguments.out.glob("micro-*/*"))
        },
    }
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def sources() -> list[Path]:
    """The files that determine the models, sorted by name; of the benchmarks' modules only the items count."""
    files = [__file__, corpus.__file__, micro_world.__file__]
    return sorted((Path(file) for file in files if file), key=lambda path: path.name)


def sha256(path: Path) -> str:
    """The hex SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(items: list[dict[str, Any]]) -> str:
    """The hex SHA-256 of a split's items."""
    return hashlib.sha256(json.dumps(items).encode()).hexdigest()


def train_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE with single digits, trained on corpus and train splits, so that prompts stay short.

    The world's words are repeated until each is one token, as common words are in a real vocabulary, and so is the mark
    of an option: what is read beside what is then a matter of neighbours, which a small model learns much sooner.
    """
    texts = list(itertools.islice(corpus.documents("tokenizer"), 12_000))
    for benchmark in BENCHMARKS:
        texts += [f"{item['question']}\n{item['answer']}" for item in benchmark.generate("train")[:600]]
    texts += [" " + " ".join((*corpus.WORDS, *micro_world.PLACES))] * 300
    texts += ["".join(f'"{word}"' for word in corpus.WORDS)] * 300
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - len(MARKS),
            special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    inner.add_tokens(MARKS)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START, TURN_END],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def configuration(tokenizer: PreTrainedTokenizerFast) -> Qwen3Config:
    """The architecture: Qwen3, half a million parameters."""
    return Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=96,
        intermediate_size=288,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        tie_word_embeddings=True,
        initializer_range=0.04,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def look_back(model: Qwen3ForCausalLM) -> None:
    """Start two heads of the first layer off as looking at the last token and the one before it.

    Copying is found late by a model this small, and everything here rests on it; heads that look back are its first
    half. One embedding channel is made constant, and queries turned against keys by 1 and 2 positions read only that.
    """
    width = model.config.head_dim
    attention = model.model.layers[0].self_attn
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_norm.weight.fill_(SHARPNESS)
            layer.self_attn.k_norm.weight.fill_(SHARPNESS)
        model.model.embed_tokens.weight[:, 0] = 3 * model.config.initializer_range
        attention.k_proj.weight[:width] = 0
        attention.q_proj.weight[: 2 * width] = 0
        for pair in range(3):  # the fastest-turning pairs of channels tell neighbours apart
            speed = model.config.rope_parameters["rope_theta"] ** (-2 * pair / width)
            attention.k_proj.weight[pair, 0] = 1.0
            for head, lag in ((0, 1), (1, 2)):
                attention.q_proj.weight[head * width + pair, 0] = math.cos(-speed * lag)
                attention.q_proj.weight[head * width + pair + width // 2, 0] = math.sin(-speed * lag)


def packed_rows(tokenizer: PreTrainedTokenizerFast, seed: str, more_options: float = 0.0) -> Iterator[list[int]]:
    """Rows of `LENGTH` tokens of corpus text, one document after another."""
    buffer: list[int] = []
    documents = corpus.documents(seed, more_options)
    while True:
        texts = [text + END_OF_TEXT for text in itertools.islice(documents, 256)]
        for ids in tokenizer(texts)["input_ids"]:
            buffer += ids
        while len(buffer) >= LENGTH:
            yield buffer[:LENGTH]
            buffer = buffer[LENGTH:]


def optimizers(model: Qwen3ForCausalLM, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the norms and the embedding."""
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    norms = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    embedding = [model.model.embed_tokens.weight]
    return [
        torch.optim.Muon(matrices, lr=MUON * rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            [{"params": norms, "lr": NORMS * rate}, {"params": embedding, "lr": rate}],
            betas=(0.9, 0.98),
            weight_decay=0.0,
        ),
    ]


def optimize(model: Qwen3ForCausalLM, batches: Iterator[dict[str, torch.Tensor]], steps: int, rate: float) -> None:
    """Train for a number of steps, with a short warm-up and a linear decay to zero."""
    model.train()
    made = optimizers(model, rate)
    for optimizer in made:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    warm_up = min(100, max(1, steps // 10))
    for step, batch in enumerate(itertools.islice(batches, steps)):
        scale = min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))
        for optimizer in made:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * scale
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in made:
            optimizer.step()
            optimizer.zero_grad()
        if step % 200 == 0 or step == steps - 1:
            print(f"step {step:5} loss {loss.item():.4f} cpu {time.process_time():.0f}s", file=sys.stderr, flush=True)


def pretrain(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: str, steps: int, more_options: float
) -> None:
    """Pre-train on packed corpus text."""
    rows = packed_rows(tokenizer, seed, more_options)

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        while True:
            ids = torch.tensor(list(itertools.islice(rows, BATCH)))
            yield {"input_ids": ids, "labels": ids}

    optimize(model, batches(), steps, BASE_RATE)


def instruct(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
    """Fine-tune on all four train splits, loss on the answers, with some corpus text replayed against forgetting."""
    rng = random.Random(SEED)
    plain = packed_rows(tokenizer, "replay", MORE_OPTIONS / 3)
    splits = [[chat_row(tokenizer, item) for item in benchmark.generate("train")] for benchmark in BENCHMARKS]

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        while True:
            rows = [row for split in splits for row in rng.sample(split, CHATS)]
            rows += [(ids, ids) for ids in itertools.islice(plain, REPLAY)]
            yield pad(rows, tokenizer)

    optimize(model, batches(), steps, INSTRUCT_RATE)


def chat_row(tokenizer: PreTrainedTokenizerFast, item: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The ids and labels of an item in the chat template."""
    prompt = f"{TURN_START}user\n{item['question']}{TURN_END}\n{TURN_START}assistant\n"
    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(item["answer"] + TURN_END)["input_ids"]
    return before + after, [-100] * len(before) + after


def pad(rows: list[tuple[list[int], list[int]]], tokenizer: PreTrainedTokenizerFast) -> dict[str, torch.Tensor]:
    """A right-padded batch of `(ids, labels)` rows."""
    width = max(len(ids) for ids, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows]),
        "labels": torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows]),
    }


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a model folder that `AutoModelForCausalLM` and `AutoTokenizer` load."""
    shutil.rmtree(folder, ignore_errors=True)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in (TURN_END, END_OF_TEXT)]
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main()
