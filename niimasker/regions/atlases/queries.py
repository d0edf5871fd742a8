"""Queries for atlases, `nilearn:<atlas>:<parameters>`, and the arguments of nilearn's fetchers that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from niimasker.errors import RegionsError, find_nearest, shorten_text
from niimasker.regions.atlases.readers import ImageAndNames

PREFIX = "nilearn:"


def is_atlas_query(roi_file: str) -> bool:
    """Return whether a --roi_file is a query for one of nilearn's atlases rather than a file."""
    return roi_file.startswith(PREFIX)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query.

    Attributes
    ----------
    name : str
        Its name in messages and in the documentation.
    words : Mapping of str to Mapping, or None
        Valid words, each with the fetcher's arguments that it stands for; None if they depend on the atlas's image.
    default : str or None
        The word used if the parameter is left out; None if it is required.
    """

    name: str
    words: Mapping[str, Mapping[str, Any]] | None
    default: str | None = None


def no_conflict(words: Mapping[str, str]) -> str:
    """Return "": all words go together."""
    return ""


@dataclass(frozen=True)
class AtlasSource:
    """How an atlas is fetched and read.

    Attributes
    ----------
    fetcher : str
        The name of a function of `nilearn.datasets`, whose import takes over a second and is left to queries.
    folder : str
        The atlas's folder in nilearn's data folder; may hold arguments of the fetcher in braces.
    read : callable
        Takes the fetcher's result and the words by parameter, returns the image and names.
    parameters : tuple of Parameter
        In the query's order.
    separator : str
        The separator between the query's words.
    find_conflict : callable
        Takes the words by parameter, returns why they do not go together, or "".
    """

    fetcher: str
    folder: str
    read: Callable[[Any, Mapping[str, str]], ImageAndNames]
    parameters: tuple[Parameter, ...] = ()
    separator: str = "-"
    find_conflict: Callable[[Mapping[str, str]], str] = no_conflict


@dataclass(frozen=True)
class Query:
    """A checked query: `words` by parameter, and the fetcher's `arguments` that they stand for."""

    text: str
    name: str
    source: AtlasSource
    words: Mapping[str, str]
    arguments: Mapping[str, Any]


def parse_query(text: str, sources: Mapping[str, AtlasSource]) -> Query:
    """Return the checked query; raise RegionsError with the valid words if it is not valid.

    Parameters
    ----------
    text : str
        `nilearn:<atlas>:<parameters>`.
    sources : Mapping of str to AtlasSource
        The known atlases by their names in queries.
    """
    name, _, rest = text.removeprefix(PREFIX).partition(":")
    if name not in sources:
        raise RegionsError(
            f"{shorten_text(text)}: there is no atlas {shorten_text(name)!r}.{suggest_word(name, sources)} "
            f"Valid names: {', '.join(sources)}."
        )
    source = sources[name]
    words = split_words(text, source, name=name, rest=rest)
    arguments: dict[str, Any] = {}
    for parameter in source.parameters:
        arguments |= (parameter.words or {}).get(words[parameter.name], {})
    if conflict := source.find_conflict(words):
        raise RegionsError(f"{text}: {conflict}")
    return Query(text=text, name=name, source=source, words=words, arguments=arguments)


def split_words(text: str, source: AtlasSource, *, name: str, rest: str) -> dict[str, str]:
    """Return the query's words by parameter, with defaults for those left out at the end."""
    form = describe_form(name, source)
    given = rest.split(source.separator) if rest else []
    if len(given) > len(source.parameters):
        raise RegionsError(
            f"{text} has {len(given)} parameters, but {name} takes {len(source.parameters)}: write {form}."
        )
    left_out: list[str | None] = [parameter.default for parameter in source.parameters[len(given) :]]
    return {
        parameter.name: check_word(text, parameter, word, form=form)
        for parameter, word in zip(source.parameters, [*given, *left_out], strict=True)
    }


def check_word(text: str, parameter: Parameter, word: str | None, *, form: str) -> str:
    """Return the word as it is listed; raise RegionsError if it is missing or not valid."""
    if word is None:
        raise RegionsError(f"{text} lacks <{parameter.name}>: write {form}.{list_valid_words(parameter)}")
    # Leading zeros are accepted, as in 0.0.4: sym-020 is sym-20.
    word = word.lstrip("0") or "0" if word.isdecimal() else word
    if parameter.words is None or word in parameter.words:
        return word
    raise RegionsError(
        f"{shorten_text(text)}: {shorten_text(word)!r} is not a valid <{parameter.name}> in {form}."
        f"{suggest_word(word, parameter.words)}{list_valid_words(parameter)}"
    )


def describe_form(name: str, source: AtlasSource) -> str:
    """Return the form of a query for an atlas, with its parameters in angle brackets."""
    parameters = source.separator.join(f"<{parameter.name}>" for parameter in source.parameters)
    return f"{PREFIX}{name}:{parameters}" if parameters else f"{PREFIX}{name}"


def list_valid_words(parameter: Parameter) -> str:
    """Return a sentence that lists a parameter's valid words, "" if they depend on the atlas's image."""
    return f" Valid for <{parameter.name}>: {', '.join(parameter.words)}." if parameter.words else ""


def suggest_word(word: str, words: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest valid word, "" if none is near."""
    near = find_nearest(word, words)
    return "" if near is None else f" Did you mean {near!r}?"
