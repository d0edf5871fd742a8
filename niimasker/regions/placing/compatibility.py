"""Check that a run's image, its regions and the options go together, before the run is processed."""

from __future__ import annotations

from niimasker.errors import ImageError, warn
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.series import Series
from niimasker.inputs.storage import GrayordinateStorage
from niimasker.options.settings import Settings
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import Origin
from niimasker.regions.placing.points import check_outlines
from niimasker.regions.placing.template_spaces import check_template_meshes

_POINT_FILES = "a .dlabel.nii, or .label.gii or .annot files of both hemispheres"


def check_options(series: Series, settings: Settings) -> None:
    """Raise ImageError for options that images on surfaces or grayordinates do not have."""
    if not isinstance(series.space, Grayordinates):
        return
    is_cifti = isinstance(series.storage, GrayordinateStorage)
    if settings.smoothing_fwhm:
        way_out = "wb_command -cifti-smoothing" if is_cifti else "wb_command -metric-smoothing or mri_surf2surf --fwhm"
        raise ImageError(
            f"{series.path}: --smoothing_fwhm smooths volumes only; smooth the image along its surfaces first, as with "
            f"{way_out}, and leave the option out."
        )
    if settings.engine == "nilearn" and is_cifti:
        raise ImageError(
            f"{series.path}: --engine nilearn does not read CIFTI files; use --engine stream, or give the surfaces as "
            "GIFTI files, as from wb_command -cifti-separate."
        )


def check_compatible(series: Series, origin: Origin) -> None:
    """Raise ImageError if regions cannot lie on the points of an image."""
    space = series.space
    is_on_points = isinstance(space, Grayordinates)
    if is_on_points and origin.are_seeds:
        raise ImageError(
            f"{series.path}: is on surfaces or grayordinates, where spheres around the coordinates of {origin.source} "
            f"are not defined; give an atlas on the same points, such as {_POINT_FILES}."
        )
    if is_on_points and origin.outline is None:
        what = f"nilearn's {origin.source}" if is_atlas_query(origin.source) else origin.source
        raise ImageError(
            f"{series.path}: is on surfaces or grayordinates, but {what} is in a volume; give one on the same "
            f"points, such as {_POINT_FILES}."
        )
    if origin.outline is None:
        return
    if not isinstance(space, Grayordinates):
        raise ImageError(
            f"{series.path}: is a volume, but {origin.source} is on surfaces or grayordinates; give one in a "
            "NIfTI image."
        )
    try:
        check_outlines(origin.outline, space.outline)
    except ImageError as error:
        raise ImageError(f"{series.path} and {origin.source} do not fit together: {error}") from error
    check_template_meshes(series, origin)
    _warn_of_half(origin, space)


def _warn_of_half(origin: Origin, space: Grayordinates) -> None:
    """Warn of an atlas or a mask of one hemisphere, as a file whose partner is missing, for an image of both."""
    assert origin.outline is not None
    meshes = {structure for structure, _ in origin.outline.meshes}
    missing = [structure for structure, _ in space.outline.meshes if structure not in meshes]
    if meshes and missing:
        warn(
            f"{origin.source} is not on {' and '.join(missing)}, which the image has; if it should be, give the files "
            "of both hemispheres."
        )
