"""Series on surfaces: left before right, in blocks of volumes, in bounded memory, or an error that counts volumes."""

from __future__ import annotations

import hashlib
import re
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from gifti_files import ASCII, BASE64, ENCODINGS, EXTERNAL, GZIP, ArrayText, make_volumes, save_gifti, save_series
from hypothesis import given, settings
from hypothesis import strategies as st

from niimasker.errors import BrokenImageError, ImageError, RunError, TooLittleMemoryError
from niimasker.inputs.gifti.series import iter_surface_blocks, open_gifti_series
from niimasker.inputs.grayordinates import SurfaceModel

N_VOLUMES, N_LEFT, N_RIGHT = 12, 42, 45
LEFT = np.random.default_rng(0).normal(1e3, 30, (N_VOLUMES, N_LEFT)).astype(np.float32)
RIGHT = np.random.default_rng(1).normal(1e3, 30, (N_VOLUMES, N_RIGHT)).astype(np.float32)
BOTH = np.concatenate([LEFT, RIGHT], axis=1)
COUNTED_BYTES = 8 * BOTH.shape[1]  # A block is measured as float64, as which it is computed with.


def save_pair(folder, suffix=".func.gii", left=LEFT, right=RIGHT, **options):
    """Write both hemispheres of a run and return their paths."""
    return [
        save_series(folder / f"sub-01_hemi-{side}_bold{suffix}", values, structure=f"Cortex{name}", **options)
        for side, name, values in [("L", "Left", left), ("R", "Right", right)]
    ]


def save_whole(path, values, **options):
    """Write a run as one array of all volumes."""
    return save_gifti(path, [ArrayText(values.T, external_name=f"{path.name}.dat", **options)])


def storage(*paths):
    return open_gifti_series(paths).storage


def join(blocks):
    """Return blocks as one array; each is valid until the next one is asked for."""
    return np.concatenate([block.copy() for block in blocks])


def message_of(action, kind=ImageError):
    with pytest.raises(kind) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refusal_of(*paths, kind=ImageError):
    """Return why files cannot be opened as a series."""
    return message_of(lambda: open_gifti_series(paths), kind)


def numbers_in(message, path):
    """Return how many volumes a message says are expected, and how many it says could be read, and why."""
    start, way_out = f"{path}: broken: its header says ", "; fetch or make it again."
    assert message.startswith(start)
    assert message.endswith(way_out)
    found = re.match(r"(\d+) volumes, (\d+) could be read \((.+)\)$", message[len(start) : -len(way_out)])
    return int(found[1]), int(found[2]), found[3]


def reading_of(*paths, change=None, **options):
    """Return what is said of files that change, or turn out to be damaged, when they are read."""
    opened = storage(*paths)
    if change is not None:
        change()
    return message_of(lambda: list(iter_surface_blocks(opened, **options)), BrokenImageError)


