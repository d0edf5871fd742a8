"""Random runs, atlases, masks and options of extraction against numpy in float64, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from extracting import Extracted, extract_run, read
from made_up_surfaces import (
    ASCII,
    BASE64,
    BIG,
    COLUMNS,
    EXTERNAL,
    GZIP,
    LABEL,
    LITTLE,
    NONE,
    ROWS,
    SIDES,
    TIME_SERIES,
    Models,
    Structure,
    make_models,
    members_of,
    models_axis,
    parcels_axis,
    save_annot,
    save_cifti,
    save_dlabel,
    save_dscalar,
    save_dtseries,
    save_gifti,
    scalars_axis,
    series_axis,
)

# A structure and a vertex, or a structure and the place of a voxel in a lattice that all grids share.
Point = tuple[str, int] | tuple[str, int, int, int]

MESHES = {"CORTEX_LEFT": 41, "CORTEX_RIGHT": 37, "CEREBELLUM": 23}
# A structure may have both vertices and voxels.
VOLUMES = ("THALAMUS_LEFT", "BRAIN_STEM", "OTHER", "CORTEX_LEFT")
LATTICE = (5, 6, 7)
TO_MM = np.array([[2.0, 0, 0, -31.5], [0, 3, 0, 12.25], [0, 0, 1.5, 7], [0, 0, 0, 1]])
CORTEX = {"L": "CORTEX_LEFT", "R": "CORTEX_RIGHT"}
KINDS = ("dlabel", "dscalar", "parcels", "label.gii", "annot", "weights")


@dataclass(frozen=True)
class Space:
    """Points in the order of a file, and how that file says which they are."""

    models: Models
    points: list[Point]


@dataclass(frozen=True)
class Series:
    """A run: its files, the points and their values in the units of the image."""

    files: list[str]
    points: list[Point]
    values: np.ndarray


@dataclass(frozen=True)
class Region:
    """The points of a region in its atlas and their weights, in the order of the columns of --as_voxels."""

    name: str
    key: int
    points: list[Point]
    weights: np.ndarray


def draw_grid(rng: np.random.Generator):
    """Return a function from places in the lattice to voxels of a grid with other axes, its affine and its shape."""
    order, is_flipped, first = rng.permutation(3), rng.random(3) < 0.5, rng.integers(0, 4, 3)
    lengths = np.array(LATTICE)[order]
    to_lattice = np.zeros((4, 4))
    to_lattice[3, 3] = 1
    to_lattice[order, range(3)] = np.where(is_flipped, -1, 1)
    to_lattice[order, 3] = np.where(is_flipped, lengths - 1 + first, -first)

    def to_voxels(places: np.ndarray) -> np.ndarray:
        ordered = places[:, order]
        return np.where(is_flipped, lengths - 1 - ordered, ordered) + first

    return to_voxels, TO_MM @ to_lattice, tuple((lengths + first + rng.integers(0, 3, 3)).tolist())


def draw_space(rng: np.random.Generator, volumes: dict[str, np.ndarray]) -> Space:
    """Return some points of some structures, both in any order."""
    to_voxels, affine, shape = draw_grid(rng)
    structures: list[Structure] = []
    points: list[Point] = []
    for number in rng.permutation(len(MESHES) + len(VOLUMES)).tolist():
        is_mesh = number < len(MESHES)
        name = [*MESHES, *VOLUMES][number]
        members = np.arange(MESHES[name]) if is_mesh else volumes[name]
        chosen = rng.permutation(members)[: int(rng.integers(1, len(members) + 1))]
        if structures and rng.random() < 0.2:
            continue
        structures.append(Structure(name, chosen, MESHES[name]) if is_mesh else Structure(name, to_voxels(chosen)))
        points += [(name, *np.atleast_1d(each).tolist()) for each in chosen]
    return Space(make_models(*structures, affine=affine, shape=shape), points)


def draw_values(rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> np.ndarray:
    """Return values as they are stored: some points are constant, and some numbers are not finite."""
    values = rng.integers(0, 256, shape) if np.dtype(dtype).kind in "iu" else rng.normal(1000, 20, shape)
    values = values.astype(dtype)
    values[:, rng.random(shape[1]) < 0.15] = 0
    values[:, rng.random(shape[1]) < 0.05] = 7
    if values.dtype.kind == "f":
        values[rng.random(shape) < 0.01] = rng.choice([np.nan, np.inf, -np.inf])
    return values


def write_grayordinates(rng: np.random.Generator, volumes: dict[str, np.ndarray], n_volumes: int) -> Series:
    space = draw_space(rng, volumes)
    dtype = str(rng.choice(["<f4", ">f4", "<f8", "<i2", ">i2", "|u1"]))
    values = draw_values(rng, (n_volumes, len(space.points)), dtype)
    slope, intercept = (float(rng.choice([0.25, -2])), float(rng.integers(-9, 900))) if dtype[1] in "iu" else (1.0, 0.0)
    axes = series_axis(n_volumes), models_axis(space.models)
    save_cifti("run.dtseries.nii", values, *axes, dtype=dtype, slope=slope, intercept=intercept)
    return Series(["run.dtseries.nii"], space.points, values.astype(float) * slope + intercept)


def write_surfaces(rng: np.random.Generator, sides: Sequence[str], n_volumes: int) -> Series:
    points, parts = [], []
    for side in sides:
        n_vertices = MESHES[CORTEX[side]]
        values = draw_values(rng, (n_volumes, n_vertices), str(rng.choice(["f4", "f8", "i2", "u1"])))
        is_one_array = rng.random() < 0.3
        encodings = [GZIP, BASE64, EXTERNAL] + [ASCII] * bool(np.isfinite(values).all())
        save_gifti(
            f"run_hemi-{side}_bold.func.gii",
            [values.T] if is_one_array else list(values),
            primary=SIDES[side],
            encoding=rng.choice(encodings),
            endian=rng.choice([LITTLE, BIG]),
            order=rng.choice([ROWS, COLUMNS]),
            intent=rng.choice([TIME_SERIES, NONE]),
        )
        points += [(CORTEX[side], vertex) for vertex in range(n_vertices)]
        parts.append(values.astype(float))
    return Series([f"run_hemi-{side}_bold.func.gii" for side in sides], points, np.hstack(parts))


def group(keys: np.ndarray, points: Sequence[Point], names: dict[int, str]) -> list[Region]:
    """Return the regions in ascending order of key."""
    regions = []
    for key in sorted(names):
        members = [points[place] for place in np.flatnonzero(keys == key)]
        regions.append(Region(names[key], key, members, np.ones(len(members))))
    return regions


def draw_keys(rng: np.random.Generator, n_points: int) -> np.ndarray:
    """Return keys with gaps; 0 is background, and so is -1."""
    pool = rng.choice(np.arange(1, 60), int(rng.integers(2, 7)), replace=False)
    keys = rng.choice([0, -1, *pool], n_points)
    keys[:2] = pool[:2]
    return keys


def name_keys(rng: np.random.Generator, keys: np.ndarray, prefix: str) -> dict[int, str]:
    """Return a table in any order, with an entry that no point has."""
    present = {*keys.tolist()} - {0, -1}
    return {int(key): f"{prefix}{key}" for key in rng.permutation([*present, 77])}


def write_cifti_atlas(rng: np.random.Generator, kind: str, volumes: dict[str, np.ndarray]) -> tuple[str, list[Region]]:
    space = draw_space(rng, volumes)
    models, points = space.models, space.points
    if len(points) < 2:
        return write_cifti_atlas(rng, kind, volumes)
    keys = draw_keys(rng, len(points))
    if kind == "weights":
        weights = rng.uniform(0.1, 1, len(points)).astype("f4")
        save_dscalar("atlas.dscalar.nii", weights, models, ["weights"])
        return "atlas.dscalar.nii", [Region("weights", 1, points, weights.astype(float))]
    if kind == "dlabel":
        names = name_keys(rng, keys, "region ")
        save_dlabel("atlas.dlabel.nii", keys, models, names, dtype=rng.choice(["<f4", "<i4", ">i2"]))
        return "atlas.dlabel.nii", group(keys, points, names)
    keys = np.maximum(keys, 0)
    names = {key: f"roi {key}" for key in sorted({*keys.tolist()} - {0})}
    if kind == "dscalar":
        save_dscalar("atlas.dscalar.nii", keys, models)
        return "atlas.dscalar.nii", group(keys, points, names)
    axis = parcels_axis(members_of(models, keys, names), models)
    save_cifti("atlas.pscalar.nii", np.zeros((1, len(names))), scalars_axis(["x"]), axis)
    # CIFTI does not store the structures of the voxels of parcels; they come after the vertices.
    bare = [point if len(point) == 2 else ("", *point[1:]) for point in points]
    regions = [
        Region(each.name, number, sorted(each.points, key=lambda point: len(point) > 2), each.weights)
        for number, each in enumerate(group(keys, bare, names), start=1)
    ]
    return "atlas.pscalar.nii", regions


def write_surface_atlas(rng: np.random.Generator, kind: str) -> tuple[str, list[Region]]:
    regions = []
    for side, structure in CORTEX.items():
        keys = draw_keys(rng, MESHES[structure])
        names = name_keys(rng, keys, f"{side} region ")
        if kind == "annot":
            save_annot(f"{'lh' if side == 'L' else 'rh'}.atlas.annot", keys.clip(-1), {0: "unknown", **names})
        else:
            stored = [keys.astype(rng.choice(["i4", "f4", "i2"]))]
            save_gifti(f"atlas_hemi-{side}.label.gii", stored, primary=SIDES[side], intent=LABEL, table=names)
        regions += group(keys, [(structure, vertex) for vertex in range(len(keys))], names)
    return ("{hemi}.atlas.annot" if kind == "annot" else "atlas_hemi-{hemi}.label.gii"), regions


def find(points: Sequence[Point]) -> dict[Point, int]:
    """Return the position of each point; that of a voxel also without its structure."""
    positions = {point: number for number, point in enumerate(points)}
    return positions | {("", *point[1:]): number for point, number in positions.items() if len(point) > 2}


def expect(series: Series, regions: Sequence[Region], kept: np.ndarray, inside: set[Point] | None, options: dict):
    """Return the table of signals and the facts of the regions."""
    values = series.values[kept]
    is_finite = np.isfinite(values).all(axis=0)
    values = np.where(np.isfinite(values), values, 0.0)
    is_valid = is_finite & (np.ptp(values, axis=0) > 0)
    positions = find(series.points)
    signals, facts = {}, []
    for region in regions:
        is_there = np.array([point in positions for point in region.points], dtype=bool)
        there = np.array([positions[point] for point in region.points if point in positions], dtype=int)
        weights = region.weights[is_there]
        used = np.array([inside is None or series.points[place] in inside for place in there], dtype=bool)
        valid = used & is_valid[there]
        coverage = np.nan
        if region.points:
            in_view = weights.sum() / region.weights.sum()
            coverage = in_view * valid.sum() / max(len(there), 1)
        taken = valid if options.get("valid_voxels") else used
        is_covered = not coverage < options.get("min_coverage", 0) - 1e-12
        has_signal = taken.any() and is_covered
        signal = values[:, there[taken]] @ weights[taken] / weights[taken].sum() if taken.any() else np.nan
        signals[region.name] = signal if has_signal else np.full(len(values), np.nan)
        ratios = values[:, there[valid]].mean(axis=0) / values[:, there[valid]].std(axis=0)
        facts.append(
            {
                "index": region.key,
                "name": region.name,
                "n_vertices": sum(len(series.points[place]) == 2 for place in there),
                "n_voxels": sum(len(series.points[place]) > 2 for place in there),
                "n_valid": valid.sum(),
                "coverage": coverage,
                "mean": np.mean(signal),
                "tsnr": ratios.mean() if valid.any() else np.nan,
            }
        )
    return pd.DataFrame(signals), pd.DataFrame(facts)


def check_points(extracted: Extracted, series: Series, regions: Sequence[Region], kept: np.ndarray) -> None:
    """Check the columns of --as_voxels: region by region, in the order of the atlas."""
    positions = find(series.points)
    columns = [(region.name, positions[point]) for region in regions for point in region.points if point in positions]
    (path,) = Path("out").glob("*_vertices.tsv")
    table = read(path)
    assert table["column"].tolist() == extracted.signals.columns.tolist()
    assert table["region"].tolist() == [name for name, _ in columns]
    values = series.values[kept][:, [place for _, place in columns]]
    expected = np.where(np.isfinite(values), values, 0.0)
    np.testing.assert_allclose(extracted.signals.to_numpy(float), expected, rtol=1e-9, atol=1e-9)
    for row, (_, place) in zip(table.to_dict("records"), columns, strict=True):
        structure, *where = series.points[place]
        assert row["structure"] == structure
        if len(where) == 1:
            assert row["vertex"] == where[0]
        else:
            in_mm = nib.affines.apply_affine(TO_MM, where)
            np.testing.assert_allclose([row["x"], row["y"], row["z"]], in_mm, atol=0.01)


@pytest.mark.parametrize("seed", range(24))
def test_random_cases_have_the_numbers_of_numpy(folder, seed):
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.argwhere(np.ones(LATTICE)))
    volumes = dict(zip(VOLUMES, np.split(places[:100], [20, 45, 60]), strict=True))
    # Some places belong to another structure in the run than in the atlas: they are not the same point.
    of_run = dict(zip(VOLUMES, np.split(places[:100], [25, 40, 65]), strict=True))
    kind, n_volumes = KINDS[seed % len(KINDS)], int(rng.integers(5, 12))
    if rng.random() < 0.6:
        series = write_grayordinates(rng, of_run, n_volumes)
    else:
        series = write_surfaces(rng, ["L", "R"] if rng.random() < 0.7 else [str(rng.choice(["L", "R"]))], n_volumes)
    on_surfaces = kind in ("label.gii", "annot")
    roi_file, regions = write_surface_atlas(rng, kind) if on_surfaces else write_cifti_atlas(rng, kind, volumes)
    options: dict[str, object] = {"valid_voxels": True} if rng.random() < 0.3 else {}
    kept, inside = np.arange(n_volumes) >= 1, None
    options |= {"discard_scans": 1, "min_coverage": float(rng.choice([0, 0.2, 0.5]))}
    if rng.random() < 0.5:
        censored = np.arange(n_volumes) == rng.integers(1, n_volumes)
        np.savetxt("censor.txt", censored, fmt="%d")
        options["censor_file"], kept = "censor.txt", kept & ~censored
    as_voxels = kind != "weights" and rng.random() < 0.25
    if not as_voxels and rng.random() < 0.5:
        mask = draw_space(rng, volumes)
        is_inside = np.append(rng.random(len(mask.points) - 1) < 0.8, True)
        save_dscalar("mask.dscalar.nii", is_inside, mask.models)
        options["mask_img"] = "mask.dscalar.nii"
        inside = {point for point, is_in in zip(mask.points, is_inside, strict=True) if is_in}
    used = {*find([each for each in series.points if inside is None or each in inside])}
    assert used.intersection(point for region in regions for point in region.points), "these seeds have such points"
    inputs = {"input_files": series.files, "roi_file": roi_file}
    if as_voxels:
        del options["min_coverage"]
        check_points(extract_run("out", **inputs, **options, as_voxels=True), series, regions, kept)
        return
    extracted = extract_run("out", **inputs, **options)
    signals, facts = expect(series, regions, kept, inside, options)
    assert extracted.signals.columns.tolist() == signals.columns.tolist()
    np.testing.assert_allclose(extracted.signals.to_numpy(float), signals.to_numpy(float), rtol=1e-9, atol=1e-9)
    found = extracted.regions[facts.columns.tolist()]
    assert found[["index", "name"]].equals(facts[["index", "name"]])
    numbers = facts.columns[2:]
    np.testing.assert_allclose(found[numbers].to_numpy(float), facts[numbers].to_numpy(float), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_pair_hemispheres_alone_and_grayordinates_of_the_same_values_agree(folder, seed):
    rng = np.random.default_rng(seed)
    roi_file, _ = write_surface_atlas(rng, "label.gii")
    series = write_surfaces(rng, ["L", "R"], 6)
    order = rng.permutation(["L", "R"])
    models = make_models(*(Structure(CORTEX[side], np.arange(n := MESHES[CORTEX[side]]), n) for side in order))
    positions = find(series.points)
    places = [positions[each.name, vertex] for each in models.structures for vertex in each.points.tolist()]
    save_dtseries("all.dtseries.nii", series.values[:, places], models, dtype="<f8")
    pair, both, left, right = (
        extract_run(f"out{number}", input_files=files, roi_file=roi_file).signals
        for number, files in enumerate((series.files, "all.dtseries.nii", series.files[0], series.files[1]))
    )
    pd.testing.assert_frame_equal(pair, both, rtol=1e-12)
    pd.testing.assert_frame_equal(pair, left.fillna(right), rtol=1e-12)
