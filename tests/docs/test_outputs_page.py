"""The pages of outputs, connectivity, reports and Python name every file, column, key and attribute."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pandas as pd
from compared_pipelines import make_correlations, write_study
from documentation import IMAGE, ON_THE_EXAMPLE, PAGES, blocks, code_in, names_in, table
from group_members import make_edges, write_members
from surface_regions import make_weights, split_into_points
from surface_runs import IMAGE as SURFACE_IMAGE
from surface_runs import SurfaceRun

from niimasker import errors
from niimasker.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_RUN_FAILED, EXIT_WRONG_USE
from niimasker.group.comparison_table import comparison_table
from niimasker.group.connectivity import make_groups
from niimasker.group.tables import edges_table, groups_table
from niimasker.options.merging import make_settings
from niimasker.options.settings import CONNECTIVITY_KINDS
from niimasker.outputs.naming import STATISTICS, Tables
from niimasker.outputs.outcomes import DONE, EXCLUDED, FAILED, NOT_STARTED, SKIPPED, Outcome
from niimasker.outputs.results import Result
from niimasker.outputs.study_names import name_comparison_files, name_group_files
from niimasker.regions.atlas_names import name_atlases
from niimasker.regions.placing.weights import (
    CONSTANT,
    LOST_IN_RESAMPLING,
    NO_FINITE_POINT,
    NO_POINT_IN_MASK,
    NO_SIGNAL,
    NOT_IN_ATLAS,
    OK,
    OUTSIDE_IMAGE,
    OUTSIDE_MASK,
)
from niimasker.signals.coverage import NO_PERCENT

BIDS_OUTPUT = "bids_output"


def as_described(path: Path, folder: Path) -> str:
    """A file's name as the table of outputs writes it."""
    name = path.relative_to(folder).as_posix()
    stem = r"sub-0[12]_task-rest_space-(MNI152NLin2009aSym_desc-preproc|fsaverage5)_bold"
    name = re.sub(rf"^(reports/)?{stem}(_desc-(simple|scrubbing5|raw|9P\+scrub))?(_atlas-.*(?=_))?", r"\1<image>", name)
    name = re.sub(r"_connectivity-[a-z]+_", "_connectivity-<kind>_", name)
    name = re.sub(r"^reports/assets/.*", "reports/assets/", name)
    name = re.sub(r"^niimasker_data/spheres_img_seeds\.", "niimasker_data/spheres_img_<atlas>.", name)
    return re.sub(r"^niimasker_data/(tpl|sub|seeds).*", "niimasker_data/<roi file>", name)


def test_files_written_are_those_that_are_described(example):
    folders = [example.output(name) for name in ON_THE_EXAMPLE if name != BIDS_OUTPUT]
    files = [
        as_described(path, folder)
        for folder in [example.folder / "example_output", *folders]
        for path in folder.rglob("*")
        if path.is_file()
        and "data" not in path.relative_to(folder).parts
        and not path.name.startswith("standard_deviation.")
    ]
    assert set(files) == set(names_in("file", "content"))


