from __future__ import annotations

import inspect
import os
import subprocess
import sys
import typing

import numpy as np
import pytest
from atlas_files import error_of, label_image, put, put_aal, put_schaefer
from nilearn import datasets

from niimasker.errors import RegionsError
from niimasker.regions.atlases.fetching import fetch_atlas, remove_on_failure
from niimasker.regions.atlases.queries import is_atlas_query, parse_query
from niimasker.regions.atlases.sources import ATLASES

pytestmark = pytest.mark.usefixtures("no_network")


def fetcher_keywords():
    """Yield every keyword and value that the table hands to a fetcher."""
    for name, source in ATLASES.items():
        for parameter in source.parameters:
            for word, keywords in (parameter.words or {}).items():
                for keyword, value in keywords.items():
                    yield pytest.param(source.fetcher, keyword, value, id=f"{name}-{word}-{keyword}")


@pytest.mark.parametrize("name", ATLASES)
def test_fetcher_of_the_table_takes_a_folder_and_a_verbosity(name):
    parameters = inspect.signature(getattr(datasets, ATLASES[name].fetcher)).parameters
    assert {"data_dir", "verbose"} <= set(parameters)


@pytest.mark.parametrize(("fetcher", "keyword", "value"), list(fetcher_keywords()))
def test_keyword_of_the_table_is_a_parameter_of_the_fetcher_that_takes_the_value(fetcher, keyword, value):
    parameter = inspect.signature(getattr(datasets, fetcher)).parameters[keyword]
    if typing.get_origin(parameter.annotation) is typing.Literal:
        assert value in typing.get_args(parameter.annotation)
    if parameter.default is not inspect.Parameter.empty:
        assert type(value) is type(parameter.default)


@pytest.mark.parametrize("name", ATLASES)
def test_every_value_that_nilearn_annotates_can_be_asked_for(name):
    source = ATLASES[name]
    offered = [keywords for parameter in source.parameters for keywords in (parameter.words or {}).values()]
    parameters = inspect.signature(getattr(datasets, source.fetcher)).parameters
    for keyword in {keyword for keywords in offered for keyword in keywords}:
        if typing.get_origin(parameters[keyword].annotation) is typing.Literal:
            values = {keywords[keyword] for keywords in offered if keyword in keywords}
            assert values == set(typing.get_args(parameters[keyword].annotation))


