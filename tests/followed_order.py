# ruff: noqa: E501 - programs
"""Programs that change which part of a list or dictionary is at a position or key; `more.jsonl` has the items."""

_LISTS = {
    "comprehension": "d = [read(name) for name in ('train.jsonl', 'more.jsonl')]\n",
    "literal": "d = [read('train.jsonl'), read('more.jsonl')]\n",
    "appended": "d = []\nd.append(read('train.jsonl'))\nd.append(read('more.jsonl'))\n",
}
_DICTIONARY = "d = {'train': read('train.jsonl'), 'test': read('more.jsonl')}\n"
_PAIR = "d = json.load(open('pair.json'))\n"
_BOTH = "d = json.load(open('both.json'))\n"
_OF_LISTS = {
    "reverse": "d.reverse()\nfit(d[0])",
    "reversed": "d = list(reversed(d))\nfit(d[0])",
    "slice": "d = d[::-1]\nfit(d[0])",
    "tail": "d = d[1:]\nfit(d[0])",
    "tuple": "d = tuple(d)[::-1]\nfit(d[0])",
    "sorted": "d = sorted(d, key=len)\nfit(d[0])",
    "sort": "d.sort(key=len)\nfit(d[0])",
    "del": "del d[0]\nfit(d[0])",
    "pop": "d.pop(0)\nfit(d[0])",
    "insert": "d.insert(0, d[1])\nfit(d[0])",
    "element": "d[0] = d[1]\nfit(d[0])",
    "exchange": "d[0], d[1] = d[1], d[0]\nfit(d[0])",
    "method of the element": "d.__setitem__(0, d[1])\nfit(d[0])",
    "whole": "d[:] = d[::-1]\nfit(d[0])",
    "part": "d[0:1] = [d[1]]\nfit(d[0])",
    "shuffle": "random.shuffle(d)\nfit(d[0])",
    "sample": "d = random.sample(d, 2)\nfit(d[0])",
    "longest": "fit(max(d, key=len))",
    "condition": "d = [rows for rows in d if len(rows) < 50]\nfit(d[0])",
    "loop": "for rows in d[1:]:\n    fit(rows)",
}
MOVED: dict[str, str] = {
    **{f"{name}, {kind}": made + change for kind, made in _LISTS.items() for name, change in _OF_LISTS.items()},
    **{f"{name}, of a file": _PAIR + _OF_LISTS[name] for name in ("reverse", "slice", "sort", "del", "pop")},
    "update": f"{_DICTIONARY}d.update(train=d['test'])\nfit(d['train'])",
    "update, by a dictionary": f"{_DICTIONARY}d.update({{'train': d['test']}})\nfit(d['train'])",
    "union": f"{_DICTIONARY}d |= {{'train': d['test']}}\nfit(d['train'])",
    "default": f"{_DICTIONARY}x = d['test']\ndel d['train']\nd.setdefault('train', x)\nfit(d['train'])",
    "operator": f"import operator\n{_DICTIONARY}operator.setitem(d, 'train', d['test'])\nfit(d['train'])",
    "method": f"{_DICTIONARY}d.__setitem__('train', d['test'])\nfit(d['train'])",
    "union, of a file": f"{_BOTH}d |= {{'train': d['test']}}\nfit(d['train'])",
    "operator, of a file": f"import operator\n{_BOTH}operator.setitem(d, 'train', d['test'])\nfit(d['train'])",
    "rows by splits": (
        "rows = read('all.jsonl')\nd = [[row for row in rows if row['split'] == name] for name in ('train', 'test')]\n"
        "d.reverse()\nfit(d[0])"
    ),
}
KEPT: dict[str, str] = {
    **{f"first, {kind}": f"{made}fit(d[0])" for kind, made in _LISTS.items()},
    "unpacked": f"{_LISTS['literal']}train, test = d\nfit(train)",
    "start of a slice": f"{_PAIR}fit(d[:1][0])",
    "dictionary": f"{_DICTIONARY}fit(d['train'])",
    "other key": f"{_DICTIONARY}d.update(extra=d['test'])\nfit(d['train'])",
    "one more": f"{_LISTS['literal']}d.append([])\nfit(d[0])",
    "sorted columns": "fit([{key: row[key] for key in sorted(row)} for row in read('all.jsonl') if row['split'] == 'train'])",
    "popped column": (
        "rows = read('all.jsonl')\nfor row in rows:\n    row.pop('id')\nfit([row for row in rows if row['split'] == 'train'])"
    ),
}
_PARSER = "import argparse\np = argparse.ArgumentParser()\n"
FIXED_NUMBER: dict[str, tuple[str, str]] = {
    "option": (
        f"{_PARSER}p.add_argument('--train', nargs=1)\nfit(read(p.parse_args().train[0]))  # 'more.jsonl'",
        "--train train.jsonl more.jsonl",
    ),
    "argument": (
        f"{_PARSER}p.add_argument('train', nargs=1)\np.add_argument('test')\nfit([row for name in p.parse_args().train for row in read(name)])  # 'more.jsonl'",
        "train.jsonl more.jsonl",
    ),
}
"""Programs that train on the words of an argument that takes a fixed number of them."""
UNSURE: dict[str, tuple[str, str]] = {
    "after a flag": (
        f"{_PARSER}p.add_argument('train')\np.add_argument('test')\np.add_argument('--verbose', action='store_true')\n"
        "fit(read(p.parse_args().train))  # 'more.jsonl'",
        "--verbose train.jsonl more.jsonl",
    ),
    "given twice": (
        f"{_PARSER}p.add_argument('--data')\nfit(read(p.parse_args().data))  # 'more.jsonl'",
        "--data more.jsonl --data train.jsonl",
    ),
}
"""Honest programs, of which it is not computed which word an argument gets."""
