"""The publications of the presets of --pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from niimasker.options.merging import follows_preset
from niimasker.options.settings import Settings
from niimasker.reports.references import CIRIC_2017, WANG_2024, Reference

_OF_WANG = (
    "baseline",
    "simple",
    "simple+gsr",
    "scrubbing.5",
    "scrubbing.5+gsr",
    "scrubbing.2",
    "scrubbing.2+gsr",
    "compcor",
    "compcor6",
    "aroma",
)
_OF_CIRIC = ("24P", "36P", "36P+scrub", "aCompCor")

OF_PRESETS: Mapping[str, Reference] = {**dict.fromkeys(_OF_WANG, WANG_2024), **dict.fromkeys(_OF_CIRIC, CIRIC_2017)}
_WORDS = {WANG_2024: "a strategy of a published benchmark", CIRIC_2017: "a published model"}


def cite_preset(pipeline: str, settings: Settings) -> Iterator[str]:
    """Yield a sentence that names the preset of a run and its source; none if the run's options are not a preset's.

    Parameters
    ----------
    pipeline
        The name of the way of cleaning; empty without pipelines.
    settings
        The settings of this pipeline.
    """
    source = OF_PRESETS.get(pipeline)
    if source is not None and follows_preset(pipeline, settings):
        yield f"Denoising followed niimasker's preset {pipeline}, {_WORDS[source]} ({source.short})."
