"""Queries for atlases, `nilearn:<atlas>:<parameters>`: their grammar, and what their words mean to a fetcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from niimasker.errors import RegionsError, find_nearest, shorten_text
from niimasker.regions.atlases.readers import ImageAndNames

PREFIX = "nilearn:"


def is_atlas_query(roi_file: str) -> bool:
    """Return whether a roi_file asks for one of nilearn's atlases rather than for a file."""
    return roi_file.startswith(PREFIX)


@dataclass(frozen=True)
class Parameter:
    """One word of a query.

    Attributes
    ----------
    name : str
        What errors and the documentation call it.
    words : Mapping of str to Mapping
        Valid words, each with the fetcher's keywords that it stands for. None: what is valid stands in the image.
    default : str or None
        The word taken when it is left out; None: it has to be given.
    """

    name: str
    words: Mapping[str, Mapping[str, Any]] | None
    default: str | None = None


def accept(words: Mapping[str, str]) -> str:
    """Return no objection."""
    return ""


@dataclass(frozen=True)
class AtlasSource:
    """Where an atlas comes from.

    Attributes
    ----------
    fetcher : str
        A function of `nilearn.datasets`. By name: importing it takes over a second, which only queries should cost.
    folder : str
        nilearn's folder of it below the atlas folder; may hold the fetcher's keywords in braces.
    read : callable
        (what the fetcher returned, words by parameter) -> image, names.
    parameters : tuple of Parameter
        In the query's order.
    separator : str
        What stands between two words of the query.
    objection : callable
        Words by parameter -> why they do not go together, or "".
    """

    fetcher: str
    folder: str
    read: Callable[[Any, Mapping[str, str]], ImageAndNames]
    parameters: tuple[Parameter, ...] = ()
    separator: str = "-"
    objection: Callable[[Mapping[str, str]], str] = accept


@dataclass(frozen=True)
class Query:
    """A query that has been checked: `words` by parameter, and what they mean to the fetcher."""

    text: str
    name: str
    source: AtlasSource
    words: Mapping[str, str]
    arguments: Mapping[str, Any]


def parse_query(text: str, sources: Mapping[str, AtlasSource]) -> Query:
    """Return the checked query; raise RegionsError with the valid words otherwise.

    Parameters
    ----------
    text : str
        `nilearn:<atlas>:<parameters>`.
    sources : Mapping of str to AtlasSource
        What there is, by the name that a query gives it.
    """
    name, _, rest = text.removeprefix(PREFIX).partition(":")
    if name not in sources:
        raise RegionsError(
            f"{shorten_text(text)}: there is no atlas {shorten_text(name)!r}.{suggestion(name, sources)} "
            f"Valid names: {', '.join(sources)}."
        )
    source = sources[name]
    words = split_words(text, source, name=name, rest=rest)
    arguments: dict[str, Any] = {}
    for parameter in source.parameters:
        arguments |= (parameter.words or {}).get(words[parameter.name], {})
    if objection := source.objection(words):
        raise RegionsError(f"{text}: {objection}")
    return Query(text=text, name=name, source=source, words=words, arguments=arguments)


def split_words(text: str, source: AtlasSource, *, name: str, rest: str) -> dict[str, str]:
    """Return the query's words by parameter, with defaults for those left out at its end."""
    form = grammar(name, source)
    given = rest.split(source.separator) if rest else []
    if len(given) > len(source.parameters):
        raise RegionsError(
            f"{text} has {len(given)} parameters, but {name} takes {len(source.parameters)}: write {form}."
        )
    left_out: list[str | None] = [parameter.default for parameter in source.parameters[len(given) :]]
    return {
        parameter.name: checked_word(text, parameter, word, form=form)
        for parameter, word in zip(source.parameters, [*given, *left_out], strict=True)
    }


def checked_word(text: str, parameter: Parameter, word: str | None, *, form: str) -> str:
    """Return the word as the table spells it; raise RegionsError if it is missing or not valid."""
    if word is None:
        raise RegionsError(f"{text} lacks <{parameter.name}>: write {form}.{valid(parameter)}")
    # 0.0.4 took numbers through int(): sym-020 is sym-20.
    word = word.lstrip("0") or "0" if word.isdecimal() else word
    if parameter.words is None or word in parameter.words:
        return word
    raise RegionsError(
        f"{shorten_text(text)}: {shorten_text(word)!r} is no <{parameter.name}> of {form}."
        f"{suggestion(word, parameter.words)}{valid(parameter)}"
    )


def grammar(name: str, source: AtlasSource) -> str:
    """Return how a query for this atlas is written."""
    parameters = source.separator.join(f"<{parameter.name}>" for parameter in source.parameters)
    return f"{PREFIX}{name}:{parameters}" if parameters else f"{PREFIX}{name}"


def valid(parameter: Parameter) -> str:
    """Return the sentence that lists a parameter's words."""
    return f" Valid for <{parameter.name}>: {', '.join(parameter.words)}." if parameter.words else ""


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return the sentence that names the nearest valid word, if one is near."""
    near = find_nearest(word, words)
    return "" if near is None else f" Did you mean {near!r}?"
