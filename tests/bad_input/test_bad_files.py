"""A folder of broken inputs, each with the one line and the exit code that it is answered by."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bad_files import (
    LABELS,
    Build,
    cut,
    file,
    flipped,
    folder,
    header,
    loop,
    nothing,
    packed,
    pipe,
    series,
    stored,
)
from commands import RUN, run, write_study
from images import SHAPE

from niimasker.options.settings import config_template

NAN, INFINITE = float("nan"), float("inf")
# With .nii a file may be called so, with .json none.
LONG = "x" * 251


@dataclass(frozen=True)
class Case:
    """A broken input: how it is made, the words that give it, and what is expected of them."""

    name: str
    build: Build
    words: Sequence[str]
    code: int
    line: str


def image(name: str, build: Build, path: str, line: str) -> list[Case]:
    """Return the cases of a broken image in each of its roles."""
    failed = Case(f"image: {name}", build, ("out", "-i", path, *RUN[3:]), 1, f"niimasker: failed: {line}")
    atlas = Case(f"atlas: {name}", build, ("out", *RUN[1:3], "-r", path), 2, f"niimasker: error: {line}")
    mask = dataclasses.replace(atlas, name=f"mask: {name}", words=(*RUN, "-m", path))
    return [failed, atlas, mask]


def wrong_image(name: str, build: Build, path: str, line: str, line_of_image: str | None = None) -> list[Case]:
    """Return the cases of a file that is no such image, which is a mistake in each role."""
    first, *others = image(name, build, path, line)
    return [dataclasses.replace(first, code=2, line=f"niimasker: error: {line_of_image or line}"), *others]


def table(name: str, content: bytes | str, words: str, line: str) -> Case:
    """Return the case of a broken table; `words` name it."""
    path = next(word for word in words.split() if word.startswith("bad"))
    return Case(
        f"{words.split()[0]}: {name}", file(path, content), (*RUN, *words.split()), 2, f"niimasker: error: {line}"
    )


def config(name: str, content: bytes | str, line: str) -> Case:
    """Return the case of a broken JSON file."""
    return Case(f"JSON: {name}", file("bad.json", content), (*RUN, "-c", "bad.json"), 2, f"niimasker: error: {line}")


def use(name: str, build: Build, words: str, line: str) -> Case:
    """Return the case of anything else that is refused."""
    return Case(name, build, (*RUN, *words.split(" ")), 2, f"niimasker: error: {line}")


def two_members() -> None:
    content = packed("bold.nii.gz", series().tobytes())
    Path("bad.nii.gz").write_bytes(Path("bold.nii.gz").read_bytes() + content)


def lonely_header() -> None:
    nib.save(nib.Nifti1Pair(LABELS, np.eye(4)), "bad.img")
    Path("bad.img").unlink()


def with_confounds_json(content: str) -> Build:
    return file("confounds.json", content)


COLOURS = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
ROWS = "\n".join(map(str, range(12)))
CONFOUNDS = "--regressor_files bad.tsv"
COMPCOR = "--regressor_files confounds.tsv --regressors compcor high_pass"
SEEDS = "-r bad.tsv --radius 3"

CASES = [
    # Images
    *image(
        "empty",
        file("bad.nii", b""),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (Empty file: 'bad.nii'); fetch or make it again.",
    ),
    *image(
        "text",
        file("bad.nii", "no image\n" * 99),
        "bad.nii",
        'bad.nii: cannot be read as a NIfTI image (Cannot work out file type of "bad.nii"); fetch or make it again.',
    ),
    *image(
        "gzip of text",
        file("bad.nii.gz", packed("bad.gz", b"no image\n" * 99)),
        "bad.nii.gz",
        'bad.nii.gz: cannot be read as a NIfTI image (Cannot work out file type of "bad.nii.gz"); fetch or make it again.',
    ),
    *image(
        "cut within its header",
        cut("bad.nii", 200),
        "bad.nii",
        'bad.nii: cannot be read as a NIfTI image (Cannot work out file type of "bad.nii"); fetch or make it again.',
    ),
    *image(
        "cut before its voxels",
        cut("bad.nii", 352),
        "bad.nii",
        "bad.nii: broken: its header says 12 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "cut",
        cut("bad.nii", -1),
        "bad.nii",
        "bad.nii: broken: its header says 12 volumes, its size allows 11 at most; fetch or make it again.",
    ),
    *image(
        "gzip cut within its header",
        cut("bad.nii.gz", 100),
        "bad.nii.gz",
        'bad.nii.gz: cannot be read as a NIfTI image (Cannot work out file type of "bad.nii.gz"); fetch or make it again.',
    ),
    *image(
        "magic",
        header("bad.nii", magic=b"abc"),
        "bad.nii",
        'bad.nii: cannot be read as a NIfTI image (Cannot work out file type of "bad.nii"); fetch or make it again.',
    ),
    *image(
        "unknown type",
        header("bad.nii", datatype=9999),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (data code 9999 not recognized); fetch or make it again.",
    ),
    *image(
        "NaN in its affine",
        header("bad.nii", srow_x=[NAN] * 4),
        "bad.nii",
        "bad.nii: its affine is singular or not finite; correct the header.",
    ),
    *image(
        "infinite affine",
        header("bad.nii", srow_y=[INFINITE] * 4),
        "bad.nii",
        "bad.nii: its affine is singular or not finite; correct the header.",
    ),
    *image(
        "singular affine",
        header("bad.nii", srow_z=[0] * 4),
        "bad.nii",
        "bad.nii: its affine is singular or not finite; correct the header.",
    ),
    *image(
        "negative size",
        header("bad.nii", dim=[4, 7, -8, 9, 12, 1, 1, 1]),
        "bad.nii",
        "bad.nii: an image without voxels (7x-8x9x12); fetch or make it again.",
    ),
    *image(
        "more dimensions than there can be",
        header("bad.nii", dim=[9, 7, 8, 9, 12, 1, 1, 1]),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (vox offset 0 too low for single file nifti1); fetch or make it again.",
    ),
    *image(
        "huge",
        header("bad.nii", dim=[4, 30000, 30000, 30000, 100, 1, 1, 1]),
        "bad.nii",
        "bad.nii: broken: its header says 100 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "huge in gzip",
        header("bad.nii.gz", dim=[4, 30000, 30000, 30000, 100, 1, 1, 1]),
        "bad.nii.gz",
        "bad.nii.gz: broken: its header says 100 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "huge in bzip2",
        header("bad.nii.bz2", dim=[4, 30000, 30000, 30000, 100, 1, 1, 1]),
        "bad.nii.bz2",
        "bad.nii.bz2: broken: its header says 100 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "larger than any address",
        header("bad.nii", nib.Nifti2Image, dim=[4, 2**62, 2**62, 2**62, 2, 1, 1, 1]),
        "bad.nii",
        "bad.nii: broken: its header says 2 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "voxels behind the end",
        header("bad.nii", vox_offset=1e9),
        "bad.nii",
        "bad.nii: broken: its header says 12 volumes, its size allows 0 at most; fetch or make it again.",
    ),
    *image(
        "voxels before the beginning",
        header("bad.nii", vox_offset=-500),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (vox offset -500 too low for single file nifti1); fetch or make it again.",
    ),
    *image(
        "voxels nowhere",
        header("bad.nii", vox_offset=NAN),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (its voxels would begin at byte nan); fetch or make it again.",
    ),
    *image(
        "voxels at infinity",
        header("bad.nii", vox_offset=INFINITE),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (its voxels would begin at byte inf); fetch or make it again.",
    ),
    *image(
        "infinite slope",
        header("bad.nii", scl_slope=INFINITE),
        "bad.nii",
        "bad.nii: cannot be read as a NIfTI image (its voxels would be scaled by inf); fetch or make it again.",
    ),
    *image("header alone", lonely_header, "bad.hdr", "bad.hdr: bad.img, the file with its voxels, is missing."),
    *wrong_image(
        "no file",
        nothing,
        "bad.nii",
        "bad.nii: no such file; expected a NIfTI image.",
        "--input_files: bad.nii does not exist; give a folder, files or patterns.",
    ),
    *wrong_image(
        "folder",
        folder("bad.nii"),
        "bad.nii",
        "bad.nii: a folder; expected a NIfTI image.",
        "--input_files: bad.nii holds no BOLD images in sub-*/ses-*/func; give a folder of BIDS derivatives, files, or patterns.",
    ),
    *wrong_image(
        "loop of links",
        loop("bad.nii"),
        "bad.nii",
        "bad.nii: Too many levels of symbolic links; expected a NIfTI image.",
        "--input_files: bad.nii cannot be used (Too many levels of symbolic links); give a folder, files or patterns.",
    ),
    *wrong_image(
        "pipe",
        pipe("bad.nii"),
        "bad.nii",
        "bad.nii: not a regular file; expected a NIfTI image.",
        "--input_files: bad.nii cannot be used (not a regular file); give a folder, files or patterns.",
    ),
    *wrong_image(
        "name too long",
        nothing,
        "x" * 300 + ".nii",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.nii: File name too long; expected a NIfTI image.",
        "--input_files: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.nii cannot be used (File name too long); give a folder, files or patterns.",
    ),
    *wrong_image(
        "path through a file",
        nothing,
        "bold.nii.gz/bad.nii",
        "bold.nii.gz/bad.nii: no such file; expected a NIfTI image.",
        "--input_files: bold.nii.gz/bad.nii does not exist; give a folder, files or patterns.",
    ),
    *image(
        "no voxel",
        header("bad.nii", dim=[4, 7, 0, 9, 12, 1, 1, 1]),
        "bad.nii",
        "bad.nii: an image without voxels (7x0x9x12); fetch or make it again.",
    ),
    *wrong_image(
        "plane",
        stored("bad.nii", LABELS[:, :, 4]),
        "bad.nii",
        "bad.nii: a 2D image (7x8); expected a 3D image, or a 4D one.",
    ),
    *wrong_image(
        "complex numbers",
        stored("bad.nii", series().astype(np.complex64)),
        "bad.nii",
        "bad.nii: its voxels are of type complex64; expected real numbers.",
    ),
    *wrong_image(
        "colours",
        stored("bad.nii", COLOURS),
        "bad.nii",
        "bad.nii: its voxels are of type [('R', 'u1'), ('G', 'u1'), ('B', 'u1')]; expected real numbers.",
    ),
    *wrong_image(
        "Analyze",
        lambda: nib.save(nib.AnalyzeImage(LABELS, np.eye(4)), "bad.img"),
        "bad.img",
        "bad.img: found a Spm2AnalyzeImage; expected a NIfTI image.",
    ),
    # A mask's header is refused before its voxels are read.
    *image(
        "cut gzip",
        cut("bad.nii.gz", -3000),
        "bad.nii.gz",
        "bad.nii.gz: broken: its header says 12 volumes, 8 could be read (Compressed file ended before the end-of-stream marker was reached); fetch or make it again.",
    )[:2],
    *image(
        "checksum",
        flipped("bad.nii.gz", -8),
        "bad.nii.gz",
        "bad.nii.gz: broken: its header says 12 volumes, 11 could be read (CRC check failed 1829475096 != 1829475149); fetch or make it again.",
    )[:2],
    *image(
        "length in the trailer",
        flipped("bad.nii.gz", -1),
        "bad.nii.gz",
        "bad.nii.gz: broken: its header says 12 volumes, 11 could be read (Incorrect length of data produced); fetch or make it again.",
    )[:2],
    *image(
        "more than the header says",
        header("bad.nii", dim=[4, 7, 8, 9, 2, 1, 1, 1]),
        "bad.nii",
        "bad.nii: broken: its header says 2 volumes, 2 could be read (the file holds more after the last volume); fetch or make it again.",
    )[:2],
    *image(
        "a member more",
        two_members,
        "bad.nii.gz",
        "bad.nii.gz: broken: its header says 12 volumes, 12 could be read (the file holds more after the last volume); fetch or make it again.",
    )[:2],
    Case(
        "image: name that leaves its outputs none",
        stored(f"{LONG}.nii", series()),
        ("out", "-i", f"{LONG}.nii", *RUN[3:]),
        1,
        f"niimasker: failed: {LONG}.nii: out/{LONG}_timeseries.tsv cannot be written (File name too long); fix that, or "
        "give another output_dir.",
    ),
    # What only one role refuses
    use(
        "image: volume", nothing, "-i mask.nii.gz", "mask.nii.gz: a 3D image (7x8x9); expected a 4D series of volumes."
    ),
    use(
        "image: five axes",
        stored("bad.nii", np.zeros((*SHAPE, 3, 2))),
        "-i bad.nii",
        "bad.nii: a 5D image (7x8x9x3x2); split it into 4D series of volumes.",
    ),
    use(
        "image: pattern without match",
        nothing,
        "-i bad*.nii",
        "--input_files: no file matches bad*.nii (searched from <here>).",
    ),
    use(
        "image: given twice",
        nothing,
        "-i bold.nii.gz ./bold.nii.gz",
        "these images would write outputs of the same name: bold.nii.gz, bold.nii.gz; rename one, or give each image once.",
    ),
    use(
        "atlas: one of the images",
        nothing,
        "-r bold.nii.gz",
        "--roi_file: bold.nii.gz is one of the --input_files; give an atlas, a mask or coordinates.",
    ),
    use(
        "atlas: nothing but 0",
        stored("bad.nii", LABELS * 0),
        "-r bad.nii",
        "bad.nii: every voxel is 0; expected at least one region.",
    ),
    use(
        "atlas: NaN",
        stored("bad.nii", np.full(SHAPE, NAN)),
        "-r bad.nii",
        "bad.nii: every voxel is NaN; expected at least one region.",
    ),
    use(
        "atlas: infinite",
        stored("bad.nii", np.where(LABELS, INFINITE, 1.0)),
        "-r bad.nii",
        "bad.nii: holds infinite values; expected whole numbers, 0 for background.",
    ),
    use(
        "atlas: a stack of parcellations",
        stored(
            "bad.nii",
            np.stack([LABELS + 3 * (LABELS.cumsum(axis=1) == 2)] * 3, axis=-1, dtype=np.int16, casting="unsafe"),
        ),
        "-r bad.nii",
        "bad.nii: a stack of 3 parcellations, as each volume holds several whole numbers; expected one 3D parcellation, or probabilistic maps. Take one volume out of it, as with fslroi or nibabel's img.slicer[..., 0].",
    ),
    use(
        "atlas: fractions",
        stored("bad.nii", np.arange(504).reshape(SHAPE) / 7),
        "-r bad.nii",
        "bad.nii: holds values that cannot be a region's index (0.1428571429, 0.2857142857, 0.4285714286, 0.5714285714, 0.7142857143, ...); expected whole numbers from 1 to 2147483647, and 0 for background.",
    ),
    use(
        "atlas: negative indices",
        stored("bad.nii", LABELS - 3),
        "-r bad.nii",
        "bad.nii: holds values that cannot be a region's index (-3, -2); expected whole numbers from 1 to 2147483647, and 0 for background.",
    ),
    use(
        "atlas: beyond int32",
        stored("bad.nii", LABELS * 1e12 + np.eye(7, 8)[:, :, None]),
        "-r bad.nii",
        "bad.nii: holds values that cannot be a region's index (1e+12, 1e+12); expected whole numbers from 1 to 2147483647, and 0 for background.",
    ),
    use(
        "atlas: infinite maps",
        stored("bad.nii", series() + np.array(INFINITE)),
        "-r bad.nii",
        "bad.nii: its maps hold infinite values; expected numbers, 0 outside a region.",
    ),
    use(
        "atlas: maps of 0",
        stored("bad.nii", series() * 0),
        "-r bad.nii",
        "bad.nii: every voxel of its maps is 0; expected at least one region.",
    ),
    use(
        "atlas: five axes",
        stored("bad.nii", np.zeros((*SHAPE, 3, 2))),
        "-r bad.nii",
        "bad.nii: a 5D image; expected a 3D image or 4D maps.",
    ),
    use(
        "atlas: table of another kind",
        file("bad.txt", "x y z\n1 2 3\n"),
        "-r bad.txt",
        "bad.txt: not a NIfTI image; a table of coordinates has the ending .tsv or .csv.",
    ),
    use(
        "atlas: unknown query",
        nothing,
        "-r nilearn:banana",
        "nilearn:banana: there is no atlas 'banana'. Valid names: aal, allen, basc, craddock, destrieux, difumo, harvard_oxford, juelich, msdl, pauli, schaefer, smith, talairach, yeo.",
    ),
    use(
        "atlas: query of a thousand digits",
        nothing,
        f"-r nilearn:schaefer:{'1' * 5000}",
        "nilearn:schaefer:1111111111111111111111111111111111111111111...111111111111111111111111111111111111111111111111111111111111: '111111111111111111111111111111111111111111111111111111111111...111111111111111111111111111111111111111111111111111111111111' is not a valid <n_rois> in nilearn:schaefer:<n_rois>-<networks>-<resolution>. Valid for <n_rois>: 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000.",
    ),
    use(
        "mask: more than one value",
        nothing,
        "-m atlas.nii.gz",
        "atlas.nii.gz: not a mask; expected 0 and one other value, found 0, 1, 2, 5.",
    ),
    use(
        "mask: nothing but 0",
        stored("bad.nii", LABELS * 0),
        "-m bad.nii",
        "bad.nii: not a mask; expected 0 and one other value, found 0.",
    ),
    use("mask: series", nothing, "-m bold.nii.gz", "bold.nii.gz: a 4D image; expected a 3D mask."),
    # Tables of confounds
    table("empty", b"", CONFOUNDS, "bad.tsv is empty; give a text table with a header and one row per volume."),
    table("blank", "\n \n\n", CONFOUNDS, "bad.tsv is empty; give a text table with a header and one row per volume."),
    table(
        "header alone",
        "a\tb\n",
        CONFOUNDS,
        "bad.tsv has 0 rows but bold.nii.gz has 12 volumes; each confounds table must come from the same run as its image.",
    ),
    table(
        "too short",
        "a\n1\n2\n",
        CONFOUNDS,
        "bad.tsv has 2 rows but bold.nii.gz has 12 volumes; each confounds table must come from the same run as its image.",
    ),
    table(
        "no header",
        ROWS,
        CONFOUNDS,
        "bad.tsv has no header: its first row holds no names (0); put a row with the columns' names above it.",
    ),
    table(
        "a cell too many",
        f"a\n1\t2\n{ROWS}",
        CONFOUNDS,
        "bad.tsv has 2 values in row 1 but 1 name in the header (the first row below the header is row 1); save it without row names.",
    ),
    table(
        "a name twice",
        f"a\ta\n{ROWS}",
        CONFOUNDS,
        "bad.tsv has columns of the same name: a; give every column its own name.",
    ),
    table("binary", b"a\tb\n\0\0\0\n", CONFOUNDS, "bad.tsv is a binary file (it holds zero bytes); give a text table."),
    table(
        "Latin-1",
        "Größe\n1\n".encode("latin-1"),
        CONFOUNDS,
        "bad.tsv is not UTF-8 text (byte 0xf6); give an uncompressed text table saved as UTF-8.",
    ),
    table(
        "UTF-16",
        "a\n1\n".encode("utf-16"),
        CONFOUNDS,
        "bad.tsv is not UTF-8 text (byte 0xff); give an uncompressed text table saved as UTF-8.",
    ),
    table(
        "gzip",
        packed("bad.gz", b"a\n1\n"),
        CONFOUNDS,
        "bad.tsv is not UTF-8 text (byte 0x8b); give an uncompressed text table saved as UTF-8.",
    ),
    table(
        "endless line",
        b"1\t" * 2**22,
        CONFOUNDS,
        "bad.tsv has a line of more than 4,194,304 characters; give a text table with one row per line.",
    ),
    table(
        "endless cell",
        b"1" * 200_000,
        CONFOUNDS,
        "bad.tsv is not a table (field larger than field limit (131072)); give a text table with a header and one row per volume.",
    ),
    table(
        "text among numbers",
        f"a\n{ROWS}".replace("5", "five"),
        CONFOUNDS,
        "bad.tsv: column 'a' holds 'five', which is not a number, in row 6 (the first row below the header is row 1); correct the table or leave this column out of --regressors.",
    ),
    table(
        "infinite",
        f"a\n{ROWS}".replace("5", "1e999"),
        CONFOUNDS,
        "bad.tsv: column 'a' is infinite in row 6 (the first row below the header is row 1); correct the table or leave this column out of --regressors.",
    ),
    table(
        "gap",
        f"a\n{ROWS}".replace("5", "n/a"),
        CONFOUNDS,
        "bad.tsv: column 'a' has no value in row 6 (the first row below the header is row 1); correct the table or leave this column out of --regressors.",
    ),
    table(
        "no such column",
        f"a\n{ROWS}",
        f"{CONFOUNDS} --regressors b",
        "bad.tsv: --regressors has unknown words: 'b'; it takes columns (a), patterns of them, strategies (Params2, Params6, Params9, Params24, Params36, AnatCompCor, TempCompCor), and words (motion, wm_csf, global_signal, high_pass, compcor, ica_aroma, tedana, scrub, non_steady_state).",
    ),
    table(
        "no displacement",
        f"a\n{ROWS}",
        f"{CONFOUNDS} --scrub",
        "bad.tsv has no column framewise_displacement (FramewiseDisplacement before fMRIPrep 1.2), and no motion parameters (trans_x, ..., rot_z), which --scrub needs; --fd_threshold 0 scrubs without it, --censor_file takes volumes of your own.",
    ),
    use(
        "--regressor_files: folder",
        folder("bad.tsv"),
        CONFOUNDS,
        "--regressor_files: bad.tsv is a folder; give files or patterns.",
    ),
    use(
        "--regressor_files: pipe",
        pipe("bad.tsv"),
        CONFOUNDS,
        "--regressor_files: bad.tsv cannot be used (not a regular file); give files or patterns.",
    ),
    use(
        "--regressor_files: loop of links",
        loop("bad.tsv"),
        CONFOUNDS,
        "--regressor_files: bad.tsv cannot be used (Too many levels of symbolic links); give files or patterns.",
    ),
    use(
        "--regressor_files: a pattern of two for one image",
        nothing,
        "--regressor_files c[oe]n*.t[sx]*",
        "1 image but 2 confounds tables; give one per image.",
    ),
    use(
        "--regressor_files: two for one image, of which one has no header",
        nothing,
        "--regressor_files confounds.tsv censor.txt",
        "censor.txt has no header: its first row holds no names (0); put a row with the columns' names above it.",
    ),
    # JSON beside confounds
    use(
        "CompCor: JSON is empty",
        with_confounds_json(""),
        COMPCOR,
        "confounds.json is not JSON (Expecting value: line 1 column 1 (char 0)); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON is a list",
        with_confounds_json("[]"),
        COMPCOR,
        "confounds.json is not a JSON object; compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON is nested deeply",
        with_confounds_json("[" * 99_999),
        COMPCOR,
        "confounds.json is not JSON (it is nested too deeply); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON has a number of many digits",
        with_confounds_json("1" * 9999),
        COMPCOR,
        "confounds.json is not JSON (a number in it has thousands of digits); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON is endless",
        with_confounds_json(" " * 2**25),
        COMPCOR,
        "confounds.json is not JSON (it is longer than 16,777,216 characters); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON of no components",
        with_confounds_json("{}"),
        COMPCOR,
        "confounds.json lists no components a_comp_cor_00, ..., which compcor=anat_combined high_pass takes; it must come with confounds.tsv.",
    ),
    use(
        "CompCor: JSON of a number",
        with_confounds_json('{"a_comp_cor_00": 1}'),
        COMPCOR,
        "confounds.json does not describe the components a_comp_cor_00, ... as fMRIPrep does (numbered without a gap, each a_comp_cor with its Mask, some of them 'combined'); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON of no mask",
        with_confounds_json('{"a_comp_cor_00": {"Mask": []}}'),
        COMPCOR,
        "confounds.json does not describe the components a_comp_cor_00, ... as fMRIPrep does (numbered without a gap, each a_comp_cor with its Mask, some of them 'combined'); compcor=anat_combined high_pass needs it as fMRIPrep wrote it.",
    ),
    use(
        "CompCor: JSON is a folder",
        lambda: (Path("confounds.json").unlink(), folder("confounds.json")()),
        COMPCOR,
        "compcor=anat_combined high_pass needs the JSON file that fMRIPrep 1.4 and later writes beside the table: confounds.json is missing (Is a directory); put it there, or name columns in --regressors.",
    ),
    # Censor files
    table(
        "too short",
        "0\n1\n",
        "--censor_file bad.txt",
        "bad.txt has 2 rows but bold.nii.gz has 12 volumes; each --censor_file must come from the same run as its image.",
    ),
    table(
        "another number",
        "0\n" * 11 + "2\n",
        "--censor_file bad.txt",
        "bad.txt holds '2' in row 12 (the first row below the header is row 1, if there is one); expected 0, or 1 for a censored volume, without row names.",
    ),
    table(
        "text",
        "0\n" * 11 + "bad\n",
        "--censor_file bad.txt",
        "bad.txt holds 'bad' in row 12 (the first row below the header is row 1, if there is one); expected 0, or 1 for a censored volume, without row names.",
    ),
    table(
        "empty",
        b"",
        "--censor_file bad.txt",
        "bad.txt is empty; give a vector or a table of 0 and 1 (1: censored), one row per volume.",
    ),
    # Names
    table(
        "no names",
        "index\n1\n",
        "--labels bad.tsv",
        "bad.tsv, a list with one name a line: its names are all numbers (1); give a table with a column of names.",
    ),
    table(
        "an index twice",
        "index\tname\n1\ta\n1\tb\n5\tc\n",
        "--labels bad.tsv",
        "bad.tsv: index 1 is given 2 times in column index; give each index one row.",
    ),
    table(
        "text as index",
        "index\tname\none\ta\n",
        "--labels bad.tsv",
        "bad.tsv: 'one' in column index is no whole number; give a region's index.",
    ),
    table(
        "infinite index",
        "index\tname\ninf\ta\n",
        "--labels bad.tsv",
        "bad.tsv: 'inf' in column index is no whole number; give a region's index.",
    ),
    table(
        "index of a thousand digits",
        f"index\tname\n{'1' * 300}\ta\n",
        "--labels bad.tsv",
        "bad.tsv, a table separated by tabs, names 1 index in column index but atlas.nii.gz has 3 regions; index 1 of the image is the first without a name.",
    ),
    table(
        "no name",
        "index\tname\n1\t\n2\tb\n5\tc\n",
        "--labels bad.tsv",
        "bad.tsv: no name in row 1 (the first row below the header is row 1), of index 1; give it one.",
    ),
    table(
        "line break in a name",
        'index\tname\n1\t"a\nb"\n2\tb\n5\tc\n',
        "--labels bad.tsv",
        "atlas.nii.gz: 'a\\nb' cannot be a column's name; give one without tabs and line breaks.",
    ),
    table(
        "another atlas's",
        "name\na\nb\n",
        "--labels bad.tsv",
        "bad.tsv, a list with one name a line, has 2 names but atlas.nii.gz has 3 regions; index 5 is the first without a name.",
    ),
    table(
        "line of another form",
        "1 a 0 0 0 0\n2 b 0 0 0 0\n5 c 0 red\n",
        "--labels bad.txt",
        "bad.txt: line 3, '5 c 0 red', does not fit; the others are a colour table of FreeSurfer (index, name, R, G, B, and opacity or not); correct it.",
    ),
    use(
        "--labels: pipe",
        pipe("bad.tsv"),
        "--labels bad.tsv",
        "bad.tsv is not a regular file; give a table with a column of names.",
    ),
    use(
        "--labels: no file",
        nothing,
        "--labels bad.tsv",
        "bad.tsv cannot be read (No such file or directory); give a table with a column of names.",
    ),
    use(
        "--labels: name too long for a file",
        nothing,
        f"--labels {'x' * 5000}",
        "--labels has 1 name but atlas.nii.gz has 3 regions; index 2 is the first without a name.",
    ),
    # Coordinates
    table("no column z", "x\ty\n1\t2\n", SEEDS, "bad.tsv: no column z; expected columns x, y, z in mm, found x, y."),
    table("no row", "x\ty\tz\n", SEEDS, "bad.tsv: no coordinates below its header; give one row per sphere."),
    table(
        "text",
        "x\ty\tz\n1\t2\tthree\n",
        SEEDS,
        "bad.tsv: 'three' in column z, row 1 (the first row below the header is row 1), is not a finite number; give it in mm.",
    ),
    table(
        "NaN",
        "x\ty\tz\n1\t2\tnan\n",
        SEEDS,
        "bad.tsv: 'nan' in column z, row 1 (the first row below the header is row 1), is not a finite number; give it in mm.",
    ),
    table("binary", b"\0" * 99, SEEDS, "bad.tsv is a binary file (it holds zero bytes); give a text table."),
    table(
        "sphere of ten metres",
        "x\ty\tz\n1e4\t2\t3\n",
        "-r bad.tsv --radius 1e4",
        "--radius: a sphere of 10000 mm around 10000, 2, 3 has more voxels than a brain; give radius and coordinates in mm.",
    ),
    table(
        "coordinates in metres away",
        "x\ty\tz\n1e17\t2\t3\n",
        "-r bad.tsv --radius 1e300",
        "--radius: a sphere of 1e+300 mm around 1e+17, 2, 3 has more voxels than a brain; give radius and coordinates in mm.",
    ),
    table(
        "two spheres of one",
        "x\ty\tz\n0\t0\t5\n0\t0\t5\n",
        SEEDS,
        "spheres overlap (voxels shared): roi 0 and roi 1 (3); give a smaller --radius, or --allow_overlap to permit it.",
    ),
    # JSON
    config(
        "empty",
        "",
        "bad.json, line 1, column 1: not valid JSON (Expecting value); the file is empty: start from config_template.json.",
    ),
    config("list", "[]", "bad.json: expected one JSON object, {...}, with an option per key."),
    config("number", "1", "bad.json: expected one JSON object, {...}, with an option per key."),
    config("text", '"out"', "bad.json: expected one JSON object, {...}, with an option per key."),
    config("null", "null", "bad.json: expected one JSON object, {...}, with an option per key."),
    config(
        "cut",
        '{"radius": ',
        "bad.json, line 1, column 12: not valid JSON (Expecting value); probably a quote, comma or bracket is missing before this place.",
    ),
    config(
        "comma at the end",
        '{"radius": 6,}',
        "bad.json, line 1, column 14: not valid JSON (Expecting property name enclosed in double quotes); probably a comma after the last item: delete it.",
    ),
    config(
        "comment",
        '// radius\n{"radius": 6}',
        "bad.json, line 1, column 1: not valid JSON (Expecting value); probably a comment: JSON does not allow comments.",
    ),
    config(
        "Python's spelling",
        '{"detrend": True}',
        "bad.json, line 1, column 13: not valid JSON (Expecting value); probably Python's spelling: JSON writes true, false and null.",
    ),
    config(
        "backslashes",
        '{"input_files": "C:\\data"}',
        "bad.json, line 1, column 20: not valid JSON (Invalid \\escape); probably a backslash in a path: write / or \\\\.",
    ),
    config("key twice", '{"radius": 6, "radius": 7}', "bad.json: 'radius' is given twice; keep one of them."),
    config("unknown key", '{"raduis": 6}', "bad.json: unknown option 'raduis'; the nearest is 'radius'."),
    config(
        "key of a million letters",
        f'{{"{"k" * 10**6}": 6}}',
        f"bad.json: unknown option 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk'; the options are {', '.join(config_template())}.",
    ),
    config(
        "Latin-1",
        '{"labels": "Größe"}'.encode("latin-1"),
        "bad.json: the configuration is not UTF-8 text; save it as UTF-8.",
    ),
    config("binary", bytes(range(256)), "bad.json: the configuration is not UTF-8 text; save it as UTF-8."),
    config(
        "nested deeply",
        '{"labels": ' + "[" * 99_999,
        "bad.json: not a configuration: it is nested too deeply; give a JSON object of options.",
    ),
    config(
        "number of a million digits",
        f'{{"radius": {"1" * 10**6}}}',
        "bad.json: not a configuration: a number in it has thousands of digits; give a JSON object of options.",
    ),
    config(
        "number of many digits",
        f'{{"radius": {"1" * 4000}}}',
        "--radius: expected a number above 0, in mm, found 111111111111111111111111111111111111111111111111111111111111...111111111111111111111111111111111111111111111111111111111111.",
    ),
    config(
        "endless",
        " " * 2**25,
        "bad.json: not a configuration: it is longer than 16,777,216 characters; give a JSON object of options.",
    ),
    config(
        "command line's option",
        '{"output_dir": "out"}',
        "bad.json: 'output_dir' can only be given on the command line; remove it from the file.",
    ),
    config(
        "surrogate in a pattern",
        json.dumps({"input_files": "\ud800*"}),
        "--input_files: no file matches \\ud800* (searched from <here>).",
    ),
    use(
        "JSON: folder",
        folder("bad.json"),
        "-c bad.json",
        "bad.json: the configuration cannot be read (Is a directory); give a JSON file.",
    ),
    use(
        "JSON: no file",
        nothing,
        "-c bad.json",
        "bad.json: the configuration cannot be read (No such file or directory); give a JSON file.",
    ),
    use(
        "JSON: loop of links",
        loop("bad.json"),
        "-c bad.json",
        "bad.json: the configuration cannot be read (Too many levels of symbolic links); give a JSON file.",
    ),
    use(
        "JSON: name too long",
        nothing,
        f"-c {'x' * 300}",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: the configuration cannot be read (File name too long); give a JSON file.",
    ),
    use(
        "JSON: zeros without end",
        nothing,
        "-c /dev/zero",
        "/dev/zero: not a configuration: it is longer than 16,777,216 characters; give a JSON object of options.",
    ),
    # Where results go
    Case(
        "output_dir: file",
        file("bad", ""),
        ("bad", *RUN[1:]),
        2,
        "niimasker: error: bad/niimasker_data cannot be written (Not a directory); fix that, or give another output_dir.",
    ),
    Case(
        "output_dir: below a file",
        file("bad", ""),
        ("bad/out", *RUN[1:]),
        2,
        "niimasker: error: bad/out/niimasker_data cannot be written (Not a directory); fix that, or give another output_dir.",
    ),
    Case(
        "output_dir: loop of links",
        loop("bad"),
        ("bad", *RUN[1:]),
        2,
        "niimasker: error: bad/niimasker_data cannot be written (Too many levels of symbolic links); fix that, or give another output_dir.",
    ),
    Case(
        "output_dir: name too long",
        nothing,
        ("x" * 300, *RUN[1:]),
        2,
        "niimasker: error: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/niimasker_data cannot be written (File name too long); fix that, or give another output_dir.",
    ),
    Case(
        "output_dir: leading dash",
        nothing,
        ("-out", *RUN[1:]),
        2,
        "niimasker: error: unrecognized arguments: -out; the nearest is --timeout; see niimasker --help_all.",
    ),
]


@pytest.fixture(autouse=True)
def folder_of_one_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)


def test_there_are_enough_cases_and_each_has_a_name():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_input_is_told_in_one_line(case):
    case.build()
    before = set(Path().rglob("*"))
    result = run(*case.words, "-q")
    assert result.err == f"{case.line}\n".replace("<here>", str(Path.cwd()))
    assert result.code == case.code
    new = {path for path in set(Path().rglob("*")) - before if path.is_file()}
    if case.code == 2:
        assert not new
    assert not [path for path in new if path.name.startswith(".") or "timeseries" in path.name]