def paths_in_tree() -> list[str]:
    """The files and folders without content that the tree of a BIDS derivative shows."""
    (tree,) = (block for block in blocks("text") if block.startswith(f"{BIDS_OUTPUT}/"))
    paths, folders = [], []
    for line in tree.splitlines():
        name = line.strip()
        folders = [*folders[: (len(line) - len(name)) // 2], name]
        paths.append("".join(folders).removeprefix(f"{BIDS_OUTPUT}/"))
    return [path for path in paths if path and not any(other.startswith(path) and other != path for other in paths)]


def test_tree_of_a_bids_derivative_is_what_is_written(example):
    folder = example.output(BIDS_OUTPUT)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    # Folders that the tree does not open.
    closed = {"niimasker_data/", "reports/", "sub-02/func/..."}
    shown = {path.as_posix() for path in files if path.parts[0] not in ("niimasker_data", "reports", "sub-02")}
    assert set(paths_in_tree()) == shown | closed
    both = [{path.name[6:] for path in files if path.parts[0] == subject} for subject in ("sub-01", "sub-02")]
    assert both[0] == both[1]


def test_names_of_atlases_are_the_codes():
    for row in table("`--roi_file`", "in the names of outputs"):
        (roi_file,), (name,) = map(code_in, row)
        settings = make_settings(
            {"output_dir": "out", "input_files": "a.nii", "roi_file": roi_file, "output_layout": "bids"}
        )
        assert name_atlases(settings) == (name.removeprefix("atlas-"),)


def test_statistics_of_connectivity_are_the_codes():
    assert dict(table("`--connectivity`", "`stat-`")) == STATISTICS


def test_kinds_of_connectivity_are_the_codes():
    assert [row[0] for row in table("`--connectivity`", "estimate")] == list(CONNECTIVITY_KINDS)


def test_columns_of_regions_are_those_that_are_described(example):
    header = example.lines(f"example_output/{IMAGE}_regions.tsv", 1)[0]
    assert names_in("column of `_regions.tsv`", "meaning") == header


def test_every_status_of_a_region_is_named():
    *others, coverage = names_in("status", "column of the region")
    on_surfaces = [NO_POINT_IN_MASK, NOT_IN_ATLAS, NO_FINITE_POINT]
    of_volumes = [OK, OUTSIDE_IMAGE, LOST_IN_RESAMPLING, OUTSIDE_MASK, NO_SIGNAL, CONSTANT, NO_PERCENT]
    assert sorted(others) == sorted([*of_volumes, *on_surfaces])
    assert coverage.startswith("coverage")


def test_columns_on_surfaces_are_those_that_are_described(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = pd.read_csv(SurfaceRun(make_weights()).write().regions_path, sep="\t")
    of_volumes = names_in("column of `_regions.tsv`", "meaning")
    on_surfaces = names_in("column of `_regions.tsv` on surfaces", "meaning")
    assert [name for name in written if name not in of_volumes] == [on_surfaces[0], on_surfaces[1]]
    assert {*written} == {*of_volumes, *on_surfaces}
    points = pd.read_csv(SurfaceRun(split_into_points(make_weights()), as_voxels=True).write().points_path, sep="\t")
    (sentence,) = re.findall(r"the point of each column\s+lies: (.*?) in mm\.", PAGES["outputs"], re.DOTALL)
    assert code_in(sentence) == list(points)


def test_keys_of_a_sidecar_on_surfaces_are_those_that_are_described(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_surfaces = json.loads(SurfaceRun(make_weights()).write().sidecar_path.read_text("utf-8"))
    keys = {*of_surfaces} - {*names_in("key of `_timeseries.json`", "content"), *make_weights().names}
    assert keys == {"Density"}
    assert "one more key, `Density`" in PAGES["outputs"]


def test_cifti_files_are_those_that_are_described(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"cifti_out": True, "connectivity": "pearson"}
    plain, bids = (SurfaceRun(make_weights(), output_layout=each, **options).write() for each in ("flat", "bids"))
    names = [as_described(path, Path("out")) for path in (plain.ptseries_path, *plain.pconn_paths)]
    assert [name.replace(SURFACE_IMAGE, "<image>") for name in names] == names_in("CIFTI file", "content")
    for path in (bids.ptseries_path, *bids.pconn_paths):
        assert f"`_stat-{path.name.partition('_stat-')[2]}`" in PAGES["outputs"]


def test_keys_of_the_sidecar_are_those_that_are_described(example):
    of_pipeline = example.output("pipelines_output") / f"{IMAGE}_desc-simple_timeseries.json"
    keys = [*json.loads(of_pipeline.read_text("utf-8"))]
    of_run = keys[: keys.index("Fingerprint") + 1]
    assert names_in("key of `_timeseries.json`", "content") == [*of_run, "<column>"]
    facts = json.loads((example.folder / f"example_output/{IMAGE}_timeseries.json").read_text("utf-8"))
    assert {*of_run} - {*facts} == {"Pipeline"}
    of_run = [*facts][: [*facts].index("Fingerprint") + 1]
    assert [*facts][len(of_run) :] == example.lines(f"example_output/{IMAGE}_timeseries.tsv", 1)[0]


def test_keys_beside_a_matrix_are_those_that_are_described(example):
    sidecar_path = example.output("connectivity_output") / f"{IMAGE}_connectivity-pearson_relmat.json"
    facts = json.loads(sidecar_path.read_text("utf-8"))
    assert names_in("key of `_relmat.json`", "content") == list(facts)


def test_columns_of_the_summary_are_those_that_are_described(example):
    header = example.lines("example_output/niimasker_data/summary.tsv", 1)[0]
    assert names_in("column of `summary.tsv`", "meaning") == header


def test_columns_of_outliers_are_those_that_are_described(example):
    meaning = dict(table("file", "content"))["`<image>_outliers.tsv`"]
    assert code_in(meaning) == example.lines(f"example_output/{IMAGE}_outliers.tsv", 1)[0]


def test_columns_of_voxels_are_those_that_are_described(example):
    meaning = dict(table("file", "content"))["`<image>_voxels.tsv`"]
    header = (example.output("voxels_output") / f"{IMAGE}_voxels.tsv").read_text("utf-8").splitlines()[0]
    assert set(header.split("\t")) <= set(re.findall(r"\w+", meaning))


def test_every_exit_code_is_described():
    codes = [int(row[0]) for row in table("exit code", "meaning")]
    assert codes == [EXIT_DONE, EXIT_RUN_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED]


def test_files_and_columns_of_a_group_are_those_that_are_described(tmp_path):
    files = name_group_files(Path("out"))
    paths = [path.relative_to("out").as_posix() for path in (files.page_path, files.numbers_path, files.edges_path)]
    assert names_in("file of the group", "content") == paths
    groups = list(make_groups(write_members(tmp_path, *make_edges(10)), ["pearson"]))
    for name, written in (("group.tsv", groups_table(groups)), ("group_edges.tsv", edges_table(groups))):
        assert names_in(f"column of `{name}`", "meaning") == list(written.columns)


def test_files_and_columns_of_a_comparison_are_those_that_are_described(tmp_path):
    files = name_comparison_files(Path("out"))
    paths = [path.relative_to("out").as_posix() for path in (files.page_path, files.numbers_path)]
    assert names_in("file of the comparison", "content") == paths
    table_written = comparison_table(write_study(tmp_path, *make_correlations()).compare())
    assert names_in("column of `pipelines.tsv`", "meaning") == list(table_written.columns)


def test_every_status_of_a_run_is_named():
    statuses = [DONE, EXCLUDED, FAILED, NOT_STARTED]
    assert code_in(dict(table("column of `summary.tsv`", "meaning"))["`status`"])[:4] == statuses
    of_outcome = code_in(dict(table("attribute of an outcome", "meaning"))["`status`"])
    assert of_outcome[:5] == [DONE, SKIPPED, *statuses[1:]]


def test_attributes_of_an_outcome_exist():
    attributes = {field.name for field in dataclasses.fields(Outcome)} | {"status", "tables"}
    assert set(names_in("attribute of an outcome", "meaning")) <= attributes


def test_attributes_of_tables_are_the_codes():
    names = names_in("attribute of an entry of `tables`", "file")
    assert names == [field.name for field in dataclasses.fields(Tables)]


def test_numbers_of_a_result_have_the_names_of_the_summary():
    numbers = {field.name for field in dataclasses.fields(Result)} - {"tables", "warnings", "report_path", "exclusion"}
    assert numbers <= set(names_in("column of `summary.tsv`", "meaning"))


def test_every_error_is_described():
    kinds = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, (errors.NiimaskerError, errors.NiimaskerWarning))
    ]
    assert re.findall(r"autoexception:: (\w+)", PAGES["api"]) == kinds
