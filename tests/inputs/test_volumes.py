"""Blocks of volumes: the file's own numbers, in bounded memory, or an error that counts volumes."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import tracemalloc
import zlib
from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import N_VOLUMES, SHAPE, save, save_stored

from niimasker.errors import BrokenImageError
from niimasker.inputs.images import describe_storage, load_image
from niimasker.inputs.series import open_series
from niimasker.inputs.volumes import iter_blocks, read_values

# 0 to 127 fits every type; noise, so that a compressed file can be cut in any volume.
STORED = np.random.default_rng(0).integers(0, 128, (*SHAPE, N_VOLUMES))
TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
SUFFIXES = [".nii", ".nii.gz", ".nii.bz2"]
VOLUME_BYTES = 2 * STORED[..., 0].size
COUNTED_BYTES = 4 * VOLUME_BYTES  # A block is measured as float64, as which it is computed with.


def rows_of(stored):
    """Return volumes of shape (n_volumes, n_voxels), the first axis fastest."""
    return stored.reshape((-1, stored.shape[-1]), order="F").T


def storage(path):
    return open_series(path).storage


def read(path, first=0, **options):
    return join(iter_blocks(storage(path), first, **options))


def join(blocks):
    """Return blocks as one array; each is valid until the next one is asked for."""
    return np.concatenate([block.copy() for block in blocks])


def message_of(voxels, first=0, **options):
    """Return what is said of voxels that cannot be read."""
    with pytest.raises(BrokenImageError) as caught:
        list(iter_blocks(voxels, first, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def numbers_in(message, path):
    """Return how many volumes a message says are expected, and how many it says could be read."""
    start, way_out = f"{path}: broken: its header says ", "; fetch or make it again."
    assert message.startswith(start)
    assert message.endswith(way_out)
    found = re.match(r"(\d+) volumes, (\d+) could be read \(.+\)$", message[len(start) : -len(way_out)])
    return int(found[1]), int(found[2])


class TestSameNumbers:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("code", TYPES)
    def test_blocks_hold_the_numbers_of_the_file_in_its_own_type(self, tmp_path, code, order, suffix):
        stored = STORED.astype(order + code)
        path = save_stored(tmp_path / f"run{suffix}", stored)
        assert {block.dtype for block in iter_blocks(storage(path))} == {stored.dtype}
        np.testing.assert_array_equal(read(path, block_bytes=5 * COUNTED_BYTES), rows_of(stored))

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_nifti_2_reads_alike(self, tmp_path, suffix):
        path = save_stored(tmp_path / f"run{suffix}", STORED.astype(np.int16), klass=nib.Nifti2Image)
        assert isinstance(load_image(path), nib.Nifti2Image)
        np.testing.assert_array_equal(read(path), rows_of(STORED))

    @pytest.mark.parametrize("ending", ["", ".gz", ".bz2"])
    @pytest.mark.parametrize("part", ["hdr", "img"])
    @pytest.mark.parametrize("klass", [nib.Nifti1Pair, nib.Nifti2Pair])
    def test_pair_of_header_and_image_reads_alike(self, tmp_path, klass, part, ending):
        save(tmp_path / f"run.img{ending}", STORED.astype(np.int16), klass=klass)
        np.testing.assert_array_equal(read(tmp_path / f"run.{part}{ending}"), rows_of(STORED))

    @pytest.mark.parametrize("shape", [(*SHAPE, 1, N_VOLUMES), (*SHAPE, N_VOLUMES, 1), (*SHAPE, 1, 1, N_VOLUMES)])
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_axes_of_one_are_no_dimension(self, tmp_path, shape, suffix):
        path = save_stored(tmp_path / f"run{suffix}", STORED.astype(np.int16).reshape(shape))
        assert load_image(path).shape == shape
        np.testing.assert_array_equal(read(path), rows_of(STORED))

    def test_scaling_is_left_to_the_sums(self, tmp_path):
        path = save_stored(tmp_path / "run.nii", STORED.astype(np.int16), slope=0.5, intercept=-3)
        np.testing.assert_array_equal(read(path), rows_of(STORED))

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_extension_behind_the_header_is_no_voxel(self, tmp_path, suffix):
        img = nib.Nifti1Image(STORED.astype(np.int16), np.eye(4))
        img.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"text " * 100))
        nib.save(img, tmp_path / f"run{suffix}")
        assert storage(tmp_path / f"run{suffix}").offset > 800
        np.testing.assert_array_equal(read(tmp_path / f"run{suffix}"), rows_of(STORED))

    @pytest.mark.parametrize("place", [100, 352, 5000])
    def test_gzip_of_several_members_reads_alike(self, tmp_path, place):
        content = save_stored(tmp_path / "plain.nii", STORED.astype(np.int16)).read_bytes()
        path = tmp_path / "run.nii.gz"
        path.write_bytes(gzip.compress(content[:place]) + gzip.compress(content[place:]))
        np.testing.assert_array_equal(read(path), rows_of(STORED))

    def test_volumes_are_scaled_where_all_are_asked_for(self, tmp_path):
        voxels = storage(save_stored(tmp_path / "run.nii", STORED.astype(np.int16), slope=0.5, intercept=-3))
        np.testing.assert_array_equal(read_values(voxels, 2, dtype=np.float64), rows_of(STORED[..., 2:] * 0.5 - 3))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The series in every kind of file."""
    folder = tmp_path_factory.mktemp("blocks")
    return [storage(save_stored(folder / f"run{suffix}", STORED.astype(np.int16))) for suffix in SUFFIXES]


