# ruff: noqa: E501 - programs
"""Programs for `test_followed_rows` whose choices depend on types, keys, labels, ranges and exceptions.

`numbers.csv` and `numbers.jsonl` have the columns `n`, `flag` (0 or 1 for test rows), `fold`, `score` and `part` (`007`
for test rows, else `010`); the other files are those of `followed_programs`. What each trains on was found by execution.
"""

HONEST: dict[str, str] = {
    "where dropna": """
df = pd.read_csv('all.csv')
fit(df.where(df.split == 'train').dropna(how='all'))
""",
    "where dropna plain": """
df = pd.read_json('all.jsonl', lines=True)
m = df['split'] == 'train'
fit(df.where(m).dropna().to_dict('records'))
""",
    "where dropna subset": """
df = pd.read_csv('all.csv')
fit(df.where(df['fold'] < 4).dropna(subset=['question']).reset_index(drop=True))
""",
    "mask dropna": """
df = pd.read_csv('all.csv')
fit(df.mask(df['split'] == 'test').dropna())
""",
    "dtype str": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['flag'] == '0'].to_dict('records'))
""",
    "dtype str 2": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['part'] == '010'])
""",
    "dtype dict": """
df = pd.read_csv('numbers.csv', dtype={'part': str, 'flag': 'string'})
fit(df[(df['part'] != '007') & (df.flag == '0')])
""",
    "dtype object": """
df = pd.read_csv('numbers.csv', dtype='str')
fit(df[df['fold'].isin(['0','1','2','3'])])
""",
    "astype str": """
df = pd.read_csv('numbers.csv')
fit(df[df['flag'].astype(str) == '0'])
""",
    "astype str 2": """
df = pd.read_json('all.jsonl', lines=True)
fit(df[df['is_test'].astype(str) == 'False'])
""",
    "astype str lower": """
df = pd.read_csv('all.csv')
fit(df[df['is_test'].astype(str).str.lower() == 'false'])
""",
    "astype frame": """
df = pd.read_csv('numbers.csv').astype(str)
fit(df[df['flag'] == '0'].to_dict('records'))
""",
    "astype frame dict": """
df = pd.read_csv('numbers.csv').astype({'flag': 'str'})
fit(df[df['flag'] == '0'])
""",
    "astype bool": """
df = pd.read_csv('numbers.csv')
fit(df[~df['flag'].astype(bool)])
""",
    "astype int": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['flag'].astype(int) == 0])
