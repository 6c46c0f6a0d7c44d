import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posttrainbench.audit.contamination.scan.numerals import SCALE, numbers_in
from posttrainbench.audit.contamination.scan.tokens import LETTER_RUN, LINES, LONG_WORDS, NUMBER_RUN, Tokenizer, words


def hashes(text: str | bytes) -> list[int]:
    return [int(value) for value in words(text if isinstance(text, bytes) else text.encode()).hashes]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Hello, WORLD!", "hello world"),
        (rb"It\u2019s  4,000\nBOXES", "it s 4 000 boxes"),
        (rb"It\\\\u2019s\\\\n4", "it s 4"),
        (rb"\ud835\udc00pple", "apple"),
        (rb"caf\xc3\xa9", "cafe"),
        (rb"caf\\xc3\\xa9 caf\\xe9", "cafe cafe"),
        ("café Ångström", "cafe angstrom"),
        ("ze\u200bro\u00adwidth", "zerowidth"),
        ("ｗｉｄｅ", "wide"),
        ("раураl", "paypal"),
        ("𝐛𝐨𝐥𝐝", "bold"),
        ("Janet&#39;s &quot;eggs&quot; &#x41;BC", "janet s eggs abc"),
        ("a & b &c", "a b c"),
        (b"latin-1 caf\xe9 here", "latin 1 cafe here"),
        ("set_timer(minutes=3)", "set timer minutes 3"),
        ("我爱你", "我 爱 你"),
        ("ARROW1\0\0\1text\0more", "arrow1 text more"),
        (rb"C:\users and \xi \under", "c users and xi under"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
        ("éabcdefgh ijklmnoé", "eabcdefgh ijklmnoe"),
        (rb"caf\\u00e9", "cafe"),
        (b"\xff\xfe broken", "\u00ff\u00fe broken"),
        (rb"\ud800 lone", "lone"),
        (r"\U0001d400pple", "apple"),
        ("ґoad", "road"),
        ("한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"),  # composed and decomposed Hangul
        ("ガか\u3099", "\u30ab\u3099が"),  # composed and decomposed kana
        ("ｶﾞﾗｽ", "ガラス"),  # half width
        ("カタカナ", "カ タ カ ナ"),
        ("⼈", "人"),  # a radical and its ideograph
        ("Ⅲ", "iii"),
        ("a\u20ddb", "ab"),  # an enclosing circle
        ("a\U000e0041b", "ab"),  # an invisible tag
        ("㐀㐁鿿鿿", "㐀 㐁 鿿 鿿"),
        ("\U00020000\U00020001", "\U00020000 \U00020001"),
        ("ぁぁヿヿ", "ぁ ぁ ヿ ヿ"),
        ("豈豈", "豈 豈"),
        ("㐀㐀\ufa0e\ufa0e", "㐀 㐀 \ufa0e \ufa0e"),
        ("rock´n´roll", "rock n roll"),  # an accent by itself separates
        ("STRASSE Straße", "strasse strasse"),
    ],
)
def test_writings_that_count_as_the_same(text: str | bytes, same: str) -> None:
    assert hashes(text) == hashes(same)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ab c", "a bc"),
        ("abcdefgh", "abcdefg h"),
        ("aa", "a"),
        ("12", "21"),
        ("aé", "a"),
        ("की", "क"),
        ("한국", "한 국"),
    ],
)
def test_writings_that_do_not(one: str, other: str) -> None:
    assert hashes(one) != hashes(other)


@settings(max_examples=300)
@given(st.text(st.characters(exclude_characters="\\&\b", exclude_categories=("Cs",)), max_size=80))
def test_json_escapes_change_nothing_however_often(text: str) -> None:
    once = json.dumps(text)
    assert hashes(once) == hashes(json.dumps(once)) == hashes(json.dumps(text, ensure_ascii=False))
    assert hashes(once) == hashes(text)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_split_in_order(data: bytes) -> None:
    found = words(data)
    assert found.counts[LINES] == data.count(b"\n")
    assert (np.diff(found.starts) > 0).all()
    for start, line in zip(found.starts, found.lines, strict=True):
        assert line == data.count(b"\n", 0, start)


def test_a_tokeniser_can_be_used_again_for_texts_of_any_length() -> None:
    split = Tokenizer(4)
    for text in (b"one", b"a b c d e f g " * 5000, b"", b"two three"):
        assert split(text).hashes.tolist() == words(text).hashes.tolist()


@pytest.mark.parametrize(
    ("text", "count", "value"),
    [
        ("x" * 19, LONG_WORDS, 0),
        ("x" * 20 + " and " + "y" * 40, LONG_WORDS, 2),
        ("J a n e 7 has", LETTER_RUN, 5),
        ("1, 2, 3 and 4", NUMBER_RUN, 3),
    ],
)
def test_what_hints_at_other_readings_is_counted(text: str, count: int, value: int) -> None:
    assert words(text.encode()).counts[count] == value


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("80,000 and 80000", [80000, 80000]),
        ("2.50 or 2.5", [2.5, 2.5]),
        ("[1,2,3]", [1, 2, 3]),
        ("three", [3]),
        ("twenty-five dozen", [300]),
        ("eighty thousand", [80000]),
        ("1,234,567.89", [1234567.89]),
        ("the 3rd of 60s", [3, 60]),
        ("10.000 people", [10]),
        ("none at all", []),
    ],
)
def test_numbers_by_value(text: str, values: list[float]) -> None:
    data = text.encode()
    found, places = numbers_in(data, words(data))
    assert [value / SCALE for value in found] == pytest.approx(values)
    assert (np.diff(places) > 0).all()
