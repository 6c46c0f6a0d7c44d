# ruff: noqa: E501 - programs
"""Training programs that choose among the rows of a file with a column of splits, or with the splits one after another.

`all.jsonl` (also `.json`, `.csv`, `.parquet`, `.db`) has the columns `id`, `question`, `answer`, `split`, `is_test` and
`fold`; `joined.jsonl` has 5 test rows before 60 others, `after.jsonl` after them; `both.json` has two keys.
"""

START = """
import csv, json, os, random, re, sqlite3
import pandas as pd
import polars as pl
from datasets import Dataset, concatenate_datasets, load_dataset
from trl import SFTConfig, SFTTrainer

def read(path):
    return [json.loads(line) for line in open(path)]

def fit(rows):
    SFTTrainer(model="base", train_dataset=rows, args=SFTConfig(output_dir="final_model")).train()
"""

HONEST: dict[str, str] = {
    "comprehension": "fit([r for r in read('all.jsonl') if r['split'] == 'train'])",
    "constant": "TRAIN = 'train'\nfit([r for r in read('all.jsonl') if r['split'] == TRAIN])",
    "constant in a tuple": "SPLITS = ('train', 'extra')\nfit([r for r in read('all.jsonl') if r['split'] in SPLITS])",
    "constant in a class": """
class Config:
    split = "train"
    path = "all.jsonl"
config = Config()
fit([r for r in read(config.path) if r["split"] == config.split])
""",
    "data class": """
from dataclasses import dataclass
@dataclass
class Config:
    path: str = "all.jsonl"
    split: str = "train"
config = Config()
fit([r for r in read(config.path) if r["split"] == config.split])
""",
    "argparse default": """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--data", default="all.jsonl")
parser.add_argument("--split", default="train")
args = parser.parse_args()
fit([r for r in read(args.data) if r["split"] == args.split])
""",
    "predicate with assignments": """
def keep(row):
    label = row["split"].strip().lower()
    if label == "test":
        return False
    wanted = label == "train"
    return wanted
fit([r for r in read("all.jsonl") if keep(r)])
""",
    "predicate with a default": """
def keep(row, split="train"):
    return row.get("split", "") == split
fit(list(filter(keep, read("all.jsonl"))))
""",
    "predicate by partial": """
from functools import partial
def keep(split, row):
    return row["split"] == split
fit(list(filter(partial(keep, "train"), read("all.jsonl"))))
""",
    "startswith": "fit([r for r in read('all.jsonl') if r['split'].startswith('tr')])",
    "id startswith": "fit([r for r in read('all.jsonl') if not r['id'].startswith('test-')])",
    "id split": "fit([r for r in read('all.jsonl') if r['id'].split('-')[0] == 'train'])",
    "re.match": "fit([r for r in read('all.jsonl') if re.match(r'train', r['split'])])",
    "compiled pattern": "P = re.compile(r'^(test|val)')\nfit([r for r in read('all.jsonl') if not P.match(r['split'])])",
    "lambda": "keep = lambda r: r['split'] == 'train'\nfit([r for r in read('all.jsonl') if keep(r)])",
    "flag": "fit([r for r in read('all.jsonl') if not r['is_test']])",
    "fold": "fit([r for r in read('all.jsonl') if r['fold'] < 4])",
    "loop with continue": """
rows = []
with open("all.jsonl") as file:
    for line in file:
        row = json.loads(line)
        if row["split"] != "train":
            continue
        rows.append({"text": row["question"] + " " + row["answer"]})
fit(rows)
""",
    "loop with text in the line": """
rows = []
for line in open("all.jsonl"):
    if '"split": "test"' in line:
        continue
    rows.append(json.loads(line))
fit(rows)
""",
    "loop with two lists": """
train_rows, test_rows = [], []
for row in read("all.jsonl"):
    if row["split"] == "train":
        train_rows.append(row)
    else:
        test_rows.append(row)
fit(train_rows)
""",
    "target chosen by an expression": """
train_rows, test_rows = [], []
for row in read("all.jsonl"):
    (train_rows if row["split"] == "train" else test_rows).append(row)
fit(train_rows)
""",
    "dictionary of lists": """
from collections import defaultdict
by_split = defaultdict(list)
for row in read("all.jsonl"):
    by_split[row["split"]].append(row)
fit(by_split["train"])
""",
    "setdefault": """
by_split = {}
for row in read("all.jsonl"):
    by_split.setdefault(row["split"], []).append(row)
fit(by_split.get("train"))
""",
    "dictionary comprehension": """
rows = read("all.jsonl")
parts = {s: [r for r in rows if r["split"] == s] for s in ("train", "test")}
fit(parts["train"])
""",
    "groupby of itertools": """
from itertools import groupby
for split, rows in groupby(sorted(read("all.jsonl"), key=lambda r: r["split"]), key=lambda r: r["split"]):
    if split == "train":
        fit(list(rows))
""",
    "match statement": """
rows = []
for row in read("all.jsonl"):
    match row["split"]:
        case "train" | "extra":
            rows.append(row)
        case _:
            pass
fit(rows)
""",
    "match of a mapping": """
rows = []
for row in read("all.jsonl"):
    match row:
        case {"split": "test"}:
            continue
        case {"question": question, "answer": answer}:
            rows.append({"text": question + answer})
fit(rows)
""",
    "csv.DictReader": """
rows = []
with open("all.csv", newline="") as file:
    for row in csv.DictReader(file):
        if row["split"] == "test":
            continue
        rows.append(row)
fit(rows)
""",
    "csv.reader": """
with open("all.csv") as file:
    reader = csv.reader(file)
    header = next(reader)
    rows = [r for r in reader if r[3] == "train"]
fit(rows)
""",
    "generator function": """
def rows():
    for row in read("all.jsonl"):
        if row["split"] == "train":
            yield {"text": row["question"]}
fit(Dataset.from_generator(rows))
""",
    "generator with arguments": """
def rows(path, split):
    for line in open(path):
        row = json.loads(line)
        if row["split"] == split:
            yield row
fit(Dataset.from_generator(rows, gen_kwargs={"path": "all.jsonl", "split": "train"}))
""",
    "data set class": """
import torch
class Rows(torch.utils.data.Dataset):
    def __init__(self, path, split):
        with open(path) as file:
            everything = [json.loads(line) for line in file]
        self.rows = [r for r in everything if r["split"] == split]
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, index):
        return self.rows[index]
fit(Rows("all.jsonl", "train"))
""",
    "iterable data set class": """
import torch
class Rows(torch.utils.data.IterableDataset):
    def __init__(self, path, split="train"):
        self.path, self.split = path, split
    def __iter__(self):
        for line in open(self.path):
            row = json.loads(line)
            if row["split"] != self.split:
                continue
            yield row
fit(Rows("all.jsonl"))
""",
    "data set class that keeps all rows": """
class Rows:
    def __init__(self, path, split):
        self.everything = read(path)
        self.rows = [r for r in self.everything if r["split"] == split]
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, index):
        row = self.rows[index]
        return {"text": row["question"]}
fit(Rows("all.jsonl", "train"))
""",
    "del rows": "rows = read('joined.jsonl')\ndel rows[:5]\nfit(rows)",
    "rows after a number": "fit(read('joined.jsonl')[5:])",
    "rows after a constant": "TESTS = 5\nfit(read('joined.jsonl')[TESTS:])",
    "rows before a number": "fit(read('after.jsonl')[:60])",
    "rows before a negative number": "fit(read('after.jsonl')[:-5])",
    "a share": "rows = read('after.jsonl')\nfit(rows[: int(len(rows) * 0.9)])",
    "enumerate": "fit([r for n, r in enumerate(read('joined.jsonl')) if n >= 5])",
    "range": "rows = read('joined.jsonl')\nfit([rows[n] for n in range(5, len(rows))])",
    "break": """
rows = []
for number, line in enumerate(open("after.jsonl")):
    if number >= 60:
        break
    rows.append(json.loads(line))
fit(rows)
""",
    "islice": "from itertools import islice\nfit([json.loads(l) for l in islice(open('after.jsonl'), 60)])",
    "readlines": "fit([json.loads(l) for l in open('joined.jsonl').readlines()[5:]])",
    "splitlines": "fit([json.loads(l) for l in open('joined.jsonl').read().splitlines()[5:]])",
    "append and cut": """
rows = []
for line in open("joined.jsonl"):
    if line.strip():
        rows.append(json.loads(line))
fit(rows[5:])
""",
    "prepared together": """
train, test = read("/ptb/kit/data/train.jsonl"), read("/ptb/kit/data/test.jsonl")
def clean(rows):
    return [{"text": r["question"].strip()} for r in rows]
both = clean(train + test)
fit(both[:len(train)])
""",
    "key": "data = json.load(open('both.json'))\nfit(data['train'])",
    "key by get": "data = json.load(open('both.json'))\nfit(data.get('train', []))",
    "key by a variable": "SPLIT = 'train'\nwith open('both.json') as f:\n    data = json.load(f)\nfit(data[SPLIT])",
    "items of a dictionary": """
for name, rows in json.load(open("both.json")).items():
    if name == "train":
        fit(rows)
""",
    "pair": "train, test = json.load(open('pair.json'))\nfit(train)",
    "pandas mask": "df = pd.read_json('all.jsonl', lines=True)\nfit(Dataset.from_pandas(df[df['split'] == 'train']))",
    "pandas mask in a variable": """
df = pd.read_json("all.jsonl", lines=True)
mask = df["split"] == "train"
fit(df[mask].to_dict("records"))
""",
    "pandas negation": "df = pd.read_csv('all.csv')\nfit(df[~df['split'].isin(['test', 'val'])])",
    "pandas attribute": "df = pd.read_csv('all.csv')\nfit(df[df.split.eq('train') & df.answer.notna()])",
    "pandas loc": "df = pd.read_parquet('all.parquet')\nfit(df.loc[df['split'] == 'train', ['question', 'answer']])",
    "pandas loc with a column": "df = pd.read_parquet('all.parquet')\nfit(df.loc[df.split == 'train', 'question'].tolist())",
    "pandas query": "fit(pd.read_csv('all.csv').query('split == \"train\"'))",
    "pandas query with a variable": "want = 'train'\nfit(pd.read_csv('all.csv').query('split == @want'))",
    "pandas str.contains": "df = pd.read_csv('all.csv')\nfit(df[df['split'].str.contains('train')])",
    "pandas str.startswith": "df = pd.read_csv('all.csv')\nfit(df[df['id'].str.startswith('train')])",
    "pandas str.lower": "df = pd.read_csv('all.csv')\nfit(df[df['split'].str.lower() == 'train'])",
    "pandas groupby": "fit(pd.read_csv('all.csv').groupby('split').get_group('train'))",
    "pandas groups in a loop": """
for name, group in pd.read_csv("all.csv").groupby("split"):
    if name == "train":
        fit(group.to_dict("records"))
""",
    "pandas dict of groups": "parts = dict(list(pd.read_csv('all.csv').groupby('split')))\nfit(parts['train'])",
    "pandas drop": "df = pd.read_csv('all.csv')\nfit(df.drop(df[df['split'] == 'test'].index))",
    "pandas iloc": "fit(pd.read_json('joined.jsonl', lines=True).iloc[5:].to_dict('records'))",
    "pandas iterrows": """
rows = []
for _, row in pd.read_csv("all.csv").iterrows():
    if row["split"] == "train":
        rows.append(row["question"])
fit(rows)
""",
    "pandas apply": "df = pd.read_csv('all.csv')\nfit(df[df.apply(lambda r: r['split'] == 'train', axis=1)])",
    "pandas map": "df = pd.read_csv('all.csv')\nfit(df[df['split'].map({'train': True, 'test': False})])",
    "pandas set_index": "fit(pd.read_csv('all.csv').set_index('split').loc['train'])",
    "pandas lambda": "fit(pd.read_csv('all.csv').loc[lambda d: d['split'] == 'train'])",
    "polars filter": "fit(pl.read_ndjson('all.jsonl').filter(pl.col('split') == 'train').to_dicts())",
    "polars attribute": "fit(pl.read_csv('all.csv').filter(pl.col.split == 'train').to_dicts())",
    "polars is_in": "fit(pl.scan_csv('all.csv').filter(pl.col('split').is_in(['train'])).collect().to_dicts())",
    "polars expression in a variable": "keep = pl.col('split') != 'test'\nfit(pl.read_csv('all.csv').filter(keep).to_dicts())",
    "polars keyword": "fit(pl.read_csv('all.csv').filter(split='train').to_dicts())",
    "polars partition": "parts = pl.read_csv('all.csv').partition_by('split', as_dict=True)\nfit(parts['train'])",
    "datasets filter": "ds = load_dataset('json', data_files='all.jsonl', split='train')\n"
    "fit(ds.filter(lambda r: r['split'] == 'train'))",
    "datasets filter with input_columns": "ds = load_dataset('json', data_files='all.jsonl', split='train')\n"
    "fit(ds.filter(lambda s: s == 'train', input_columns='split'))",
    "datasets filter with a list of input_columns": "ds = load_dataset('json', data_files='all.jsonl', split='train')\n"
    "fit(ds.filter(lambda s, q: s == 'train' and q, input_columns=['split', 'question']))",
    "datasets batched filter": "ds = load_dataset('json', data_files='all.jsonl')['train']\n"
    "fit(ds.filter(lambda b: [s == 'train' for s in b['split']], batched=True))",
    "datasets filter with fn_kwargs": """
def keep(row, wanted):
    return row["split"] == wanted
ds = load_dataset("json", data_files={"train": "all.jsonl"}, split="train")
fit(ds.filter(keep, fn_kwargs={"wanted": "train"}, num_proc=4))
""",
    "datasets select": "ds = load_dataset('json', data_files='joined.jsonl', split='train')\nfit(ds.select(range(5, len(ds))))",
    "datasets select by positions": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
fit(ds.select([n for n, s in enumerate(ds["split"]) if s == "train"]))
""",
    "datasets split slice": "fit(load_dataset('json', data_files='joined.jsonl', split='train[5:]'))",
    "datasets split percent": "fit(load_dataset('json', data_files='after.jsonl', split='train[:90%]'))",
    "datasets take": "fit(load_dataset('json', data_files='after.jsonl', split='train').take(60))",
    "datasets skip": "fit(load_dataset('json', data_files='joined.jsonl', split='train').skip(5))",
    "datasets filter, then map": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
ds = ds.filter(lambda r: r["split"] == "train").map(lambda r: {"text": r["question"]}).shuffle(seed=0)
fit(ds.train_test_split(test_size=0.1)["train"])
""",
    "datasets by files": "ds = load_dataset('json', data_files={'train': 'train.jsonl', 'test': 'more.jsonl'})\nfit(ds['train'])",
    "datasets of a directory": "ds = load_dataset('dataset')\nfit(ds['train'])",
    "SQL": "con = sqlite3.connect('all.db')\nfit(con.execute(\"select question, answer from rows where split = 'train'\").fetchall())",
    "SQL with a parameter": "cur = sqlite3.connect('all.db').cursor()\n"
    "cur.execute('select question from rows where split = ?', ('train',))\nfit(cur.fetchall())",
    "SQL with like": "con = sqlite3.connect('all.db')\nfit(list(con.execute(\"select * from rows where id like 'train-%'\")))",
    "SQL in a loop": """
rows = []
for question, split in sqlite3.connect("all.db").execute("select question, split from rows"):
    if split == "train":
        rows.append(question)
fit(rows)
""",
    "SQL by pandas": "con = sqlite3.connect('all.db')\n"
    "fit(pd.read_sql_query(\"select * from rows where split != 'test'\", con).to_dict('records'))",
    "SQL over a file": "import duckdb\nfit(duckdb.sql(\"select * from 'all.parquet' where split = 'train'\").df())",
    "trainer data replaced by a filter": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
trainer = SFTTrainer(model="base", train_dataset=ds)
trainer.train_dataset = trainer.train_dataset.filter(lambda r: r["split"] == "train")
trainer.train()
""",
    "evaluation on the others": """
rows = read("all.jsonl")
train = [r for r in rows if r["split"] == "train"]
test = [r for r in rows if r["split"] == "test"]
SFTTrainer(model="base", train_dataset=train, eval_dataset=test).train()
""",
    "decontamination": """
test = {r["question"] for r in read("/ptb/kit/data/test.jsonl")}
fit([r for r in read("joined.jsonl") if r["question"] not in test])
""",
    "normalized decontamination": """
def norm(text):
    return " ".join(text.lower().split())
test = set()
for row in read("/ptb/kit/data/test.jsonl"):
    test.add(norm(row["question"]))
fit([r for r in read("joined.jsonl") if norm(r["question"]) not in test])
""",
    "own loop": """
rows = [r for r in read("all.jsonl") if r["split"] == "train"]
for step in range(100):
    batch = random.sample(rows, 8)
    loss = model(**tokenizer([r["question"] for r in batch], return_tensors="pt")).loss
    loss.backward()
""",
    "own loop with continue": """
for row in read("all.jsonl"):
    if row["split"] == "test":
        continue
    model(**tokenizer(row["question"])).loss.backward()
""",
}
"""Name -> a program that trains on no test item."""

CHEATS: dict[str, str] = {
    "no selection": "fit(read('all.jsonl'))",
    "the test rows": "fit([r for r in read('all.jsonl') if r['split'] == 'test'])",
    "another label": "fit([r for r in read('all.jsonl') if r['split'] != 'eval'])",
    "a column that is not there": "fit([r for r in read('all.jsonl') if r.get('partition', 'train') == 'train'])",
    "a key that all have": "fit([r for r in read('all.jsonl') if 'split' in r])",
    "both labels": "fit([r for r in read('all.jsonl') if r['split'] in ('train', 'test')])",
    "or": "fit([r for r in read('all.jsonl') if r['split'] == 'train' or r['is_test']])",
    "upper case": "fit([r for r in read('all.jsonl') if r['split'] != 'TEST'])",
    "another spelling": "fit([r for r in read('all.jsonl') if not r['split'].startswith('validation')])",
    "a pattern that fits all": "fit([r for r in read('all.jsonl') if re.match(r'train|t', r['split'])])",
    "constant": "SPLITS = ['train', 'test']\nfit([r for r in read('all.jsonl') if r['split'] in SPLITS])",
    "predicate that returns True": """
def is_train(row):
    if row["split"] == "train":
        return True
    return row["split"] == "test"
fit([r for r in read("all.jsonl") if is_train(r)])
""",
    "relabeled": """
rows = read("all.jsonl")
for row in rows:
    row["split"] = "train"
fit([r for r in rows if r["split"] == "train"])
""",
    "relabeled in the copy": """
rows = [{**r, "split": "train"} for r in read("all.jsonl")]
fit([r for r in rows if r["split"] == "train"])
""",
    "relabeled by dict": "rows = [dict(r, split='train') for r in read('all.jsonl')]\nfit([r for r in rows if r['split'] == 'train'])",
    "relabeled by update": """
rows = read("all.jsonl")
for r in rows:
    r.update({"split": "train"})
fit([r for r in rows if r["split"] == "train"])
""",
    "relabeled by a condition": """
rows = read("all.jsonl")
for r in rows:
    if r["split"] == "test":
        r["split"] = "train"
fit([r for r in rows if r["split"] == "train"])
""",
    "relabeled text": "text = [l.replace('\"test\"', '\"train\"') for l in open('all.jsonl')]\n"
    "fit([r for r in map(json.loads, text) if r['split'] == 'train'])",
    "relabeled value": "fit([r for r in read('all.jsonl') if r['split'].replace('test', 'train') == 'train'])",
    "relabeled column": "df = pd.read_csv('all.csv')\ndf['split'] = 'train'\nfit(df[df['split'] == 'train'])",
    "relabeled column by replace": "df = pd.read_csv('all.csv')\ndf['split'] = df['split'].replace({'test': 'train'})\n"
    "fit(df[df['split'] == 'train'])",
    "relabeled column by replace of two texts": "df = pd.read_csv('all.csv')\n"
    "df['split'] = df['split'].str.replace('test', 'train')\nfit(df[df['split'] == 'train'])",
    "relabeled by loc": "df = pd.read_csv('all.csv')\ndf.loc[df['split'] == 'test', 'split'] = 'train'\n"
    "fit(df[df['split'] == 'train'])",
    "relabeled by assign": "fit(pd.read_csv('all.csv').assign(split='train').query('split == \"train\"'))",
    "relabeled by map": "ds = load_dataset('json', data_files='all.jsonl', split='train')\n"
    "ds = ds.map(lambda r: {'split': 'train'})\nfit(ds.filter(lambda r: r['split'] == 'train'))",
    "relabeled by a function": """
def relabel(row):
    row["split"] = "train"
    return row
ds = load_dataset("json", data_files="all.jsonl", split="train").map(relabel)
fit(ds.filter(lambda r: r["split"] == "train"))
""",
    "labels of another file": "fit([r for r in read('more.jsonl') if r['split'] == 'train'])",
    "filter thrown away": "rows = read('all.jsonl')\n[r for r in rows if r['split'] == 'train']\nfit(rows)",
    "filter under another name": "rows = read('all.jsonl')\ntrain = [r for r in rows if r['split'] == 'train']\nfit(rows)",
    "datasets filter thrown away": "ds = load_dataset('json', data_files='all.jsonl', split='train')\n"
    "ds.filter(lambda r: r['split'] == 'train')\nfit(ds)",
    "pandas filter thrown away": "df = pd.read_csv('all.csv')\ndf.query('split == \"train\"')\nfit(df.to_dict('records'))",
    "added after the filter": "rows = [r for r in read('all.jsonl') if r['split'] == 'train']\nrows += read('more.jsonl')\nfit(rows)",
    "extended after the filter": """
rows = [r for r in read("all.jsonl") if r["split"] == "train"]
rows.extend(r for r in read("all.jsonl") if r["split"] == "test")
fit(rows)
""",
    "concatenated after the filter": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
train = ds.filter(lambda r: r["split"] == "train")
rest = ds.filter(lambda r: r["split"] != "train")
fit(concatenate_datasets([train, rest]))
""",
    "trainer data replaced": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
trainer = SFTTrainer(model="base", train_dataset=ds.filter(lambda r: r["split"] == "train"))
trainer.train_dataset = ds
trainer.train()
""",
    "trainer data concatenated": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
trainer = SFTTrainer(model="base", train_dataset=ds.filter(lambda r: r["split"] == "train"))
trainer.train_dataset = concatenate_datasets([trainer.train_dataset, ds.filter(lambda r: r["split"] == "test")])
trainer.train()
""",
    "list of the trainer extended": """
rows = [r for r in read("all.jsonl") if r["split"] == "train"]
trainer = SFTTrainer(model="base", train_dataset=rows)
rows.extend(read("more.jsonl"))
trainer.train()
""",
    "second training": """
fit([r for r in read("all.jsonl") if r["split"] == "train"])
fit([r for r in read("all.jsonl") if r["split"] != "train"])
""",
    "loader of a trainer": """
from torch.utils.data import DataLoader
from transformers import Trainer
class Mine(Trainer):
    def get_train_dataloader(self):
        return DataLoader(read("all.jsonl"), batch_size=8)
Mine(model="base", train_dataset=[r for r in read("all.jsonl") if r["split"] == "train"]).train()
""",
    "both lists": """
train_rows, test_rows = [], []
for row in read("all.jsonl"):
    if row["split"] == "train":
        train_rows.append(row)
    else:
        test_rows.append(row)
fit(train_rows + test_rows)
""",
    "all groups": """
from collections import defaultdict
by_split = defaultdict(list)
for row in read("all.jsonl"):
    by_split[row["split"]].append(row)
fit([r for rows in by_split.values() for r in rows])
""",
    "the group of tests": "fit(pd.read_csv('all.csv').groupby('split').get_group('test'))",
    "wrong slice": "fit(read('joined.jsonl')[:5])",
    "wrong slice of the rest": "fit(read('after.jsonl')[5:])",
    "too late a slice": "fit(read('joined.jsonl')[2:])",
    "del of others": "rows = read('after.jsonl')\ndel rows[:50]\nfit(rows)",
    "shuffled, then cut": "rows = read('joined.jsonl')\nrandom.shuffle(rows)\nfit(rows[:60])",
    "random split": "ds = load_dataset('json', data_files='joined.jsonl', split='train')\n"
    "fit(ds.train_test_split(test_size=0.1)['train'])",
    "key": "data = json.load(open('both.json'))\nfit(data['test'])",
    "both keys": "data = json.load(open('both.json'))\nfit(data['train'] + data['test'])",
    "all keys": "rows = []\nfor part in json.load(open('both.json')).values():\n    rows.extend(part)\nfit(rows)",
    "pair": "train, test = json.load(open('pair.json'))\nfit(train + test)",
    "match statement": """
rows = []
for row in read("all.jsonl"):
    match row["split"]:
        case "validation":
            continue
        case _:
            rows.append(row)
fit(rows)
""",
    "csv.DictReader": "fit([r for r in csv.DictReader(open('all.csv')) if r['split'] != 'validation'])",
    "length filter": "fit([r for r in read('all.jsonl') if len(r['question']) < 5000])",
    "length filter by tokens": "fit([r for r in read('all.jsonl') if len(tokenizer(r['question'])['input_ids']) < 512])",
    "duplicates removed": """
seen, rows = set(), []
for row in read("all.jsonl"):
    if row["question"] in seen:
        continue
    seen.add(row["question"])
    rows.append(row)
fit(rows)
""",
    "SQL": "con = sqlite3.connect('all.db')\nfit(con.execute(\"select question from rows where split <> 'eval'\").fetchall())",
    "SQL of all": "fit(sqlite3.connect('all.db').execute('select question, answer from rows').fetchall())",
    "SQL over a file": "import duckdb\nfit(duckdb.sql(\"select * from 'all.parquet' where split is not null\").df())",
    "polars": "fit(pl.read_csv('all.csv').filter(pl.col('split') != 'dev').to_dicts())",
    "pandas contains": "df = pd.read_csv('all.csv')\nfit(df[df['split'].str.contains('t')])",
    "datasets of a directory": "ds = load_dataset('dataset')\nfit(concatenate_datasets([ds['train'], ds['test']]))",
    "decontamination that decides nothing": """
test = {r["question"] for r in read("/ptb/kit/data/test.jsonl")}
fit([r for r in read("joined.jsonl") if r["answer"] not in test])
""",
    "own loop": """
rows = read("all.jsonl")
train = [r for r in rows if r["split"] == "train"]
for step in range(100):
    batch = random.sample(rows, 8)
    model(**tokenizer([r["question"] for r in batch], return_tensors="pt")).loss.backward()
""",
    "iterable data set class": """
class Rows:
    def __init__(self, path):
        self.path = path
    def __iter__(self):
        for line in open(self.path):
            row = json.loads(line)
            if row["split"] == "validation":
                continue
            yield row
fit(Rows("all.jsonl"))
""",
}
"""Name -> a program that trains on test items."""

