"""The words of --regressors and the columns they select: names, patterns, strategies, and words with a parameter."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niimasker.errors import ConfoundsError, find_nearest, list_names, warn
from niimasker.inputs.aroma import BASIC, FULL, ORTHOGONAL, choose_orthogonal, is_denoised, takes_components
from niimasker.inputs.ica_components import Components
from niimasker.inputs.joined_tables import show_paths
from niimasker.inputs.melodic import choose_melodic, choose_noise, read_components
from niimasker.inputs.strategies import STRATEGIES, choose_by_strategy
from niimasker.inputs.tedana import AGGRESSIVE, choose_rejected
from niimasker.inputs.tedana import find_components as find_tedana

_MODELS = ("basic", "power2", "derivatives", "full")
_COMPCOR = ("anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated")

# nilearn's components and the parameters that each accepts; an empty tuple means that it takes none.
WORDS: Mapping[str, tuple[str, ...]] = {
    "motion": _MODELS,
    "wm_csf": _MODELS,
    "global_signal": _MODELS,
    "high_pass": (),
    "compcor": _COMPCOR,
    "ica_aroma": (BASIC, FULL, ORTHOGONAL),
    "tedana": (AGGRESSIVE, ORTHOGONAL),
}

# The parameters of words given without one, as in load_confounds 0.6.5 for the words that it has.
DEFAULTS: Mapping[str, str] = {
    "motion": "full",
    "wm_csf": "basic",
    "global_signal": "basic",
    "compcor": "anat_combined",
    "tedana": AGGRESSIVE,
    "n_compcor": "10",
}
_N_COMPCOR = "n_compcor"

# How "non-aggressive" is written by those who use tedana, fMRIPost-AROMA and FSL.
_NON_AGGRESSIVE = re.compile(r"non[-_]?agg(r|ressive)?|soft")

# Names of load_confounds 0.6.5.
ALIASES = {"global": "global_signal"}

# Words that censor volumes and select no columns.
VOLUME_WORDS = ("scrub", "non_steady_state")

# The cut-off of the high-pass filter that fMRIPrep applies before it computes CompCor's components, in Hz.
_COMPCOR_CUT_OFF = 1 / 128

# Parameters of nilearn's loader for which niimasker has separate options.
_SEPARATE_OPTIONS = ("fd_threshold", "std_dvars_threshold", "scrub")


@dataclass(frozen=True)
class Source:
    """What columns are selected from: the names of a run's columns, the table of each, and the image.

    Parameters
    ----------
    high_pass
        Cut-off of the high-pass filter of signals and confounds, in Hz; None without one.
    """

    names: tuple[str, ...]
    paths: Mapping[str, Path]
    image_path: Path
    high_pass: float | None = None

    @property
    def tables(self) -> str:
        """The tables, for messages."""
        return show_paths(list(dict.fromkeys(self.paths.values())))


def choose_columns(words: Sequence[str], source: Source) -> tuple[str, ...]:
    """Return the names of the columns that the words select, each once, in the words' order.

    The words for nilearn's components (motion, compcor, ...) are combined into one request; its columns stand at the
    place of the first of these words.

    Raises
    ------
    ConfoundsError
        A word is unknown, or the table lacks the columns that it selects.
    """
    unknown = [word for word in words if not _is_known(word, source)]
    if unknown:
        raise ConfoundsError(_explain_unknown(unknown, source))
    component_words = [word for word in words if _is_component(word, source)]
    component_columns = _choose_components(_collect_parameters(component_words, source), source)
    chosen = [
        name
        for word in words
        for name in (component_columns if word in component_words else _choose_plain_word(word, source))
    ]
    if any(_strip_parameter(word) == "compcor" for word in component_words):
        _warn_of_slow_drifts(component_words, chosen, source)
    return tuple(dict.fromkeys(chosen))


def _warn_of_slow_drifts(words: Sequence[str], chosen: Sequence[str], source: Source) -> None:
    # A filter with that cut-off or a higher one leaves signals and components without the same frequencies.
    is_filtered = source.high_pass is not None and source.high_pass >= _COMPCOR_CUT_OFF
    if not is_filtered and "high_pass" not in words and not any("cosine" in name for name in chosen):
        warn(
            "fMRIPrep computes CompCor components after a high-pass filter of 128 s, which the signals lack; "
            "add high_pass to --regressors, or give --high_pass 0.008 or more."
        )


def _strip_parameter(word: str) -> str:
    """Return a word without its parameter; an alias is replaced by nilearn's name."""
    key = word.partition("=")[0]
    return ALIASES.get(key, key)


