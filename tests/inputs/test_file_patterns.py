"""Names and patterns stand for the files that glob finds; links in a circle end."""

from __future__ import annotations

import glob
import os
import random
from pathlib import Path

import pytest
from studies import write_study

from niimasker.cli import main
from niimasker.errors import RunsError
from niimasker.inputs.file_patterns import expand_patterns
from niimasker.inputs.file_search import find_matches
from niimasker.inputs.templates import resolve_template

PATTERNS = (
    "**",
    "**/",
    "**/*.nii",
    "**/a*",
    "a/**",
    "*/**/b.nii",
    "**/b/**/*.nii",
    "./**/c/*",
    "**/.a/*",
    ".a/**/*",
    "**/**/*.nii",
    "a/b**/*",
    "[ab]/**/[!a]*",
    "none/**/*",
    "**/none.nii",
    "a/../**/b",
)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "tree"


def grow(folder: Path, draw: random.Random, depth: int = 0) -> list[Path]:
    """Make folders, files and links to files, and return all folders."""
    folders = [folder]
    for name in ("a", "b", "c", ".a", "x[1]", "*"):
        if depth < 3 and draw.random() < 0.5 - 0.1 * depth:
            (folder / name).mkdir()
            folders += grow(folder / name, draw, depth + 1)
        elif draw.random() < 0.4:
            (folder / f"{name}.nii").touch()
        elif draw.random() < 0.2:
            (folder / f"{name}.nii").symlink_to(draw.choice(["a.nii", "../b.nii", "gone", f"{name}.nii"]))
    return folders


def by_glob(pattern: str) -> set[Path]:
    # Python 3.11 returns "a" for "a/**" even where there is no such folder.
    return {Path(match) for match in glob.glob(pattern, recursive=True) if os.path.lexists(match)}  # noqa: PTH207


@pytest.mark.parametrize("seed", range(20))
def test_matches_are_those_of_glob(folder, seed):
    draw = random.Random(seed)
    folders = grow(folder, draw)
    place = draw.choice(folders)
    # Links to folders that do not contain them.
    targets = [each for each in folders if not place.is_relative_to(each)]
    if targets:
        (place / "l").symlink_to(draw.choice(targets))
    for pattern in (*PATTERNS, *(f"{folder}/{pattern}" for pattern in PATTERNS)):
        found = find_matches(pattern)
        assert set(found) - {Path()} == by_glob(pattern) - {Path()}, pattern
        assert len(found) == len(set(found))


def make(path: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    return Path(path)


@pytest.mark.parametrize("target", [".", "..", "../..", "../../.."])
@pytest.mark.parametrize("pattern", ["**/*.nii", "sub/**/*.nii", "**/func/**/*.nii"])
def test_link_to_a_folder_that_contains_it_is_not_followed(folder, target, pattern):
    image = make("sub/func/bold.nii")
    Path("sub/func/loop").symlink_to(target)
    assert find_matches(pattern) == [image]
    assert expand_patterns([pattern], "--input_files") == [image]


def test_links_that_lead_to_each_other_end(folder):
    for number in range(4):
        make(f"{number}/bold.nii")
        for other in range(4):
            Path(f"{number}/to_{other}").symlink_to(f"../{other}")
    found = find_matches("**/*.nii")
    # Every way that enters no folder twice: 4 + 4 x 3 + 4 x 3 x 2 + 4 x 3 x 2 x 1.
    assert len(found) == 64
    assert len({path.resolve() for path in found}) == 4


def test_link_to_a_folder_elsewhere_is_followed(folder):
    (folder.parent / "store").mkdir()
    make(str(folder.parent / "store" / "bold.nii"))
    Path("sub").symlink_to("../store")
    assert expand_patterns(["**/*.nii"], "--input_files") == [Path("sub/bold.nii")]


def test_pattern_of_a_template_ends_too(folder):
    make("anat/sub-1_dseg.nii")
    Path("anat/loop").symlink_to("..")
    found = resolve_template("**/sub-{sub}_dseg.nii", Path("func/sub-1_bold.nii"), "--roi_file")
    assert found == Path("anat/sub-1_dseg.nii")


def test_pattern_without_a_match_says_so(folder):
    Path("loop").symlink_to(".")
    with pytest.raises(RunsError, match=r"no file matches \*\*/\*\.nii"):
        expand_patterns(["**/*.nii"], "--input_files")


# What is no file


OPTIONS_WITH_FILES = ("-i", "-r", "-m", "--regressor_files", "--censor_file", "--labels", "--exclude", "-c")


@pytest.fixture
def study(folder) -> dict[str, str]:
    write_study(folder, 1)
    Path("config.json").write_text("{}")
    Path("table.tsv").write_text("a\n" + "1\n" * 12)
    return {
        "-i": "sub-00_bold.nii.gz",
        "-r": "atlas.nii.gz",
        "-m": "atlas.nii.gz",
        "--regressor_files": "table.tsv",
        "--censor_file": "table.tsv",
        "--labels": "table.tsv",
        "--exclude": "table.tsv",
        "-c": "config.json",
    }


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("put", [put_link_to_itself, os.mkfifo], ids=["link to itself", "pipe"])
@pytest.mark.parametrize(
    "option", ["-i", "-r", "-m", "--regressor_files", "--censor_file", "--labels", "--exclude", "-c"]
)
def test_what_is_no_file_is_one_line_and_does_not_hang(study, capsys, put, option):
    name = f"odd{''.join(Path(study[option]).suffixes)}"
    put(Path(name))
    words = {"-i": study["-i"], "-r": study["-r"], option: name}
    assert main(["out", "--no_report", *(word for pair in words.items() for word in pair)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("niimasker: error: ")
    assert name in line
    assert not Path("out").exists()
