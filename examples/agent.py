"""A complete agent in one script: it fine-tunes the base model on the train split, and saves it in `final_model`.

ptb run --agent 'recipe?script=examples/agent.py' --model micro-base --benchmark micro-math --budget 60s
"""

import json
import os
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

STEPS, BATCH, LEARNING_RATE, RESERVED_SECONDS = 80, 16, 2e-3, 6


def seconds_left() -> float:
    """Return the time until the deadline, which belongs to the host."""
    return float(Path(os.environ["PTB_DEADLINE"]).read_text()) - float(Path("/proc/uptime").read_text().split()[0])


task = json.loads(Path(os.environ["PTB_KIT"], "task.json").read_text())
kit = Path(task["kit"])
rows = [json.loads(line) for line in (kit / "data" / "train.jsonl").read_text().splitlines()]
tokenizer = AutoTokenizer.from_pretrained(task["base_model"])
tokenizer.chat_template = (kit / "templates" / "chat_template.jinja").read_text()
model = AutoModelForCausalLM.from_pretrained(task["base_model"], dtype=torch.float32)
optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
random.seed(task["seed"])

for step in range(STEPS):
    if seconds_left() < RESERVED_SECONDS:
        break
    chats = [
        [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]
        for row in random.sample(rows, BATCH)
    ]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    loss = model(**batch, labels=labels).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 20 == 0:
        print(f"step {step}, loss {loss.item():.3f}, {seconds_left():.0f} s left", flush=True)

model.save_pretrained("final_model")
