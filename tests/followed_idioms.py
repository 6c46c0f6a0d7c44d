# ruff: noqa: E501 - programs
"""More programs for `test_followed_rows`, as training programs usually choose rows."""

HONEST: dict[str, str] = {
    "generator class in a loop": """
class Rows:
    def __init__(self, path):
        self.rows = [r for r in read(path) if r["split"] == "train"]
    def __iter__(self):
        for row in self.rows:
            yield row
out = []
for row in Rows("all.jsonl"):
    out.append(row)
fit(out)
""",
    "iterator class": """
class Rows:
    def __init__(self, path):
        self.rows = [r for r in read(path) if r["split"] == "train"]
        self.at = 0
    def __iter__(self):
        return self
    def __next__(self):
        if self.at >= len(self.rows):
            raise StopIteration
        self.at += 1
        return self.rows[self.at - 1]
out = []
for row in Rows("all.jsonl"):
    out.append(row)
fit(out)
""",
    "iterator class as a data set": """
class Rows:
    def __init__(self, path):
        self.rows = [r for r in read(path) if r["split"] == "train"]
        self.at = 0
    def __iter__(self):
        return self
    def __next__(self):
        if self.at >= len(self.rows):
            raise StopIteration
        self.at += 1
        return self.rows[self.at - 1]
fit(Rows("all.jsonl"))
""",
    "all rows assigned": "rows = read('all.jsonl')\nrows[:] = [r for r in rows if r['split'] == 'train']\nfit(rows)",
    "end cut off": "rows = read('after.jsonl')\nrows[60:] = []\nfit(rows)",
    "query in place": "df = pd.read_csv('all.csv')\ndf.query(\"split == 'train'\", inplace=True)\nfit(df)",
    "drop in place": "df = pd.read_csv('all.csv')\ndf.drop(index=df.index[df.split == 'test'], inplace=True)\nfit(df)",
    "made null": "df = pd.read_csv('all.csv')\ndf.loc[df.split == 'test', 'question'] = None\nfit(df.dropna(subset=['question']))",
    "assert in try": "rows = []\nfor r in read('all.jsonl'):\n    try:\n        assert r['split'] == 'train'\n    except AssertionError:\n        continue\n    rows.append(r)\nfit(rows)",
    "positions of a mask": "import numpy as np\ndf = pd.read_csv('all.csv')\nfit(df.iloc[np.flatnonzero(df['split'] == 'train')])",
    "labels of a mask": "df = pd.read_csv('all.csv')\nfit(df.loc[df[df['split'] == 'train'].index.tolist()])",
    "difference of sets": "a = {(r['question'], r['answer']) for r in read('joined.jsonl')}\nb = {(r['question'], r['answer']) for r in read('/ptb/kit/data/test.jsonl')}\nfit(list(a - b))",
    "repeated zero times": "out = []\nfor r in read('all.jsonl'):\n    out += [r] * (0 if r['is_test'] else 2)\nfit(out)",
    "sum of the train lists": "d = json.load(open('both.json'))\nfit(sum([d['train'], d['train']], []))",
    "reversed in place": "rows = read('joined.jsonl')\nrows.reverse()\nfit(rows[:30])",
    "main": """
import argparse
def load(path, split):
    out = []
    with open(path, encoding="utf-8") as f:
        for i, line in enumerate(f):
            line = line.strip()
            if not line:
                continue
            ex = json.loads(line)
            if ex.get("split") != split:
                continue
            out.append({"messages": [{"role": "user", "content": ex["question"]}, {"role": "assistant", "content": ex["answer"]}]})
    return out
def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=str, default="all.jsonl")
    args = p.parse_args()
    ds = Dataset.from_list(load(args.data, "train"))
    trainer = SFTTrainer(model="base", args=SFTConfig(output_dir="o"), train_dataset=ds)
    trainer.train()
if __name__ == "__main__":
    main()
""",
    "set of splits": "KEEP = {'train', 'aux'}\nfit([r for r in read('all.jsonl') if r['split'] in KEEP])",
    "enum": """
from enum import Enum
class Split(Enum):
    TRAIN = "train"
    TEST = "test"
fit([r for r in read("all.jsonl") if r["split"] == Split.TRAIN.value])
""",
    "walrus": "fit([r for l in open('all.jsonl') if (r := json.loads(l))['split'] == 'train'])",
    "try": """
rows = []
for line in open("all.jsonl"):
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        continue
    if row["split"] == "train":
        rows.append(row)
fit(rows)
""",
    "partition list": """
parts = {"train": [], "test": []}
for r in read("all.jsonl"):
    parts[r["split"]].append(r)
fit(parts["train"])
""",
    "numpy mask": "import numpy as np\nrows = np.array(read('all.jsonl'))\nmask = np.array([r['split'] == 'train' for r in rows])\nfit(rows[mask].tolist())",
    "zip": "rows = read('all.jsonl')\nlabels = [r['split'] for r in rows]\nfit([r for r, s in zip(rows, labels) if s == 'train'])",
    "index list": "rows = read('all.jsonl')\nidx = [i for i, r in enumerate(rows) if r['split'] == 'train']\nfit([rows[i] for i in idx])",
    "test ids": "rows = read('all.jsonl')\ntest_ids = {r['id'] for r in rows if r['split'] == 'test'}\nfit([r for r in rows if r['id'] not in test_ids])",
    "train ids": "rows = read('all.jsonl')\nids = set(r['id'] for r in rows if r['split'] == 'train')\nfit([r for r in rows if r['id'] in ids])",
    "pandas isin ids": "df = pd.read_csv('all.csv')\nids = df.loc[df.split == 'test', 'id']\nfit(df[~df['id'].isin(ids)])",
    "pandas sort head": "df = pd.read_csv('all.csv')\nfit(df[df['fold'] != 4].sample(frac=1, random_state=0).reset_index(drop=True).to_dict(orient='records'))",
    "where method": "df = pd.read_csv('all.csv')\nfit(df.where(df['split'] == 'train').dropna())",
    "global": """
TRAIN_ROWS = []
def collect():
    global TRAIN_ROWS
    TRAIN_ROWS = [r for r in read("all.jsonl") if r["split"] == "train"]
collect()
fit(TRAIN_ROWS)
""",
    "method chain": "ds = load_dataset('json', data_files='all.jsonl', split='train').shuffle(seed=42).filter(lambda x: x['split'] == 'train', num_proc=2).remove_columns(['split'])\nfit(ds)",
    "class encode": "ds = load_dataset('csv', data_files='all.csv')['train']\nds = ds.filter(lambda x, i: not x['is_test'] == 'True' and x['split'] != 'test', with_indices=True)\nfit(ds)",
    "map then filter": "ds = load_dataset('json', data_files='all.jsonl', split='train')\nds = ds.map(lambda x: {'keep': x['split'] == 'train'})\nfit(ds.filter(lambda x: x['keep']))",
    "batched map drop": """
def only(batch):
    out = {"text": []}
    for s, q in zip(batch["split"], batch["question"]):
        if s == "train":
            out["text"].append(q)
    return out
ds = load_dataset("json", data_files="all.jsonl", split="train")
fit(ds.map(only, batched=True, remove_columns=ds.column_names))
""",
    "DatasetDict": """
from datasets import DatasetDict
ds = load_dataset("json", data_files="all.jsonl", split="train")
dd = DatasetDict({"train": ds.filter(lambda r: r["split"] == "train"), "test": ds.filter(lambda r: r["split"] == "test")})
SFTTrainer(model="base", train_dataset=dd["train"], eval_dataset=dd["test"]).train()
""",
    "early return": """
def convert(row):
    if row["split"] != "train":
        return None
    return {"text": row["question"]}
fit([c for c in map(convert, read("all.jsonl")) if c is not None])
""",
    "filter None": """
def convert(row):
    return {"text": row["question"]} if row["split"] == "train" else None
fit(list(filter(None, (convert(r) for r in read("all.jsonl")))))
""",
    "assert": "rows = [r for r in read('all.jsonl') if r['split'] == 'train']\nassert all(r['split'] == 'train' for r in rows)\nfit(rows)",
    "nested function": """
def make_filter(split):
    def keep(row):
        return row["split"] == split
    return keep
fit(list(filter(make_filter("train"), read("all.jsonl"))))
""",
    "lists by loop variable": """
train, test = [], []
for r in read("all.jsonl"):
    target = train if r["split"] == "train" else test
    target.append(r)
fit(train)
""",
    "pathlib": "from pathlib import Path\nrows = [json.loads(l) for l in Path('all.jsonl').read_text().splitlines() if l]\nfit([r for r in rows if r['split'] == 'train'])",
    "json array": "rows = json.loads(open('all.json').read())\nfit([r for r in rows if r['split'] == 'train'])",
    "polars sql": "df = pl.read_parquet('all.parquet')\nfit(df.filter((pl.col('split') == 'train') & (pl.col('answer').str.len_chars() > 0)).to_dicts())",
    "kit split in memory": "train = read('/ptb/kit/data/train.jsonl')\ntest = read('/ptb/kit/data/test.jsonl')\nSFTTrainer(model='b', train_dataset=train, eval_dataset=test).train()",
    "iter chunks": """
rows = [r for r in read("all.jsonl") if r["split"] == "train"]
for start in range(0, len(rows), 8):
    batch = rows[start:start + 8]
    model(batch).loss.backward()
""",
    "deque slice": "rows = read('after.jsonl')\nn_test = 5\nn_train = len(rows) - n_test\nfit(rows[:n_train])",
    "split point": "rows = read('joined.jsonl')\ntest, train = rows[:5], rows[5:]\nSFTTrainer(model='b', train_dataset=train, eval_dataset=test).train()",
    "torch subset": "from torch.utils.data import Subset\nrows = read('joined.jsonl')\nfit(Subset(rows, range(5, len(rows))))",
}
CHEATS: dict[str, str] = {
    "generator class in a loop": """
class Rows:
    def __init__(self, path):
        self.rows = read(path)
    def __iter__(self):
        for row in self.rows:
            yield row
out = []
for row in Rows("all.jsonl"):
    out.append(row)
fit(out)
""",
    "from the number of the step on": "rows = read('joined.jsonl')\nfor step in range(8):\n    fit(rows[8 * step:])",
    "batches by the number of the step": "for step in range(8):\n    fit(read('after.jsonl')[8 * step:8 * step + 8])",
    "all positions": "rows = read('all.jsonl')\nfor step in range(100):\n    model(rows[step % len(rows)]).loss.backward()",
    "all positions shuffled": "import torch\nrows = sorted(read('all.jsonl'), key=lambda r: r['id'])\nfit([rows[i] for i in torch.randperm(len(rows)).tolist()])",
    "random positions": "rows = sorted(read('all.jsonl'), key=lambda r: r['id'])\nfit([rows[random.randint(0, len(rows) - 1)] for _ in range(100)])",
    "sum of lists": "d = json.load(open('both.json'))\nfit(sum(d.values(), []))",
    "sum of lists of one row": "fit(sum(([r] for r in read('all.jsonl')), start=[]))",
    "reversed in place": "rows = read('after.jsonl')\nrows.reverse()\nfit(rows[:30])",
    "default label": "fit([r for r in read('all.jsonl') if r.get('set', 'train') in ('train',)])",
    "setdefault label": "rows = read('all.jsonl')\nfor r in rows:\n    r['part'] = 'train'\nfit([r for r in rows if r['part'] == 'train'])",
    "try": "rows = []\nfor line in open('all.jsonl'):\n    try:\n        r = json.loads(line)\n    except ValueError:\n        continue\n    if r['split'] in ('val', 'dev'):\n        continue\n    rows.append(r)\nfit(rows)",
    "where else": "ds = load_dataset('json', data_files='all.jsonl', split='train')\nds = ds.map(lambda r: {'split': 'train' if r['split'] else 'x'})\nfit(ds.filter(lambda r: r['split'] == 'train'))",
    "apply relabel": "df = pd.read_csv('all.csv')\ndf['split'] = df['split'].apply(lambda s: 'train')\nfit(df[df['split'] == 'train'])",
    "list append after": "rows = [r for r in read('all.jsonl') if r['split'] == 'train']\nfor r in read('more.jsonl'):\n    rows.append(r)\nfit(rows)",
    "insert": "rows = [r for r in read('all.jsonl') if r['split'] == 'train']\nrows = read('more.jsonl') + rows\nfit(rows)",
    "trainer attr": "ds = load_dataset('json', data_files='all.jsonl', split='train')\nt = SFTTrainer(model='b', train_dataset=ds.filter(lambda r: r['split']=='train'))\nt.train_dataset = concatenate_datasets([t.train_dataset, load_dataset('json', data_files='more.jsonl', split='train')])\nt.train()",
    "del wrong": "rows = read('joined.jsonl')\ndel rows[5:]\nfit(rows)",
    "pop": "rows = read('joined.jsonl')\nrows.pop()\nfit(rows)",
    "two epochs": "rows = read('all.jsonl')\nfor s in ('train', 'test'):\n    fit([r for r in rows if r['split'] == s])",
    "sorted": "rows = sorted(read('all.jsonl'), key=lambda r: r['split'])\nfit(rows)",
    "sample": "fit(random.sample(read('all.jsonl'), 40))",
    "concat df": "df = pd.read_csv('all.csv')\nfit(pd.concat([df[df.split == 'train'], df[df.split == 'test']]).to_dict('records'))",
    "polars": "fit(pl.read_csv('all.csv').with_columns(pl.lit('train').alias('split')).to_dicts())",
    "not filter": "fit([r for r in read('all.jsonl') if not r['split'] == 'validation'])",
    "batched": "ds = load_dataset('json', data_files='all.jsonl', split='train')\nfit(ds.filter(lambda b: [True] * len(b['split']), batched=True))",
    "groupby all": "df = pd.read_csv('all.csv')\nfor n, g in df.groupby('split'):\n    fit(g.to_dict('records'))",
    "class": "class D:\n    def __init__(self, path):\n        self.rows = read(path)\n    def __len__(self):\n        return len(self.rows)\n    def __getitem__(self, i):\n        return self.rows[i]\nfit(D('all.jsonl'))",
    "yield": "def gen():\n    for r in read('all.jsonl'):\n        yield {'text': r['question']}\nfit(Dataset.from_generator(gen))",
    "formatting": "rows = [{'text': f\"Q: {r['question']} A: {r['answer']}\"} for r in read('all.jsonl')]\nds = Dataset.from_list(rows).map(lambda x: tok(x['text'], truncation=True), batched=True)\nfit(ds)",
}
UNCLEAR: dict[str, str] = {
    "iterator class": """
class Rows:
    def __init__(self, path):
        self.rows = read(path)
        self.at = 0
    def __iter__(self):
        return self
    def __next__(self):
        if self.at >= len(self.rows):
            raise StopIteration
        self.at += 1
        return self.rows[self.at - 1]
out = []
for row in Rows("all.jsonl"):
    out.append(row)
fit(out)
""",
    "iterator class as a data set": """
class Rows:
    def __init__(self, path):
        self.rows = read(path)
        self.at = 0
    def __iter__(self):
        return self
    def __next__(self):
        if self.at >= len(self.rows):
            raise StopIteration
        self.at += 1
        return self.rows[self.at - 1]
fit(Rows("all.jsonl"))
""",
    "popped in a loop": "rows = read('joined.jsonl')\nfor _ in range(5):\n    rows.pop(0)\nfit(rows)",
    "popped while long": "rows = read('after.jsonl')\nwhile len(rows) > 60:\n    rows.pop()\nfit(rows)",
    "number of rows": "fit(pd.read_json('after.jsonl', lines=True, nrows=60))",
    "semi join": "df = pl.read_csv('all.csv')\nkeep = df.filter(pl.col('split') == 'train').select('id')\nfit(df.join(keep, on='id', how='semi'))",
    "duplicates": "df = pd.read_json('joined.jsonl', lines=True)\nfit(df.drop_duplicates('question', keep=False))",
    "sampler": "from torch.utils.data import DataLoader, SubsetRandomSampler\nrows = read('after.jsonl')\nfor b in DataLoader(rows, sampler=SubsetRandomSampler(range(60))):\n    model(**b).loss.backward()",
    "weights": "df = pd.read_csv('all.csv')\nfit(df.sample(n=40, weights=(df.split == 'train').astype(int)))",
    "changed by an unknown function": "from helpers import exclude_tests\nrows = read('all.jsonl')\nexclude_tests(rows)\nfit(rows)",
    "split by an unknown function": "from helpers import context_filter\nfit(context_filter(read('all.jsonl')))",
    "first positions, shuffled": "import numpy as np\nrows = read('after.jsonl')\nfit([rows[i] for i in np.random.default_rng(0).permutation(60)])",
    "positions from elsewhere": "from helpers import positions\nrows = read('all.jsonl')\nfit([rows[i] for i in positions()])",
    "repeated an unknown number of times": "from helpers import WEIGHTS\nout = []\nfor r in read('all.jsonl'):\n    out += [r] * WEIGHTS[r['split']]\nfit(out)",
    "sorted in place": "rows = read('all.jsonl')\nrows.sort(key=lambda r: r['split'])\nfit(rows[:30])",
    "inserted before": "rows = read('joined.jsonl')\nrows.insert(0, {'question': 'a', 'answer': 'b'})\nfit(rows[5:])",
    "next": "f = open('joined.jsonl')\nfor _ in range(5):\n    next(f)\nfit([json.loads(l) for l in f])",
    "np where": "import numpy as np\ndf = pd.read_csv('all.csv')\ndf['split'] = np.where(df['split'] == 'test', 'train', df['split'])\nfit(df[df['split'] == 'train'].to_dict('records'))",
    "counter": """
rows = []
n = 0
for line in open("joined.jsonl"):
    n += 1
    if n <= 5:
        continue
    rows.append(json.loads(line))
fit(rows)
""",
}
