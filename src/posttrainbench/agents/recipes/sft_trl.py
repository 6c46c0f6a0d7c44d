"""An honest agent for real language models: fine-tunes with TRL's SFTTrainer, a LoRA adapter or all weights.

It trains on the benchmark's train split. If there is none, the rows are generated. Training stops when time runs out.
Runs inside the sandbox, without posttrainbench.
"""

import argparse
import json
import random
import time
import warnings
from pathlib import Path
from typing import Any

import common
import recipe_settings
import training_rows

MAX_LENGTH = 512
"""Longest training row in tokens, which limits the memory of a step; longer rows are left out."""
SAVE_SECONDS = 45.0
"""Time reserved for merging and saving the model."""
LEARNING_RATE = {"lora": 1e-3, "full": 2e-4}


def fine_tune(task: dict[str, Any], rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Fine-tune the base model on question-answer rows, with loss on the answers only, and save the submission.

    Each row is computed by itself and `batch_size` rows make a step, so memory depends on the longest row only. The
    rows that are used are also written to `train_data.jsonl`, as chats.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback, set_seed
    from transformers.utils.logging import disable_progress_bar
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)  # names that newer versions of the libraries prefer
    print(f"libraries loaded, {common.seconds_left():.0f} s left", flush=True)
    set_seed(task["seed"])
    gpu = torch.cuda.is_available()
    tokenizer = AutoTokenizer.from_pretrained(task["base_model"])
    tokenizer.chat_template = Path(task["kit"], "templates", "chat_template.jinja").read_text()
    rows = _drawn(rows, tokenizer, args.steps * args.batch_size, task["seed"])
    print(f"fine-tuning {task['model']} on {len(rows)} of the examples", flush=True)
    model = AutoModelForCausalLM.from_pretrained(task["base_model"], dtype=torch.float32)
    model.config.use_cache = False

    with Path("train_data.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"messages": common.chat(row)} | ({"tools": row["tools"]} if row.get("tools") else {})) + "\n"
            for row in rows
        )

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Stops training before time runs out, after the first step also within one, and prints its progress."""

        began = row_began = longest = longest_row = 0.0

        def on_step_begin(self, options: Any, state: Any, control: Any, **_: Any) -> None:
            self.began = self.row_began = time.monotonic()

        def on_substep_end(self, options: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.monotonic()
            self.longest_row, self.row_began = max(self.longest_row, now - self.row_began), now
            if state.global_step and common.seconds_left() < SAVE_SECONDS + self.longest_row:
                control.should_training_stop = True

        def on_step_end(self, options: Any, state: Any, control: Any, **_: Any) -> None:
            self.longest = max(self.longest, time.monotonic() - self.began)
            if common.seconds_left() < SAVE_SECONDS + self.longest:
                control.should_training_stop = True

        def on_log(self, options: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                left = f"{common.seconds_left():.0f} s left"
                print(f"step {state.global_step} loss {float(logs['loss']):.3f} ({left})", flush=True)

    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([_prompt_and_completion(row) for row in rows]),
        peft_config=_adapter(args.rank) if args.tuning == "lora" else None,
        callbacks=[Clock()],
        args=SFTConfig(
            output_dir="checkpoints",
            max_steps=args.steps,
            max_length=MAX_LENGTH,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=args.batch_size,
            gradient_checkpointing=args.tuning == "full",
            learning_rate=args.learning_rate or LEARNING_RATE[args.tuning],
            lr_scheduler_type="linear",
            warmup_steps=0,  # the first step of a warm-up has a rate of 0, and a slow machine makes few steps
            seed=task["seed"],
            logging_steps=1 if args.steps <= 100 else 10,
            bf16=gpu,
            use_cpu=not gpu,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
    )
    trainer.remove_callback(PrinterCallback)  # Clock prints the same and the time left
    began = time.process_time()
    trainer.train()
    cpu = time.process_time() - began
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if args.tuning == "lora":
        trained = trained.merge_and_unload()
    trained.config.use_cache = True
    trained.save_pretrained("final_model")
    tokenizer.save_pretrained("final_model")
    print(f"saved final_model after {trainer.state.global_step} steps in {cpu:.1f} CPU-seconds", flush=True)


def _drawn(rows: list[dict[str, Any]], tokenizer: Any, count: int, seed: int) -> list[dict[str, Any]]:
    """Return up to `count` rows in random order, none of them longer than `MAX_LENGTH` tokens."""
    drawn: list[dict[str, Any]] = []
    for row in random.Random(seed).sample(rows, len(rows)):
        text = tokenizer.apply_chat_template(common.chat(row), tools=row.get("tools"), tokenize=False)
        if len(tokenizer(text)["input_ids"]) <= MAX_LENGTH:
            drawn.append(row)
        if len(drawn) == count:
            break
    if not drawn:
        raise SystemExit(f"every training row has more than {MAX_LENGTH} tokens")
    return drawn


def _prompt_and_completion(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in TRL's format. Tools are text, since a column of objects would give each the keys of all."""
    question, answer = common.chat(row)
    return {
        "prompt": [question],
        "completion": [answer],
        "tools": json.dumps(row["tools"]) if row.get("tools") else None,
    }


def _adapter(rank: int) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


if __name__ == "__main__":
    task = common.load_task()
    args = recipe_settings.parser("sft_trl").parse_args()
    rows, kind = training_rows.training_rows(task, args.steps * args.batch_size)
    print(f"{len(rows)} {kind} examples of {task['benchmark']}", flush=True)
    fine_tune(task, rows, args)
