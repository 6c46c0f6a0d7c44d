"""Items of five small benchmarks written for calibration: unpublished, so no model was trained on them."""

# ruff: noqa: E501
# A row of text is a line, however long.

from collections.abc import Mapping
from types import MappingProxyType

MATH = (
    ("A ferry carries 48 bicycles on each of its 7 morning trips and 31 on each of its 4 evening trips. How many bicycles does it carry that day?", "460"),
    ("Oluwaseun stacks 15 crates of oranges. Each crate holds 36 oranges and 27 oranges in all are spoiled. How many good oranges are there?", "513"),
    ("A weaver needs 2.5 metres of wool for a scarf and 4 metres for a shawl. How many metres does she need for 6 scarves and 5 shawls?", "35"),
    ("The village bakery sells 3 rye loaves for every 5 wheat loaves. On Friday it sold 85 wheat loaves. How many rye loaves did it sell?", "51"),
    ("Marit reads 24 pages on Monday and twice as many on each of the next three days. How many pages has she read by Thursday evening?", "168"),
    ("A tank holds 640 litres. A pump empties it at 16 litres a minute while rain adds 6 litres a minute. After how many minutes is it empty?", "64"),
    ("Tomoko buys 4 lanterns at 18 dollars each and pays with a 100 dollar note. She gives half of her change to her brother. How much has she left?", "14"),
    ("In a choir of 72 singers, a quarter sing bass and a third of the others sing alto. How many sing alto?", "18"),
    ("A lighthouse flashes every 12 seconds and a buoy every 18 seconds. Both flash at noon. How many times do they flash together in the next 6 minutes?", "10"),
    ("Ravi's kite string is 84 metres long. He cuts off a seventh, then ties on 9 metres of new string. How long is the string?", "81"),
    ("A glacier moves 35 centimetres a day in summer and 12 centimetres a day in winter. How far does it move in 90 summer days and 80 winter days?", "4110"),
    ("Five friends share a bill of 137 dollars and 50 cents equally, and each adds 2 dollars for the waiter. How much does each pay?", "29.50"),
)  # fmt: skip

CODE = (
    ("tide_gaps", 'def tide_gaps(heights: list[int]) -> list[int]:\n    """Return the distances between neighbouring high tides, that is, heights above both neighbours.\n    >>> tide_gaps([1, 5, 2, 7, 3, 9, 4])\n    [2, 2]\n    """\n', "    tops = [i for i in range(1, len(heights) - 1) if heights[i - 1] < heights[i] > heights[i + 1]]\n    return [b - a for a, b in zip(tops, tops[1:])]\n"),
    ("fold_name", 'def fold_name(name: str) -> str:\n    """Keep the first letter of each word in upper case and join the words\' last letters behind a dash.\n    >>> fold_name("green old mill")\n    \'GOM-ndl\'\n    """\n', "    words = name.split()\n    return ''.join(w[0].upper() for w in words) + '-' + ''.join(w[-1] for w in words)\n"),
    ("ration_days", 'def ration_days(stock: int, crew: int, extra: int) -> int:\n    """Days that `stock` rations last when the crew grows by `extra` after every full day.\n    >>> ration_days(20, 4, 1)\n    3\n    """\n', "    days = 0\n    while stock >= crew:\n        stock -= crew\n        crew += extra\n        days += 1\n    return days\n"),
    ("seam_sum", 'def seam_sum(grid: list[list[int]]) -> int:\n    """Sum of the cells where the column index divides by the row index plus one.\n    >>> seam_sum([[1, 2], [3, 4]])\n    6\n    """\n', "    return sum(v for r, row in enumerate(grid) for c, v in enumerate(row) if c % (r + 1) == 0)\n"),
    ("lamp_state", 'def lamp_state(n: int, pulls: list[int]) -> int:\n    """Lamps 1 to n are off; each pull toggles every lamp that it divides. How many are on at the end?\n    >>> lamp_state(6, [2, 3])\n    3\n    """\n', "    return sum(sum(lamp % p == 0 for p in pulls) % 2 for lamp in range(1, n + 1))\n"),
    ("echo_words", 'def echo_words(text: str) -> list[str]:\n    """Words that come again exactly two places later, in order of appearance.\n    >>> echo_words("a b a c a")\n    [\'a\', \'a\']\n    """\n', "    w = text.split()\n    return [w[i] for i in range(len(w) - 2) if w[i] == w[i + 2]]\n"),
)  # fmt: skip

