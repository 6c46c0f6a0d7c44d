"""Code that the shipped recipes share: the task's facts, the time limit, and fine-tuning with transformers' trainer.

Runs inside the sandbox, without posttrainbench.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SAVE_SECONDS = 6.0
"""Time reserved for saving the model and exiting."""
CHECK_SECONDS = 12.0
"""Minimum time left for a self-evaluation."""


def load_task() -> dict[str, Any]:
    """Return the task's facts from the kit."""
    task: dict[str, Any] = json.loads(Path(os.environ["PTB_KIT"], "task.json").read_text())
    return task


def seconds_left() -> float:
    """Return the seconds until the host ends the run, by the host's clock."""
    deadline = float(Path(os.environ["PTB_DEADLINE"]).read_text())
    return deadline - float(Path("/proc/uptime").read_text().split()[0])


def read_rows(task: dict[str, Any], split: str) -> list[dict[str, Any]]:
    """Return the rows of a split from the kit."""
    with Path(task["kit"], "data", f"{split}.jsonl").open() as file:
        return [json.loads(line) for line in file]


def chat(row: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row as a chat."""
    return [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]


def fine_tune(task: dict[str, Any], rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Fine-tune the base model on question-answer rows, with loss on the answers only, and save the submission.

    The rows are also written to `train_data.jsonl`, as chats.
    """
    import torch
    from datasets import Dataset, disable_progress_bars
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bars()
    disable_progress_bar()

    print(f"libraries loaded, {seconds_left():.0f} s left", flush=True)
    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    set_seed(task["seed"])
    tokenizer = AutoTokenizer.from_pretrained(task["base_model"])
    tokenizer.chat_template = Path(task["kit"], "templates", "chat_template.jinja").read_text()
    model = AutoModelForCausalLM.from_pretrained(task["base_model"], dtype=torch.float32)

    def tokens(row: dict[str, Any]) -> dict[str, list[int]]:
        prompt = tokenizer.apply_chat_template(
            chat(row)[:1], tools=row.get("tools"), add_generation_prompt=True, tokenize=False
        )
        whole = tokenizer.apply_chat_template(chat(row), tools=row.get("tools"), tokenize=False).rstrip("\n")
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        answer = tokenizer(whole.removeprefix(prompt), add_special_tokens=False)["input_ids"]
        return {"input_ids": ids + answer, "labels": [-100] * len(ids) + answer}

    with Path("train_data.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"messages": chat(row)} | ({"tools": row["tools"]} if row.get("tools") else {})) + "\n"
            for row in rows
        )

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Stops training before time runs out, and prints its progress."""

        def on_step_end(self, options: Any, state: Any, control: Any, **_: Any) -> None:
            if seconds_left() < SAVE_SECONDS:
                control.should_training_stop = True

        def on_log(self, options: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                print(
                    f"step {state.global_step} loss {float(logs['loss']):.3f} ({seconds_left():.0f} s left)",
                    flush=True,
                )

    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([tokens(row) for row in rows]),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[Clock()],
        args=TrainingArguments(
            output_dir="checkpoints",
            max_steps=args.steps,
            per_device_train_batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=10,
            max_grad_norm=1.0,
            seed=task["seed"],
            logging_steps=25,
            use_cpu=not torch.cuda.is_available(),
            dataloader_num_workers=0,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
    )
    trainer.remove_callback(PrinterCallback)  # Clock prints the same and the time left
    began = time.process_time()
    trainer.train()
    cpu = time.process_time() - began
    trainer.save_model("final_model")
    tokenizer.save_pretrained("final_model")
    print(f"saved final_model after {trainer.state.global_step} steps in {cpu:.1f} CPU-seconds", flush=True)


def check(task: dict[str, Any]) -> None:
    """Run the kit's evaluation on the submission if there is enough time."""
    if seconds_left() < CHECK_SECONDS:
        print("not enough time left to evaluate", flush=True)
        return
    subprocess.run([sys.executable, f"{task['kit']}/evaluate.py", "--model-path", "final_model"], check=False)
