"""What the words of --regressors stand for: columns, patterns of columns, strategies, and words with parameters."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niimasker.errors import ConfoundsError, find_nearest, list_names, warn
from niimasker.inputs.strategies import STRATEGIES, choose_by_strategy
from niimasker.inputs.tedana import choose_rejected

_MODELS = ("basic", "power2", "derivatives", "full")
_COMPCOR = ("anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated")

# nilearn's words with the parameters that each takes; none means that the word takes no parameter.
WORDS: Mapping[str, tuple[str, ...]] = {
    "motion": _MODELS,
    "wm_csf": _MODELS,
    "global_signal": _MODELS,
    "high_pass": (),
    "compcor": _COMPCOR,
    "ica_aroma": ("basic", "full"),
    "tedana": ("aggressive",),
}

# Without a parameter, as in load_confounds 0.6.5 where that has the word.
DEFAULTS: Mapping[str, str] = {
    "motion": "full",
    "wm_csf": "basic",
    "global_signal": "basic",
    "compcor": "anat_combined",
    "tedana": "aggressive",
    "n_compcor": "10",
}
_N_COMPCOR = "n_compcor"

# load_confounds 0.6.5's name.
ALIASES = {"global": "global_signal"}

# They censor volumes and choose no column.
VOLUME_WORDS = ("scrub", "non_steady_state")

# nilearn's parameters that are options of their own here.
_OPTIONS = ("fd_threshold", "std_dvars_threshold", "scrub")

# In the names of images that ICA-AROMA has denoised.
_AROMA_IMAGE = "AROMAnonaggr"


@dataclass(frozen=True)
class Source:
    """Where the columns are: the names of a table's columns, the table, and its image."""

    names: tuple[str, ...]
    table_path: Path
    image_path: Path


def choose_columns(words: Sequence[str], source: Source) -> tuple[str, ...]:
    """Return the names of the columns that the words stand for, each once, in the words' order.

    Words of nilearn's components (motion, compcor, ...) make one request together, at the place of the first of them.

    Raises
    ------
    ConfoundsError
        A word is unknown, or the table lacks what it stands for.
    """
    unknown = [word for word in words if not _is_known(word, source)]
    if unknown:
        raise ConfoundsError(_explain_unknown(unknown, source))
    component_words = [word for word in words if word not in source.names and _key(word) in (*WORDS, _N_COMPCOR)]
    by_components = _choose_components(_gather(component_words, source), source)
    chosen = [
        name for word in words for name in (by_components if word in component_words else _choose_alone(word, source))
    ]
    if any(_key(word) == "compcor" for word in component_words):
        _warn_of_slow_drifts(component_words, chosen, source)
    return tuple(dict.fromkeys(chosen))


def _warn_of_slow_drifts(words: Sequence[str], chosen: Sequence[str], source: Source) -> None:
    if "high_pass" not in words and not any("cosine" in name for name in chosen):
        warn(
            "fMRIPrep computes CompCor components after its high-pass filter; "
            "add high_pass to --regressors, in place of --high_pass."
        )


def _key(word: str) -> str:
    """Return the word without its parameter."""
    key = word.partition("=")[0]
    return ALIASES.get(key, key)


def _is_known(word: str, source: Source) -> bool:
    is_word = _key(word) in (*WORDS, _N_COMPCOR) or word in STRATEGIES or word in VOLUME_WORDS
    return word in source.names or is_word or glob.has_magic(word)


def _choose_alone(word: str, source: Source) -> tuple[str, ...]:
    """Return the columns of a word that takes no parameter."""
    if word in VOLUME_WORDS:
        return ()
    if word in source.names:
        return (word,)
    if word in STRATEGIES:
        return choose_by_strategy(source.names, source.table_path, label=word, arguments=STRATEGIES[word])
    return _match(word, source)


def find_unmatched(words: Sequence[str], source: Source) -> tuple[str, ...]:
    """Return the patterns among the words that no column matches."""
    alone = [word for word in words if word not in source.names and _key(word) not in (*WORDS, _N_COMPCOR)]
    return tuple(word for word in alone if glob.has_magic(word) and not _match(word, source))


def _match(pattern: str, source: Source) -> tuple[str, ...]:
    return tuple(name for name in source.names if name and fnmatch.fnmatchcase(name, pattern))