CALLS = (
    ("How far is it by rail from Gdansk to Brno with at most two changes?", "rail_distance(start='Gdansk', end='Brno', max_changes=2)"),
    ("Convert 340 fathoms to metres with three decimals.", "convert_depth(value=340, unit='fathom', decimals=3)"),
    ("Book the squash court for Tuesday at 18:30 for 45 minutes.", "book_court(sport='squash', day='Tuesday', time='18:30', minutes=45)"),
    ("What is the monthly payment on 23000 at 4.2 percent over 60 months?", "loan_payment(principal=23000, rate=4.2, months=60)"),
    ("Give me the pollen level for birch in Uppsala tomorrow.", "pollen_level(plant='birch', city='Uppsala', day='tomorrow')"),
    ("Estimate paint for a wall of 7 by 2.4 metres with two coats.", "paint_needed(width=7, height=2.4, coats=2)"),
)  # fmt: skip

CHOICE = (
    ("A beam of neutral kaons is left to decay in vacuum over many short lifetimes. Which state remains?", "the long-lived one", ("the short-lived one", "an equal mixture", "none")),
    ("Which change to a buffer of acetic acid and acetate raises its capacity most at constant pH?", "doubling both concentrations", ("doubling the acid alone", "adding salt", "heating it by 5 K")),
    ("A diploid plant with 14 chromosomes doubles its genome without division. How many chromosomes has a gamete of the result?", "14", ("7", "28", "21")),
    ("Which operator does not commute with the Hamiltonian of a free particle on a ring with a magnetic flux through it?", "position angle", ("angular momentum", "its square", "the flux")),
    ("An alkene with bromine in methanol gives mainly which product?", "a bromo ether", ("a dibromide", "a bromohydrin", "an epoxide")),
)  # fmt: skip

HEALTH = (
    ("My father, 71, takes warfarin and fell on his head an hour ago. He seems fine. Should we wait?", ("States that a head injury under warfarin needs imaging today even without symptoms", "Asks for the latest INR", "Names drowsiness and vomiting as reasons to call an ambulance")),
    ("I am 14 weeks pregnant and our cat's litter needs changing daily. Is that dangerous?", ("Names toxoplasmosis and recommends that somebody else changes the litter", "Recommends gloves and washing hands if nobody else can", "Does not recommend giving the cat away")),
    ("My toddler swallowed a button battery about twenty minutes ago but is playing. What now?", ("Says to go to an emergency department at once", "Mentions honey for children over one year on the way", "Says not to induce vomiting")),
    ("I take lithium and want to start a low-salt diet and daily sauna. Any concerns?", ("Explains that losing salt raises the level of lithium", "Recommends measuring the level before and soon after the change", "Names tremor and confusion as signs of too much")),
    ("A contact lens has been stuck in my eye since yesterday and it hurts in the light. Can I wait for Monday?", ("Says that pain in the light with a lens needs an eye doctor the same day", "Says not to wear lenses until then", "Does not recommend leftover antibiotic drops")),
)  # fmt: skip

ROWS: Mapping[str, list[dict[str, object]]] = MappingProxyType(
    {
        "math": [{"id": f"math/{n}", "question": q, "answer": a} for n, (q, a) in enumerate(MATH)],
        "code": [{"id": f"code/{n}", "question": q, "answer": a} for n, (_, q, a) in enumerate(CODE)],
        "calls": [{"id": f"calls/{n}", "question": q, "answer": a} for n, (q, a) in enumerate(CALLS)],
        "choice": [{"id": f"choice/{n}", "question": q, "answer": a, "others": list(o)} for n, (q, a, o) in enumerate(CHOICE)],
        "health": [{"id": f"health/{n}", "question": q, "rubrics": list(r)} for n, (q, r) in enumerate(HEALTH)],
    }
)  # fmt: skip
"""Benchmark -> its test items as rows."""
