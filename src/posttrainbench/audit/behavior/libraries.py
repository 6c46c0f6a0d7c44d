"""Names of functions, modules and programs, by their role in the data flow.

What single libraries do stands in the catalog's section `libraries`, one YAML file for each; `tables` joins them. The
constants here are about names in general.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from posttrainbench import catalog
from posttrainbench.catalog.loading import VARIABLE


@dataclass(frozen=True)
class Functions:
    """A set of functions.

    Attributes:
        whole: whole names, as imported.
        last: pattern of the last parts of other names; matches nothing if there are none.
    """

    whole: frozenset[str]
    last: re.Pattern[str]

    def has(self, names: Iterable[str], last: str) -> bool:
        """Return True if one of a function's names, or their last part, is in the set."""
        return not self.whole.isdisjoint(names) or self.last.fullmatch(last) is not None


@dataclass(frozen=True)
class Tables:
    """The facts of all libraries, joined; see `catalog.Library`.

    Attributes:
        functions: field of `catalog.Library` -> its functions.
        networks, not_networks: patterns of objects with a method `fit`.
        programs: programs of the command line that train.
        idle: first arguments with which they do not train.
        modules: pattern of modules that train.
    """

    functions: dict[str, Functions]
    training_data: tuple[str, ...]
    networks: re.Pattern[str]
    not_networks: re.Pattern[str]
    clients: dict[str, str]
    local_models: tuple[str, ...]
    programs: frozenset[str]
    idle: frozenset[str]
    modules: re.Pattern[str]
    launchers: frozenset[str]

    def has(self, field: str, names: Iterable[str], last: str) -> bool:
        """Return True if a function is one of a field of `catalog.Library`."""
        return self.functions[field].has(names, last)

    def is_gradient(self, names: Iterable[str]) -> bool:
        """Return True if one of these names is what one of the field `gradients` returned."""
        made = [name.removesuffix("()") for name in names if name.endswith("()")]
        return any(self.has("gradients", [name], name.rpartition(".")[2]) for name in made)

    def makes_trainer(self, names: Iterable[str]) -> bool:
        """Return True if one of these names is that of a class of trainers."""
        return any(self.has("trainers", [name], name.rpartition(".")[2].removesuffix("()")) for name in names)


def tables() -> Tables:
    """Return the facts of the libraries in all catalogs."""
    return _tables(os.environ.get(VARIABLE, ""))


@cache
def _tables(directories: str) -> Tables:
    known = list(catalog.libraries().values())

    def all_of(field: str) -> list[str]:
        return list(dict.fromkeys(value for library in known for value in getattr(library, field)))

    programs = [program for library in known for program in library.programs]
    return Tables(
        functions={field: _functions(all_of(field)) for field in FUNCTIONS},
        training_data=tuple(all_of("training_data")),
        networks=_any_of([*all_of("networks"), "^$"], re.IGNORECASE),
        not_networks=_any_of(all_of("not_networks"), re.IGNORECASE),
        clients={module: host for library in known for module, host in library.clients.items()},
        local_models=tuple(all_of("local_models")),
        programs=frozenset(program.name for program in programs),
        idle=NO_TRAINING.union(*(program.idle for program in programs)),
        modules=_any_of([f"{_pattern(name)}.*" for name in all_of("modules")]),
        launchers=frozenset(all_of("launchers")),
    )


def _functions(names: list[str]) -> Functions:
    return Functions(
        frozenset(name for name in names if "." in name),
        _any_of([_pattern(name) for name in names if "." not in name]),
    )


def _pattern(name: str) -> str:
    return ".*".join(re.escape(part) for part in name.split("*"))


def _any_of(expressions: list[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in expressions) or "(?!)", flags)


FUNCTIONS = tuple(
    "trainers trains gradients wrappers reads writes dumps saves copies removes shells logs split_methods settings "
    "records reads_others command_lines harness_tasks harness_test_rows harness_other_rows connects queries".split()
)
"""The fields of `catalog.Library` that are lists of functions."""
NO_TRAINING = frozenset("--help -h --version version env serve".split())
"""First arguments with which no program trains."""

