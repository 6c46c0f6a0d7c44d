"""Rows that are followed one by one or as a group: the answer must hold for each of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from muffins import ITEMS
from posttrainbench.audit.behavior.followed_flows import groups
from posttrainbench.audit.behavior.item_files import MOST_KINDS, ItemFile, ItemRow, column_type, item_file
from posttrainbench.audit.behavior.row_groups import fates_of_rows
from posttrainbench.audit.behavior.rows import shared
from posttrainbench.audit.behavior.training_files import Fate
from posttrainbench.audit.behavior.values import NONE


def _file(tmp_path: Path, columns: Sequence[dict[str, object]]) -> ItemFile:
    rows = [{"question": f"{ITEMS[n % 5].question} {n}", **extra} for n, extra in enumerate(columns)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    file = item_file(tmp_path / "rows.json", ("rows.json",), ITEMS, range(5))
    assert file is not None
    return file


def _positions(rows: Sequence[ItemRow]) -> list[int]:
    return [int(row.keys[-1]) for row in rows]


def test_every_row_is_of_one_kind(tmp_path: Path) -> None:
    file = _file(tmp_path, [{"a": n % 12, "b": n % 7, "c": n} for n in range(100)])
    assert len(file.kinds) == MOST_KINDS + 1  # the last one holds the rest
    assert sorted(_positions([row for kind in file.kinds for row in kind])) == list(range(100))


def test_a_common_answer_holds_for_all_rows(tmp_path: Path) -> None:
    file = _file(tmp_path, [{"c": n} for n in range(100)])
    asked: list[int] = []

    def follow(rows: Sequence[ItemRow]) -> Fate:
        asked.append(len(rows))
        return "left out"

    assert fates_of_rows(file, follow)["left out"] == set(range(5))
    assert asked == [1] * 16 + [100]


def test_an_answer_that_is_not_common_is_asked_for_each_row(tmp_path: Path) -> None:
    file = _file(tmp_path, [{"c": n} for n in range(100)])

    def follow(rows: Sequence[ItemRow]) -> Fate:
        return "unclear" if len(rows) > 1 else "trained" if _positions(rows) == [77] else "left out"

    fates = fates_of_rows(file, follow)
    assert fates["trained"] == {77 % 5}
    assert fates["unclear"] == set()


def test_rows_that_were_not_asked_for_are_unclear(tmp_path: Path) -> None:
    file = _file(tmp_path, [{"c": n} for n in range(100)])
    left = iter(range(40))

    def follow(rows: Sequence[ItemRow]) -> Fate:
        return "unclear" if len(rows) > 1 or next(left, None) is None else "left out"

    assert fates_of_rows(file, follow)["unclear"]


def test_only_common_values_are_known() -> None:
    value = shared([{"a": 1, "b": 2, "c": {"d": 3, "e": 4}}, {"a": 1, "b": 5, "c": {"d": 3, "e": 0}}], NONE)
    assert value.fields["a"].literal == 1
    assert value.fields["b"].literal is ...
    assert value.fields["c"].fields["d"].literal == 3
    assert value.fields["c"].fields["e"].literal is ...
    assert shared([{"a": 1}, {"b": 1}], NONE).fields == {}
    assert not shared([{"a": 1}, {"a": 1, "b": 1}], NONE).closed
    assert shared([1, True], NONE).literal is ...


@pytest.mark.parametrize(
    ("texts", "made"),
    [
        (["1", "007"], [1, 7]),
        (["1", "x"], None),
        (["1", ""], [1.0, None]),
        (["1", "2.5"], [1.0, 2.5]),
        (["True", "False"], [True, False]),
        (["true", ""], [True, None]),
        (["True", "1"], None),
        (["a", "NA"], ["a", None]),
        (["a", "b"], None),
    ],
)
def test_columns_of_csv_have_one_type(texts: list[str], made: list[object] | None) -> None:
    convert = column_type(texts)
    assert (None if convert is None else [convert(text) for text in texts]) == made


def test_groups_of_a_replay_hold_all_rows(tmp_path: Path) -> None:
    file = _file(tmp_path, [{"a": n % 3, "c": n} for n in range(30)])
    for most, count in ((30, 30), (8, 3), (2, 1)):
        found = groups(file, most)
        assert len(found) == count
        assert sorted(_positions([row for rows in found for row in rows])) == list(range(30))
