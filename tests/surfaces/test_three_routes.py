"""One series and one atlas as grayordinates, and as surfaces with a volume: the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from extracting import Extracted, extract_run

SERIES = "cifti_jl/test.dtseries.nii"
ATLAS = "tian/Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1.dlabel.nii"
SURFACE = "workbench/sub-01_task-rest_hemi-{}_space-fsLR_den-32k_bold.func.gii"
SURFACE_ATLAS = "workbench/atlas-Schaefer100Tian_hemi-{}_space-fsLR_den-32k_dseg.label.gii"
SUBCORTEX = "workbench/subcortex_bold.nii.gz"
SUBCORTEX_ATLAS = "workbench/atlas-Schaefer100Tian_res-2_dseg.nii.gz"
# The same float32 values are summed in another order.
TOLERANCE = {"rtol": 1e-8, "atol": 1e-11}


@pytest.fixture(scope="module")
def routes(data_dir, tmp_path_factory) -> dict[str, Extracted]:
    """The tables of the three routes."""
    real, out = data_dir / "surfaces", tmp_path_factory.mktemp("out")
    inputs = {
        "grayordinates": (real / SERIES, real / ATLAS),
        "surfaces": (
            [real / SURFACE.format(side) for side in "LR"],
            [real / SURFACE_ATLAS.format(side) for side in "LR"],
        ),
        "volume": (real / SUBCORTEX, real / SUBCORTEX_ATLAS),
    }
    return {
        name: extract_run(out / name, input_files=images, roi_file=regions)
        for name, (images, regions) in inputs.items()
    }


def by_index(extracted: Extracted) -> dict[int, np.ndarray]:
    """Return the series of the regions that have members, by their keys, each of which stands once."""
    has_members = ~extracted.regions["status"].str.startswith("empty")
    rows = extracted.regions[has_members]
    assert rows["index"].is_unique
    return {index: extracted.signals[name].to_numpy() for index, name in zip(rows["index"], rows["name"], strict=True)}


def test_each_region_is_in_two_of_the_routes(routes):
    keys = {name: set(by_index(extracted)) for name, extracted in routes.items()}
    assert keys == {"grayordinates": set(range(1, 117)), "surfaces": set(range(17, 117)), "volume": set(range(1, 17))}


@pytest.mark.parametrize("route", ["surfaces", "volume"])
def test_route_has_the_numbers_of_the_grayordinates(routes, route):
    expected = by_index(routes["grayordinates"])
    found = by_index(routes[route])
    for key, series in found.items():
        np.testing.assert_allclose(series, expected[key], **TOLERANCE)


@pytest.mark.parametrize("route", ["surfaces", "volume"])
def test_facts_of_the_regions_are_the_same(routes, route):
    facts = ["index", "n_valid", "coverage", "mean", "tsnr", "status"]
    tables = [routes[name].regions for name in ("grayordinates", route)]
    expected, found = (table[~table["status"].str.startswith("empty")].set_index("index") for table in tables)
    found = found[facts[1:]]
    expected = expected.loc[found.index, facts[1:]]
    assert found["status"].equals(expected["status"])
    np.testing.assert_allclose(
        found.drop(columns="status").to_numpy(float), expected.drop(columns="status").to_numpy(float), rtol=1e-6
    )


def test_sizes_and_structures_are_those_of_the_atlas(routes):
    whole, surfaces, volume = (routes[name].regions for name in ("grayordinates", "surfaces", "volume"))
    rows = whole.set_index("index")
    assert rows["structure"][17] == "CORTEX_LEFT"
    assert rows["structure"][116] == "CORTEX_RIGHT"
    of_surfaces = surfaces[~surfaces["status"].str.startswith("empty")].set_index("index")
    assert of_surfaces["n_vertices"].tolist() == rows.loc[of_surfaces.index, "n_vertices"].tolist()
    assert of_surfaces["structure"].tolist() == rows.loc[of_surfaces.index, "structure"].tolist()
    of_volume = volume.set_index("index")
    assert of_volume["n_voxels"].tolist() == rows.loc[of_volume.index, "n_voxels"].tolist()


def test_names_are_those_of_the_tables_in_ascending_order_of_key(routes):
    names = routes["grayordinates"].signals.columns.tolist()
    assert names[:2] == ["HIP-rh", "AMY-rh"]
    assert names[16] == "7Networks_LH_Vis_1"
    assert names[-1] == "7Networks_RH_Default_pCunPCC_2"
    assert routes["volume"].signals.columns.tolist() == names[:16]


def test_centres_of_voxels_are_in_mm(routes):
    whole, volume = (routes[name].regions.set_index("index") for name in ("grayordinates", "volume"))
    places = ["x", "y", "z"]
    np.testing.assert_allclose(whole.loc[range(1, 17), places], volume.loc[range(1, 17), places], atol=0.01)
