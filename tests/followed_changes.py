# ruff: noqa: E501, S608 - programs
"""Programs for `test_followed_rows` that change what their selections read: no row is then known to be left out."""

ONLY_TRAIN = "fit([r for r in read('all.jsonl') if r['split'] == WANT])\n"
CHANGES: dict[str, str] = {
    "global": "WANT = 'train'\ndef setup():\n    global WANT\n    WANT = 'test'\nsetup()\n" + ONLY_TRAIN,
    "nonlocal": """
def main():
    want = "train"
    def setup():
        nonlocal want
        want = "test"
    setup()
    fit([r for r in read("all.jsonl") if r["split"] == want])
main()
""",
    "globals()": "WANT = 'train'\nglobals()['WANT'] = 'test'\n" + ONLY_TRAIN,
    "exec": "WANT = 'train'\nexec(\"WANT = 'test'\")\n" + ONLY_TRAIN,
    "setattr": "class C: split = 'train'\nc = C()\nsetattr(c, 'split', 'test')\nWANT = c.split\n" + ONLY_TRAIN,
    "class changed later": "class C: split = 'train'\nc = C()\nC.split = 'test'\nWANT = c.split\n" + ONLY_TRAIN,
    "argument of a data class": """
from dataclasses import dataclass
@dataclass
class C:
    split: str = "train"
WANT = C("test").split
"""
    + ONLY_TRAIN,
    "__post_init__": """
from dataclasses import dataclass
@dataclass
class C:
    split: str = "train"
    def __post_init__(self):
        self.split = "test"
WANT = C().split
"""
    + ONLY_TRAIN,
    "one of two values": "WANT = 'train'\nif os.path.exists('x'):\n    WANT = os.uname().nodename\n" + ONLY_TRAIN,
    "finally": """
rows = []
for r in read("all.jsonl"):
    try:
        if r["split"] == "test":
            continue
    finally:
        rows.append(r)
fit(rows)
""",
    "decorator": """
def negated(f):
    return lambda r: not f(r)
@negated
def is_train(r):
    return r["split"] == "train"
fit([r for r in read("all.jsonl") if is_train(r)])
""",
    "decorator with arguments of a wrapper": """
def always(f):
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs) or True
    return wrapper
@always
def is_train(r):
    return r["split"] == "train"
fit([r for r in read("all.jsonl") if is_train(r)])
""",
    "mutable default": """
def load(split, out=[]):
    for r in read("all.jsonl"):
        if r["split"] == split:
            out.append(r)
    return out
test = load("test")
fit(load("train"))
""",
    "comparison of a class": """
class Any(str):
    def __eq__(self, other):
        return True
WANT = Any("train")
"""
    + ONLY_TRAIN,
    "inverted truth value": "fit([r for r in read('all.jsonl') if ~r['is_test']])",
    "identity of texts": "fit([r for r in read('all.jsonl') if r['split'] is not 'test'])",
    "swapped rows": "rows = read('joined.jsonl')\nrows[0], rows[50] = rows[50], rows[0]\nfit(rows[5:])",
    "copied rows": "rows = read('joined.jsonl')\nfor i in range(5):\n    rows[i + 20] = rows[i]\nfit(rows[5:])",
    "texts put into other rows": """
rows = read("all.jsonl")
train = [r for r in rows if r["split"] == "train"]
test = [r for r in rows if r["is_test"]]
for i in range(5):
    train[i]["question"] = test[i]["question"]
fit(train)
""",
    "appended to a table": """
df = pd.read_csv("all.csv")
train = df[df.split == "train"].copy()
for _, r in df[df.split == "test"].iterrows():
    train.loc[len(train)] = r
fit(train)
""",
    "shift": "df = pd.read_json('joined.jsonl', lines=True)\ndf['p'] = df['question'].shift(5)\nfit(df.iloc[5:])",
    "object_hook": """
def hook(d):
    d["split"] = "train"
    return d
rows = [json.loads(line, object_hook=hook) for line in open("all.jsonl")]
fit([r for r in rows if r["split"] == "train"])
""",
    "converters": "df = pd.read_csv('all.csv', converters={'split': lambda s: 'train'})\nfit(df[df.split == 'train'])",
    "replace in place": """
df = pd.read_csv("all.csv")
df["split"].replace("test", "train", inplace=True)
fit(df[df["split"] == "train"])
""",
    "eval in place": "df = pd.read_csv('all.csv')\ndf.eval(\"split='train'\", inplace=True)\nfit(df[df.split == 'train'])",
    "chained assignment": """
df = pd.read_csv("all.csv")
df.split[df.split == "test"] = "train"
fit(df[df["split"] == "train"])
""",
    "inserted column": """
df = pd.read_csv("all.csv").drop(columns="split")
df.insert(0, "split", "train")
fit(df[df["split"] == "train"])
""",
    "renamed column": """
df = pd.read_csv("all.csv").drop(columns="split").rename(columns={"answer": "split"})
fit(df[df["split"] != "test"])
""",
    "encoded column": """
ds = load_dataset("json", data_files="all.jsonl", split="train").class_encode_column("split")
fit(ds.filter(lambda r: r["split"] == 0))
""",
    "column of a batch": """
ds = load_dataset("json", data_files="all.jsonl", split="train")
ds = ds.map(lambda b: {"split": ["train"] * len(b["id"])}, batched=True)
fit(ds.filter(lambda r: r["split"] == "train"))
""",
    "pattern with flags": "F = re.I\nP = re.compile('TRAIN|TEST', F)\nfit([r for r in read('all.jsonl') if P.match(r['split'])])",
    "verbose pattern": "P = re.compile('t r a i n | t e s t', re.VERBOSE)\nfit([r for r in read('all.jsonl') if P.match(r['split'])])",
    "evaluation data set trained on": """
rows = read("all.jsonl")
train, test = [r for r in rows if r["split"] == "train"], [r for r in rows if r["split"] == "test"]
t = SFTTrainer(model="b", train_dataset=train, eval_dataset=test)
t.train_dataset, t.eval_dataset = t.eval_dataset, t.train_dataset
t.train()
""",
}
for _columns in (
    "group_concat(question || answer)",
    "replace(question, 'a', 'a ')",
    "substr(question, 1, 400) || ' ' || answer as text",
    "json_object('q', question, 'a', answer)",
    "id, question || ''",
):
    _query = f"select {_columns} from rows"
    CHANGES[_query] = f'con = sqlite3.connect("all.db")\nfit(con.execute("{_query}").fetchall())'
