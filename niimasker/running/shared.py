"""What all tasks of a study share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from niimasker.inputs.runs import Run
from niimasker.options.settings import Settings
from niimasker.outputs.analyses import Analysis, PipelineAnalysis
from niimasker.outputs.provenance import shaping_settings
from niimasker.regions.definitions import Origin
from niimasker.running.region_sources import RegionSources, read_sources
from niimasker.study.fingerprints import fingerprint_pipeline, fingerprint_study
from niimasker.study.preparation import Study, list_origins
from niimasker.study.rechecks import check_regions


@dataclass(frozen=True)
class Shared:
    """What all tasks of a study share.

    Parameters
    ----------
    keys, sources
        For each atlas its name in file names, and the source files of its regions.
    fingerprints
        For each pipeline, the fingerprint of everything but the files of single runs.
    analysis
        What the tables of the output folder are made with.
    origins
        What the atlases and the mask that all runs share say about their space.
    study_warnings
        The warnings that concern every run.
    command
        The words of the command line.
    """

    settings: Settings
    keys: tuple[str, ...]
    sources: tuple[RegionSources, ...]
    fingerprints: Mapping[str, Mapping[str, str]]
    analysis: Analysis
    origins: tuple[Origin, ...]
    study_warnings: tuple[str, ...]
    command: tuple[str, ...]

    def settings_of(self, run: Run) -> Settings:
        """Return the settings of a run's pipeline."""
        return self.settings.by_pipeline[run.pipeline]


def share(study: Study, command: Sequence[str]) -> Shared:
    """Return what all tasks of a study share."""
    settings = study.settings
    # A mask of the run's own is part of that run's fingerprint.
    mask_path = settings.mask_img if study.mask else None
    sources = read_sources(settings.roi_file, settings, mask_path) if study.atlases else ()
    fingerprint = fingerprint_study(settings, study.keys, study.atlases, sources)
    of_pipelines = {name: fingerprint_pipeline(name, of_pipeline) for name, of_pipeline in settings.by_pipeline.items()}
    check_regions(study)
    analysis = Analysis(
        fingerprint,
        shaping_settings(settings),
        {
            name: PipelineAnalysis(part["pipeline"], shaping_settings(settings.by_pipeline[name]))
            for name, part in of_pipelines.items()
            if part
        },
    )
    origins = tuple(list_origins(study.atlases, study.mask, settings))
    return Shared(
        settings,
        study.keys,
        sources,
        {name: {**fingerprint, **part} for name, part in of_pipelines.items()},
        analysis,
        origins,
        study.warnings,
        tuple(command),
    )