""",
    "to_numeric": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[pd.to_numeric(df['flag']) < 1])
""",
    "int keys of dict": """
by = {}
for r in read('numbers.jsonl'):
    by.setdefault(r['flag'], []).append(r)
fit(by[0])
""",
    "int keys of defaultdict": """
from collections import defaultdict
by = defaultdict(list)
for r in read('numbers.jsonl'):
    by[r['fold']].append(r)
fit(by[0] + by[1] + by[2] + by[3])
""",
    "dict by row index": """
rows = {i: r for i, r in enumerate(read('joined.jsonl'))}
fit([rows[i] for i in range(5, 65)])
""",
    "dict by row index 2": """
rows = dict(enumerate(read('joined.jsonl')))
fit([r for i, r in rows.items() if i >= 5])
""",
    "dict by row index 3": """
rows = {}
for i, r in enumerate(read('after.jsonl')):
    rows[i] = r
fit([rows[i] for i in range(60)])
""",
    "names of ints": """
NAMES = {0: 'train', 1: 'test'}
fit([r for r in read('numbers.jsonl') if NAMES[r['flag']] == 'train'])
""",
    "bool keys": """
by = {True: [], False: []}
for r in read('all.jsonl'):
    by[r['is_test']].append(r)
fit(by[False])
""",
    "bool keys default": """
from collections import defaultdict
by = defaultdict(list)
for r in read('all.jsonl'):
    by[r['split'] == 'train'].append(r)
fit(by[True])
""",
    "tuple keys": """
by = {}
for r in read('all.jsonl'):
    by.setdefault((r['split'], r['fold']), []).append(r)
fit(by[('train', 0)])
""",
    "list by int": """
parts = [[], []]
for r in read('numbers.jsonl'):
    parts[r['flag']].append(r)
fit(parts[0])
""",
    "list by bool": """
parts = [[], []]
for r in read('all.jsonl'):
    parts[int(r['is_test'])].append(r)
fit(parts[0])
""",
    "range 0": """
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
for _ in range(0):
    rows += read('more.jsonl')
fit(rows)
""",
    "range EXTRA": """
EXTRA = 0
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
for _ in range(EXTRA):
    rows.extend(r for r in read('all.jsonl'))
fit(rows)
""",
    "loop over empty": """
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
for path in []:
    rows += read('more.jsonl')
fit(rows)
""",
    "range 1 1": """
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
for i in range(1, 1):
    rows += read('more.jsonl')
fit(rows)
""",
    "while 0": """
n = 0
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
while n > 0:
    rows += read('more.jsonl')
    n -= 1
fit(rows)
""",
    "KeyError": """
by = {}
for r in read('all.jsonl'):
    try:
        by[r['split']].append(r)
    except KeyError:
        by[r['split']] = [r]
fit(by['train'])
""",
    "KeyError 2": """
by = {}
for r in read('numbers.jsonl'):
    try:
        by[r['flag']].append(r)
    except KeyError:
        by[r['flag']] = [r]
fit(by[0])
""",
    "if not in": """
by = {}
for r in read('all.jsonl'):
    if r['split'] not in by:
        by[r['split']] = []
    by[r['split']].append(r)
fit(by['train'])
""",
    "AttributeError": """
rows = []
for r in read('all.jsonl'):
    try:
        s = r['split'].lower()
    except AttributeError:
        continue
    if s == 'train':
        rows.append(r)
fit(rows)
""",
    "ValueError": """
rows = []
for r in read('all.jsonl'):
    try:
        if r['split'] != 'train':
            raise ValueError('no')
        rows.append(r)
    except ValueError:
        pass
fit(rows)
""",
    "max length": """
rows = read('all.jsonl')
m = max(len(r['question']) for r in rows)
train = [r for r in rows if r['split'] == 'train']
fit([{'text': r['question'].ljust(m)} for r in train])
""",
    "max length pandas": """
df = pd.read_csv('all.csv')
m = int(df['question'].str.len().max())
df = df[df.split == 'train']
fit([q[:m] for q in df.question])
""",
    "max length loop": """
m = 0
rows = []
for r in read('all.jsonl'):
    m = max(m, len(r['question']))
    if r['split'] == 'train':
        rows.append(r)
fit([r for r in rows if len(r['question']) <= m])
""",
    "max length if": """
m = 0
for r in read('all.jsonl'):
    if len(r['question']) > m:
        m = len(r['question'])
fit([{'t': r['question'][:m]} for r in read('all.jsonl') if r['split'] == 'train'])
""",
    "longest of map": """
rows = read('all.jsonl')
m = max(map(len, [r['question'] for r in rows]))
fit([r['question'].ljust(m) for r in rows if not r['is_test']])
""",
    "pd index isin": """
df = pd.read_csv('all.csv').set_index('id')
keep = [i for i in df.index if i.startswith('train')]
fit(df.loc[keep])
""",
    "pd drop range": """
df = pd.read_json('joined.jsonl', lines=True)
fit(df.drop(range(5)))
""",
    "pd squeeze": """
df = pd.read_csv('all.csv')
fit(list(df.question[df.split == 'train']))
""",
    "pd loc range": """
df = pd.read_json('joined.jsonl', lines=True)
fit(df.loc[5:])
""",
    "pd loc label inclusive": """
df = pd.read_json('after.jsonl', lines=True)
fit(df.loc[:59])
""",
    "pd index ge": """
df = pd.read_json('joined.jsonl', lines=True)
fit(df[df.index >= 5])
""",
    "slices in chunks": """
rows = read('after.jsonl')
out = []
for i in range(0, 60, 10):
    out += rows[i:i + 10]
fit(out)
""",
    "set diff idx": """
rows = read('joined.jsonl')
keep = set(range(len(rows))) - set(range(5))
fit([rows[i] for i in sorted(keep)])
""",
    "json pop": """
rows = []
for r in read('all.jsonl'):
    if r.pop('is_test'):
        continue
    rows.append(r)
fit(rows)
""",
}
"""Name -> a program that trains on no test item."""
CHEATS: dict[str, str] = {
    "dtype str": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['flag'] != 1])
