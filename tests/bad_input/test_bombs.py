"""Small files that promise, or decompress to, more than any memory holds.

One process does them all, with 1 GB of address space more than it takes to import everything: an allocation that
follows a header's promise fails there, and is seen.
"""

from __future__ import annotations

import bz2
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bad_files import extension, make_image, with_fields
from commands import RUN, write_study
from images import OBLIQUE
from studies import environment

pytestmark = pytest.mark.long

ZEROS = bytes(2**25)
MOST_SECONDS = 10

CHILD = """
import contextlib, io, json, os, resource, sys, time
from pathlib import Path
from niimasker.cli import main

def run(words):
    err, start = io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(words)
    return {"code": code, "err": err.getvalue(), "seconds": time.perf_counter() - start}

run(["warm", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--n_jobs", "1", "--detrend"])
used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, resource.RLIM_INFINITY))
print(json.dumps({name: run(words) for name, words in json.load(sys.stdin).items()}))
"""


def header_of(dim: Sequence[int], dtype: type = np.uint8, **fields: object) -> bytes:
    """Return a header for voxels of a shape, and the four bytes behind it."""
    klass = nib.Nifti2Image if max(dim) > 2**15 - 1 else nib.Nifti1Image
    empty = klass(np.zeros((1, 1, 1), dtype=dtype), OBLIQUE).to_bytes()[:-1]
    return with_fields(empty, klass, dim=[len(dim), *dim, *[1] * (7 - len(dim))], **fields)


def zeros(compress: Callable[[bytes], bytes], n_bytes: int) -> bytes:
    """Return a stream of zeros; the same compressed piece over and over, which takes no time to make."""
    n_pieces, rest = divmod(n_bytes, len(ZEROS))
    return compress(ZEROS) * n_pieces + (compress(ZEROS[:rest]) if rest else b"")


def bomb(name: str, dim: Sequence[int], n_bytes: int, padding: int = 0) -> None:
    """Write an image of zeros whose header says a shape; padding behind the stream makes the file larger."""
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}[Path(name).suffix]
    content = compress(header_of(dim)) + zeros(compress, n_bytes)
    if padding:
        noise = np.random.default_rng(0).integers(0, 256, padding, dtype=np.uint8).tobytes()
        content = compress(header_of(dim, vox_offset=352 + padding) + noise) + zeros(compress, n_bytes)
    Path(name).write_bytes(content)


def sparse(name: str, content: bytes, n_bytes: int) -> None:
    """Write a file with a hole behind its content, which reads as zeros and takes no room."""
    with Path(name).open("wb") as file:
        file.write(content)
        file.truncate(n_bytes)


@dataclass(frozen=True)
class Bomb:
    """A file, the words that give it, and what is expected."""

    name: str
    build: Callable[[], object]
    words: Sequence[str]
    code: int
    pattern: str


def in_each_role(name: str, build: Callable[[], object], path: str, reason: str) -> list[Bomb]:
    """Return a file as image, atlas and mask."""
    words = {"image": ("-i", path, *RUN[3:]), "atlas": (*RUN[1:3], "-r", path), "mask": (*RUN[1:], "-m", path)}
    return [
        Bomb(
            f"{role}: {name}",
            build,
            words[role],
            1 if role == "image" and "broken" in reason else 2,
            rf"niimasker: (error|failed): {re.escape(path)}: {reason}",
        )
        for role in words
    ]


TOO_LARGE = r"(reading a volume|reading it) takes [\d.]+ GB of memory, and [\d.]+ GB are free; resample it to larger voxels, or use a machine with more memory\."  # noqa: E501
BROKEN = r"broken: its header says {} volumes, {}; fetch or make it again\."
LARGE = (256, 256, 300, 2)

