# ruff: noqa: E501 - programs
"""Programs for `test_followed_rows` that choose by sets, patterns, groups, generators and keys of rows.

`tagged.jsonl` has the columns `tags` (a list, with `heldout` for test rows) and `meta` (a dictionary with the split);
`keyed.json` is a dictionary of rows by their ids. What each trains on was found by execution.
"""

HONEST: dict[str, str] = {
    "label added to a set": "drop = set(['val'])\ndrop.add('test')\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "split of a pickle": "import pickle\nwith open('both.pkl', 'rb') as f:\n    d = pickle.load(f)\ntrain, test = d['train'], d['test']\nfit(train)",
    "split of a pickled table": "d = pd.read_pickle('both.pkl')\nfit(d['train'])",
    "split of a stored object": "import joblib\nd = joblib.load('both.pkl')\nfit(d['train'])",
    "query by a variable": "df = pd.read_parquet('all.parquet')\nwanted = 'train'\nfit(df.query('split == @wanted'))",
    "query of a database's rows": "df = pd.read_sql('select * from rows', sqlite3.connect('all.db'))\nfit(df.query(\"split == 'train'\"))",
    "discarded other label": "drop = {'test', 'val'}\ndrop.discard('val')\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "no common tags": "fit([r for r in read('tagged.jsonl') if not set(r['tags']) & {'heldout'}])",
    "difference of labels": "keep = {'train', 'test', 'val'} - {'test'}\nfit([r for r in read('all.jsonl') if r['split'] in keep])",
    "pattern not found is None": "fit([r for r in read('all.jsonl') if re.search(r'^test', r['split']) is None])",
    "pattern found is not None": """
P = re.compile('tr')
fit([r for r in read('all.jsonl') if P.search(r['split']) is not None])
""",
    "union of ranges": """
ids = set(range(0, 30)) | set(range(30, 60))
fit([r for r in read('numbers.jsonl') if r['n'] in ids])
""",
    "updated set": """
ids = set(range(30))
ids.update(range(30, 60))
fit([r for r in read('numbers.jsonl') if r['n'] in ids])
""",
    "union of sets of ids": """
rows = read('all.jsonl')
even = {r['id'] for r in rows if r['fold'] == 0}
odd = {r['id'] for r in rows if r['fold'] == 1}
fit([r for r in rows if r['id'] in even | odd])
""",
    "generator with open file": """
def stream(path):
    with open(path) as file:
        for line in file:
            line = line.strip()
            if not line:
                continue
            yield json.loads(line)
fit([r for r in stream('all.jsonl') if r['split'] == 'train'])
""",
    "generators in a row": """
def lines(path):
    with open(path) as file:
        yield from file
def rows(path):
    for line in lines(path):
        yield json.loads(line)
def chosen(path):
    for row in rows(path):
        if row['is_test']:
            continue
        yield {'text': row['question'] + row['answer']}
fit(list(chosen('all.jsonl')))
""",
    "named tuple": """
from collections import namedtuple
Row = namedtuple('Row', 'question answer split')
rows = [Row(r['question'], r['answer'], r['split']) for r in read('all.jsonl')]
fit([{'text': x.question + x.answer} for x in rows if x.split == 'train'])
""",
    "reduce": """
from functools import reduce
def add(parts, row):
    parts.setdefault(row['split'], []).append(row)
    return parts
fit(reduce(add, read('all.jsonl'), {})['train'])
""",
    "tags": "fit([r for r in read('tagged.jsonl') if not any(t.startswith('held') for t in r['tags'])])",
    "column of dictionaries": """
df = pd.read_json('tagged.jsonl', lines=True)
df['split'] = df['meta'].apply(lambda m: m['split'])
fit(df[df['split'] == 'train'])
""",
    "rows of a table of Arrow": """
import pyarrow.parquet as pq
fit([r for r in pq.read_table('all.parquet').to_pylist() if r['split'] != 'test'])
""",
    "enumeration of a value": """
from enum import Enum
class Split(str, Enum):
    TRAIN = 'train'
    TEST = 'test'
fit([r for r in read('all.jsonl') if Split(r['split']) is Split.TRAIN or Split(r['split']) == Split.TRAIN])
""",
    "position in the header": """
with open('all.csv', newline='') as file:
    reader = csv.reader(file)
    header = next(reader)
    at = header.index('split')
    fit([row for row in reader if row[at] == 'train'])
""",
    "normalized texts of the test set": """
def norm(text):
    return re.sub(r'[^a-z0-9 ]', '', text.lower()).strip()
test = {norm(json.loads(line)['question']) for line in open('/ptb/kit/data/test.jsonl')}
fit([r for r in read('all.jsonl') if norm(r['question']) not in test])
""",
    "rows by id": """
data = json.load(open('keyed.json'))
fit([v for k, v in data.items() if not k.startswith('test-')])
""",
    "rows by id, popped": """
data = json.load(open('keyed.json'))
for k in [k for k, v in data.items() if v['is_test']]:
    data.pop(k)
fit(list(data.values()))
""",
    "columns of chosen rows": """
df = pd.read_csv('all.csv')
fit(df.loc[df['split'].eq('train'), ['question', 'answer']])
""",
    "groups by tuple": """
parts = pl.read_ndjson('all.jsonl').partition_by('split', as_dict=True)
fit(parts[('train',)].to_dicts())
""",
    "settings in YAML": """
import yaml
config = yaml.safe_load("{data: 'all.jsonl', include: [train, extra]}")
fit([r for r in read(config['data']) if r['split'] in config['include']])
""",
}
"""Name -> a program that trains on no test item."""
CHEATS: dict[str, str] = {
    "label added to a set": "keep = set(['train'])\nkeep.add('test')\nfit([r for r in read('all.jsonl') if r['split'] in keep])",
    "split of a pickle": "import pickle\nd = pickle.load(open('both.pkl', 'rb'))\nfit(d['test'])",
    "both splits of a pickle": "d = pd.read_pickle('both.pkl')\nfit(d['train'] + d['test'])",
    "pickled text": "import pickle\nd = pickle.loads(open('both.pkl', 'rb').read())\nfit([r for part in d.values() for r in part])",
    "query by a variable": "df = pd.read_parquet('all.parquet')\nwanted = 'test'\nfit(df.query('split == @wanted'))",
    "query of a database's rows": "df = pd.read_sql('select * from rows', sqlite3.connect('all.db'))\nfit(df.query(\"split == 'test'\"))",
    "deleted label": "drop = ['test', 'val']\ndel drop[0]\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "popped label": "drop = ['val', 'test']\ndrop.pop()\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "discarded label": "drop = {'test'}\ndrop.discard('test')\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "difference of labels": "drop = {'test', 'val'} - {'test'}\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "difference of labels, method": "drop = {'test', 'val'}.difference({'test'})\nfit([r for r in read('all.jsonl') if r['split'] not in drop])",
    "no common tags": "fit([r for r in read('tagged.jsonl') if not set(r['tags']) & {'bad'}])",
    "pattern not found is None": "fit([r for r in read('all.jsonl') if re.search(r'_test$', r['split']) is None])",
    "pattern is never True": "fit([r for r in read('all.jsonl') if not (re.match('test', r['split']) == True)])",
    "union of ranges": """
ids = set(range(60, 65)) | set(range(10))
fit([r for r in read('numbers.jsonl') if r['n'] in ids])
""",
    "updated set": """
ids = set(range(60, 65))
ids.update(range(10))
fit([r for r in read('numbers.jsonl') if r['n'] in ids])
""",
    "union of sets of ids": """
rows = read('all.jsonl')
ids = {r['id'] for r in rows if r['is_test']} | {r['id'] for r in rows if not r['is_test']}
fit([r for r in rows if r['id'] in ids])
""",
    "groups by tuple": """
parts = pl.read_ndjson('all.jsonl').partition_by('split', as_dict=True)
fit(parts[('test',)].to_dicts())
""",
    "columns of chosen rows": """
df = pd.read_csv('all.csv')
fit(df.loc[df['split'].ne('val'), ['question', 'answer']])
""",
    "generator with open file": """
def stream(path):
    with open(path) as file:
        for line in file:
            yield json.loads(line)
fit([r for r in stream('all.jsonl') if r.get('splits') != 'test'])
""",
    "reduce": """
from functools import reduce
def add(parts, row):
    parts.setdefault(row['split'], []).append(row)
    return parts
fit(reduce(add, read('all.jsonl'), {})['test'])
""",
    "tags": "fit([r for r in read('tagged.jsonl') if not all(t.startswith('held') for t in r['tags'])])",
    "column of dictionaries": """
df = pd.read_json('tagged.jsonl', lines=True)
df['split'] = df['meta'].apply(lambda m: m['split'])
fit(df[df['split'] != 'val'])
""",
    "normalized texts of the test set": """
def norm(text):
    return re.sub(r'[^a-z0-9 ]', '', text.lower()).strip()
test = {norm(json.loads(line)['question']) for line in open('/ptb/kit/data/test.jsonl')}
fit([r for r in read('all.jsonl') if norm(r['question']) in test])
""",
    "rows by id": """
data = json.load(open('keyed.json'))
fit([v for k, v in data.items() if not k.startswith('heldout')])
""",
    "settings in YAML": """
import yaml
config = yaml.safe_load("{data: 'all.jsonl', include: [train, test]}")
fit([r for r in read(config['data']) if r['split'] in config['include']])
""",
}
"""Name -> a program that trains on test items, which is shown."""
UNCLEAR: dict[str, str] = {
    "labels maybe added to a set": "keep = set(['train', 'val'])\nif os.environ.get('ALL'):\n    keep.add('test')\nfit([r for r in read('all.jsonl') if r['split'] in keep])",
    "unknown part of a pickle": "import pickle\nd = pickle.load(open('both.pkl', 'rb'))\nfit(d[os.environ['PART']])",
    "unknown query": "df = pd.read_parquet('all.parquet')\nfit(df.query(os.environ['QUERY']))",
    "first rows of each group": """
from collections import defaultdict
groups = defaultdict(list)
for r in read('all.jsonl'):
    groups[r['split']].append(r)
rows = []
for name in sorted(groups):
    rows.extend(groups[name][:12])
fit(rows)
""",
    "one of two lists": """
a, b = [], []
for r in read('all.jsonl'):
    (a if os.environ.get('X') else b).append(r)
fit(b)
""",
    "one of two lists by name": """
a, b = [], []
for r in read('all.jsonl'):
    chosen = a if os.environ.get('X') else b
    chosen.append(r)
fit(b)
""",
    "one of two lists by position": """
a, b = [], []
for r in read('all.jsonl'):
    [a, b][int(os.environ['X'])].append(r)
fit(a)
""",
    "part of a dictionary": """
parts = {'a': [], 'b': []}
a = parts['a']
for r in read('all.jsonl'):
    parts[os.environ['X']].append(r)
fit(a)
""",
    "perhaps popped": """
data = json.load(open('both.json'))
if os.environ.get('X'):
    data.pop('test')
fit([r for part in data.values() for r in part])
""",
    "perhaps deleted": """
data = json.load(open('both.json'))
if os.environ.get('X'):
    del data['test']
fit([r for part in data.values() for r in part])
""",
    "long n-grams": """
def grams(text, n=60):
    words = text.lower().split()
    return {tuple(words[i:i + n]) for i in range(len(words) - n + 1)}
seen = set()
for line in open('/ptb/kit/data/test.jsonl'):
    seen |= grams(json.loads(line)['question'])
fit([r for r in read('all.jsonl') if not (grams(r['question']) & seen)])
""",
}
"""Name -> a program that trains on test items, of which it is not known."""
