"""A call with pipelines writes what their single calls write, in whatever order, number of processes and format."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from cleaned_studies import OPTIONS, PIPELINES, WORDS, make_volumes, write_study
from images import save
from pipeline_tables import (
    assert_as_alone,
    call,
    extract_quietly,
    files_of,
    only_tables,
    results_in,
    sidecars_of,
    tables_of,
    write_pipelines,
)

NAMES = list(PIPELINES)


def extract_pipelines(output_dir="out", pipelines=PIPELINES, **options):
    """Extract the study, all of whose runs must be done."""
    outcomes = extract_quietly(output_dir, **OPTIONS, pipelines=pipelines, **options)
    assert [outcome.reason for outcome in outcomes] == [None] * len(outcomes)
    return outcomes


def test_each_pipeline_is_its_own_call(study):
    outcomes = extract_pipelines()
    assert [outcome.run.pipeline for outcome in outcomes] == NAMES * 2
    for name, cleaning in PIPELINES.items():
        extract_quietly(f"{name} alone", **{**OPTIONS, **cleaning})
        assert_as_alone("out", name, f"{name} alone")
        assert {sidecar["Pipeline"] for sidecar in sidecars_of("out", name)} == {name}


def test_outcomes_lead_to_the_tables_of_their_pipelines(study):
    for outcome in extract_pipelines():
        sidecar = json.loads(outcome.tables[0].sidecar_path.read_text("utf-8"))
        assert sidecar["Pipeline"] == outcome.run.pipeline
        image = Path(outcome.run.image_path).name.removesuffix(".nii")
        label = outcome.run.pipeline.replace(".", "")
        assert Path(outcome.tables[0].signals_path).name == f"{image}_desc-{label}_timeseries.tsv"


def test_order_of_pipelines_changes_no_file(study):
    extract_pipelines()
    extract_pipelines("backwards", dict(reversed(PIPELINES.items())))
    assert results_in("backwards") == results_in("out")


@pytest.mark.parametrize("names", [NAMES[:1], NAMES[1:], NAMES[::2]], ids=" ".join)
def test_other_pipelines_change_no_file(study, names):
    extract_pipelines()
    extract_pipelines("some", {name: PIPELINES[name] for name in names})
    for name in names:
        assert files_of("some", name) == files_of("out", name)


def test_processes_change_no_byte(folder):
    write_study(3)
    file = write_pipelines("pipelines.json", PIPELINES)
    for n_jobs in (1, 2):
        assert call(n_jobs, *WORDS, "--pipelines", file, "--n_jobs", n_jobs).code == 0
    assert results_in("1") == results_in("2")
    assert len(only_tables(results_in("1"))) == 3 * (2 + 3 + 5)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cluster_writes_the_same_bytes(study):
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    file = write_pipelines("pipelines.json", PIPELINES)
    assert call("out", *WORDS, "--pipelines", file).code == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        words = ["--pipelines", file, "--scheduler", cluster.scheduler_address]
        assert call("there", *WORDS, *words).code == 0
    assert results_in("there") == results_in("out")


def test_without_pipelines_all_is_as_before(study):
    assert call("out", *WORDS, "--regressors", "csf").code == 0
    extract_quietly("python", **OPTIONS, regressors="csf", pipelines=[])
    assert results_in("python") == results_in("out")
    assert not [path for path in results_in("out") if "desc-" in path]
    assert all("Pipeline" not in json.loads(path.read_text()) for path in Path("out").glob("*_timeseries.json"))


class TestForms:
    """The same pipelines from a file, from the JSON file of a call, and from Python."""

    @pytest.fixture
    def expected(self, study) -> dict[str, bytes]:
        extract_pipelines("expected")
        return results_in("expected")

    def test_json_object(self, expected):
        config = {**OPTIONS, "pipelines": PIPELINES, "no_report": True}
        Path("config.json").write_text(json.dumps(config))
        assert call("out", "-c", "config.json").code == 0
        assert results_in("out") == expected

    def test_json_file_on_the_command_line(self, expected):
        assert call("out", *WORDS, "--pipelines", write_pipelines("pipelines.json", PIPELINES)).code == 0
        assert results_in("out") == expected

    def test_several_files(self, expected):
        files = [write_pipelines(f"{number}.json", {name: PIPELINES[name]}) for number, name in enumerate(NAMES)]
        assert call("out", *WORDS, "--pipelines", *files).code == 0
        assert results_in("out") == expected

    def test_list_of_a_file_and_objects(self, expected):
        first = write_pipelines("first.json", {NAMES[0]: PIPELINES[NAMES[0]]})
        objects = [{name: PIPELINES[name]} for name in NAMES[1:]]
        extract_pipelines("out", [first, *objects])
        assert results_in("out") == expected
        config = {**OPTIONS, "pipelines": [first, *objects], "no_report": True}
        Path("config.json").write_text(json.dumps(config))
        assert call("again", "-c", "config.json").code == 0
        assert results_in("again") == expected

    def test_file_beside_a_preset(self, expected):
        assert call("out", *WORDS, "--pipelines", write_pipelines("a.json", PIPELINES), "simple").code == 0
        extract_quietly("preset", **OPTIONS, pipelines="simple")
        both = {**expected, **results_in("preset")}
        assert results_in("out") == both
        assert len(tables_of("out", "simple")) >= 2 * 3

    def test_a_value_replaces_that_of_the_call(self, study):
        options = {"detrend": True, "standardize": True, "high_pass": 0.01, "regressors": ["csf"]}
        undone = {"detrend": False, "standardize": False, "high_pass": None, "regressors": []}
        extract_pipelines(pipelines={"all": {}, "none": undone}, **options)
        for name, alone in {"all": options, "none": {}}.items():
            extract_quietly(name, **OPTIONS, **alone)
            assert tables_of("out", name) == only_tables(results_in(name))


def bytes_read() -> int:
    """Return how much this process has read so far."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("the system does not say how much a process reads")
    return int(counters.read_text().split()[1])


def test_image_is_read_once_for_all_pipelines(study):
    image = save(Path("sub-01_task-rest_bold.nii"), np.tile(make_volumes(np.random.default_rng(0)), (8, 8, 4, 1)))
    Path("sub-02_task-rest_bold.nii").unlink()
    save(Path("atlas.nii"), np.ones((40, 48, 28), dtype=np.int16))
    pipelines = {f"p{number}": {"detrend": number % 2 == 0, "standardize": number > 2} for number in range(6)}
    extract_pipelines("warm", {"one": {}})
    n_read = []
    for number in (1, 6):
        before = bytes_read()
        extract_pipelines(f"{number}", dict(list(pipelines.items())[:number]))
        n_read.append(bytes_read() - before)
    if n_read[0] < image.stat().st_size:
        pytest.skip("the image is mapped into memory, which is not counted")
    assert n_read[1] < 1.2 * n_read[0]


def open_files() -> int:
    """Return how many files this process has open."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_no_file_is_left_open_or_behind(study):
    extract_pipelines("warm")
    before = open_files()
    extract_pipelines()
    assert not list(Path("out").rglob(".niimasker-*"))
    assert open_files() <= before
