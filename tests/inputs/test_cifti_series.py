"""Blocks of series: the file's own numbers, in bounded memory, or an error that counts grayordinates."""

from __future__ import annotations

import gzip
import hashlib
import threading
import tracemalloc

import numpy as np
import pytest
from cifti_images import N_POINTS, brain_models, make_parts, series_axis
from hypothesis import given
from hypothesis import strategies as st

from niimasker.errors import BrokenImageError
from niimasker.inputs.cifti.files import open_cifti_series
from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.storage import GrayordinateStorage

N_VOLUMES = 12
SERIES = np.random.default_rng(0).integers(0, 128, (N_VOLUMES, N_POINTS))
SUFFIXES = [".nii", ".nii.gz", ".nii.bz2"]
TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def write(path, stored, **scaling):
    return make_parts(stored, (series_axis(N_VOLUMES), brain_models()), **scaling).write(path)


def storage(path):
    return open_cifti_series(path).storage


def read(storage, **options):
    """Return all blocks as one array; each is valid until the next one is asked for."""
    firsts, blocks = zip(*((first, block.copy()) for first, block in iter_series(storage, **options)), strict=True)
    assert list(firsts) == np.cumsum([0, *map(len, blocks[:-1])]).tolist()
    return np.concatenate(blocks)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", TYPES)
def test_blocks_hold_the_numbers_of_the_file_in_its_own_type(tmp_path, code, order, suffix):
    stored = SERIES.astype(order + code)
    found = storage(write(tmp_path / f"run.dtseries{suffix}", stored))
    assert {block.dtype for _, block in iter_series(found)} == {stored.dtype}
    np.testing.assert_array_equal(read(found, block_bytes=4 * 8 * N_VOLUMES), SERIES.T)


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -3), (0.0, 7), (np.nan, np.nan), (1, 0), (1, 4)])
def test_scaling_is_that_of_the_header(tmp_path, slope, intercept):
    path = write(tmp_path / "run.dtseries.nii", SERIES.astype(np.int16), slope=slope, intercept=intercept)
    is_scaled = slope != 0 and np.isfinite(slope)
    np.testing.assert_array_equal(read(storage(path)), SERIES.T)
    expected = SERIES.T * slope + intercept if is_scaled else SERIES.T
    np.testing.assert_array_equal(storage(path).scale(read(storage(path))), expected)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The series in every kind of file."""
    folder = tmp_path_factory.mktemp("series")
    return [storage(write(folder / f"run.dtseries{suffix}", SERIES.astype(np.int16))) for suffix in SUFFIXES]


@given(st.data())
def test_any_block_size_gives_the_same_series(runs, data):
    found = data.draw(st.sampled_from(runs))
    block_bytes = data.draw(st.integers(1, 20 * 8 * N_VOLUMES))
    lengths = [len(block) for _, block in iter_series(found, block_bytes=block_bytes)]
    assert set(lengths[:-1]) <= {max(1, block_bytes // (8 * N_VOLUMES))}
    np.testing.assert_array_equal(read(found, block_bytes=block_bytes), SERIES.T)


@pytest.mark.parametrize("block_bytes", [1, 400, 2**25])
def test_digest_takes_in_the_whole_file_as_it_is_on_disk(runs, block_bytes):
    for found in runs:
        digest = hashlib.sha256()
        read(found, digest=digest, block_bytes=block_bytes)
        assert digest.hexdigest() == hashlib.sha256(found.path.read_bytes()).hexdigest()


def message_of(storage, **options):
    n_threads = threading.active_count()
    with pytest.raises(BrokenImageError) as caught:
        read(storage, **options)
    assert threading.active_count() == n_threads
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("n_read", [0, 1, 7, N_POINTS - 1])
@pytest.mark.parametrize("block_bytes", [1, 3 * 8 * N_VOLUMES, 2**25])
def test_file_cut_after_it_was_opened_counts_its_grayordinates(tmp_path, n_read, block_bytes):
    path = write(tmp_path / "run.dtseries.nii", SERIES.astype(np.float32))
    found = storage(path)
    with path.open("r+b") as file:
        file.truncate(found.offset + n_read * found.series_bytes + 3)
    assert message_of(found, block_bytes=block_bytes) == (
        f"{path}: broken: its header says {N_POINTS} grayordinates, {n_read} could be read (the file ends early); "
        "fetch or make it again."
    )


@pytest.mark.parametrize("n_bytes", [-1, -9])
def test_gzip_without_its_whole_trailer_is_broken(tmp_path, n_bytes):
    path = write(tmp_path / "run.dtseries.nii.gz", SERIES.astype(np.float32))
    found = storage(path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert message_of(found).startswith(f"{path}: broken: its header says {N_POINTS} grayordinates, ")


def test_wrong_checksum_of_gzip_is_found_before_the_last_block(tmp_path):
    path = write(tmp_path / "run.dtseries.nii.gz", SERIES.astype(np.float32))
    found, content = storage(path), bytearray(path.read_bytes())
    content[-8] ^= 0x55
    path.write_bytes(content)
    assert "(CRC check failed" in message_of(found)


def test_gzip_longer_than_its_header_says_is_broken(tmp_path):
    path = tmp_path / "run.dtseries.nii.gz"
    plain = write(tmp_path / "plain.dtseries.nii", SERIES.astype(np.float32)).read_bytes()
    path.write_bytes(gzip.compress(plain + b"\0"))
    assert "(the file holds more after the last grayordinate)" in message_of(storage(path))


def peak_of_reading(path, n_points, n_volumes, block_bytes):
    """Return the highest amount of memory that is held while a file of zeros and sevens is read."""
    stored = np.zeros((n_points, n_volumes), dtype=np.float32)
    stored[::5] = 7
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(stored.tobytes())
    found = GrayordinateStorage(
        image_path=path, path=path, offset=0, dtype=stored.dtype, n_points=n_points, n_volumes=n_volumes
    )
    tracemalloc.start()
    try:
        for _ in iter_series(found, block_bytes=block_bytes):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_memory_is_two_blocks_however_long_the_run_is(tmp_path, suffix):
    block_bytes = 2 * 4 * 2**20  # 4 MiB as float32
    short, long = (peak_of_reading(tmp_path / f"{n}{suffix}", 20_000, n, block_bytes) for n in (100, 400))
    assert long < 2 * 4 * 2**20 + 3 * 2**20
    assert long < short + 100_000


def test_series_longer_than_a_block_come_one_at_a_time(tmp_path):
    n_volumes = 500_000
    assert peak_of_reading(tmp_path / "run.nii", 8, n_volumes, 1) < 2 * 4 * n_volumes + 3 * 2**20