ASKS = re.compile(
    r"\.(create|acreate|parse|stream|generate|agenerate|generate_content|generate_content_async|send_message|completion|"
    r"acompletion|batch_completion|complete|chat|chat_completion|text_generation|call|run|invoke|ainvoke|batch|abatch|"
    r"predict|responses|query|__call__)$"
)
"""Suffixes of client functions that query a model."""
BATCHES = re.compile(
    r"\.(files\.(content|retrieve_content|download)|batches\.results|invoke_model\w*|converse(_stream)?)$"
)
"""Suffixes of functions that fetch the answers of a batch job, and of those that query Amazon's Bedrock."""
ASKS_ITSELF = re.compile(
    r"^(dspy\.LM|bespokelabs\.curator\.LLM)\(\)(@[^()]*)?$|^fastapi_poe\.get_bot_response(_sync)?$"
)
"""Objects and functions that query a model when they are called."""
NOT_ASKS = re.compile(r"\.(models|files|embeddings|moderations|fine_tuning|count_tokens)\.")
ADDRESS = frozenset(
    "base_url api_base openai_api_base azure_endpoint endpoint endpoint_url api_url http_options".split()
)
ADDRESS_VARIABLES = frozenset("OPENAI_BASE_URL OPENAI_API_BASE ANTHROPIC_BASE_URL GOOGLE_GEMINI_BASE_URL".split())
LOCAL = re.compile(
    r"^(https?://|unix:)?(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal|/|[\w.-]+\.sock)"
    r"([:/]|$)|^https?://[\w-]+(:\d+)?(/|$)"  # a name without a dot is not on the Internet
)
WEB = re.compile(r"(^|\.)(get|post|put|request|urlopen|urlretrieve|Request|fetch|stream|send)$")

MODELED = frozenset(
    "datasets transformers trl peft accelerate torch unsloth sentence_transformers lightning vllm huggingface_hub "
    "numpy pandas polars pyarrow evaluate inspect_ai inspect_evals openai anthropic litellm langchain_openai".split()
)
"""Packages whose functions are modeled by name, even if the workspace contains a copy of their code."""

COUNTS = frozenset(
    "len sum int float round bool isinstance issubclass any all abs hasattr callable type id hash range mean median "
    "std var item argmax argmin isin isna notna duplicated isdisjoint issubset issuperset startswith endswith count "
    "index exists is_file is_dir accuracy_score f1_score time perf_counter ratio partial_ratio token_set_ratio eval "
    "evaluate compute".split()
)
"""Functions that return a number or a truth value: no content passes through them."""
OF_TENSORS = frozenset("sum mean std var median abs float int bool round".split())
"""Methods of tensors that may return a loss, or other numbers than one; of other objects, they return one number."""
TENSORS = ("torch.", "jax.", "mlx.", "tensorflow.")
TABLES = ("pandas.", "polars.", "numpy.", "statistics.", "math.")
CHOOSES = re.compile(
    r"decontam|dedup|deduplicate|drop_dup|remove_(overlap|contam|leak|test|dup|similar|near)|"
    r"(filter|exclude|drop|reject|strip|without|clean)_?\w*(test|eval|overlap|contam|leak|bench|dup)|"
    r"(overlap|contam|leak)\w*_(filter|check)",
    re.IGNORECASE,
)
"""Functions that remove matching rows: their result derives only from the first argument."""
POOLS = re.compile("Pool|Executor")
KEEPS = frozenset(
    "difference symmetric_difference filter drop_duplicates dropna drop query loc iloc where mask".split()
)
"""Methods whose result derives only from their object."""
ADDS = frozenset("append extend add update insert appendleft extendleft put put_nowait setdefault push".split())
"""Methods that add their arguments to their object."""
CALLED_TRAINING = re.compile(
    r"(^|[-_/.])(pre)?(train(er|ing)?|fine-?_?tun(e|ing)|sft|dpo|grpo|ppo|rlhf|kto|orpo)([-_/.]|$)"
)
"""Names of programs that train."""
DATA_FILE = re.compile(r"\.(jsonl?|csv|tsv|parquet|arrow|txt|pkl|pickle|pt|npy|npz|ya?ml|gz|zst|db|feather|bin)$")
ROW_FILE = re.compile(
    r"^(?!.*(config|args|param|setting|token|vocab|state|index|zero|ds_|deepspeed|metric|result|log|summary|score|map))"
    r".*\.(jsonl?|csv|tsv|parquet|arrow|pkl|npy|npz)(\.(gz|zst))?$",
    re.IGNORECASE,
)
"""Files that hold rows of data, not settings."""
SAVES = re.compile(r"save|write|dump(?!s)|export|store|to_json|append_to", re.IGNORECASE)
