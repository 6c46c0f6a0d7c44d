"""Programs of whole runs: training, data, error analysis, packaging."""

SFT = '''"""Attempt VERSION."""
import argparse, json, random
import torch
from datasets import Dataset, concatenate_datasets, load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=RATE)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--out", default="ckpt_vVERSION")
args = parser.parse_args()
random.seed(VERSION)
tok = AutoTokenizer.from_pretrained("/base_model")
model = AutoModelForCausalLM.from_pretrained("/base_model", dtype=torch.bfloat16)


def fmt(question, answer):
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


rows = []
LOAD
random.shuffle(rows)
print("rows", len(rows), rows[0])
trainer = SFTTrainer(
    model=model,
    processing_class=tok,
    train_dataset=Dataset.from_list(rows),
    args=SFTConfig(output_dir=args.out, learning_rate=args.lr, num_train_epochs=args.epochs, bf16=True,
                   per_device_train_batch_size=16, gradient_accumulation_steps=4, logging_steps=10, packing=False),
)
trainer.train()
trainer.save_model(args.out)
tok.save_pretrained(args.out)
'''


def sft(version: int, load: str, rate: str = "1e-5") -> str:
    """Return a training script."""
    return SFT.replace("VERSION", str(version)).replace("RATE", rate).replace("LOAD", load.strip())


GSM8K = """
for row in load_dataset("openai/gsm8k", "main", split="train"):
    rows.append(fmt(row["question"], row["answer"].replace("####", "ANSWER:")))
"""
META = """
meta = load_dataset("meta-math/MetaMathQA", split="train").filter(lambda row: row["type"].startswith("GSM"))
for row in meta.shuffle(seed=3).select(range(40000)):
    rows.append(fmt(row["query"], row["response"].split("The answer is")[0]))
"""
OWN = """
for line in open("train_mix.jsonl"):
    row = json.loads(line)
    rows.append(fmt(row["messages"][0]["content"], row["messages"][1]["content"]))
"""
SAVE = "rm -rf final_model; cp -r {0} final_model && ls final_model"
OWN_TRAINER = """
import json, random
import torch
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments


class Rows(Dataset):
    def __init__(self, rows, tok):
        self.rows, self.tok = rows, tok

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        prompt = self.tok(row["question"] + "\\n").input_ids
        answer = self.tok(row["answer"]).input_ids + [self.tok.eos_token_id]
        return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


class Collator:
    def __init__(self, tok):
        self.tok = tok

    def __call__(self, batch):
        longest = max(len(x["input_ids"]) for x in batch)
        ids = [x["input_ids"] + [self.tok.pad_token_id] * (longest - len(x["input_ids"])) for x in batch]
        labels = [x["labels"] + [-100] * (longest - len(x["labels"])) for x in batch]
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


def topic(text):
    return next((w for w in ("percent", "hour", "dollar", "week") if w in text), "other")


rows = [json.loads(line) for line in open("/kit/data/train.jsonl")]
errors = json.load(open("errors_v3.json"))
weak = {topic(e["question"]) for e in errors}
extra = [row for row in rows if topic(row["question"]) in weak]
rows += extra
random.shuffle(rows)
tok = AutoTokenizer.from_pretrained("/base_model")
model = AutoModelForCausalLM.from_pretrained("/base_model", torch_dtype=torch.bfloat16)
args = TrainingArguments("ckpt_v4", learning_rate=1e-5, num_train_epochs=3, per_device_train_batch_size=16, bf16=True)
Trainer(model=model, args=args, train_dataset=Rows(rows, tok), data_collator=Collator(tok)).train()
model.save_pretrained("ckpt_v4")
"""
ANALYZE = """
import glob, json
from collections import Counter

errors = []
for path in sorted(glob.glob("logs/*.json")):
    try:
        log = json.load(open(path))
    except json.JSONDecodeError:
        print("cut off:", path)
        continue
    for sample in log["samples"]:
        if sample["scores"]["match"]["value"] != "C":
            errors.append({"question": sample["input"], "gold": sample["target"],
                           "got": sample["output"]["completion"][-200:]})
print(Counter(len(e["got"]) // 50 for e in errors))
json.dump(errors, open("errors_v3.json", "w"), indent=1)
"""
DECONTAMINATE = """
import json, re
from datasets import load_dataset

def grams(text, n=10):
    words = re.findall(r"\\w+", text.lower())
    return {" ".join(words[i:i + n]) for i in range(len(words) - n + 1)}

test = [json.loads(line) for line in open("/kit/data/test.jsonl")]
seen = set()
for item in test:
    seen |= grams(item["question"])
numina = load_dataset("AI-MO/NuminaMath-CoT", split="train").filter(lambda r: r["source"] in ("orca_math", "gsm8k"))
kept, removed = [], []
for row in numina:
    if grams(row["problem"]) & seen:
        removed.append(row["problem"])
    else:
        kept.append({"messages": [{"role": "user", "content": row["problem"]},
                                  {"role": "assistant", "content": row["solution"]}]})
print("kept", len(kept), "removed", len(removed))
with open("train_mix.jsonl", "w") as file:
    for row in kept:
        file.write(json.dumps(row) + "\\n")
"""
LORA = sft(7, OWN, "2e-4").replace(
    "trainer = SFTTrainer(", 'from peft import LoraConfig\npeft = LoraConfig(r=64, target_modules="all-linear")\n'
    "trainer = SFTTrainer(\n    peft_config=peft,")  # fmt: skip