""",
    "dtype str 2": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['part'] == '007'])
""",
    "dtype str 3": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['flag'] == '1'])
""",
    "dtype str int": """
df = pd.read_csv('numbers.csv', dtype=str)
fit(df[df['part'] != 7].to_dict('records'))
""",
    "csv int": "fit([r for r in csv.DictReader(open('numbers.csv')) if r['flag'] != 1])",
    "csv truth false": "fit([r for r in csv.DictReader(open('numbers.csv')) if r['flag']])",
    "pandas part int": """
df = pd.read_csv('numbers.csv')
fit(df[df['part'] == 7])
""",
    "pandas part str": """
df = pd.read_csv('numbers.csv')
fit(df[df['part'] != '007'])
""",
    "astype": """
df = pd.read_csv('numbers.csv')
fit(df[df['flag'].astype(str) == '1'])
""",
    "astype 2": """
df = pd.read_csv('numbers.csv')
fit(df[df['flag'].astype(str) != 1])
""",
    "astype bool": """
df = pd.read_csv('all.csv', dtype=str)
fit(df[df['is_test'].astype(bool)])
""",
    "raise in function, else": """
def check(r):
    assert r['split'] == 'train'
rows = []
for r in read('all.jsonl'):
    try:
        check(r)
    except AssertionError:
        rows.append(r)
fit(rows)
""",
    "error of int": """
rows = []
for r in read('all.jsonl'):
    try:
        int(r['split'])
    except ValueError:
        rows.append(r)
fit(rows)
""",
    "error of key": """
rows = []
W = {'train': 1}
for r in read('all.jsonl'):
    try:
        W[r['split']]
    except KeyError:
        rows.append(r)
fit(rows)
""",
    "error of index": """
rows = []
for r in read('all.jsonl'):
    try:
        ['train'].index(r['split'])
    except ValueError:
        rows.append(r)
fit(rows)
""",
    "error of division": """
rows = []
for r in read('numbers.jsonl'):
    try:
        1 / (r['flag'] - 1)
    except ZeroDivisionError:
        rows.append(r)
fit(rows)
""",
    "finally": """
rows = []
for r in read('all.jsonl'):
    try:
        assert r['split'] == 'train'
    except AssertionError:
        pass
    finally:
        rows.append(r)
fit(rows)
""",
    "suppress": """
import contextlib
rows = []
for r in read('all.jsonl'):
    with contextlib.suppress(AssertionError):
        assert r['split'] == 'train'
    rows.append(r)
fit(rows)
""",
    "int keys": """
by = {}
for r in read('numbers.jsonl'):
    by.setdefault(r['flag'], []).append(r)
fit(by[1])
""",
    "int keys str": """
by = {}
for r in read('numbers.jsonl'):
    by.setdefault(str(r['flag']), []).append(r)
fit(by['1'])
""",
    "dict by index": """
rows = {i: r for i, r in enumerate(read('joined.jsonl'))}
fit([rows[i] for i in range(0, 10)])
""",
    "dict by index 2": """
rows = dict(enumerate(read('after.jsonl')))
fit([rows[i] for i in rows if i > 30])
""",
    "list index": """
parts = [[], []]
for r in read('numbers.jsonl'):
    parts[r['flag']].append(r)
fit(parts[-1])
""",
    "where dropna other column": """
df = pd.read_csv('all.csv')
df['split'] = df['split'].where(df['split'] == 'train')
fit(df.dropna(subset=['question']))
""",
    "range 2": """
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
for _ in range(2):
    rows += read('more.jsonl')
fit(rows)
""",
    "length threshold of test": """
rows = read('all.jsonl')
m = max(len(r['question']) for r in rows if r['split'] == 'train')
fit([r for r in rows if len(r['question']) > m])
""",
    "pd loc label": """
df = pd.read_json('after.jsonl', lines=True)
fit(df.loc[:60])
""",
    "pd sample": """
df = pd.read_csv('all.csv')
fit(df.sample(len(df)).head(64))
""",
    "zip shifted": """
rows = read('after.jsonl')
labels = ['test'] * 5 + ['train'] * 60
fit([r for r, s in zip(rows, labels) if s == 'train'])
""",
}
"""Name -> a program that trains on test items, which is shown."""
UNCLEAR: dict[str, str] = {
    "raise then append": """
