"""The names of the made-up files on surfaces and grayordinates."""

from __future__ import annotations

DLABEL = "atlas-Made_space-fsLR_den-91k_dseg.dlabel.nii"


def name_dtseries(n_volumes: int) -> str:
    """Return the name of a series of grayordinates."""
    return f"sub-01_task-n{n_volumes}_space-fsLR_den-91k_bold.dtseries.nii"


def name_gifti(mesh: str, side: str, n_volumes: int) -> str:
    """Return the name of a series of one hemisphere."""
    return f"sub-01_task-n{n_volumes}_hemi-{side}_space-{mesh}_bold.func.gii"


def name_atlas(mesh: str, side: str) -> str:
    """Return the name of the parcellation of one hemisphere."""
    return f"atlas-Made_hemi-{side}_space-{mesh}_dseg.label.gii"