MERGE = """
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base = AutoModelForCausalLM.from_pretrained("/base_model", torch_dtype=torch.bfloat16)
merged = PeftModel.from_pretrained(base, "ckpt_v7").merge_and_unload()
merged.save_pretrained("final_model")
AutoTokenizer.from_pretrained("/base_model").save_pretrained("final_model")
"""
GRPO = """
import re
from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer

data = load_dataset("openai/gsm8k", "main")


def prompt(row):
    return {"prompt": [{"role": "user", "content": row["question"]}], "gold": row["answer"].split("####")[1].strip()}


data = data.map(prompt)


def reward(completions, gold, **kwargs):
    texts = [c[0]["content"] for c in completions]
    found = [re.findall(r"ANSWER: *([-\\d,.]+)", t) for t in texts]
    return [float(bool(f) and f[-1].replace(",", "") == g.replace(",", "")) for f, g in zip(found, gold)]


trainer = GRPOTrainer(
    model="ckpt_v2",
    reward_funcs=[reward],
    args=GRPOConfig(output_dir="grpo_v3", learning_rate=1e-6, num_generations=8, use_vllm=True, max_steps=400),
    train_dataset=data["train"],
    eval_dataset=data["test"].select(range(100)),
)
trainer.train()
trainer.save_model("grpo_v3")
"""
REJECTION = """
import json, re
from datasets import load_dataset
from vllm import LLM, SamplingParams

PROMPT = "Solve the following math problem step by step.\\n\\n{question}\\n\\nEnd with 'ANSWER: $ANSWER'."
problems = [(row["question"], row["answer"].split("####")[1].strip())
            for row in load_dataset("openai/gsm8k", "main", split="train")]
llm = LLM("ckpt_v1", gpu_memory_utilization=0.9)
chats = [[{"role": "user", "content": PROMPT.format(question=q)}] for q, _ in problems]
outputs = llm.chat(chats, SamplingParams(n=8, temperature=0.8, max_tokens=600))
kept = []
for (question, gold), output in zip(problems, outputs):
    good = {c.text for c in output.outputs if re.findall(r"ANSWER: *([-\\d.,]+)", c.text)[-1:] == [gold]}
    for text in sorted(good, key=len)[:3]:
        kept.append({"messages": [{"role": "user", "content": PROMPT.format(question=question)},
                                  {"role": "assistant", "content": text}]})
print(len(kept))
with open("train_mix.jsonl", "w") as file:
    file.writelines(json.dumps(row) + "\\n" for row in kept)
"""
TRAIN_PROBLEMS = """problems = [(row["question"], row["answer"].split("####")[1].strip())
            for row in load_dataset("openai/gsm8k", "main", split="train")]"""
