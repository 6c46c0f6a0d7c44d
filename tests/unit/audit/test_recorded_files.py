"""What recorded programs did with files that they chose among others."""

import json
from collections.abc import Mapping

import pytest

import followed_files as programs
from behavior_evidence import WORKSPACE, Case
from followed_programs import START
from muffins import ITEMS
from posttrainbench.audit.behavior.item_files import ItemFile, item_file
from posttrainbench.audit.behavior.recorded_programs import RecordedPrograms, Use
from posttrainbench.audit.provenance import Graph, Image
from posttrainbench.audit.provenance.graph import Node, Read

TRAIN = [{"question": f"How many legs do {n} spiders have in all, please?", "answer": str(8 * n)} for n in range(60)]
TEST = [{"question": one.question, "answer": "It is 3."} for one in ITEMS]
TEST_FILE = "data/test.jsonl"
FILES = {
    name: "".join(json.dumps(row) + "\n" for row in rows)
    for name, rows in (("data/train.jsonl", TRAIN), (TEST_FILE, TEST), ("data/z.jsonl", TRAIN))
}
PROGRAM: Node = ("image", "5", 1)


class Recorded(RecordedPrograms):
    """Programs of which the scripts are given."""

    scripts: Mapping[str, str] = {}

    def _texts(self, image: Image) -> dict[str, str]:
        return dict(self.scripts)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, ItemFile]:
    """Return a run, and its file with test items."""
    root = tmp_path_factory.mktemp("files")
    case = Case(root, files={name: text for name, text in FILES.items() if "z" not in name}, items=ITEMS)
    case.evidence()
    file = item_file(root / "workspace" / TEST_FILE, (TEST_FILE,), ITEMS, range(len(ITEMS)))
    assert file is not None
    return case, file


def use_of(
    case: tuple[Case, ItemFile],
    body: str,
    *,
    words: tuple[str, ...] = (),
    unopened: tuple[str, ...] = (),
    rows: bool = True,
    others: Mapping[str, str] = {},
) -> Use:
    """Return what a program did with the test file.

    Args:
        case: the run, and the file.
        body: what the program does.
        words: the arguments of its command line.
        unopened: paths that other programs used.
        rows: False for a file whose rows are not known.
        others: further scripts.
    """
    run, file = case
    graph = Graph()
    graph.images[PROGRAM] = Image("5", "/usr/bin/python3.11", ("python", "fit.py", *words), 0.0, 9.0)
    opened = ("fit.py", *(name for name in FILES if "z" not in name))
    for number, name in enumerate((*opened, *unopened)):
        graph.names[str(number)].add(f"{WORKSPACE}/{name}")
        if name in opened:
            graph.reads.append(Read(("file", str(number), 0), PROGRAM, 1.0, ""))
    recorded = Recorded(run.evidence(), graph, [file])
    recorded.scripts = {f"{WORKSPACE}/fit.py": START + body} | {
        f"{WORKSPACE}/{name}": text for name, text in others.items()
    }
    return recorded.use(PROGRAM, {TEST_FILE}, file if rows else None).use


READS_TEST = f"\nprint(len(read('{TEST_FILE}')))\n"


@pytest.mark.parametrize("twins", programs.TWINS.values(), ids=programs.TWINS)
def test_files_that_are_chosen_by_name_or_position(case: tuple[Case, ItemFile], twins: tuple[str, str]) -> None:
    honest, guilty = twins
    assert use_of(case, honest + READS_TEST) == "evaluated"
    assert use_of(case, guilty) == "trained"


@pytest.mark.parametrize("body", programs.UNCLEAR.values(), ids=programs.UNCLEAR)
def test_files_that_are_chosen_by_something_unknown(case: tuple[Case, ItemFile], body: str) -> None:
    assert use_of(case, body) in ("unclear", "unsure", "part", "compared")
    assert use_of(case, body + READS_TEST) in ("unclear", "unsure", "part", "compared")
    assert use_of(case, body, rows=False) in ("unclear", "unsure", "part")


@pytest.mark.parametrize("body", programs.MORE_THERE.values(), ids=programs.MORE_THERE)
def test_the_order_of_files_is_unknown_if_more_may_have_been_there(case: tuple[Case, ItemFile], body: str) -> None:
    assert use_of(case, body, unopened=("data/a.jsonl", "data/z.jsonl")) in ("unclear", "unsure")