BOMBS = [
    # A promise that the size of the file alone would allow.
    *in_each_role(
        "volumes that are not there",
        lambda: bomb("more.nii.gz", LARGE, 2**20, padding=2**16),
        "more.nii.gz",
        BROKEN.format(2, "the file ends within the first"),
    ),
    *in_each_role(
        "volumes that are not there in bzip2",
        lambda: bomb("more.nii.bz2", LARGE, 2**20),
        "more.nii.bz2",
        BROKEN.format(2, "the file ends within the first"),
    ),
    *in_each_role(
        "a volume of 27 GB",
        lambda: bomb("volume.nii.gz", (3000, 3000, 3000, 1), 27 * 10**9),
        "volume.nii.gz",
        TOO_LARGE,
    ),
    *in_each_role(
        "a volume of 27 GB in a hole",
        lambda: sparse("hole.nii", header_of((3000, 3000, 3000, 1)), 27 * 10**9 + 352),
        "hole.nii",
        TOO_LARGE,
    ),
    Bomb(
        "maps of 8 GB",
        lambda: bomb("maps.nii.gz", (64, 64, 64, 32000), 64**3 * 32000),
        (*RUN[1:3], "-r", "maps.nii.gz"),
        2,
        f"niimasker: error: maps.nii.gz: {TOO_LARGE}",
    ),
    # A promise that is kept, or exceeded.
    Bomb(
        "image of 2 GB",
        lambda: bomb("long.nii.gz", (64, 64, 64, 8000), 64**3 * 8000),
        ("-i", "long.nii.gz", *RUN[3:], "--quiet"),
        0,
        "",
    ),
    Bomb(
        "image of 4 GB under a modest header",
        lambda: bomb("behind.nii.gz", (64, 64, 64, 2), 2**32),
        ("-i", "behind.nii.gz", *RUN[3:]),
        1,
        "niimasker: failed: behind.nii.gz: "
        + BROKEN.format(2, r"2 could be read \(the file holds more after the last volume\)"),
    ),
    Bomb(
        "mask of 4 GB under a modest header",
        lambda: bomb("behind3.nii.gz", (64, 64, 64, 1), 2**32),
        (*RUN[1:], "-m", "behind3.nii.gz"),
        2,
        "niimasker: error: behind3.nii.gz: "
        + BROKEN.format(1, r"1 could be read \(the file holds more after the last volume\)"),
    ),
    # Text
    Bomb(
        "table of 8 GB",
        lambda: sparse("hole.tsv", b"a\n", 2**33),
        (*RUN[1:], "--regressor_files", "hole.tsv"),
        2,
        r"niimasker: error: hole\.tsv is a binary file \(it holds zero bytes\); give a text table\.",
    ),
    Bomb(
        "table of many lines",
        lambda: Path("lines.tsv").write_text("a\n" + "1\n" * 2**22),
        (*RUN[1:], "--regressor_files", "lines.tsv"),
        2,
        r"niimasker: error: lines\.tsv has more than 1,048,576 lines or 67,108,864 characters; "
        r"give the table of one run\.",
    ),
    Bomb(
        "JSON of 8 GB",
        lambda: sparse("hole.json", b"{", 2**33),
        (*RUN[1:], "-c", "hole.json"),
        2,
        r"niimasker: error: hole\.json: not a configuration: it is longer than 16,777,216 characters; "
        r"give a JSON object of options\.",
    ),
    *[
        Bomb(
            f"extension of {size} bytes",
            extension(f"extension{size}.nii.gz", size),
            ("-i", f"extension{size}.nii.gz", *RUN[3:]),
            0,
            "",
        )
        for size in (0, -1, 7, 2**31 - 1)
    ],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(folder)
        # A file in each role is one file.
        for build in dict.fromkeys(each.build for each in BOMBS):
            build()
        Path("plain.nii.gz").write_bytes(gzip.compress(make_image()))
        yield folder


@pytest.fixture(scope="module")
def results(folder):
    """What became of each bomb."""
    commands = {each.name: ("out", *each.words) for each in BOMBS}
    commands["plain"] = ("out", "-i", "plain.nii.gz", *RUN[3:])
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(commands), capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
class TestBombs:
    @pytest.mark.parametrize("case", BOMBS, ids=lambda case: case.name)
    def test_bomb_is_told_in_one_line_within_1_gb(self, results, case):
        result = results[case.name]
        errors = [line for line in result["err"].splitlines() if re.match(r"niimasker: (error|failed): ", line)]
        assert "Traceback" not in result["err"]
        assert len(errors) == (1 if case.code else 0)
        assert re.fullmatch(case.pattern, "".join(errors))
        assert result["code"] == case.code
        assert result["seconds"] < MOST_SECONDS

    def test_bomb_that_is_a_sound_image_is_extracted(self, results, folder):
        signals = pd.read_csv("out/long_timeseries.tsv", sep="\t")
        assert signals.shape == (8000, 3)
        assert not signals.to_numpy().any()

    @pytest.mark.parametrize("size", [0, -1, 7, 2**31 - 1])
    def test_claims_of_an_extension_change_no_voxel(self, results, folder, size):
        expected = Path("out/plain_timeseries.tsv").read_bytes()
        assert Path(f"out/extension{size}_timeseries.tsv").read_bytes() == expected
