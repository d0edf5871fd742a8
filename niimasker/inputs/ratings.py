"""The table ratings.tsv that the index page saves: which images a reader keeps, and which --exclude leaves out."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RunsError, count, list_names, shorten_text, warn
from niimasker.inputs.entities import read_name
from niimasker.inputs.run_images import RunImage, find_hemisphere

KEEP, LEAVE = "keep", "leave"
_UNRATED = ("", "n/a")
_COLUMNS = ("image", "rating")
_DELIMITERS = "\t;,"


@dataclass(frozen=True)
class Rating:
    """A reader's rating of a run; `output` is the run's output name, empty if the table does not say."""

    image: str
    output: str
    is_left_out: bool


@dataclass(frozen=True)
class Ratings:
    """The rated runs of a table."""

    path: Path
    rows: tuple[Rating, ...]


def is_ratings(lines: Sequence[str]) -> bool:
    """Return whether a text is a table of ratings by its first line."""
    return bool(lines) and "rating" in _split_names(lines[0])


def parse_ratings(path: Path, lines: Sequence[str]) -> Ratings:
    """Return the rated runs of a table, which a spreadsheet may have saved.

    Raises
    ------
    RunsError
        There is no column of images, or a rating is neither keep nor leave.
    """
    names = _split_names(lines[0])
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise RunsError(
            f"--exclude: {path} has a column rating, but none that is called {list_names(missing)}; save the ratings "
            "again on the page reports/index.html."
        )
    return Ratings(path, tuple(_parse_rows(path, names, lines)))


def _split_names(line: str) -> list[str]:
    (cells,) = csv.reader([line.strip("\r\n")], delimiter=_find_delimiter(line)) if line.strip() else [[]]
    return [cell.strip().lower() for cell in cells]


def _find_delimiter(header: str) -> str:
    # Where the decimal sign is a comma, spreadsheets separate by semicolons.
    return next((delimiter for delimiter in _DELIMITERS if delimiter in header), "\t")


def _split_rows(path: Path, lines: Sequence[str]) -> list[list[str]]:
    try:
        # A quotation mark that is never closed would hide all rows after it.
        return list(csv.reader(lines, delimiter=_find_delimiter(lines[0]), strict=True))
    except csv.Error as error:
        raise RunsError(
            f"--exclude: {path} cannot be split into cells ({error}); a note that begins with a quotation mark must "
            "end with one, and double those in it."
        ) from error


def _parse_rows(path: Path, names: Sequence[str], lines: Sequence[str]) -> Iterator[Rating]:
    rows = _split_rows(path, lines)[1:]
    for number, cells in enumerate(rows, start=1):
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        image, rating = row.get("image", ""), row.get("rating", "").lower()
        if rating in _UNRATED:
            continue
        if rating not in (KEEP, LEAVE):
            raise RunsError(
                f"--exclude: {path} has the rating {shorten_text(row['rating'])!r} in row {number}; expected "
                f"{KEEP}, {LEAVE} or n/a."
            )
        if image in _UNRATED:
            raise RunsError(f"--exclude: {path} rates no image in row {number}; fill in its column image.")
        yield Rating(image, row.get("output", ""), rating == LEAVE)


@dataclass(frozen=True)
class _Matches:
    """The ratings of each image, and the rated runs of which no image was found."""

    of_images: Mapping[Path, Sequence[Rating]]
    missing: tuple[Rating, ...]


def find_left_out(ratings: Ratings, images: Sequence[RunImage]) -> set[Path]:
    """Return the files of the images that are rated leave; the file of one hemisphere stands for both.

    Raises
    ------
    RunsError
        Several images fit a rated one, or one is rated both keep and leave.
    """
    rated = _match(ratings, images).of_images
    _refuse_contradictions(ratings, rated)
    left_out = {path for path, rows in rated.items() if any(row.is_left_out for row in rows)}
    hemispheres = {image.path: hemisphere for image in images if (hemisphere := find_hemisphere(image)) is not None}
    # Of a run of both hemispheres the table names the left file.
    others = [
        path
        for path, hemisphere in hemispheres.items()
        if path not in rated and path.with_name(hemisphere.other_name) in left_out
    ]
    return left_out.union(others)


def check_matches(ratings: Ratings, images: Sequence[RunImage]) -> None:
    """Warn of rated images that are missing, or lie elsewhere than where they were rated.

    Raises
    ------
    RunsError
        No rated image is among the images: the ratings are of another study.
    """
    matches = _match(ratings, images)
    if matches.missing and not matches.of_images:
        raise RunsError(
            f"--exclude: no image that {ratings.path} rates is among those of --input_files, such as "
            f"{matches.missing[0].image}; give the ratings of this study."
        )
    left_out = [row.image for row in matches.missing if row.is_left_out]
    if left_out:
        warn(
            f"--exclude: {count(len(left_out), 'run')} that {ratings.path} rates {LEAVE} cannot be left out, because "
            f"the image is not among those of --input_files: {list_names(left_out)}."
        )
    moved = [
        (path, row.image) for path, rows in matches.of_images.items() for row in rows if not _is_at(path, row.image)
    ]
    if moved:
        warn(
            f"--exclude: {ratings.path} rates images that lie elsewhere now; they are found by their names, such as "
            f"{moved[0][0]} for {moved[0][1]}."
        )


def _match(ratings: Ratings, images: Sequence[RunImage]) -> _Matches:
    by_name: dict[str, dict[Path, None]] = defaultdict(dict)
    for image in images:
        by_name[image.path.name][image.path] = None
    of_images: dict[Path, list[Rating]] = defaultdict(list)
    missing: list[Rating] = []
    for row in ratings.rows:
        path = _find_image(ratings, row, list(by_name.get(_split_path(row.image)[-1], ())))
        (missing if path is None else of_images[path]).append(row)
    return _Matches(of_images, tuple(missing))


def _find_image(ratings: Ratings, row: Rating, candidates: Sequence[Path]) -> Path | None:
    """Return which of the images of the same name a rating is of; None if it is of none of them."""
    exact = [path for path in candidates if _is_at(path, row.image)]
    if exact:
        return exact[0]
    n_alike = {path: _count_alike(path, row.image) for path in candidates}
    # Names such as run-01/bold.nii.gz say which run it is by their folder.
    n_needed = 1 if candidates and "sub" in read_name(candidates[0].name).entities else 2
    best = [path for path, n in n_alike.items() if n == max(n_alike.values()) and n >= n_needed]
    if len(best) > 1:
        raise RunsError(
            f"--exclude: {ratings.path} rates {row.image}, but several images of --input_files have its name: "
            f"{list_names([str(path) for path in best])}; correct the path in the table."
        )
    return best[0] if best else None


def _is_at(path: Path, text: str) -> bool:
    """Return whether an image is at a path, which may be relative to the folder of this or an earlier call."""
    if os.path.abspath(path) == os.path.abspath(text):  # noqa: PTH100
        return True
    n_parts = len(_split_path(text))
    return not Path(text).is_absolute() and n_parts > 1 and _count_alike(path, text) == n_parts


def _count_alike(path: Path, text: str) -> int:
    """Return how many parts of two paths are equal, from their ends on."""
    parts, rated = Path(os.path.abspath(path)).parts, _split_path(text)  # noqa: PTH100
    pairs = enumerate(zip(reversed(parts), reversed(rated), strict=False))
    return next((place for place, (one, two) in pairs if one != two), min(len(parts), len(rated)))


def _split_path(text: str) -> list[str]:
    # The table may come from Windows.
    return re.split(r"[/\\]", text)


def _refuse_contradictions(ratings: Ratings, rated: Mapping[Path, Sequence[Rating]]) -> None:
    for path, rows in rated.items():
        kept, left = (
            [row.output or path.name for row in rows if row.is_left_out == is_left] for is_left in (False, True)
        )
        if kept and left:
            raise RunsError(
                f"--exclude: {ratings.path} rates runs of one image both {KEEP} ({list_names(kept)}) and {LEAVE} "
                f"({list_names(left)}), but an image is left out of all pipelines or of none; rate them alike."
            )