class TestBlocks:
    @given(st.data())
    @settings(deadline=None, max_examples=60)
    def test_any_block_size_and_start_give_the_same_volumes(self, runs, data):
        voxels = data.draw(st.sampled_from(runs))
        first = data.draw(st.integers(0, N_VOLUMES - 1), label="first")
        block_bytes = data.draw(st.integers(1, 14 * COUNTED_BYTES), label="block_bytes")
        blocks = [block.copy() for block in iter_blocks(voxels, first, block_bytes=block_bytes)]
        np.testing.assert_array_equal(np.concatenate(blocks), rows_of(STORED)[first:])
        n_per_block = max(1, block_bytes // COUNTED_BYTES)
        assert {len(block) for block in blocks[:-1]} <= {n_per_block}
        assert len(blocks) == -(-(N_VOLUMES - first) // n_per_block)

    @pytest.mark.parametrize("first", [0, 5, N_VOLUMES - 1])
    def test_volume_larger_than_a_block_comes_alone(self, runs, first):
        for voxels in runs:
            blocks = list(iter_blocks(voxels, first, block_bytes=COUNTED_BYTES - 1))
            assert [block.shape for block in blocks] == [(1, VOLUME_BYTES // 2)] * (N_VOLUMES - first)

    @pytest.mark.parametrize("first", [0, 5])
    @pytest.mark.parametrize("block_bytes", [1, 5 * COUNTED_BYTES, 2**25])
    def test_digest_takes_in_the_whole_file_as_it_is_on_disk(self, runs, first, block_bytes):
        for voxels in runs:
            digest = hashlib.sha256()
            blocks = iter_blocks(voxels, first, digest=digest, block_bytes=block_bytes)
            np.testing.assert_array_equal(join(blocks), rows_of(STORED)[first:])
            assert digest.hexdigest() == hashlib.sha256(voxels.path.read_bytes()).hexdigest()


def write_gzip(path, *, level=6, change=None, behind=b"", extra=b""):
    """Write the series as .nii.gz: with a byte turned over, bytes behind the stream, or bytes behind the voxels."""
    plain = save_stored(path.with_name("plain.nii"), STORED.astype(np.int16)).read_bytes()
    content = bytearray(gzip.compress(plain + extra, level))
    if change is not None:
        content[change] ^= 0x55
    path.write_bytes(bytes(content) + behind)
    return path


# Volumes larger than what a reader holds back (128 kB), so that a count can be right to a volume.
LARGE = np.random.default_rng(0).integers(0, 3000, (40, 41, 42, N_VOLUMES)).astype(np.int16)
LARGE_BYTES = LARGE[..., 0].nbytes


@pytest.fixture(scope="module")
def large_gzip(tmp_path_factory):
    """The bytes of a .nii.gz whose volumes are large."""
    path = tmp_path_factory.mktemp("gzip") / "plain.nii"
    return gzip.compress(save_stored(path, LARGE).read_bytes(), 1)


def count_whole_volumes(content):
    """Return how many volumes zlib can still read of a gzip stream that is cut."""
    return max(0, len(zlib.decompressobj(31).decompress(content)) - 352) // LARGE_BYTES


class TestShortFile:
    @pytest.mark.parametrize("n_volumes", [0, 1, 6, 11])
    @pytest.mark.parametrize("missing", [1, VOLUME_BYTES // 2, VOLUME_BYTES])
    @pytest.mark.parametrize("block_bytes", [COUNTED_BYTES, 5 * COUNTED_BYTES, 2**25])
    def test_file_cut_while_it_is_read_counts_its_volumes(self, tmp_path, n_volumes, missing, block_bytes):
        path = save_stored(tmp_path / "run.nii", STORED.astype(np.int16))
        voxels = storage(path)
        with path.open("r+b") as file:
            file.truncate(352 + (n_volumes + 1) * VOLUME_BYTES - missing)
        message = message_of(voxels, block_bytes=block_bytes)
        assert numbers_in(message, path) == (N_VOLUMES, n_volumes)
        assert "(the file ends early)" in message

    @pytest.mark.parametrize("n_bytes", [352, 353, 352 + VOLUME_BYTES, 352 + 5 * VOLUME_BYTES - 1, -1])
    def test_file_that_is_short_is_refused_when_it_is_opened(self, tmp_path, n_bytes):
        path = save_stored(tmp_path / "run.nii", STORED.astype(np.int16))
        content = path.read_bytes()[:n_bytes]
        path.write_bytes(content)
        with pytest.raises(BrokenImageError) as caught:
            open_series(path)
        n_whole = (len(content) - 352) // VOLUME_BYTES
        assert str(caught.value) == (
            f"{path}: broken: its header says {N_VOLUMES} volumes, its size allows {n_whole} at most; "
            "fetch or make it again."
        )

    @pytest.mark.parametrize("share", np.linspace(0.01, 0.999, 8).round(3))
    @pytest.mark.parametrize("n_per_block", [1, 5, 100])
    def test_gzip_that_is_cut_counts_its_volumes(self, tmp_path, large_gzip, share, n_per_block):
        path = tmp_path / "run.nii.gz"
        content = large_gzip[: int(share * len(large_gzip))]
        path.write_bytes(content)
        message = message_of(storage(path), block_bytes=n_per_block * 4 * LARGE_BYTES)
        n_expected, n_read = numbers_in(message, path)
        # The reader's buffer goes down with the error, and with it the end of the last volume perhaps.
        n_whole = count_whole_volumes(content)
        assert n_expected == N_VOLUMES
        assert n_whole - 1 <= n_read <= n_whole

    @pytest.mark.parametrize("share", np.linspace(0.05, 0.999, 20).round(3))
    def test_gzip_of_small_volumes_that_is_cut_is_broken(self, tmp_path, share):
        path = write_gzip(tmp_path / "run.nii.gz")
        voxels, content = storage(path), path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        n_expected, n_read = numbers_in(message_of(voxels, block_bytes=COUNTED_BYTES), path)
        assert n_expected == N_VOLUMES
        # Noise of 7 bits compresses evenly.
        assert n_read <= share * N_VOLUMES + 1

    @pytest.mark.parametrize("n_missing", range(1, 13))
    def test_gzip_without_its_whole_trailer_is_broken(self, tmp_path, n_missing):
        path = write_gzip(tmp_path / "run.nii.gz")
        path.write_bytes(path.read_bytes()[:-n_missing])
        n_expected, _ = numbers_in(message_of(storage(path)), path)
        assert n_expected == N_VOLUMES

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_bzip2_that_is_cut_is_broken(self, tmp_path, share):
        path = save_stored(tmp_path / "run.nii.bz2", STORED.astype(np.int16))
        voxels, content = storage(path), path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        n_expected, _ = numbers_in(message_of(voxels), path)
        assert n_expected == N_VOLUMES

    @pytest.mark.parametrize("n_per_block", [1, 100])
    def test_gzip_that_ends_before_the_first_volume_asked_for_counts_no_more_than_there_are(
        self, tmp_path, large_gzip, n_per_block
    ):
        path = tmp_path / "run.nii.gz"
        content = large_gzip[: len(large_gzip) // 4]
        path.write_bytes(content)
        _, n_read = numbers_in(message_of(storage(path), 8, block_bytes=n_per_block * 4 * LARGE_BYTES), path)
        assert n_read <= count_whole_volumes(content)


class TestDamagedFile:
    @pytest.mark.parametrize("n_per_block", [1, 5, 100])
    @pytest.mark.parametrize("place", [-8, -5, -4, -1])
    def test_wrong_trailer_is_found_after_the_last_volume(self, tmp_path, large_gzip, place, n_per_block):
        path = tmp_path / "run.nii.gz"
        content = bytearray(large_gzip)
        content[place] ^= 0x55
        path.write_bytes(content)
        n_expected, n_read = numbers_in(message_of(storage(path), block_bytes=n_per_block * 4 * LARGE_BYTES), path)
        assert n_expected == N_VOLUMES
        assert N_VOLUMES - 1 <= n_read <= N_VOLUMES

    @pytest.mark.parametrize("block_bytes", [COUNTED_BYTES, 5 * COUNTED_BYTES, 2**25])
    def test_changed_voxel_fails_the_checksum(self, tmp_path, block_bytes):
        # Stored without compression a changed byte is a changed voxel, and nothing but the checksum knows.
        path = write_gzip(tmp_path / "run.nii.gz", level=0, change=5000)
        assert "(CRC check failed" in message_of(storage(path), block_bytes=block_bytes)

    @pytest.mark.parametrize(("place", "reason"), [(-8, "CRC check failed"), (-1, "Incorrect length of data produced")])
    def test_wrong_trailer_says_what_is_wrong(self, tmp_path, place, reason):
        assert f"({reason}" in message_of(storage(write_gzip(tmp_path / "run.nii.gz", change=place)))

    @pytest.mark.parametrize("first", [1, N_VOLUMES - 1])
    def test_changed_voxel_in_a_discarded_volume_is_broken_too(self, tmp_path, first):
        path = write_gzip(tmp_path / "run.nii.gz", level=0, change=600)
        assert "(CRC check failed" in message_of(storage(path), first)

    def test_compressed_bytes_that_are_wrong_are_broken(self, tmp_path):
        path = write_gzip(tmp_path / "run.nii.gz")
        content = bytearray(path.read_bytes())
        content[6000:6200] = b"\xff" * 200
        path.write_bytes(content)
        n_expected, _ = numbers_in(message_of(storage(path)), path)
        assert n_expected == N_VOLUMES

    def test_last_block_is_held_back_until_the_checksum_is_right(self, tmp_path, large_gzip):
        path = tmp_path / "run.nii.gz"
        path.write_bytes(large_gzip[:-8] + bytes(8))
        blocks = iter_blocks(storage(path), block_bytes=5 * 4 * LARGE_BYTES)
        assert [len(block) for block in islice(blocks, 2)] == [5, 5]
        with pytest.raises(BrokenImageError, match="CRC check failed"):
            next(blocks)

    @pytest.mark.parametrize("extra", [b"\0", b"x", bytes(VOLUME_BYTES)], ids=["zero", "byte", "volume"])
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_file_that_is_longer_than_its_header_says_is_broken(self, tmp_path, suffix, extra):
        path = tmp_path / f"run{suffix}"
        plain = save_stored(tmp_path / "plain.nii", STORED.astype(np.int16)).read_bytes()
        with nib.openers.Opener(str(path), "wb") as file:
            file.write(plain + extra)
        message = message_of(storage(path))
        assert numbers_in(message, path) == (N_VOLUMES, N_VOLUMES)
        assert "(the file holds more after the last volume)" in message

    def test_second_member_behind_the_voxels_is_broken(self, tmp_path):
        path = write_gzip(tmp_path / "run.nii.gz", behind=gzip.compress(b"more"))
        assert "(the file holds more after the last volume)" in message_of(storage(path))

    def test_zeros_behind_a_gzip_are_padding(self, tmp_path):
        # Tapes and some copy programs pad files; gzip itself reads over zeros.
        np.testing.assert_array_equal(read(write_gzip(tmp_path / "run.nii.gz", behind=bytes(512))), rows_of(STORED))

    def test_image_of_a_pair_is_named_by_the_file_that_was_given(self, tmp_path):
        save(tmp_path / "run.img", STORED.astype(np.int16), klass=nib.Nifti1Pair)
        voxels = storage(tmp_path / "run.hdr")
        (tmp_path / "run.img").write_bytes(b"")
        assert numbers_in(message_of(voxels), tmp_path / "run.hdr") == (N_VOLUMES, 0)

    def test_file_that_vanished_is_broken(self, tmp_path):
        path = save_stored(tmp_path / "run.nii", STORED.astype(np.int16))
        voxels = storage(path)
        path.unlink()
        assert str(path) in message_of(voxels)


def promise_more(path: Path, n_volumes: int) -> Path:
    """Change the number of volumes in a header."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<h", content, 48, n_volumes)
    path.write_bytes(content)
    return path


def test_header_that_promises_fewer_volumes_than_there_are_is_broken(tmp_path):
    path = promise_more(save_stored(tmp_path / "run.nii", STORED.astype(np.int16)), 7)
    assert numbers_in(message_of(storage(path)), path) == (7, 7)


BLOCK_BYTES = 4 * 2**20  # On disk.
# isal takes a compressed file in pieces of 512 kB; two pieces of up to 1 MB are on their way into a block.
SMALL = 3 * 2**20


def peak_of_reading(path, shape, *arguments, **options):
    """Return the highest amount of memory that is held while an image of zeros and sevens is read."""
    stored = np.zeros(shape, dtype=np.int16)
    stored[::5] = 7
    voxels = storage(save_stored(path, stored))
    tracemalloc.start()
    try:
        for _ in iter_blocks(voxels, *arguments, **options):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
class TestMemory:
    """Two blocks are held, as iter_blocks promises, of images of 39 and of 42 MB."""

    @pytest.mark.parametrize("first", [0, 100])
    def test_no_more_than_two_blocks_are_held(self, tmp_path, suffix, first):
        peak = peak_of_reading(tmp_path / f"run{suffix}", (64, 63, 32, 150), first, block_bytes=4 * BLOCK_BYTES)
        assert peak < 2 * BLOCK_BYTES + SMALL

    def test_volumes_larger_than_a_block_are_held_two_at_a_time(self, tmp_path, suffix):
        shape = (128, 130, 126, 10)
        peak = peak_of_reading(tmp_path / f"run{suffix}", shape, block_bytes=1)
        assert peak < 2 * 2 * np.prod(shape[:3]) + SMALL

    def test_length_of_the_run_adds_nothing(self, tmp_path, suffix):
        short, long = (
            peak_of_reading(tmp_path / f"{n}{suffix}", (64, 63, 32, n), block_bytes=4 * BLOCK_BYTES) for n in (40, 160)
        )
        assert long < short + 100_000


@pytest.mark.usefixtures("nothing_is_left")
class TestEnd:
    """Whoever stops early leaves no thread and no open file behind."""

    @pytest.fixture(params=SUFFIXES)
    def voxels(self, request, tmp_path):
        return storage(save_stored(tmp_path / f"run{request.param}", STORED.astype(np.int16)))

    def test_after_the_last_block(self, voxels):
        assert len(list(iter_blocks(voxels, block_bytes=COUNTED_BYTES))) == N_VOLUMES

    def test_when_the_blocks_are_closed(self, voxels):
        blocks = iter_blocks(voxels, block_bytes=COUNTED_BYTES)
        next(blocks)
        blocks.close()

    def test_when_the_blocks_are_forgotten(self, voxels):
        next(iter_blocks(voxels, block_bytes=COUNTED_BYTES))

    def test_when_the_consumer_fails(self, voxels):
        with pytest.raises(TypeError):
            sum(iter_blocks(voxels, block_bytes=COUNTED_BYTES), start="no number")

    def test_when_no_block_was_asked_for(self, voxels):
        iter_blocks(voxels, block_bytes=COUNTED_BYTES)

    def test_when_the_file_is_broken(self, voxels):
        voxels.path.write_bytes(voxels.path.read_bytes()[:4000])
        message_of(voxels, block_bytes=COUNTED_BYTES)


def test_storage_of_a_pair_is_that_of_its_image(tmp_path):
    save(tmp_path / "run.img", STORED.astype(np.int16), klass=nib.Nifti1Pair)
    path = tmp_path / "run.hdr"
    voxels = describe_storage(load_image(path), path)
    assert (voxels.image_path, voxels.path, voxels.offset) == (path, tmp_path / "run.img", 0)
