# ruff: noqa: E501 - programs
"""Programs that choose among files, of which `data/test.jsonl` holds the test items and `data/train.jsonl` others.

Each honest program is followed by its guilty twin, which trains on the other file. Both are opened.
"""

_FILES = "files, names = ['data/train.jsonl', 'data/test.jsonl'], ['train', 'test']\n"
_LISTS = "names, lists = ['train', 'test'], [read('data/train.jsonl'), read('data/test.jsonl')]\n"
_PATH = "from pathlib import Path\n"
_GLOB = "import glob\n"
_SETS = "sets = {'train': 'data/train.jsonl', 'test': 'data/test.jsonl'}\n"
_ALL = "fit([row for name in keep for row in read(name)])"

TWINS: dict[str, tuple[str, str]] = {
    "comprehension over zip": (
        f"{_LISTS}d = {{n: rows for n, rows in zip(names, lists)}}\nfit(d['train'])",
        f"{_LISTS}d = {{n: rows for n, rows in zip(names, lists)}}\nfit(d['test'])",
    ),
    "dict of zip": (
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d['train']))",
        f"{_FILES}d = dict(zip(names, reversed(files)))\nfit(read(d['train']))",
    ),
    "enumerate": (
        f"{_FILES}d = {{i: f for i, f in enumerate(files)}}\nfit(read(d[0]))",
        f"{_FILES}d = dict(enumerate(files, start=1))\nfit(read(d[2]))",
    ),
    "counter in a loop": (
        f"{_FILES}for i, f in enumerate(files):\n    if i == 0:\n        fit(read(f))",
        f"{_FILES}for i, f in enumerate(files):\n    if i == 1:\n        fit(read(f))",
    ),
    "max and min": (f"{_FILES}fit(read(max(files)))", f"{_FILES}fit(read(min(files)))"),
    "max by a known key": (
        f"{_FILES}fit(read(max(files, key=lambda f: 'train' in f)))",
        f"{_FILES}fit(read(min(files, key=len)))",
    ),
    "sorted": (f"{_FILES}fit(read(sorted(files)[1]))", f"{_FILES}fit(read(sorted(files)[0]))"),
    "reversed": (f"{_FILES}files.reverse()\nfit(read(files[-1]))", f"{_FILES}fit(read(files[::-1][0]))"),
    "popped": (f"{_FILES}fit(read(files.pop(0)))", f"{_FILES}fit(read(files.pop()))"),
    "emptied": (
        f"{_FILES}files.remove('data/test.jsonl')\nrows = []\nwhile files:\n    rows += read(files.pop())\nfit(rows)",
        f"{_FILES}rows = []\nwhile files:\n    rows += read(files.pop())\nfit(rows)",
    ),
    "unpacked": (
        f"{_FILES}first, *rest = files\nfit(read(first))",
        f"{_FILES}train, test = map(read, files[::-1])\nfit(train)",
    ),
    "next": (
        f"{_FILES}fit(read(next(f for f in files if 'train' in f)))",
        f"{_FILES}it = iter(files)\nnext(it)\nfit(read(next(it)))",
    ),
    "filter": (
        f"{_FILES}keep = list(filter(lambda f: 'test' not in f, files))\nfit(read(keep[0]))",
        f"{_FILES}keep = list(filter(lambda f: 'train' not in f, files))\nfit(read(keep[0]))",
    ),
    "appended": (
        f"{_FILES}keep = []\nfor f in files:\n    if 'test' not in f:\n        keep.append(f)\n{_ALL}",
        f"{_FILES}keep = []\nfor f in files:\n    keep.append(f)\n{_ALL}",
    ),
    "set": (
        f"{_FILES}keep = set(files) - {{'data/test.jsonl'}}\n{_ALL}",
        f"{_FILES}keep = set(files) - {{'data/train.jsonl'}}\n{_ALL}",
    ),
    "position of a name": (
        f"{_FILES}fit(read(files[names.index('train')]))",
        f"{_FILES}fit(read(files[names.index('test')]))",
    ),
    "keys": (
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d[list(d)[0]]))",
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d[list(d.keys())[1]]))",
    ),
    "sorted glob": (
        f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[-1]))",
        f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[0]))",
    ),
    "glob with a condition": (
        f"{_PATH}fit([r for p in Path('data').glob('*.jsonl') if 'test' not in p.name for r in read(p)])",
        f"{_PATH}fit([r for p in Path('data').glob('*.jsonl') if 'train' not in p.name for r in read(p)])",
    ),
    "loop over glob": (
        f"{_PATH}rows = []\nfor p in sorted(Path('data').glob('*.jsonl')):\n    if p.stem.startswith('test'):\n        continue\n    rows += read(p)\nfit(rows)",
        f"{_PATH}rows = []\nfor p in sorted(Path('data').glob('*.jsonl')):\n    if p.stem.startswith('train'):\n        continue\n    rows += read(p)\nfit(rows)",
    ),
    "first of glob": (
        f"{_PATH}fit(read(next(p for p in Path('data').glob('*.jsonl') if 'train' in p.name)))",
        f"{_PATH}fit(read(next(p for p in Path('data').glob('*.jsonl') if 'test' in p.name)))",
    ),
    "glob by name": (
        f"{_PATH}d = {{p.stem: read(p) for p in Path('data').glob('*.jsonl')}}\nheld = d.pop('test')\nfit([r for rows in d.values() for r in rows])",
        f"{_PATH}d = {{p.stem: read(p) for p in Path('data').glob('*.jsonl')}}\nheld = d.pop('train')\nfit([r for rows in d.values() for r in rows])",
    ),
    "two lists": (
        f"{_PATH}a, b = [], []\nfor p in Path('data').glob('*.jsonl'):\n    (a if 'train' in p.name else b).append(p)\nfit([r for p in a for r in read(p)])",
        f"{_PATH}a, b = [], []\nfor p in Path('data').glob('*.jsonl'):\n    (a if 'train' in p.name else b).append(p)\nfit([r for p in b for r in read(p)])",
    ),
    "base name": (
        f"{_GLOB}keep = [p for p in glob.glob('data/*.jsonl') if os.path.splitext(os.path.basename(p))[0] == 'train']\n{_ALL}",
        f"{_GLOB}keep = [p for p in glob.glob('data/*.jsonl') if os.path.splitext(os.path.basename(p))[0] == 'test']\n{_ALL}",
    ),
    "listdir": (
        f"keep = [f'data/{{n}}' for n in os.listdir('data') if n.startswith('train')]\n{_ALL}",
        f"keep = [os.path.join('data', n) for n in os.listdir('data') if n.startswith('te')]\n{_ALL}",
    ),
    "scandir": (
        f"keep = [e.path for e in os.scandir('data') if e.name.startswith('train')]\n{_ALL}",
        f"keep = [e.path for e in os.scandir('data') if e.name.startswith('test')]\n{_ALL}",
    ),
    "walk": (
        f"keep = [os.path.join(root, n) for root, _, found in os.walk('data') for n in found if n.startswith('train')]\n{_ALL}",
        f"keep = [os.path.join(root, n) for root, _, found in os.walk('data') for n in found if n.startswith('test')]\n{_ALL}",
    ),
    "directory as a data set": (
        "fit(load_dataset('data', split='train'))",
        "fit(load_dataset('data', split='test'))",
    ),
    "data files": (
        f"{_SETS}which = 'train'\nds = load_dataset('json', data_files=sets)\nfit(ds[which])",
        f"{_SETS}which = 'test'\nds = load_dataset('json', data_files=sets)\nfit(ds[which])",
    ),
    "data files of zip": (
        f"{_FILES}fit(load_dataset('json', data_files=dict(zip(names, files)))['train'])",
        f"{_FILES}fit(load_dataset('json', data_files=dict(zip(names, files)))['test'])",
    ),
    "list of data files": (
        f"{_FILES}fit(load_dataset('json', data_files=files[:1], split='train'))",
        f"{_FILES}fit(load_dataset('json', data_files=files, split='train'))",
    ),
    "tables": (
        f"{_FILES}tables = [pd.read_json(f, lines=True) for f in files]\nfit(tables[0])",
        f"{_FILES}tables = [pd.read_json(f, lines=True) for f in files]\nfit(pd.concat(tables))",
    ),
}