@pytest.mark.parametrize("name", ATLASES)
def test_required_parameters_of_the_fetcher_are_required_by_the_table(name):
    source = ATLASES[name]
    needed = {
        keyword
        for keyword, parameter in inspect.signature(getattr(datasets, source.fetcher)).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    given = {
        keyword
        for parameter in source.parameters
        for keywords in (parameter.words or {}).values()
        for keyword in keywords
        if parameter.default is None
    }
    assert needed <= given


@pytest.mark.parametrize("name", ["harvard_oxford", "juelich"])
def test_fsl_atlas_names_are_those_in_the_fetchers_documentation(name):
    documentation = inspect.getdoc(getattr(datasets, ATLASES[name].fetcher))
    for atlas in ATLASES[name].parameters[0].words:
        assert f'"{atlas}"' in documentation


@pytest.mark.parametrize(
    ("roi_file", "expected"),
    [("nilearn:msdl", True), ("atlas.nii.gz", False), ("nilearn/atlas.nii", False), ("", False)],
)
def test_only_the_prefix_makes_a_query(roi_file, expected):
    assert is_atlas_query(roi_file) is expected


def test_wrong_query_touches_no_folder(atlas_dir):
    error_of("nilearn:schaefer:450", atlas_dir)
    assert not atlas_dir.exists()


def test_atlas_is_found_in_nilearns_own_folder(tmp_path):
    put_schaefer(tmp_path / "default", "only")
    assert fetch_atlas("nilearn:schaefer:100-7-2", None).names == {1: "only"}


ONE_QUERY_EACH = [
    "nilearn:aal",
    "nilearn:allen:rsn28",
    "nilearn:basc",
    "nilearn:craddock:200",
    "nilearn:destrieux",
    "nilearn:difumo",
    "nilearn:harvard_oxford:sub-prob-1mm",
    "nilearn:juelich:prob-1mm",
    "nilearn:msdl",
    "nilearn:pauli",
    "nilearn:schaefer",
    "nilearn:smith",
    "nilearn:talairach:ba",
    "nilearn:yeo",
]


def test_every_atlas_has_its_query_here():
    assert [parse_query(query, ATLASES).name for query in ONE_QUERY_EACH] == list(ATLASES)


@pytest.mark.parametrize("query", ONE_QUERY_EACH)
def test_without_network_the_error_names_atlas_folder_and_way_out(query, atlas_dir, capfd):
    message = error_of(query, atlas_dir)
    parsed = parse_query(query, ATLASES)
    folder = parsed.source.folder.format(**parsed.arguments)
    assert message.startswith(f"{query}: no usable copy in {atlas_dir / folder}, and none could be downloaded (")
    assert f"from nilearn.datasets import {parsed.source.fetcher}; {parsed.source.fetcher}(" in message
    assert f"copy the folder atlases/{folder} to {atlas_dir / folder}" in message
    assert "--atlas_dir" in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("query", ONE_QUERY_EACH)
def test_folder_that_the_error_names_is_the_one_that_nilearn_makes(query, atlas_dir):
    parsed = parse_query(query, ATLASES)
    with pytest.raises(OSError, match=r"connect|refused"):
        getattr(datasets, parsed.source.fetcher)(**parsed.arguments, data_dir=str(atlas_dir), verbose=0)
    assert [path.name for path in atlas_dir.iterdir() if path.is_dir()] == [
        parsed.source.folder.format(**parsed.arguments)
    ]


def test_call_in_the_error_is_what_the_query_means(atlas_dir):
    assert "fetch_atlas_schaefer_2018(n_rois=400, yeo_networks=17, resolution_mm=2, data_dir='atlases')\"" in error_of(
        "nilearn:schaefer:400-17-2", atlas_dir
    )


def test_call_in_the_error_is_python(atlas_dir, tmp_path):
    message = error_of("nilearn:yeo:thin_17", atlas_dir)
    code = message.split('python -c "')[1].split('" and copy')[0]
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "RequestException" in run.stderr
    assert (tmp_path / "atlases" / "yeo_2011").is_dir()


def test_without_atlas_dir_the_error_names_nilearns_own_folders(tmp_path):
    first, second = tmp_path / "default" / "msdl_atlas", tmp_path / "home" / "nilearn_data" / "msdl_atlas"
    assert f"no usable copy in {first} or {second}, and" in error_of("nilearn:msdl", None)


def test_failed_fetch_keeps_the_cause(atlas_dir):
    with pytest.raises(RegionsError) as caught:
        fetch_atlas("nilearn:smith", atlas_dir)
    assert isinstance(caught.value.__cause__, OSError)
    assert "ProxyError" in str(caught.value)


def test_failed_fetch_leaves_no_folder_that_hides_a_full_one(tmp_path):
    error_of("nilearn:schaefer:100-7-2", None)
    put_schaefer(tmp_path / "home" / "nilearn_data", "only")
    assert fetch_atlas("nilearn:schaefer:100-7-2", None).names == {1: "only"}


def test_failed_fetch_leaves_files_that_were_there(atlas_dir):
    put_schaefer(atlas_dir, "only")
    before = sorted(atlas_dir.rglob("*"))
    error_of("nilearn:schaefer:200-7-2", atlas_dir)
    assert sorted(path for path in atlas_dir.rglob("*") if path.name != "README.md") == before


def test_interrupted_fetch_leaves_no_half_unpacked_file(atlas_dir):
    folder = atlas_dir / "msdl_atlas"
    other = folder / ("a" * 32)
    put(other / "part", "of another process")
    put(folder / "MSDL_rois" / "msdl_rois_labels.csv", "complete")

    def interrupted_unpacking():
        with remove_on_failure([folder]):
            put(folder / ("b" * 32) / "MSDL_rois" / "msdl_rois.nii", "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_unpacking()
    assert sorted(path.name for path in folder.iterdir()) == ["MSDL_rois", "a" * 32]


def test_read_only_folder_without_the_files_is_an_error_that_names_it(atlas_dir):
    folder = atlas_dir / "schaefer_2018"
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    message = error_of("nilearn:schaefer:100-7-2", atlas_dir)
    assert f"no usable copy in {folder}" in message
    assert "read-only" in message


def test_damaged_label_file_is_an_error_that_says_to_replace_it(atlas_dir):
    put_aal(atlas_dir, label_image(1), only=1)
    put(atlas_dir / "aal_SPM12" / "aal" / "atlas" / "AAL.xml", "<?xml version='1.0'?><atlas><data><lab")
    message = error_of("nilearn:aal", atlas_dir)
    assert "(ParseError: " in message
    assert "replacing what is there" in message


def test_damaged_image_is_an_error_that_says_to_replace_it(atlas_dir):
    # Noise does not compress: the header survives the cut, the voxels do not.
    put_schaefer(atlas_dir, "only", voxels=np.random.default_rng(0).integers(0, 9999, (20, 21, 22), dtype=np.int16))
    image = next((atlas_dir / "schaefer_2018").glob("*.nii.gz"))
    image.write_bytes(image.read_bytes()[:9000])
    message = error_of("nilearn:schaefer:100-7-2", atlas_dir)
    # nibabel reads with indexed_gzip where that is installed, and the two say it differently.
    assert "(EOFError: " in message or "(OSError: Expected 18480 bytes" in message
    assert "replacing what is there" in message


def test_web_page_in_place_of_an_image_is_an_error_that_says_to_replace_it(atlas_dir):
    put(atlas_dir / "smith_2009" / "rsn20.nii.gz", "<html>log in to the network first</html>")
    assert "replacing what is there" in error_of("nilearn:smith:20", atlas_dir)
