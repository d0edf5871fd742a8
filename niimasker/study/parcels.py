"""Check that the regions of a run can be the parcels of a CIFTI file."""

from __future__ import annotations

from collections.abc import Sequence

from nibabel.cifti2 import CIFTI_BRAIN_STRUCTURES

from niimasker.errors import SettingsError
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.series import Series
from niimasker.options.settings import Settings
from niimasker.regions.definitions import PointMaps, Regions


def check_parcels(atlases: Sequence[Regions], series: Series, settings: Settings) -> None:
    """Raise SettingsError if --cifti_out is given for a volume, for maps, or for meshes that CIFTI has no name for."""
    if not settings.cifti_out:
        return
    if not isinstance(series.space, Grayordinates):
        raise SettingsError(
            f"--cifti_out: {series.path.name} is a volume, and CIFTI files are written of runs on surfaces or "
            "grayordinates; leave --cifti_out out, or give only such runs."
        )
    for regions in atlases:
        if isinstance(regions.definition, PointMaps) and not regions.definition.are_weights:
            raise SettingsError(
                f"--cifti_out: {regions.source} holds maps, which may overlap; the parcels of a CIFTI file may not. "
                "Leave --cifti_out out, or give a parcellation."
            )
    meshes = [model.structure for model in series.space.models if isinstance(model, SurfaceModel)]
    # nibabel writes no others.
    unknown = [structure for structure in meshes if f"CIFTI_STRUCTURE_{structure}" not in CIFTI_BRAIN_STRUCTURES]
    if unknown:
        raise SettingsError(
            f"--cifti_out: {series.path.name} has a surface {unknown[0]}, which is no structure of the CIFTI standard; "
            "leave --cifti_out out."
        )
