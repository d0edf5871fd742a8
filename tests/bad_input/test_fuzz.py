"""Whatever the files and options hold, a command ends with 0, 1 or 2, without a traceback, within 10 s and 1 GB."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from commands import LABELS, MOTION, RUN, run, write_study
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from images import N_VOLUMES, make_series

from niimasker.options.settings import OPTIONS

# What other libraries warn of is shown to nobody; the tests' rule that makes it an error would hide what happens next.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("default")]

# NIIMASKER_FUZZ=100 draws a hundred times as many examples, and others at each call.
_TIMES = int(os.environ.get("NIIMASKER_FUZZ", "0"))


def fuzz(n_examples: int) -> settings:
    """Return how a property is tested: the same examples always, none of them over 10 s."""
    return settings(
        max_examples=n_examples * max(1, _TIMES),
        derandomize=not _TIMES,
        database=None,
        deadline=10_000,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The current folder, with a small study."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_study(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # Everything is imported before what is used is counted.
        run(*RUN[:5], "--regressor_files", "confounds.tsv", "--regressors", "compcor", "high_pass", "--detrend")
        with bounded(2**30):
            yield folder


@contextlib.contextmanager
def bounded(n_bytes: int) -> Iterator[None]:
    """Let this process have no more address space than some bytes beyond what it has now."""
    if sys.platform != "linux":
        yield
        return
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def assert_ends_well(*words: str) -> None:
    """Run a command and check that it ends as a user expects."""
    result = run(*words)
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err
    assert "unexpected" not in result.err
    if result.code == 2:
        assert [line for line in result.failures if line.startswith("niimasker: error: ")] == result.failures[-1:]
    if result.code == 1:
        assert any(line.startswith("niimasker: failed: ") for line in result.failures)
    assert not list(Path().rglob(".niimasker-*"))


# Images

HOSTILE_INTEGERS = st.one_of(
    st.integers(-3, 12), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**15 - 1, -(2**15), 2**31 - 1, 2**40])
)
HOSTILE_NUMBERS = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, -1.0, 1e-30, 1e30, 352.0, 351.0, 348.0, 2**31, -352.0, 1e15, float("nan"), float("inf")]),
)


def header_fields(dtype: np.dtype) -> st.SearchStrategy[dict[str, object]]:
    """Return values for a few fields of a header."""
    fields = [st.tuples(st.just(name), field_value(dtype[name])) for name in dtype.names]
    return st.lists(st.one_of(fields), min_size=1, max_size=4).map(dict)


def field_value(dtype: np.dtype) -> st.SearchStrategy[object]:
    base, shape = dtype.subdtype or (dtype, ())
    n = int(np.prod(shape))
    if base.kind in "iu":
        limits = np.iinfo(base)
        one = HOSTILE_INTEGERS.map(lambda value: min(max(value, limits.min), limits.max))
    elif base.kind == "f":
        one = HOSTILE_NUMBERS
    else:
        one = st.binary(max_size=base.itemsize)
    return st.lists(one, min_size=n, max_size=n) if shape else one


KLASSES = {"nifti1": nib.Nifti1Image, "nifti2": nib.Nifti2Image}
HEADERS = st.sampled_from(sorted(KLASSES)).flatmap(
    lambda name: st.tuples(st.just(name), header_fields(KLASSES[name].header_class.template_dtype))
)
VALUES = {
    "image": make_series(LABELS).astype(np.float32),
    "atlas": LABELS,
    "mask": (LABELS > 0).astype(np.uint8),
    "maps": np.stack([index == LABELS for index in (1, 2, 5)], axis=-1).astype(np.float32),
}
WORDS = {
    "image": ("out", "-i", "{}", "-r", "atlas.nii.gz", "--no_report"),
    "atlas": ("out", "-i", "bold.nii.gz", "-r", "{}", "--no_report"),
    "mask": (*RUN, "-m", "{}"),
    "maps": ("out", "-i", "bold.nii.gz", "-r", "{}", "--no_report"),
}
ROLES = st.sampled_from(sorted(VALUES))
SUFFIXES = st.sampled_from([".nii", ".nii.gz"])


def image_bytes(role: str, name: str = "nifti1") -> bytes:
    """Return a valid image for a role."""
    img = KLASSES[name](VALUES[role], nib.load("atlas.nii.gz").affine)
    img.header["pixdim"][4] = 2.0
    return img.to_bytes()


def write_image(content: bytes, suffix: str) -> str:
    """Write what should be an image."""
    path = Path(f"hostile{suffix}")
    path.write_bytes(gzip.compress(content, 1) if suffix.endswith(".gz") else content)
    return str(path)


def words_for(role: str, name: str) -> list[str]:
    """Return the command that takes a file for a role."""
    return [word.format(name) for word in WORDS[role]]


@fuzz(80)
@given(role=ROLES, header=HEADERS, suffix=SUFFIXES)
@example(role="image", header=("nifti1", {"xyzt_units": 4}), suffix=".nii")
@example(role="image", header=("nifti1", {"xyzt_units": 32}), suffix=".nii")
@example(role="image", header=("nifti1", {"vox_offset": float("inf")}), suffix=".nii")
@example(role="image", header=("nifti1", {"vox_offset": float("-inf")}), suffix=".nii")
def test_any_header(role, header, suffix):
    name, fields = header
    content = bytearray(image_bytes(role, name))
    record = np.frombuffer(content, KLASSES[name].header_class.template_dtype, count=1)
    for field, value in fields.items():
        record[field] = value
    assert_ends_well(*words_for(role, write_image(bytes(content), suffix)))


@fuzz(40)
@given(role=ROLES, suffix=SUFFIXES, data=st.data())
def test_any_bytes_in_a_valid_image(role, suffix, data):
    content = bytearray(image_bytes(role))
    if suffix.endswith(".gz"):
        content = bytearray(gzip.compress(bytes(content), 1))
    places = st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        content[place] = value
    stop = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = Path(f"hostile{suffix}")
    path.write_bytes(content[:stop])
    assert_ends_well(*words_for(role, str(path)))


@fuzz(30)
@given(role=ROLES, suffix=st.sampled_from([".nii", ".nii.gz", ".nii.bz2", ".hdr", ".img", ".tsv", ""]), data=st.data())
def test_any_bytes_as_an_image(role, suffix, data):
    magic = data.draw(st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"BZh9", b"\x5c\x01\x00\x00", b"\x1c\x02\x00\x00"]))
    path = Path(f"hostile{suffix}")
    path.write_bytes(magic + data.draw(st.binary(max_size=800)))
    assert_ends_well(*words_for(role, str(path)))


# Tables

CELLS = st.one_of(
    st.sampled_from(["n/a", "", "nan", "inf", "-1e308", "1e400", "1_0", '"', "'", "0", "1", "TRUE", "²", "٣", "1,5"]),
    st.floats().map(repr),
    st.integers().map(str),
    st.text(max_size=8),
)
NAMES = st.one_of(
    st.sampled_from([*MOTION, "framewise_displacement", "std_dvars", "index", "name", "x", "y", "z", "cosine00", ""]),
    st.sampled_from(["non_steady_state_outlier00", "a_comp_cor_00", "Label", "csf", "global_signal"]),
    st.text(max_size=6),
)
TABLES = {
    "confounds": ("--regressor_files", "{}", "--scrub"),
    "strategy": (
        "--regressor_files",
        "{}",
        "--regressors",
        "motion",
        "compcor",
        "high_pass",
        "--discard_scans",
        "auto",
    ),
    "censor": ("--censor_file", "{}"),
    "labels": ("--labels", "{}"),
    "seeds": ("-r", "{}", "--radius", "6"),
}
TABLE_SUFFIXES = st.sampled_from([".tsv", ".csv", ".txt"])


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Return a table's text, mostly with as many rows as the image has volumes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=draw(st.booleans())))
    n_rows = draw(st.sampled_from([0, 1, 2, 3, N_VOLUMES, N_VOLUMES, N_VOLUMES]))
    n_cells = draw(st.sampled_from([len(names)] * 4 + [len(names) + 1]))
    # Columns of one kind of cell, so that many get past the first check.
    columns = [
        draw(
            st.one_of(
                st.lists(st.floats(-10, 10).map(repr), min_size=n_rows, max_size=n_rows),
                st.lists(st.integers(0, 5).map(str), min_size=n_rows, max_size=n_rows),
                st.lists(CELLS, min_size=n_rows, max_size=n_rows),
            )
        )
        for _ in range(n_cells)
    ]
    separator = draw(st.sampled_from(["\t", "\t", ",", " "]))
    return "\n".join(separator.join(row) for row in [names, *zip(*columns, strict=True)])


def assert_table_ends_well(role: str, content: bytes, suffix: str) -> None:
    path = Path(f"hostile{suffix}")
    path.write_bytes(content)
    words = [word.format(path) for word in TABLES[role]]
    base = RUN[:3] + RUN[5:] if role == "seeds" else RUN
    assert_ends_well(*base, *words)


@fuzz(80)
@given(role=st.sampled_from(sorted(TABLES)), text=tables(), suffix=TABLE_SUFFIXES)
def test_any_table(role, text, suffix):
    assert_table_ends_well(role, text.encode("utf-8", "surrogatepass"), suffix)


@fuzz(40)
@given(role=st.sampled_from(sorted(TABLES)), content=st.binary(max_size=300), suffix=TABLE_SUFFIXES)
def test_any_bytes_as_a_table(role, content, suffix):
    assert_table_ends_well(role, content, suffix)


# JSON

JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
# Texts that are valid would start a cluster, processes or a download, which other tests do.
OFFLINE = [option for option in OPTIONS if option.name not in ("output_dir", "scheduler", "n_jobs", "timeout")]
ANY_OPTION = st.sampled_from([option.name for option in OFFLINE])
VALUE_OF_AN_OPTION = st.one_of(
    JSON_VALUES,
    st.integers(0, 20),
    st.floats(0, 1),
    st.sampled_from(
        ["mask.nii.gz", "atlas.nii.gz", "seeds.tsv", "confounds.tsv", "censor.txt", "auto", "\ud800*", "*"]
    ),
    st.lists(st.sampled_from(["motion", "compcor", "cosine*", "[", "scrub", "n_compcor=x", "Params24"]), max_size=3),
)
BASE = {"input_files": "bold.nii.gz", "roi_file": "atlas.nii.gz", "no_report": True}


@fuzz(80)
@given(
    options=st.dictionaries(ANY_OPTION, VALUE_OF_AN_OPTION, max_size=3),
    has_confounds=st.booleans(),
)
@example(options={"input_files": "\ud800*"}, has_confounds=False)
def test_any_value_of_any_option(options, has_confounds):
    confounds = {"regressor_files": "confounds.tsv"} if has_confounds else {}
    Path("config.json").write_text(json.dumps({**BASE, **confounds, **options}))
    assert_ends_well("out", "-c", "config.json")


@fuzz(40)
@given(
    content=st.one_of(
        st.binary(max_size=100),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.text('{}[]":,\\ntrue0123eE.+-', max_size=30).map(str.encode),
    )
)
def test_any_bytes_as_json(content):
    Path("config.json").write_bytes(content)
    assert_ends_well(*RUN, "-c", "config.json")


@fuzz(40)
@given(role=st.sampled_from(["confounds.json", "bold.json"]), value=st.one_of(JSON_VALUES, st.just({})), data=st.data())
def test_any_json_beside_confounds_and_image(role, value, data):
    keys = st.sampled_from(["RepetitionTime", "a_comp_cor_00", "a_comp_cor_01", "Mask", "Method"])
    inner = st.dictionaries(st.sampled_from(["Mask", "Method", "Retained"]), JSON_VALUES, max_size=3)
    described = data.draw(st.one_of(st.just(value), st.dictionaries(keys, JSON_VALUES | inner, max_size=3)))
    path, kept = Path(role), Path(role).read_bytes() if Path(role).exists() else None
    path.write_text(json.dumps(described))
    try:
        words = ("--regressor_files", "confounds.tsv", "--regressors", "compcor", "high_pass")
        assert_ends_well(*RUN, *words)
    finally:
        path.unlink() if kept is None else path.write_bytes(kept)
