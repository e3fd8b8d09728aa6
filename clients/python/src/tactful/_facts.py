"""Facts as plain values, and as messages of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tactful.v1.common_pb2 import TextList, Value

Word = TypeVar("Word", bound=str)
Choice = TypeVar("Choice")

Fact: TypeAlias = str | bool | float | datetime | timedelta | Sequence[str]
"""A fact of the type that the rules declare: a text, yes or no, a number, a moment, a duration, or a list of texts."""

Facts: TypeAlias = Mapping[str, Fact | None]
"""Facts by name. None: the fact is unknown."""


def to_values(facts: Facts | None) -> dict[str, Value]:
    """Return facts as the protocol sends them, without unknown ones."""
    return {name: to_value(name, fact) for name, fact in (facts or {}).items() if fact is not None}


def to_attributes(attributes: Facts) -> dict[str, Value]:
    """Return attributes as the protocol sends them: None removes an attribute."""
    return {name: Value() if fact is None else to_value(name, fact) for name, fact in attributes.items()}


def to_value(name: str, fact: Fact) -> Value:
    """Return one fact as the protocol sends it; `name` is for the error."""
    match fact:
        case str():
            return Value(text=fact)
        case bool():
            return Value(flag=fact)
        case int() | float():
            return Value(number=_to_number(name, fact))
        case datetime():
            return Value(moment=to_timestamp(name, fact))
        case timedelta():
            span = Duration()
            span.FromTimedelta(fact)
            return Value(span=span)
        case list() | tuple():
            return Value(list=TextList(items=to_list(name, fact)))
        case _:
            raise TypeError(f"`{name}` is not a str, bool, number, datetime, timedelta or list of str")


def choose(words: Mapping[Word, Choice], name: str, word: Word) -> Choice:
    """Return what a word stands for; `name` is for the error."""
    if word not in words:
        raise ValueError(f"`{word}` is no {name}: use one of {', '.join(words)}")
    return words[word]


def to_list(name: str, texts: Iterable[str]) -> list[str]:
    """Return a list of texts; a single text would be taken for a list of its letters."""
    if isinstance(texts, str):
        raise TypeError(f"`{name}` is a list: write [{texts!r}]")
    items: list[object] = list(texts)
    if not all(isinstance(item, str) for item in items):
        raise TypeError(f"`{name}` is a list that has not only str")
    return [str(item) for item in items]


def _to_number(name: str, number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError(f"`{name}` is too large for a number") from None


def to_timestamp(name: str, moment: datetime) -> Timestamp:
    """Return a moment as the protocol sends it; `name` is for the error."""
    if moment.utcoffset() is None:
        raise ValueError(f"`{name}` has no time zone: write `datetime.now(timezone.utc)`, for example")
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
