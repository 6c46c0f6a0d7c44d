"""Requests to the transformers engine: what is accepted, as vLLM does, and what is refused.

An option that could change the answer and is not implemented is refused unless it has its default value. Unknown
options are ignored, as vLLM does.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from posttrainbench.engines.base import MODEL_NAME
from posttrainbench.engines.generation import RequestError

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "stream": (None, False),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "prompt_logprobs": (None,),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
    "response_format": (None, {"type": "text"}),
    "structured_outputs": (None,),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False),
    "stop_token_ids": (None, []),
    "bad_words": (None, []),
    "allowed_token_ids": (None,),
    "skip_special_tokens": (None, True),
    "include_stop_str_in_output": (None, False),
    "add_generation_prompt": (None, True),
    "continue_final_message": (None, False),
    "truncate_prompt_tokens": (None,),
    "chat_template": (None,),
    "chat_template_kwargs": (None, {}),
    "use_beam_search": (None, False),
    "length_penalty": (None, 1),
}
"""Options that are not implemented, and the values that change nothing."""
MOST_COMPLETIONS = 128
SAMPLED = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
StopText = Annotated[str, Field(min_length=1)]


class UnknownModelError(Exception):
    """The request is for a model that is not served."""


class TextPart(BaseModel):
    """A part of a message."""

    type: Literal["text"] = "text"
    text: str


class Message(BaseModel):
    """A message of a chat; its content may be a text or a list of texts."""

    role: str
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """Return the message with its content as one text."""
        content = self.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return {"role": self.role, "content": text}


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: Seed | None = None
    stop: StopText | list[StopText] | None = None
    n: Annotated[int, Field(ge=1, le=MOST_COMPLETIONS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Positive | None = None

    @model_validator(mode="after")
    def _implemented(self) -> "ChatRequest":
        for name, value in (self.model_extra or {}).items():
            if name in NEUTRAL and value not in NEUTRAL[name]:
                raise PydanticCustomError("option", "the option `{name}` is not supported", {"name": name})
        if self.tools and self.tool_choice != "none":
            raise PydanticCustomError("tools", 'with `tools`, `tool_choice` must be "none": calls are not parsed')
        return self

    def decoding(self) -> tuple[tuple[str, float], ...]:
        """Return the sampling settings of the request, as (name, value)."""
        given = {name: getattr(self, name) for name in SAMPLED}
        if given["top_k"] == -1:
            given["top_k"] = 0
        return tuple((name, value) for name, value in given.items() if value is not None)

    def stops(self) -> tuple[str, ...]:
        """Return the texts that end a completion."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def limit(self) -> int | None:
        """Return the limit on new tokens; `max_completion_tokens` is the newer name."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


def read_request(content: bytes, names: Collection[str] = (MODEL_NAME,)) -> ChatRequest:
    """Read the body of a request.

    Raises:
        RequestError: it is not valid JSON, or an option is invalid or not supported.
        UnknownModelError: another model is asked for.
    """
    try:
        body = ChatRequest.model_validate_json(content)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        deepest = max(errors, key=lambda one: len(one["loc"]))  # of several accepted types, that of the value
        place = ".".join(map(str, deepest["loc"]))
        raise RequestError(f"{place}: {deepest['msg']}" if place else deepest["msg"]) from None
    if body.model and body.model not in names:
        raise UnknownModelError(f"The model `{body.model}` does not exist; the model is `{next(iter(names))}`.")
    return body