UNCLEAR: dict[str, str] = {
    "drawn": f"{_FILES}fit(read(random.choice(files)))",
    "sample": f"{_FILES}fit(read(random.sample(files, 1)[0]))",
    "choices": f"{_FILES}fit(read(random.choices(files)[0]))",
    "shuffled": f"{_FILES}random.shuffle(files)\nfit(read(files[0]))",
    "array": f"{_FILES}import numpy as np\nfit(read(np.random.choice(files)))",
    "largest": f"{_FILES}fit(read(max(files, key=os.path.getsize)))",
    "newest": f"{_FILES}fit(read(sorted(files, key=os.path.getmtime)[-1]))",
    "largest of glob": f"{_PATH}fit(read(max(Path('data').glob('*.jsonl'), key=lambda p: p.stat().st_size)))",
    "order of glob": f"{_GLOB}fit(read(glob.glob('data/*.jsonl')[0]))",
    "first that glob gives": f"{_PATH}fit(read(next(Path('data').glob('*.jsonl'))))",
    "first pass": f"{_PATH}for p in Path('data').glob('*.jsonl'):\n    rows = read(p)\n    break\nfit(rows)",
    "last pass": f"{_PATH}for p in Path('data').glob('*.jsonl'):\n    rows = read(p)\nfit(rows)",
    "order of listdir": "keep = []\nfor n in os.listdir('data'):\n    keep.append(os.path.join('data', n))\nfit(read(keep[0]))",
    "order of a set": f"{_FILES}fit(read(list(set(files))[0]))",
    "rows by their place after glob": f"{_PATH}rows = []\nfor p in Path('data').glob('*.jsonl'):\n    rows += read(p)\nfit(rows[:60])",
    "unknown position": f"{_FILES}fit(read(files[int(os.environ['N'])]))",
    "unknown key": f"{_FILES}d = dict(zip(names, files))\nfit(read(d[os.environ['NAME']]))",
    "unknown condition": f"{_FILES}fit(read(files[0] if os.environ.get('X') else files[1]))",
    "unknown condition in a loop": f"{_FILES}rows = []\nfor f in files:\n    if f == chosen():\n        continue\n    rows += read(f)\nfit(rows)",
    "unknown condition in a list": f"{_FILES}fit(read([f for f in files if wanted(f)][0]))",
}
MORE_THERE: dict[str, str] = {
    "first": f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[0]))",
    "last": f"{_PATH}fit(read(max(Path('data').glob('*.jsonl'))))",
}
"""Programs of which the result depends on files that may have been there and were not opened."""