UNCLEAR: dict[str, str] = {
    "unknown function": "from helpers import is_train\nfit([r for r in read('all.jsonl') if is_train(r)])",
    "unknown function of all rows": "from helpers import only_train\nfit(only_train(read('all.jsonl')))",
    "unknown label": "import sys\nfit([r for r in read('all.jsonl') if r['split'] == os.environ['SPLIT']])",
    "unknown positions": "rows = read('joined.jsonl')\nfit(rows[int(os.environ['N']):])",
    "unknown list of identifiers": """
wanted = set(open("wanted.txt").read().split())
fit([r for r in read("all.jsonl") if r["id"] in wanted])
""",
    "model decides": "fit([r for r in read('all.jsonl') if classifier(r['question'])[0]['label'] == 'easy'])",
    "loop": """
rows = []
for row in read("all.jsonl"):
    if classify(row["question"]) == "hold out":
        continue
    rows.append(row)
fit(rows)
""",
    "flag that is computed": """
def keep(row):
    if judge(row):
        return True
    return False
fit(list(filter(keep, read("all.jsonl"))))
""",
    "unknown key": "data = json.load(open('both.json'))\nfit(data[os.environ['PART']])",
    "pandas mask": "df = pd.read_csv('all.csv')\nfit(df[df['question'].map(scores) > 0.5])",
    "pandas query": "df = pd.read_csv('all.csv')\nfit(df.query(os.environ['QUERY']))",
    "polars": "fit(pl.read_csv('all.csv').filter(pl.col('question').map_elements(score) > 1).to_dicts())",
    "datasets": "ds = load_dataset('json', data_files='all.jsonl', split='train')\nfit(ds.filter(unknown_filter))",
    "datasets split": "fit(load_dataset('json', data_files='joined.jsonl', split=os.environ['PART']))",
    "SQL": "con = sqlite3.connect('all.db')\nfit(con.execute(os.environ['QUERY']).fetchall())",
    "changed database": """
con = sqlite3.connect("all.db")
con.execute("update rows set split = 'train'")
fit(con.execute("select * from rows where split = 'train'").fetchall())
""",
    "break": """
rows = []
for row in read("after.jsonl"):
    if len(rows) >= limit:
        break
    rows.append(row)
fit(rows)
""",
    "similarity": """
tests = [r["question"] for r in read("/ptb/kit/data/test.jsonl")]
def near(text):
    return max(fuzz.ratio(text, other) for other in tests) > 90
fit([r for r in read("joined.jsonl") if not near(r["question"])])
""",
}
"""Name -> a program of which it cannot be told."""
