"""README.md says what the program does: its tables are the code's, its commands and snippets run."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from niimasker.cli import main, make_parser
from niimasker.config import read_config
from niimasker.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_RUN_FAILED, EXIT_WRONG_USE
from niimasker.inputs.strategies import FLEXIBLE_WORDS, STRATEGIES
from niimasker.regions.atlas_queries import grammar
from niimasker.regions.atlases import ATLASES
from niimasker.regions.weights import LOST_IN_RESAMPLING, NO_SIGNAL, OK, OUTSIDE_IMAGE, OUTSIDE_MASK
from niimasker.settings import DEPRECATED, OPTIONS, config_template, make_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
IMAGE = "sub-01_task-rest_space-MNI152NLin2009aSym_desc-preproc_bold"
SIGNALS = f"example_output/{IMAGE}_timeseries.tsv"
ATLAS = "tpl-MNI152NLin2009aSym_atlas-Example_dseg.nii.gz"
FROM_A_CLONE = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/niimasker example_output --example",
    'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/pytest',
)
COMMAND_LINE_ONLY = {"-c", "--config", "--example", "--version", "-h", "--help"}
FLAGS = {f"--{option.name}" for option in OPTIONS} | {option.short for option in OPTIONS} | COMMAND_LINE_ONLY
NAMED = [option for option in OPTIONS if not option.positional]
OCTAVE = shutil.which("octave-cli") or shutil.which("octave")
RSCRIPT = shutil.which("Rscript")
# A table as R and Octave should stand it: a name with a space, values that are missing, in the last column too.
ODD_TABLE = "roi 1\tLeft A\tB\n1.5\tn/a\t2\n-3e-1\tn/a\t7\n4\tn/a\tn/a\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def table(*header: str) -> list[list[str]]:
    """The cells of the table under this header."""
    lines = iter(README.splitlines())
    assert f"| {' | '.join(header)} |" in lines
    next(lines)
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows]


def code_in(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def find_commands() -> Iterator[list[str]]:
    """The words after niimasker wherever a shell block calls it."""
    for line in "".join(blocks("sh")).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for is_operator, words in itertools.groupby(lexer, key=lambda word: set(word) <= set("&|;")):
            first, *others = words
            if not is_operator and Path(first).name == "niimasker":
                yield others


COMMANDS = list(find_commands())
ON_THE_EXAMPLE = [
    words for words in COMMANDS if any("example_output/data" in word for word in words) and "$" not in "".join(words)
]


@dataclass(frozen=True)
class Example:
    """The folder in which the example has been run, and what that printed."""

    folder: Path
    printed: str

    def run(self, words: Sequence[str]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            return main(words)

    def lines(self, path: str, n_lines: int) -> list[list[str]]:
        text = (self.folder / path).read_text("utf-8")
        return [line.split("\t") for line in text.splitlines()[:n_lines]]


@pytest.fixture(scope="session")
def example(tmp_path_factory) -> Example:
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.chdir(folder)
        assert main(["example_output", "--example"]) == EXIT_DONE
    return Example(folder, printed.getvalue())


@pytest.fixture(scope="session")
def outputs(example) -> dict[str, Path]:
    """The folders that README's commands on the example's data write, by name."""
    for words in ON_THE_EXAMPLE:
        assert example.run(words) == EXIT_DONE
    return {words[0]: example.folder / words[0] for words in [["example_output"], *ON_THE_EXAMPLE]}


def assert_same_cells(found: list[list[str]], expected: list[list[str]], digits: float) -> None:
    assert [len(row) for row in found] == [len(row) for row in expected]
    for cell, other in zip(itertools.chain(*found), itertools.chain(*expected), strict=True):
        if re.fullmatch(r"-?\d+\.\d+", other):
            assert float(cell) == pytest.approx(float(other), rel=digits, abs=digits)
        else:
            assert cell == other


def shown(file_name: str) -> list[list[str]]:
    """The lines that a console block shows of a file."""
    block = next(block for block in blocks("console") if file_name in block)
    return [line.split("\t") for line in block.splitlines()[1:]]


def test_the_two_commands_from_a_clone_are_named():
    assert set(FROM_A_CLONE) <= set("".join(blocks("sh")).splitlines())


def test_what_the_example_prints_is_shown(example):
    assert example.printed in blocks("text")


def test_first_rows_of_the_examples_signals_are_shown(example):
    expected = [row[:5] for row in example.lines(SIGNALS, 4)]
    assert_same_cells(shown("_timeseries.tsv"), expected, digits=1e-6)


def test_first_rows_of_the_examples_regions_are_shown(example):
    assert_same_cells(shown("_regions.tsv"), example.lines(f"example_output/{IMAGE}_regions.tsv", 3), digits=1e-4)


def test_configuration_of_the_example_is_shown(example):
    assert (example.folder / "example_output/data/config.json").read_text("utf-8") in blocks("json")


def test_options_table_names_every_option_with_its_short_form():
    rows = table("option", "value", "default", "meaning")
    expected = [[flag for flag in (option.short, f"--{option.name}") if flag] for option in NAMED]
    assert [code_in(row[0]) for row in rows] == expected


def test_options_table_says_what_each_value_may_be():
    assert [row[1] for row in table("option", "value", "default", "meaning")] == [o.kind.expected for o in NAMED]


def test_options_table_has_the_defaults_of_the_json_template():
    rows = table("option", "value", "default", "meaning")
    defaults = {code_in(row[0])[-1].removeprefix("--"): json.loads(*code_in(row[2])) for row in rows}
    assert defaults == config_template()


def test_options_table_has_each_options_help():
    rows = table("option", "value", "default", "meaning")
    assert [row[3].replace("\\", "") for row in rows] == [option.help for option in NAMED]


def test_output_dir_is_described_with_its_help():
    (output_dir,) = (option for option in OPTIONS if option.positional)
    assert f"`{output_dir.name}` is the {output_dir.help}" in README


def test_options_of_the_command_line_alone_are_described_with_their_help():
    said_by_help = " ".join(make_parser().format_help().split())
    rows = table("option", "meaning")
    assert {flag for row in rows for flag in code_in(row[0])} == COMMAND_LINE_ONLY
    assert all(meaning in said_by_help for _, meaning in rows)


@pytest.mark.parametrize(("old", "new"), DEPRECATED.items())
def test_deprecated_names_are_named_with_what_replaces_them(old, new):
    assert re.search(rf"`{old}` for `{new}`", README)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_hold_options_that_the_parser_knows(words):
    assert {word for word in words if re.match("--?[a-z]", word)} <= FLAGS
    assert "output_dir" in make_parser().parse_args(words)


def test_options_named_in_the_text_exist():
    assert set(re.findall(r"(?<![\w-])--[a-z_]+", README)) - {"--repeats"} <= FLAGS


def test_commands_on_the_example_write_a_table_per_run(outputs):
    assert len(outputs) == 6
    for folder in outputs.values():
        summary = pd.read_csv(folder / "niimasker_data/summary.tsv", sep="\t")
        assert set(summary["status"]) == {"done"}


def test_shell_loop_writes_the_folder_of_its_turn(example):
    (loop,) = (block for block in blocks("sh") if block.startswith("for "))
    loop = loop.replace("in 4 8;", "in 8;")  # a turn takes seconds
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-c", loop], cwd=example.folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [folder.name for folder in example.folder.glob("radius_*")] == ["radius_8_output"]
    assert "not all" not in done.stdout


@pytest.mark.parametrize("block", blocks("json"))
def test_json_blocks_are_configurations(tmp_path, block):
    (tmp_path / "config.json").write_text(block, "utf-8")
    assert make_settings({"output_dir": "results"}, read_config(tmp_path / "config.json")).input_files


def run_python(block: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_python_puts_values_of_voxels_back_into_a_volume(example, outputs):
    (block,) = (block for block in blocks("python") if "_voxels.tsv" in block)
    run_python(block, example.folder)
    volume = nib.load(outputs["voxels_output"] / "standard_deviation.nii.gz").get_fdata()
    atlas = nib.load(example.folder / "example_output/data/atlas" / ATLAS)
    bold = nib.load(example.folder / f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz")
    inside = np.asarray(atlas.dataobj) > 0
    assert np.array_equal(volume > 0, inside)
    assert volume[inside] == pytest.approx(np.asarray(bold.dataobj)[inside].std(axis=1, ddof=1))


def test_python_loop_over_outcomes_prints_the_tables(example):
    (block,) = (block for block in blocks("python") if "extract(" in block)
    tables = run_python(block, example.folder).splitlines()
    assert len(tables) == 2
    assert all((example.folder / path).is_file() for path in tables)


def run_script(command: Sequence[str | None], script: Path, text: str) -> list[float]:
    """The numbers that a script prints."""
    script.write_text(text, "utf-8")
    done = subprocess.run([*filter(None, command), script.name], cwd=script.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def on_odd_table(block: str, folder: Path) -> str:
    (folder / "odd.tsv").write_text(ODD_TABLE, "utf-8")
    assert SIGNALS in block
    return block.replace(SIGNALS, "odd.tsv")


@pytest.mark.skipif(RSCRIPT is None, reason="R is not installed")
class TestR:
    (block,) = blocks("r")

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([RSCRIPT, "--vanilla"], folder / "snippet.R", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\ncat(dim(signals), dim(correlation), signals[1, 1])")
        assert printed == pytest.approx([119, 30, 30, 30, float(example.lines(SIGNALS, 2)[1][0])], rel=1e-6)

    def test_reads_missing_values_and_names_with_spaces(self, tmp_path):
        shows = (
            'cat(colSums(is.na(signals)), signals$`roi 1`, signals$B[1:2], signals[["roi 1"]][3], correlation[1, 3])'
        )
        printed = self.run(tmp_path, f"{on_odd_table(self.block, tmp_path)}\n{shows}")
        assert printed == [0, 3, 1, 1.5, -0.3, 4, 2, 7, 4, -1]


@pytest.mark.skipif(OCTAVE is None, reason="Octave is not installed")
class TestOctave:
    (block,) = blocks("matlab")

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([OCTAVE, "--no-gui", "--norc", "--quiet"], folder / "snippet.m", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\nprintf('%.8f ', size(signals), numel(names), first(1))")
        assert printed == pytest.approx([119, 30, 30, float(example.lines(SIGNALS, 2)[1][0])])

    def test_reads_missing_values_and_names_with_spaces(self, tmp_path):
        shows = "printf('%g ', sum(isnan(signals)), first, signals(1:2, strcmp(names, 'B')))"
        assert self.run(tmp_path, f"{on_odd_table(self.block, tmp_path)}\n{shows}") == [0, 3, 1, 1.5, -0.3, 4, 2, 7]


def test_atlas_table_has_every_atlas_and_how_its_query_is_written():
    rows = table("atlas", "query", "parameters")
    assert [row[0] for row in rows] == list(ATLASES)
    assert [code_in(row[1]) for row in rows] == [[grammar(name, source)] for name, source in ATLASES.items()]


def test_atlas_table_has_every_word_with_the_default_in_bold():
    parameters = {row[0]: row[2] for row in table("atlas", "query", "parameters")}
    listed = [
        (name, parameter)
        for name, source in ATLASES.items()
        for parameter in source.parameters
        if parameter.words and (name, parameter.name) != ("harvard_oxford", "atlas")
    ]
    for name, parameter in listed:
        words = ", ".join(f"**{word}**" if word == parameter.default else word for word in parameter.words)
        assert f"{parameter.name}: {words}" in parameters[name].split("; ")


def test_words_of_harvard_oxford_are_those_of_juelich_after_a_part():
    harvard_oxford, juelich = (ATLASES[name].parameters[0].words for name in ("harvard_oxford", "juelich"))
    parts = ("cort-", "cortl-", "sub-")
    assert set(harvard_oxford) == {f"{part}{word}" for part in parts for word in juelich}
    assert "atlas: cort-, cortl- or sub- before a word of juelich" in README


def test_every_strategy_and_flexible_word_is_described():
    assert [row[0] for row in table("strategy or word", "columns")] == [*STRATEGIES, *FLEXIBLE_WORDS]


def as_described(path: Path, folder: Path) -> str:
    """A file's name as the table of outputs writes it."""
    name = path.relative_to(folder).as_posix()
    name = re.sub(r"^sub-0[12]_task-rest_space-MNI152NLin2009aSym_desc-preproc_bold(_atlas-.*(?=_))?", "<image>", name)
    name = re.sub(r"^niimasker_data/spheres_img_seeds\.", "niimasker_data/spheres_img_<atlas>.", name)
    return re.sub(r"^niimasker_data/(tpl|sub|seeds).*", "niimasker_data/<roi file>", name)