def _is_component(word: str, source: Source) -> bool:
    """Return whether a word is one of nilearn's components; a column of that name comes first."""
    return word not in source.names and _strip_parameter(word) in (*WORDS, _N_COMPCOR)


def _is_known(word: str, source: Source) -> bool:
    is_word = _strip_parameter(word) in (*WORDS, _N_COMPCOR) or word in STRATEGIES or word in VOLUME_WORDS
    return word in source.names or is_word or glob.has_magic(word)


def _choose_plain_word(word: str, source: Source) -> tuple[str, ...]:
    """Return the columns of a word that is none of nilearn's components."""
    if word in VOLUME_WORDS:
        return ()
    if word in source.names:
        return (word,)
    if word in STRATEGIES:
        return choose_by_strategy(source.names, source.paths, label=word, arguments=STRATEGIES[word])
    return _match_pattern(word, source)


def find_unmatched(words: Sequence[str], source: Source) -> tuple[str, ...]:
    """Return the patterns among the words that match no column."""
    others = [word for word in words if word not in source.names and not _is_component(word, source)]
    return tuple(word for word in others if glob.has_magic(word) and not _match_pattern(word, source))


def _match_pattern(pattern: str, source: Source) -> tuple[str, ...]:
    return tuple(name for name in source.names if name and fnmatch.fnmatchcase(name, pattern))


def _collect_parameters(words: Sequence[str], source: Source) -> dict[str, str]:
    """Return the parameter of each requested component, "" for components that take none."""
    parameters: dict[str, str] = {}
    for word in words:
        key, (_, has_value, value) = _strip_parameter(word), word.partition("=")
        if key == _N_COMPCOR:
            _read_n_compcor(value)
        elif has_value and value not in WORDS[key]:
            raise ConfoundsError(_explain_parameter(key, value, source))
        parameter = value if has_value else _default_parameter(key, source)
        if parameters.setdefault(key, parameter) != parameter:
            raise ConfoundsError(f"--regressors asks for {key}={parameters[key]} and for {word}; give one of them.")
    return parameters


def _explain_parameter(key: str, value: str, source: Source) -> str:
    if key in ("tedana", "ica_aroma") and _NON_AGGRESSIVE.fullmatch(value.lower()):
        program = {"tedana": "tedana", "ica_aroma": "ICA-AROMA"}[key]
        return (
            f"{source.tables}: {key}={value} is not available: accepted and rejected components would be fitted "
            "together, and regressing both out removes signal with the noise. Give "
            f"{key}={ORTHOGONAL}, which keeps all of what the rejected components share with the accepted ones, "
            f"{key}={WORDS[key][0]}, which removes all of it, or the image that {program} has denoised."
        )
    if "," in value or " " in value:
        return f"--regressors: {key}={value} holds several words; separate them by spaces, in JSON give a list."
    expected = f"it takes {', '.join(WORDS[key])}" if WORDS[key] else "it takes no parameter"
    return f"--regressors: {key}={value} is not known; {expected}."


def _read_n_compcor(value: str) -> int | str:
    if value == "all":
        return value
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise ConfoundsError(f"--regressors: n_compcor={value} is not known; it takes a whole number above 0, or all.")