class TestSameNumbers:
    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("byte_order", "<>")
    @pytest.mark.parametrize("code", ["u1", "i2", "i4", "f4", "f8"])
    def test_blocks_hold_the_numbers_of_the_files_in_their_own_type(self, tmp_path, code, byte_order, encoding):
        left, right = (values.astype(code) % 128 for values in (LEFT, RIGHT))
        paths = save_pair(tmp_path, left=left, right=right, byte_order=byte_order, encoding=encoding)
        blocks = join(iter_surface_blocks(storage(*paths), block_bytes=5 * COUNTED_BYTES))
        assert blocks.dtype == np.dtype(f"={code}")
        np.testing.assert_array_equal(blocks, np.concatenate([left, right], axis=1))
        for path, part in zip(paths, np.split(blocks, [N_LEFT], axis=1), strict=True):
            np.testing.assert_array_equal(part, np.stack([array.data for array in nib.load(path).darrays]))

    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("index_order", "CF")
    def test_one_array_of_all_volumes_reads_alike(self, tmp_path, index_order, encoding):
        options = {"index_order": index_order, "encoding": encoding}
        paths = [save_whole(tmp_path / "lh.bold.func.gii", LEFT, **options)]
        paths += [save_whole(tmp_path / "rh.bold.func.gii", RIGHT, **options)]
        for first in (0, 3):
            blocks = iter_surface_blocks(storage(*paths), first, block_bytes=5 * COUNTED_BYTES)
            np.testing.assert_array_equal(join(blocks), BOTH[first:])

    @pytest.mark.parametrize("index_order", "CF")
    def test_one_array_of_a_large_mesh_reads_alike(self, tmp_path, index_order):
        values = np.random.default_rng(3).normal(size=(3, 5000)).astype(np.float32)
        path = save_whole(tmp_path / "lh.bold.func.gii", values, index_order=index_order)
        np.testing.assert_array_equal(join(iter_surface_blocks(storage(path), block_bytes=1)), values)

    def test_files_written_in_different_ways_make_a_pair(self, tmp_path):
        left = save_series(tmp_path / "lh.func.gii.gz", LEFT, byte_order=">", encoding=BASE64)
        right = save_whole(tmp_path / "rh.func.gii", RIGHT, index_order="F", encoding=ASCII)
        np.testing.assert_array_equal(join(iter_surface_blocks(storage(left, right))), BOTH)

    def test_types_of_both_hemispheres_are_held_by_the_type_of_the_blocks(self, tmp_path):
        left = save_series(tmp_path / "lh.func.gii", LEFT.astype("i2"))
        right = save_series(tmp_path / "rh.func.gii", RIGHT)
        blocks = join(iter_surface_blocks(storage(left, right)))
        assert blocks.dtype == np.float32
        np.testing.assert_array_equal(blocks[:, :N_LEFT], LEFT.astype("i2"))

    @pytest.mark.parametrize("intent", ["NONE", "NORMAL", "TIME_SERIES", "ESTIMATE", "SHAPE"])
    def test_every_intent_is_a_volume(self, tmp_path, intent):
        paths = save_pair(tmp_path, intent=intent)
        np.testing.assert_array_equal(join(iter_surface_blocks(storage(*paths))), BOTH)

    @pytest.mark.parametrize("folder", ["fsaverage5_rest", "workbench"])
    def test_real_pairs_read_alike(self, data_dir, folder):
        paths = sorted((data_dir / "surfaces" / folder).glob("*_bold.func.gii"))
        expected = [np.stack([array.data for array in nib.load(path).darrays]) for path in paths]
        digests = [hashlib.sha256() for _ in paths]
        blocks = iter_surface_blocks(storage(*paths), digests=digests, block_bytes=2**22)
        np.testing.assert_array_equal(join(blocks), np.concatenate(expected, axis=1))
        for digest, path in zip(digests, paths, strict=True):
            assert digest.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_series_of_freesurfer_reads_alike(self, data_dir, tmp_path):
        path = tmp_path / "lh.task.func.gii"
        path.symlink_to(data_dir / "surfaces/gifti_kinds/task.func.gii")
        series = open_gifti_series([path])
        assert series.t_r is None  # its TimeStep is 0
        expected = np.stack([array.data for array in nib.load(path).darrays])
        np.testing.assert_array_equal(join(iter_surface_blocks(series.storage)), expected)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The run in files of several kinds."""
    folder = tmp_path_factory.mktemp("runs")
    compressed = save_pair(folder, suffix=".func.gii.gz")
    whole = [save_whole(folder / f"{side}.gii", values) for side, values in [("lh", LEFT), ("rh", RIGHT)]]
    return [storage(*paths) for paths in (save_pair(folder), compressed, whole)]


class TestBlocks:
    @given(st.data())
    @settings(deadline=None, max_examples=60)
    def test_any_block_size_and_start_give_the_same_volumes(self, runs, data):
        run = data.draw(st.sampled_from(runs))
        first = data.draw(st.integers(0, N_VOLUMES - 1), label="first")
        block_bytes = data.draw(st.integers(1, 14 * COUNTED_BYTES), label="block_bytes")
        digests = [hashlib.sha256() for _ in run.paths]
        blocks = [block.copy() for block in iter_surface_blocks(run, first, digests=digests, block_bytes=block_bytes)]
        np.testing.assert_array_equal(np.concatenate(blocks), BOTH[first:])
        n_per_block = max(1, block_bytes // COUNTED_BYTES)
        assert {len(block) for block in blocks[:-1]} <= {n_per_block}
        assert len(blocks) == -(-(N_VOLUMES - first) // n_per_block)
        expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in run.paths]
        assert [digest.hexdigest() for digest in digests] == expected


class TestSpace:
    def test_all_vertices_of_left_and_right_are_the_points(self, tmp_path):
        series = open_gifti_series(save_pair(tmp_path))
        left, right = series.space.models
        assert isinstance(left, SurfaceModel)
        assert (left.structure, left.n_vertices) == ("CORTEX_LEFT", N_LEFT)
        assert (right.structure, right.n_vertices) == ("CORTEX_RIGHT", N_RIGHT)
        np.testing.assert_array_equal(right.vertices, np.arange(N_RIGHT))
        assert (series.storage.n_points, series.storage.n_volumes) == (N_LEFT + N_RIGHT, N_VOLUMES)

    def test_left_comes_first_whatever_the_order_of_the_files(self, tmp_path):
        paths = save_pair(tmp_path)
        assert open_gifti_series(paths[::-1]).space == open_gifti_series(paths).space
        assert storage(*paths[::-1]) == storage(*paths)
        np.testing.assert_array_equal(join(iter_surface_blocks(storage(*paths[::-1]))), BOTH)

    @pytest.mark.parametrize("place", [0, 1])
    def test_one_hemisphere_alone_is_a_series(self, tmp_path, place):
        path = save_pair(tmp_path)[place]
        series = open_gifti_series([path])
        assert [model.structure for model in series.space.models] == [["CORTEX_LEFT", "CORTEX_RIGHT"][place]]
        np.testing.assert_array_equal(join(iter_surface_blocks(series.storage)), [LEFT, RIGHT][place])

    @pytest.mark.parametrize("structure", [None, "Invalid", "", "Cortex", "CortexRightAndLeft", "unknown"])
    @pytest.mark.parametrize("name", ["sub-01_hemi-R_bold.func.gii", "rh.bold.gii", "sub-01_bold.R.func.gii.gz"])
    def test_name_gives_the_hemisphere_where_the_file_does_not(self, tmp_path, structure, name):
        path = save_series(tmp_path / name, RIGHT, structure=structure)
        assert [model.structure for model in open_gifti_series([path]).space.models] == ["CORTEX_RIGHT"]

    def test_file_gives_the_hemisphere_where_the_name_does_not(self, tmp_path):
        path = save_series(tmp_path / "bold.func.gii", RIGHT, structure="CortexRight")
        assert [model.structure for model in open_gifti_series([path]).space.models] == ["CORTEX_RIGHT"]

    def test_other_structures_keep_their_names(self, tmp_path):
        path = save_series(tmp_path / "hemi-L_bold.func.gii", LEFT, structure="HippocampusLeft")
        assert [model.structure for model in open_gifti_series([path]).space.models] == ["HIPPOCAMPUS_LEFT"]

    def test_time_step_must_be_the_same_in_both_files(self, tmp_path):
        def save(side, step):
            volumes = make_volumes(LEFT, metadata={"TimeStep": step})
            return save_gifti(tmp_path / f"{side}.func.gii", volumes)

        assert open_gifti_series([save("lh", "2000.0"), save("rh", "2.0")]).t_r == 2.0
        assert open_gifti_series([save("lh", "2000.0"), save("rh", "800")]).t_r is None
        assert open_gifti_series([save("lh", "2000.0"), save("rh", "0")]).t_r is None


class TestRefusals:
    def test_unequal_numbers_of_volumes_name_both_files(self, tmp_path):
        left, right = save_pair(tmp_path, right=RIGHT[:-1])
        assert refusal_of(left, right, kind=RunError) == (
            f"{left} has 12 volumes but {right.name} has 11; the files of both hemispheres must come from the same run."
        )

    def test_two_files_of_one_hemisphere_name_both_files(self, tmp_path):
        one = save_series(tmp_path / "one.func.gii", LEFT, structure="CortexLeft")
        two = save_series(tmp_path / "two.func.gii", LEFT, structure="CortexLeft")
        assert refusal_of(one, two) == (
            f"{one} and two.func.gii: both are CORTEX_LEFT; expected one file per hemisphere."
        )

    def test_file_of_the_other_hemisphere_than_its_name_says_is_refused(self, tmp_path):
        path = save_series(tmp_path / "sub-01_hemi-L_bold.func.gii", RIGHT, structure="CortexRight")
        assert refusal_of(path) == (
            f"{path}: its name says left hemisphere, but the file says CORTEX_RIGHT; rename it, or correct it with "
            "wb_command -set-structure."
        )

    def test_file_without_a_hemisphere_says_how_to_name_it(self, tmp_path):
        path = save_series(tmp_path / "bold.func.gii", RIGHT, structure="Invalid")
        assert refusal_of(path) == (
            f"{path}: neither the file (AnatomicalStructurePrimary) nor its name says which hemisphere it is; name it "
            "with hemi-L or hemi-R, with lh. or rh., or with .L. or .R."
        )

    def test_labels_are_no_series(self, tmp_path):
        path = save_series(tmp_path / "lh.label.gii", LEFT.astype("i4"), intent="LABEL")
        assert refusal_of(path) == f"{path}: found labels of a parcellation; expected a series of volumes."

    @pytest.mark.parametrize("intent", ["POINTSET", "TRIANGLE"])
    def test_meshes_are_no_series(self, tmp_path, intent):
        path = save_series(tmp_path / "lh.surf.gii", LEFT, intent=intent)
        assert refusal_of(path) == f"{path}: found a surface mesh; expected a value for each vertex of a surface."

    def test_mesh_larger_than_memory_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("niimasker.inputs.images.free_bytes", lambda: 10**9)
        array = ArrayText(np.zeros(1, np.int8), encoding=EXTERNAL, external_name="zeros")
        n_vertices = 10**8
        array.attributes = {"Dim0": str(n_vertices)}
        path = save_gifti(tmp_path / "lh.func.gii", [array])
        with (tmp_path / "zeros").open("wb") as file:
            file.truncate(n_vertices)
        assert "reading a volume takes 3.2 GB of memory, and 1.0 GB are free; resample it to a smaller mesh" in (
            refusal_of(path, kind=TooLittleMemoryError)
        )

    def test_array_of_all_volumes_larger_than_memory_is_refused(self, tmp_path, monkeypatch):
        opened = storage(save_whole(tmp_path / "lh.func.gii", LEFT))
        monkeypatch.setattr("niimasker.inputs.images.free_bytes", lambda: 3 * LEFT.nbytes - 1)
        message = message_of(lambda: list(iter_surface_blocks(opened)), TooLittleMemoryError)
        assert "all volumes in one array" in message
        assert "store one array per volume" in message


class TestBrokenWhileRead:
    @pytest.mark.parametrize("n_volumes", [1, 6, 11])
    @pytest.mark.parametrize("place", [0, 1])
    @pytest.mark.parametrize("block_bytes", [COUNTED_BYTES, 5 * COUNTED_BYTES, 2**25])
    def test_file_cut_while_it_is_read_counts_its_volumes(self, tmp_path, n_volumes, place, block_bytes):
        paths = save_pair(tmp_path)
        path = paths[place]
        end = [found.end() for found in re.finditer(b"</Data>", path.read_bytes())][n_volumes] - 20
        content = path.read_bytes()[:end]
        message = reading_of(*paths, change=lambda: path.write_bytes(content), block_bytes=block_bytes)
        assert numbers_in(message, path) == (N_VOLUMES, n_volumes, "the file ends early")

    @pytest.mark.parametrize("n_found", [10, 11, 13, 20])
    def test_number_of_arrays_must_be_that_of_the_header(self, tmp_path, n_found):
        values = np.resize(LEFT, (n_found, N_LEFT))
        path = save_gifti(tmp_path / "lh.func.gii", make_volumes(values), n_arrays=N_VOLUMES)
        n_expected, n_read, reason = numbers_in(reading_of(path), path)
        assert (n_expected, n_read) == (N_VOLUMES, min(n_found, N_VOLUMES))
        assert reason == (
            "the file holds no more" if n_found < N_VOLUMES else "the file holds more after the last volume"
        )

    @pytest.mark.parametrize(
        ("volume", "reason"),
        [
            (LEFT[0, :-1], "the next array is of 41 float32, the first one of 42 float32"),
            (LEFT[0].astype("i4"), "the next array is of 42 int32, the first one of 42 float32"),
            (LEFT.T, "the next array is of 42x12 float32, the first one of 42 float32"),
        ],
    )
    def test_volumes_must_be_alike(self, tmp_path, volume, reason):
        volumes = make_volumes(LEFT)
        volumes[7] = ArrayText(volume)
        path = save_gifti(tmp_path / "lh.func.gii", volumes)
        assert numbers_in(reading_of(path), path) == (N_VOLUMES, 7, reason)

    def test_damaged_volume_is_broken_also_where_it_is_discarded(self, tmp_path):
        volumes = make_volumes(LEFT)
        volumes[1].text = ArrayText(LEFT[1]).encode()[:-8]
        path = save_gifti(tmp_path / "lh.func.gii", volumes)
        for first in (0, 2, 11):
            with pytest.raises(BrokenImageError, match="12 volumes, 1 could be read"):
                list(iter_surface_blocks(storage(path), first))

    def test_values_of_some_vertices_are_refused(self, tmp_path):
        index = ArrayText(np.arange(N_LEFT, dtype=np.int32), intent="NODE_INDEX")
        path = save_gifti(tmp_path / "lh.func.gii", [*make_volumes(LEFT), index])
        message = message_of(lambda: list(iter_surface_blocks(storage(path))))
        assert message == (
            f"{path}: found values of some of a surface's vertices, with the list of those "
            "(NIFTI_INTENT_NODE_INDEX); expected a value for each vertex of a surface."
        )

    def test_wrong_checksum_of_a_compressed_file_is_found_after_the_last_volume(self, tmp_path):
        # Larger than what is read for the header.
        values = np.random.default_rng(0).normal(size=(N_VOLUMES, 40_000)).astype(np.float32)
        path = save_series(tmp_path / "lh.func.gii.gz", values)
        content = bytearray(path.read_bytes())
        content[-6] ^= 0x55
        path.write_bytes(content)
        assert "CRC check failed" in numbers_in(reading_of(path), path)[2]

    def test_file_that_changed_in_between_is_broken(self, tmp_path):
        paths = save_pair(tmp_path)
        message = reading_of(*paths, change=lambda: save_series(paths[1], RIGHT[:, :-1]))
        assert numbers_in(message, paths[1])[2] == "its first array is no longer as it was"

    def test_file_that_vanished_is_broken(self, tmp_path):
        paths = save_pair(tmp_path)
        assert str(paths[0]) in reading_of(*paths, change=paths[0].unlink)


class TestMemory:
    """Two blocks and what one volume of each hemisphere takes, however long the run is."""

    def peak_of(self, paths, **options):
        opened = storage(*paths)
        tracemalloc.start()
        try:
            for _ in iter_surface_blocks(opened, **options):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("suffix", [".func.gii", ".func.gii.gz"])
    @pytest.mark.parametrize("encoding", [GZIP, BASE64])
    def test_length_of_the_run_adds_nothing(self, tmp_path, suffix, encoding):
        n_vertices = 16_000
        rng = np.random.default_rng(0)
        peaks = []
        for n_volumes in (10, 60):
            values = rng.normal(size=(n_volumes, n_vertices)).astype(np.float32)
            paths = save_pair(tmp_path, suffix, values, values, encoding=encoding)
            peaks.append(self.peak_of(paths, block_bytes=5 * 8 * 2 * n_vertices))
        block = 5 * 4 * 2 * n_vertices
        assert max(peaks) < 2 * block + 2 * 4 * 4 * n_vertices + 2 * 2**20
        assert peaks[1] < peaks[0] + 2**19


@pytest.mark.usefixtures("nothing_is_left")
class TestEnd:
    """Whoever stops early leaves no thread and no open file behind."""

    @pytest.fixture
    def run(self, tmp_path):
        return storage(*save_pair(tmp_path))

    def test_after_the_last_block(self, run):
        assert len(list(iter_surface_blocks(run, block_bytes=COUNTED_BYTES))) == N_VOLUMES

    def test_when_the_blocks_are_closed(self, run):
        blocks = iter_surface_blocks(run, block_bytes=COUNTED_BYTES)
        next(blocks)
        blocks.close()

    def test_when_the_blocks_are_forgotten(self, run):
        next(iter_surface_blocks(run, block_bytes=COUNTED_BYTES))

    def test_when_a_file_is_broken(self, run):
        run.paths[1].write_bytes(run.paths[1].read_bytes()[:4000])
        message_of(lambda: list(iter_surface_blocks(run, block_bytes=COUNTED_BYTES)), BrokenImageError)