def test_files_written_are_those_that_are_described(outputs):
    files = [
        as_described(path, folder)
        for folder in outputs.values()
        for path in folder.rglob("*")
        if path.is_file() and "data" not in path.relative_to(folder).parts and path.name != "standard_deviation.nii.gz"
    ]
    assert set(files) == {file for row in table("file", "content") for file in code_in(row[0])}


def test_columns_of_regions_are_those_that_are_described(example):
    rows = table("column of `_regions.tsv`", "meaning")
    names = [name for row in rows for name in code_in(row[0])]
    assert names == example.lines(f"example_output/{IMAGE}_regions.tsv", 1)[0]


def test_every_status_of_a_region_is_named():
    meaning = dict(table("column of `_regions.tsv`", "meaning"))["`status`"]
    assert code_in(meaning) == [OK, OUTSIDE_IMAGE, LOST_IN_RESAMPLING, OUTSIDE_MASK, NO_SIGNAL]


def test_columns_of_voxels_are_those_that_are_described(outputs):
    meaning = dict(table("file", "content"))["`<image>_voxels.tsv`"]
    header = (outputs["voxels_output"] / f"{IMAGE}_voxels.tsv").read_text("utf-8").splitlines()[0]
    assert set(header.split("\t")) <= set(re.findall(r"\w+", meaning))


def test_every_exit_code_is_described():
    codes = [int(row[0]) for row in table("exit code", "meaning")]
    assert codes == [EXIT_DONE, EXIT_RUN_FAILED, EXIT_WRONG_USE, EXIT_INTERRUPTED]


def test_exit_code_tells_a_failed_run_from_wrong_use(example):
    broken = example.folder / "broken.nii.gz"
    whole = example.folder / f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz"
    broken.write_bytes(whole.read_bytes()[:-1000])
    atlas = f"example_output/data/atlas/{ATLAS}"
    assert example.run(["broken_output", "-i", "broken.nii.gz", "-r", atlas]) == EXIT_RUN_FAILED
    assert example.run(["broken_output", "-i", "missing.nii.gz", "-r", atlas]) == EXIT_WRONG_USE


def test_links_lead_to_files_and_headings():
    targets = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    text = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [target for target in targets if target not in anchors and not (ROOT / target).is_file()] == []
