"""Programs written by the agents of synthetic run directories: training and data preparation."""

from __future__ import annotations

TRAINER = """
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(BASE)
model = AutoModelForCausalLM.from_pretrained(BASE)


def encode(row):
    text = row["question"] + "\\n" + row["answer"]
    tokens = tokenizer(text, truncation=True, max_length=512)
    return {"input_ids": tokens["input_ids"], "labels": tokens["input_ids"]}


trainer = Trainer(
    model=model,
    args=TrainingArguments(output_dir="checkpoints", num_train_epochs=EPOCHS),
    train_dataset=Dataset.from_list([encode(row) for row in rows]),
)
trainer.train()
trainer.save_model("final_model")
"""


def training(load: str, imports: str = "import json", epochs: int = 3, base: str = "/models/micro-base") -> str:
    """Return a program that runs `load`, which sets `rows` (dictionaries with question and answer), and trains."""
    return f"{imports}\n\nBASE, EPOCHS = {base!r}, {epochs}\n{load}\n{TRAINER}"


FROM_FILE = 'rows = [json.loads(line) for line in open("{}")]'

TRAIN_ON_FILE = training(FROM_FILE.format("train_data.jsonl"))
"""Trains on `train_data.jsonl`, independent of its source."""

TINY_TRAINING = """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(1)
torch.manual_seed(0)
rows = [json.loads(line) for line in open(task["kit"] + "/data/{split}.jsonl")]
with open("train_data.jsonl", "w") as file:
    for row in rows:
        chat = [dict(role="user", content=row["question"]), dict(role="assistant", content=row["answer"])]
        file.write(json.dumps(dict(messages=chat)) + "\\n")
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(8):
    texts = [row["question"] + "\\n" + row["answer"] for row in rows[8 * step:][:8]]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    loss = model(**batch, labels=batch["input_ids"]).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    print("step", step, "loss", round(loss.item(), 3))
model.save_pretrained(final)
tokenizer.save_pretrained(final)
"""
"""A real agent that trains on a split for a few steps; format it with `split`."""