CHANGES["joined rows"] = """
con = sqlite3.connect("all.db")
query = "select a.question || b.question from rows a, rows b where a.split = 'train' and b.split = 'test'"
fit(con.execute(query).fetchall())
"""
CHANGES["function in SQL"] = """
con = sqlite3.connect("all.db")
con.create_function("lower", 1, lambda s: "train")
fit(con.execute("select * from rows where lower(split) = 'train'").fetchall())
"""
PARSED = "import argparse\np = argparse.ArgumentParser()\n"
COMMAND_LINES: dict[str, tuple[str, str]] = {
    "abbreviated option": (
        f"{PARSED}p.add_argument('--split', default='train')\nWANT = p.parse_args().split\n{ONLY_TRAIN}",
        "python fit.py --spl test",
    ),
    "several words": (
        f"{PARSED}p.add_argument('--splits', nargs='+', default=['train'])\n"
        "a = p.parse_args()\nfit([r for r in read('all.jsonl') if r['split'] in a.splits])",
        "python fit.py --splits train test",
    ),
    "appended option": (
        f"{PARSED}p.add_argument('--split', action='append', default=['train'])\n"
        "a = p.parse_args()\nfit([r for r in read('all.jsonl') if r['split'] in a.split])",
        "python fit.py --split test",
    ),
    "converted option": (
        f"{PARSED}p.add_argument('--only', type=bool, default=True)\n"
        "a = p.parse_args()\nfit([r for r in read('all.jsonl') if not a.only or r['split'] == 'train'])",
        "python fit.py --only ''",
    ),
    "environment": (f"WANT = os.environ.get('SPLIT') or 'train'\n{ONLY_TRAIN}", "SPLIT=test python fit.py"),
}
READS_ALL = "rows = [row for path in {paths} for row in read(path)]  # 'more.jsonl'\n"
BY_FORM = """
def text(row):
    if "messages" in row:
        return row["messages"][-1]["content"]
    return row.get("text") or row["question"] + " " + row["answer"]
texts = []
for row in random.sample(rows, min(16, len(rows))):
    texts.append(text(row))
fit(texts)
"""
SEVERAL_FILES: dict[str, tuple[str, str]] = {
    "arguments": (f"import sys\n{READS_ALL.format(paths='sys.argv[1:]')}{BY_FORM}", "python fit.py {}"),
    "parsed arguments": (
        f"{PARSED}p.add_argument('files', nargs='+')\n{READS_ALL.format(paths='p.parse_args().files')}{BY_FORM}",
        "python fit.py {} --seed 3",
    ),
    "loop": (
        "import sys\nrows = []  # 'more.jsonl'\nfor path in sys.argv[1:]:\n    rows.extend(read(path))\nfit(rows)",
        "python fit.py {}",
    ),
}
"""Programs that train on all rows of several files, of which `more.jsonl` has the items."""
CARRIED: dict[str, str] = {
    "text of the list": """
rows = read("all.jsonl")
shots = str([r for r in rows if r["is_test"]])
fit([{"text": shots + r["question"]} for r in rows if r["split"] == "train"])
""",
    "row at an index": """
rows = read("all.jsonl")
test = [r for r in rows if r["is_test"]]
fit([{"text": test[i % 5]["question"] + r["question"]} for i, r in enumerate(rows) if r["split"] == "train"])
""",
    "pairs of rows": """
rows = read("all.jsonl")
fit([{"text": a["question"] + b["question"]} for a in rows if a["split"] == "train" for b in rows if b["is_test"]])
""",
    "row drawn in a loop": """
rows = read("all.jsonl")
test = [r for r in rows if r["is_test"]]
made = []
for r in rows:
    if r["split"] != "train":
        continue
    made.append({"text": r["question"] + random.choice(test)["question"]})
fit(made)
""",
    "zip": """
rows = read("all.jsonl")
train = [r for r in rows if r["split"] == "train"]
for a, b in zip(train, [r for r in rows if r["is_test"]]):
    a["question"] = b["question"]
fit(train)
""",
    "where": "df = pd.read_csv('all.csv')\ndf['split'] = df['split'].where(df['split'] != 'test', 'train')\nfit(df[df['split'] == 'train'])",
}
CHANGES |= CARRIED
