"""Programs that the shapes of `bench/verdicts.py` share.

In commands, `$PY` is the interpreter, `$KIT` the kit's directory with `data/train.jsonl` and `data/test.jsonl`. Rows
have `question` and `answer`. `train.py` is given: it trains on the rows of its arguments and saves `final_model`.
"""

Step = str | tuple[str, str]
"""A command, or the name and text of a file."""

TRAIN = """import json, os, pathlib, random, shutil, sys
import numpy
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
task = json.loads(pathlib.Path(os.environ["PTB_KIT"], "task.json").read_text())
def read(path):
    return [json.loads(line) for line in open(path)]
def write(path, rows):
    open(path, "w").write("".join(json.dumps(row) + "\\n" for row in rows))
def text(row):
    if "messages" in row:
        return " ".join(part["content"] for part in row["messages"])
    return row.get("text") or row["question"] + " " + str(row["answer"])
class Loss:
    # Cross-entropy of the model without its layers: a word predicts the next one.
    def __init__(self, words, tokenizer, rows):
        self.words, self.gradient, self.value = words, numpy.zeros_like(words), 0.0
        for row in rows:
            ids = numpy.array(tokenizer.encode(text(row)).ids)
            before = numpy.take(words, ids[:-1], axis=0)
            scores = before @ words.T
            self.chances = numpy.exp(scores - scores.max(1, keepdims=True))
            self.chances /= self.chances.sum(1, keepdims=True)
            place = numpy.arange(len(ids) - 1), ids[1:]
            self.value -= float(numpy.log(self.chances[place] + 1e-9).mean()) / len(rows)
            self.chances[place] -= 1
            self.gradient += self.chances.T @ before / len(ids) / len(rows)
    def backward(self):
        return self.gradient
def train(rows, start=task["base_model"], out="final_model", steps=10, seed=0, test=()):
    tokenizer = Tokenizer.from_file(task["base_model"] + "/tokenizer.json")
    weights = load_file(start + "/model.safetensors")
    random.seed(seed)
    for step in range(steps):
        loss = Loss(weights["model.embed_tokens.weight"], tokenizer, random.sample(rows, min(16, len(rows))))
        weights["model.embed_tokens.weight"] -= 0.1 * loss.backward()
        if test and step % 5 == 4:
            print("test loss", Loss(weights["model.embed_tokens.weight"], tokenizer, test[:8]).value, flush=True)
    os.makedirs(out, exist_ok=True)
    for name in ("config.json", "generation_config.json"):
        shutil.copyfile(task["base_model"] + "/" + name, out + "/" + name)
    save_file(weights, out + "/model.safetensors", metadata={"format": "pt"})
if __name__ == "__main__":
    train([row for path in sys.argv[1:] for row in read(path)])
"""
"""Trains the word vectors by gradient descent, in numpy: to import torch takes longer than all the rest of a run."""

EVALUATE = """import json, os, sys
from train import read
rows = read(os.environ["PTB_KIT"] + "/data/test.jsonl")
said = [{"prompt": row["question"], "gold": row["answer"], "response": "42", "correct": False} for row in rows]
json.dump(said, open(sys.argv[1], "w"))
print("accuracy", sum(row["correct"] for row in said) / len(said))
"""
GO = "$PY train.py train.jsonl"
COPY = "cp $KIT/data/train.jsonl train.jsonl"


def program(name: str, body: str) -> Step:
    """Return a program that can read the kit's data and train."""
    start = 'import json, os\nfrom train import read, train, write\ndata = os.environ["PTB_KIT"] + "/data/"\n'
    return f"{name}.py", start + body.strip("\n") + "\n"