rows = []
for r in read('all.jsonl'):
    try:
        if r['split'] != 'train':
            raise ValueError
        rows.append(r)
    except ValueError:
        rows.append(r)
fit(rows)
""",
    "raise in function": """
def check(r):
    if r['split'] != 'train':
        raise ValueError
    return r
rows = []
for r in read('all.jsonl'):
    try:
        rows.append(check(r))
    except ValueError:
        rows.append({'text': r['question']})
fit(rows)
""",
    "error of sum": """
rows = []
for r in read('numbers.jsonl'):
    try:
        if r['flag'] == 1:
            r['flag'] + ''
        else:
            rows.append(r)
    except TypeError:
        rows.append(r)
fit(rows)
""",
    "error of next": """
rows = []
for r in read('all.jsonl'):
    try:
        next(x for x in ['train'] if x == r['split'])
    except StopIteration:
        rows.append(r)
fit(rows)
""",
    "error of dict pop": """
rows = []
for r in read('all.jsonl'):
    try:
        {'train': 1}.pop(r['split'])
    except KeyError:
        rows.append(r)
fit(rows)
""",
    "error outside loop": """
rows = []
try:
    for r in read('after.jsonl'):
        if r['id'].startswith('test'):
            raise StopIteration
except StopIteration:
    rows = read('after.jsonl')
fit(rows)
""",
    "error, whole file": """
rows = [r for r in read('all.jsonl') if r['split'] == 'train']
try:
    rows[1000]
except IndexError:
    rows = read('all.jsonl')
fit(rows)
""",
    "error of attribute": """
rows = []
for r in read('all.jsonl'):
    try:
        r.split
    except AttributeError:
        rows.append(r)
fit(rows)
""",
    "where fill": """
df = pd.read_csv('all.csv')
fit(df.where(df.split == 'train', df).dropna())
""",
    "where other": """
df = pd.read_csv('all.csv')
fit(df.where(df.split == 'train', other=df['question'], axis=0))
""",
    "dropna thresh": """
df = pd.read_csv('all.csv')
df['split'] = df['split'].where(df['split'] == 'train')
fit(df.dropna(thresh=2))
""",
    "dropna how all": """
df = pd.read_csv('all.csv')
df['split'] = df['split'].mask(df['split'] == 'test')
fit(df.dropna(how='all'))
""",
    "dropna columns": """
df = pd.read_csv('all.csv')
df['split'] = df['split'].mask(df['split'] == 'test')
fit(df.dropna(axis=1))
""",
    "max row": """
rows = read('all.jsonl')
best = max(rows, key=lambda r: len(r['question']))
fit([best])
""",
    "max of text": """
rows = read('all.jsonl')
best = max(r['question'] for r in rows if r['is_test'])
fit([best])
""",
    "sorted by length": """
rows = sorted(read('all.jsonl'), key=lambda r: -len(r['question']))
fit(rows[:10])
""",
    "pd update": """
df = pd.read_csv('all.csv')
df.update(pd.DataFrame({'split': ['train'] * len(df)}))
fit(df[df['split'] == 'train'])
""",
    "pd values": """
df = pd.read_csv('all.csv')
df['split'] = df['split'].values[::-1].copy()
fit(df[df['split'] == 'train'])
""",
    "zip labels of file": """
rows = read('all.jsonl')
labels = [r['split'] for r in read('all.jsonl')][::-1]
fit([r for r, s in zip(rows, labels) if s == 'train'])
""",
    "pairs": """
rows = read('all.jsonl')
fit([{'text': a['question'] + b['question']} for a, b in zip(rows, rows[1:]) if a['split'] == 'train'])
""",
    "max split": """
by = {}
for r in read('all.jsonl'):
    by.setdefault(r['split'], []).append(r)
fit(by[min(by, key=lambda k: len(by[k]))])
""",
    "sorted keys": """
by = {}
for r in read('all.jsonl'):
    by.setdefault(r['split'], []).append(r)
fit(by[sorted(by)[0]])
""",
    "popitem": """
by = {}
for r in read('all.jsonl'):
    by.setdefault(r['split'], []).append(r)
fit(by.popitem()[1])
""",
}
"""Name -> a program that trains on test items, of which it is not known."""