def _default_parameter(key: str, source: Source) -> str:
    if key == "ica_aroma":
        return FULL if is_denoised(source.image_path) else BASIC
    return DEFAULTS.get(key, "")


def _choose_components(parameters: Mapping[str, str], source: Source) -> tuple[str, ...]:
    """Return the columns of all requested components."""
    if _N_COMPCOR in parameters and "compcor" not in parameters:
        raise ConfoundsError("--regressors: n_compcor is the number of components that compcor takes; add compcor.")
    chosen = _choose_tedana(parameters.get("tedana"), source)
    strategy = {key: value for key, value in parameters.items() if key not in ("tedana", "ica_aroma", _N_COMPCOR)}
    aroma = parameters.get("ica_aroma", FULL)
    if "ica_aroma" in parameters and takes_components(aroma, source.image_path):
        if aroma == BASIC:
            strategy["ica_aroma"] = BASIC
        else:
            is_computed = choose_melodic(source.names, source.paths) is not None
            chosen += choose_noise(source.names) if is_computed else choose_orthogonal(source.names, source.tables)
    if not strategy:
        return chosen
    arguments: dict[str, Any] = {key: value for key, value in strategy.items() if value}
    if "compcor" in strategy:
        arguments[_N_COMPCOR] = _read_n_compcor(parameters.get(_N_COMPCOR, DEFAULTS[_N_COMPCOR]))
    requested = {**strategy, **{key: value for key, value in parameters.items() if key == _N_COMPCOR}}
    label = " ".join(f"{key}={value}" if value else key for key, value in requested.items())
    arguments["strategy"] = tuple(strategy)
    return chosen + choose_by_strategy(source.names, source.paths, label=label, arguments=arguments)


def _choose_tedana(parameter: str | None, source: Source) -> tuple[str, ...]:
    if parameter is None:
        return ()
    if parameter == ORTHOGONAL:
        return find_tedana(source.names, source.paths).rejected
    return choose_rejected(source.names, source.paths)


def find_components(words: Sequence[str], source: Source) -> tuple[Components, ...]:
    """Return the components of each ICA whose rejected ones are to be orthogonalised to its accepted ones.

    Raises
    ------
    ConfoundsError
        A word is unknown, or a file that classifies the components, or holds them, is missing or does not fit.
    """
    parameters = _collect_parameters([word for word in words if _is_component(word, source)], source)
    found = []
    if parameters.get("tedana") == ORTHOGONAL:
        found.append(find_tedana(source.names, source.paths))
    if parameters.get("ica_aroma") == ORTHOGONAL:
        melodic = choose_melodic(source.names, source.paths)
        found += [] if melodic is None else [read_components(melodic, source.names)]
    return tuple(found)


def _explain_unknown(words: Iterable[str], source: Source) -> str:
    known = [*STRATEGIES, *WORDS, *ALIASES, _N_COMPCOR, *VOLUME_WORDS, *filter(None, source.names)]
    listed = ", ".join(_explain_word(word, known) for word in words)
    return (
        f"{source.tables}: --regressors has unknown words: {listed}; it takes columns "
        f"({list_names(source.names)}), patterns of them, strategies ({', '.join(STRATEGIES)}), "
        f"and words ({', '.join([*WORDS, *VOLUME_WORDS])})."
    )


def _explain_word(word: str, known: Iterable[str]) -> str:
    key = word.partition("=")[0]
    if key in _SEPARATE_OPTIONS:
        options = "--fd_threshold, --scrub_segment, ..." if key == "scrub" else f"--{key}"
        return f"{word!r} (use the options {options})"
    if "," in word:
        return f"{word!r} (words are separated by spaces, in JSON they are a list)"
    if len(word.split()) > 1:
        return f"{word!r} (give each of its words by itself, in JSON in a list)"
    name = find_nearest(key, known)
    value = word.partition("=")[2]
    close = f"{name}={value}" if name is not None and value in WORDS.get(name, ()) else name
    return repr(word) if name is None else f"{word!r} (nearest: {close})"
