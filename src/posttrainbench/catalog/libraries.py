"""What the functions and programs of a library do with data, as the analysis of scripts reads it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from posttrainbench.catalog.entries import Entry
from posttrainbench.records import Record


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"should be a regular expression: {error}") from None
    return text


FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z_*][\w.*()]*$")]
"""A function: with a dot the whole name as imported, such as `json.load`; without one the last part of the name, such
as `read_parquet`, in which `*` stands for any letters."""
Word = Annotated[str, Field(pattern=r"^\S+$")]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_expression)]


class TrainingProgram(Record):
    """A program of the command line that trains.

    Attributes:
        name: of the program.
        idle: first arguments with which it does not train.
    """

    name: Word
    idle: list[Word] = Field(default_factory=list)


class Library(Entry):
    """One library. A fact that does not apply is left out.

    Attributes:
        trainers: classes that train on one of their arguments.
        training_data: keyword arguments of trainers that hold the rows to train on.
        trains: functions and methods that train on all their arguments.
        gradients: functions that return the gradient of the function that they are given; calling it trains on all
            arguments but the first.
        wrappers: functions that return the function that they are given, such as compilers.
        networks: parts of the names of objects whose `fit` trains a network.
        not_networks: parts of the names of objects whose `fit` does not, such as vectorizers.
        reads: functions that return the content of the file that their first argument names.
        writes: methods that write their object to the file that their first argument names.
        dumps: functions that write their first argument to their second one.
        saves: functions that write their keyword arguments to the file that their first argument names.
        copies, removes: functions on paths.
        shells: functions that run a command.
        logs: functions that read evaluation logs.
        split_methods: methods that transform each split of a dictionary of splits.
        settings: functions that return the content of a configuration file.
        records: classes that hold settings.
        reads_others: functions that return rows of data which is not that of a benchmark on the Hub.
        command_lines: functions that call their argument with the words of the command line.
        harness_tasks: functions of evaluation harnesses that return tasks by their names.
        harness_test_rows, harness_other_rows: methods of such tasks that return test items, or other rows.
        connects: functions that return a connection to the database that their first argument names.
        queries: functions and methods that run a query.
        clients: module of a hosted model's client -> its default host; "" if it has none.
        local_models: beginnings of the names of models on this machine.
        programs: programs of the command line that train.
        modules: modules that train if Python is started with `-m`; `*` stands for any text.
        launchers: programs that start a script or a module.
    """

    trainers: list[FunctionName] = Field(default_factory=list)
    training_data: list[Word] = Field(default_factory=list)
    trains: list[FunctionName] = Field(default_factory=list)
    gradients: list[FunctionName] = Field(default_factory=list)
    wrappers: list[FunctionName] = Field(default_factory=list)
    networks: list[Expression] = Field(default_factory=list)
    not_networks: list[Expression] = Field(default_factory=list)
    reads: list[FunctionName] = Field(default_factory=list)
    writes: list[FunctionName] = Field(default_factory=list)
    dumps: list[FunctionName] = Field(default_factory=list)
    saves: list[FunctionName] = Field(default_factory=list)
    copies: list[FunctionName] = Field(default_factory=list)
    removes: list[FunctionName] = Field(default_factory=list)
    shells: list[FunctionName] = Field(default_factory=list)
    logs: list[FunctionName] = Field(default_factory=list)
    split_methods: list[FunctionName] = Field(default_factory=list)
    settings: list[FunctionName] = Field(default_factory=list)
    records: list[FunctionName] = Field(default_factory=list)
    reads_others: list[FunctionName] = Field(default_factory=list)
    command_lines: list[FunctionName] = Field(default_factory=list)
    harness_tasks: list[FunctionName] = Field(default_factory=list)
    harness_test_rows: list[FunctionName] = Field(default_factory=list)
    harness_other_rows: list[FunctionName] = Field(default_factory=list)
    connects: list[FunctionName] = Field(default_factory=list)
    queries: list[FunctionName] = Field(default_factory=list)
    clients: dict[FunctionName, str] = Field(default_factory=dict)
    local_models: list[Word] = Field(default_factory=list)
    programs: list[TrainingProgram] = Field(default_factory=list)
    modules: list[Word] = Field(default_factory=list)
    launchers: list[Word] = Field(default_factory=list)