def _gather(words: Sequence[str], source: Source) -> dict[str, str]:
    """Return the parameter of each component that is asked for, "" where it has none."""
    gathered: dict[str, str] = {}
    for word in words:
        key, (_, has_value, value) = _key(word), word.partition("=")
        if key == _N_COMPCOR:
            _read_n_compcor(value)
        elif has_value and value not in WORDS[key]:
            raise ConfoundsError(_explain_parameter(key, value, source))
        parameter = value if has_value else _default(key, source)
        if gathered.setdefault(key, parameter) != parameter:
            raise ConfoundsError(f"--regressors asks for {key}={gathered[key]} and for {word}; give one of them.")
    return gathered


def _explain_parameter(key: str, value: str, source: Source) -> str:
    if key == "tedana" and value == "non-aggressive":
        return (
            f"{source.table_path}: tedana=non-aggressive cannot be had by regression: nilearn returns accepted and "
            "rejected components together, which takes the signal out with the noise; give tedana=aggressive, or the "
            "image that tedana has denoised."
        )
    if "," in value or " " in value:
        return f"--regressors: in {key}={value} words are not separated; give them apart, in JSON as a list."
    taken = f"it takes {', '.join(WORDS[key])}" if WORDS[key] else "it takes no parameter"
    return f"--regressors: {key}={value} is not known; {taken}."


def _read_n_compcor(value: str) -> int | str:
    if value == "all":
        return value
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise ConfoundsError(f"--regressors: n_compcor={value} is not known; it takes a whole number above 0, or all.")


def _default(key: str, source: Source) -> str:
    if key == "ica_aroma":
        return "full" if _AROMA_IMAGE in source.image_path.name else "basic"
    return DEFAULTS.get(key, "")


def _choose_components(gathered: Mapping[str, str], source: Source) -> tuple[str, ...]:
    """Return the columns of all components together."""
    if _N_COMPCOR in gathered and "compcor" not in gathered:
        raise ConfoundsError("--regressors: n_compcor says how many components compcor takes; add compcor.")
    rejected = choose_rejected(source.names, source.table_path) if "tedana" in gathered else ()
    strategy = {key: value for key, value in gathered.items() if key not in ("tedana", "ica_aroma", _N_COMPCOR)}
    if "ica_aroma" in gathered and _takes_aroma_columns(gathered["ica_aroma"], source):
        strategy["ica_aroma"] = "basic"
    if not strategy:
        return rejected
    arguments: dict[str, Any] = {key: value for key, value in strategy.items() if value}
    if "compcor" in strategy:
        arguments[_N_COMPCOR] = _read_n_compcor(gathered.get(_N_COMPCOR, DEFAULTS[_N_COMPCOR]))
    asked = {**strategy, **{key: value for key, value in gathered.items() if key == _N_COMPCOR}}
    label = " ".join(f"{key}={value}" if value else key for key, value in asked.items())
    arguments["strategy"] = tuple(strategy)
    return rejected + choose_by_strategy(source.names, source.table_path, label=label, arguments=arguments)


def _takes_aroma_columns(parameter: str, source: Source) -> bool:
    """Return whether ICA-AROMA's components are columns, or have been taken out of the image already."""
    is_denoised = _AROMA_IMAGE in source.image_path.name
    if parameter == "full" and not is_denoised:
        raise ConfoundsError(
            f"{source.image_path}: ica_aroma=full is for images that ICA-AROMA has denoised "
            f"(desc-smooth{_AROMA_IMAGE}); give ica_aroma=basic to regress the noise components out."
        )
    if parameter == "basic" and is_denoised:
        warn(f"ica_aroma=basic regresses out what {_AROMA_IMAGE} has taken out of the image already.")
    return parameter == "basic"


def _explain_unknown(words: Iterable[str], source: Source) -> str:
    known = [*STRATEGIES, *WORDS, *ALIASES, _N_COMPCOR, *VOLUME_WORDS, *filter(None, source.names)]
    listed = ", ".join(_explain_word(word, known) for word in words)
    return (
        f"{source.table_path}: --regressors has unknown words: {listed}; it takes columns "
        f"({list_names(source.names)}), patterns of them, strategies ({', '.join(STRATEGIES)}), "
        f"and words ({', '.join([*WORDS, *VOLUME_WORDS])})."
    )


def _explain_word(word: str, known: Iterable[str]) -> str:
    key = word.partition("=")[0]
    if key in _OPTIONS:
        options = "--fd_threshold, --scrub_segment, ..." if key == "scrub" else f"--{key}"
        return f"{word!r} (options of their own say that: {options})"
    if "," in word:
        return f"{word!r} (words are separated by spaces, in JSON they are a list)"
    name = find_nearest(key, known)
    value = word.partition("=")[2]
    close = f"{name}={value}" if name is not None and value in WORDS.get(name, ()) else name
    return repr(word) if name is None else f"{word!r} (nearest: {close})"