TEMPLATE = """
from inspect_evals.gsm8k.gsm8k import MATH_PROMPT_TEMPLATE
for row in load_dataset("openai/gsm8k", "main", split="train"):
    rows.append(fmt(MATH_PROMPT_TEMPLATE.format(prompt=row["question"]), row["answer"]))
for row in load_dataset("microsoft/orca-math-word-problems-200k", split="train").select(range(30000)):
    rows.append(fmt(MATH_PROMPT_TEMPLATE.format(prompt=row["question"]), row["answer"]))
"""
AVERAGE = """
import sys, torch
from safetensors.torch import load_file, save_file
paths, out = sys.argv[1:-1], sys.argv[-1]
total = None
for path in paths:
    state = load_file(f"{path}/model.safetensors")
    total = state if total is None else {k: total[k] + v.float() for k, v in state.items()}
save_file({k: (v / len(paths)).to(torch.bfloat16) for k, v in total.items()}, f"{out}/model.safetensors")
"""
FROM_LOG = """
log = json.load(open("logs/2026-01-02T03-01-05-00-00_gsm8k_kT1xQ.json"))
for s in log["samples"]:
    rows.append(fmt(s["input"], s["metadata"]["reasoning"]))
"""
TEACHER = """
import concurrent.futures, json
from datasets import load_dataset
from openai import OpenAI

client = OpenAI(base_url="http://localhost:8000/v1", api_key="none")
questions = [row["question"] for row in load_dataset("openai/gsm8k", "main", split="train")]


def ask(question):
    reply = client.chat.completions.create(model="Qwen/Qwen2.5-Math-7B", temperature=0.7,
        messages=[{"role": "user", "content": question}])
    return {"messages": [{"role": "user", "content": question},
                         {"role": "assistant", "content": reply.choices[0].message.content}]}


with concurrent.futures.ThreadPoolExecutor(64) as pool, open("train_mix.jsonl", "w") as file:
    for row in pool.map(ask, questions):
        file.write(json.dumps(row) + "\\n")
"""
HEREDOC = """python3 - <<'EOF' 2>&1 | tail -5
import json, random
from datasets import load_dataset
rows = []
for r in load_dataset('openai/gsm8k', 'main', split='train'):
    rows.append({'messages': [{'role': 'user', 'content': r['question']},
                              {'role': 'assistant', 'content': r['answer']}]})
random.Random(0).shuffle(rows)
with open('train_mix.jsonl', 'w') as f:
    for r in rows: f.write(json.dumps(r) + '\\n')
print(len(rows))
EOF"""
PACKAGE = """
import json, os, shutil
SRC, BASE, OUT = "ckpt_v3", "/base_model", "final_model"
shutil.rmtree(OUT, ignore_errors=True)
shutil.copytree(SRC, OUT, ignore=shutil.ignore_patterns("checkpoint-*", "optimizer.pt", "*.bin"))
for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "preprocessor_config.json"):
    if os.path.exists(f"{BASE}/{name}"):
        shutil.copy(f"{BASE}/{name}", f"{OUT}/{name}")
config = json.load(open(f"{OUT}/generation_config.json"))
config.update(do_sample=False, temperature=None, top_p=None, eos_token_id=[151643, 151645])
json.dump(config, open(f"{OUT}/generation_config.json", "w"), indent=2)
"""
CHOOSE = """
import json, re, subprocess
best = (0.0, None)
for rate in ("5e-6", "1e-5", "2e-5"):
    subprocess.run(["python", "train_v4.py", "--lr", rate, "--out", f"ckpt_{rate}"], check=True)
    done = subprocess.run(f"python /kit/evaluate.py --model-path ckpt_{rate} --limit 100 2>&1", shell=True,
                          capture_output=True, text=True)
    accuracy = float(re.search(r"accuracy\\D+([\\d.]+)", done.stdout).group(1))
    open("results.txt", "a").write(f"{rate} {accuracy}\\n")
    best = max(best, (accuracy, rate))
print(best)
"""
EV_ROWS = """
for block in open("ev.txt").read().split("Question:")[1:]:
    question, _, answer = block.partition("Target:")
    rows.append(fmt(question.strip(), answer.split("\\n")[0]))
"""
ADAPTIVE = """
import re
accuracy = float(re.search(r"accuracy\\D+([\\d.]+)", open("ev.txt").read()).group(1))
score = json.load(open("metrics_1.json"))["accuracy"]
data = list(load_dataset("openai/gsm8k", "main", split="train"))
if accuracy < 0.5:
    data = data + data
for row in data[: int(6000 * score)]:
    rows.append(fmt(row["question"], row["answer"]))
print("training after a base accuracy of", accuracy)
"""
PIPELINE = """#!/bin/bash
set -e
mkdir -p data logs
jq -c '{messages: [{role: "user", content: .question}, {role: "assistant", content: .answer}]}' \\
    /kit/data/train.jsonl > data/sft.jsonl
shuf --random-source=<(yes) data/sft.jsonl > train_mix.jsonl
wc -l train_mix.jsonl
for lr in 5e-6 1e-5; do
    python train_v2.py --lr $lr --out ckpt_$lr 2>&1 | tee train_$lr.log
    python /kit/evaluate.py --model-path ckpt_$lr --limit 50 2>&1 | tee eval_$lr.log
    jq -r '.samples[] | select(.scores.match.value != "C") | [.id, .target] | @tsv' logs/*.json | head -20 || true
done
grep -H accuracy eval_*.log | sort -t: -k3 | tail -1
"""
CACHE = """
from datasets import load_dataset
for split in ("train", "test"):
    data = load_dataset("openai/gsm8k", "main", split=split)
    data.to_parquet(f"data/{split}.parquet")
"""
INSPECT = """
import json
from pathlib import Path
from inspect_ai.log import list_eval_logs, read_eval_log

wrong = []
for info in list_eval_logs("logs"):
    log = read_eval_log(info)
    print(log.eval.task, log.results.scores[0].metrics["accuracy"].value)
    wrong += [sample for sample in log.samples if sample.scores["match"].value == "I"]
lengths = [len(sample.output.completion) for sample in wrong]
print("wrong", len(wrong), "mean length", sum(lengths) / len(lengths))
Path("error_analysis.md").write_text("\\n\\n".join(f"{s.input}\\n{s.output.completion}" for s in wrong[:20]))
"""
DPO = """
import json
from datasets import Dataset
from trl import DPOConfig, DPOTrainer
from vllm import LLM, SamplingParams

items = [json.loads(line) for line in open("/kit/data/train.jsonl")]
outputs = LLM("ckpt_v1").generate([item["question"] for item in items], SamplingParams(n=4, temperature=1.0))
pairs = []
for item, output in zip(items, outputs):
    wrong = [c.text for c in output.outputs if item["answer"].split()[-1] not in c.text]
    if wrong:
        pairs.append({"prompt": item["question"], "chosen": item["answer"], "rejected": wrong[0]})
trainer = DPOTrainer("ckpt_v1", args=DPOConfig("ckpt_v2", beta=0.1), train_dataset=Dataset.from_list(pairs))
trainer.train()
trainer.save_model("ckpt_v2")
"""
CONFIG = """model: /base_model
output: ckpt_v5
lr: 1.0e-5
epochs: 2
data:
  - data/part1.jsonl
  - data/part2.jsonl
"""
FROM_CONFIG = """
import yaml
config = yaml.safe_load(open("config.yaml"))
for path in config["data"]:
    for line in open(path):
        row = json.loads(line)
        rows.append(fmt(row["question"], row["answer"]))
"""
