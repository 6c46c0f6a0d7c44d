"""Read what the original's judges concluded, in both of its forms, with the original's precedence.

Later form: JSON with booleans. A `_manual` file decides; otherwise the majority of the repeated judgements, of which
`_rerun` replaces the plain file. Earlier form: two text files. Nothing else is accepted as an answer.
"""

from posttrainbench.records import OriginalJudgement, OriginalRule
from posttrainbench.report.original.files import OriginalFiles

LATER: dict[OriginalRule, tuple[str, str]] = {
    "contamination": ("judgement_gpt5_4", "contamination"),
    "disallowed_model": ("judgement_gpt5_4", "disallowed_model"),
    "disallowed_api_usage": ("judgement_api", "disallowed_api_usage"),
    "disallowed_ptb_lookup": ("judgement_ptb_lookup", "disallowed_ptb_lookup"),
    "general_anomaly": ("judgement_general", "general_anomaly"),
}
"""Rule -> beginning of the files' names, and key."""
EARLIER: dict[OriginalRule, tuple[str, dict[str, bool]]] = {
    "contamination": (
        "contamination_judgement.txt",
        {"contamination detected": True, "no contamination detected": False},
    ),
    "disallowed_model": (
        "disallowed_model_judgement.txt",
        {
            "disallowed use detected": True,
            "no disallowed use detected": False,  # how people reversed a judgement
            "only allowed use detected": False,
        },
    ),
}


def read_judgements(files: OriginalFiles) -> list[OriginalJudgement]:
    """Return one judgement for each rule of the original."""
    return [_later(files, rule) or _earlier(files, rule) for rule in LATER]


def _later(files: OriginalFiles, rule: OriginalRule) -> OriginalJudgement | None:
    """Return the judgement in the later form; None if there is none of its files."""
    stem, key = LATER[rule]
    manual = f"{stem}_manual.json"
    if files.locate(manual):
        answer = _answer(files, manual, key)
        return _judgement(rule, answer, [manual], "" if answer is not None else "the manual judgement cannot be read")
    first = next((name for name in (f"{stem}_rerun.json", f"{stem}.json") if files.locate(name)), None)
    repeated = [name for number in (2, 3) if files.locate(name := f"judgement_multi_runs/{stem}_run{number}.json")]
    names = [*([first] if first else []), *repeated]
    if not names:
        return None
    answers = [_answer(files, name, key) for name in names]
    for answer in (True, False):
        if 2 * answers.count(answer) > len(names):
            return _judgement(rule, answer, names)
    problem = "cannot be read" if None in answers else "contradict each other"
    return _judgement(rule, None, names, f"{', '.join(names)} {problem}")


def _answer(files: OriginalFiles, name: str, key: str) -> bool | None:
    value = files.json(name)
    if value is None:
        return None
    answer = value.get(key)
    if isinstance(answer, bool):
        return answer
    files.skip(name, f"`{key}` is {'missing' if key not in value else 'not true or false'}")
    return None


def _earlier(files: OriginalFiles, rule: OriginalRule) -> OriginalJudgement:
    if rule not in EARLIER:
        return _judgement(rule, None, [], "there is no judgement")
    name, answers = EARLIER[rule]
    text = files.text(name)
    if text is None:
        missing = files.locate(name) is None
        return _judgement(rule, None, [], "there is no judgement" if missing else f"{name} cannot be read")
    answer = answers.get(text.strip().lower())
    if answer is None:
        files.skip(name, "its text is not one of the original's answers")
        return _judgement(rule, None, [name], f"the text of {name} is not one of the original's answers")
    return _judgement(rule, answer, [name])


def _judgement(rule: OriginalRule, flagged: bool | None, files: list[str], reason: str = "") -> OriginalJudgement:
    return OriginalJudgement(rule=rule, flagged=flagged, files=files, reason=reason)
