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
from group_members import make_edges, write_members

from niimasker.cli import main
from niimasker.errors import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    EXIT_WRONG_USE,
    TooFewVolumesError,
    record_warnings,
)
from niimasker.group.connectivity import make_groups
from niimasker.group.tables import edges_table, groups_table
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.regressor_words import DEFAULTS, VOLUME_WORDS, WORDS
from niimasker.inputs.series import T_R_MAX, T_R_MIN
from niimasker.inputs.strategies import STRATEGIES
from niimasker.options.command_line import make_parser
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.settings import CONNECTIVITY_KINDS, DEPRECATED, OPTIONS, STANDARDIZE_METHODS, config_template
from niimasker.outputs.naming import STATISTICS, name_group_files
from niimasker.regions.atlases.queries import grammar
from niimasker.regions.atlases.sources import ATLASES
from niimasker.regions.names.tables import NAME_COLUMNS, OTHER_INDEX_COLUMNS
from niimasker.regions.placing.weights import CONSTANT, LOST_IN_RESAMPLING, NO_SIGNAL, OK, OUTSIDE_IMAGE, OUTSIDE_MASK
from niimasker.signals.coverage import NO_PERCENT
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline
from niimasker.workflow import extract

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
IMAGE = "sub-01_task-rest_space-MNI152NLin2009aSym_desc-preproc_bold"
SIGNALS = f"example_output/{IMAGE}_timeseries.tsv"
ATLAS = "tpl-MNI152NLin2009aSym_atlas-Example_dseg.nii.gz"
FROM_A_CLONE = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/niimasker example_output --example",
    'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/pytest',
)
BIDS_OUTPUT = "bids_output"
COMMAND_LINE_ONLY = {"-c", "--config", "--example", "--version", "-h", "--help", "--help_all"}
FLAGS = {f"--{option.name}" for option in OPTIONS} | {option.short for option in OPTIONS} | COMMAND_LINE_ONLY
NAMED = [option for option in OPTIONS if not option.positional]
OCTAVE = shutil.which("octave-cli") or shutil.which("octave")
RSCRIPT = shutil.which("Rscript")
# A table as R and Octave should stand it: a name with a space, values that are missing, in the last column too.
ODD_TABLE = "roi 1\tLeft A\tB\n1.5\tn/a\t2\n-3e-1\tn/a\t7\n4\tn/a\tn/a\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def table(*header: str) -> list[list[str]]:
    """The cells of all tables under this header."""
    lines = README.splitlines()
    starts = [n for n, line in enumerate(lines) if line == f"| {' | '.join(header)} |"]
    assert starts
    rows = [row for n in starts for row in itertools.takewhile(lambda line: line.startswith("|"), lines[n + 2 :])]
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
    assert set(re.findall(r"(?<![\w-])--[a-z_]+", README)) - {"--repeats", "--mem"} <= FLAGS


def test_commands_on_the_example_write_a_table_per_run(outputs):
    assert len(outputs) == 13
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


def test_python_reads_the_long_table_as_the_runs_own(example, outputs):
    (block,) = (block for block in blocks("python") if "read_parquet" in block)
    shows = "print(*means.loc['01'].round(6), *one_run.shape)"
    *means, n_volumes, n_regions = map(float, run_python(f"{block}\n{shows}", example.folder).split())
    signals = pd.read_csv(outputs["parquet_output"] / f"{IMAGE}_timeseries.tsv", sep="\t")
    assert (n_volumes, n_regions) == signals.shape
    assert means == pytest.approx(signals.mean()[list(dict.fromkeys(signals))].tolist(), abs=1e-6)


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
    (block,) = (block for block in blocks("r") if SIGNALS in block)

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([RSCRIPT, "--vanilla"], folder / "snippet.R", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\ncat(dim(signals), dim(correlation), signals[1, 1])")
        assert printed == pytest.approx([110, 30, 30, 30, float(example.lines(SIGNALS, 2)[1][0])], rel=1e-6)

    def test_reads_missing_values_and_names_with_spaces(self, tmp_path):
        shows = (
            'cat(colSums(is.na(signals)), signals$`roi 1`, signals$B[1:2], signals[["roi 1"]][3], correlation[1, 3])'
        )
        printed = self.run(tmp_path, f"{on_odd_table(self.block, tmp_path)}\n{shows}")
        assert printed == [0, 3, 1, 1.5, -0.3, 4, 2, 7, 4, -1]

    def test_reads_the_long_table(self, example, outputs):
        (block,) = (block for block in blocks("r") if "tidy_output" in block)
        shows = 'cat(dim(signals), means$value[means$sub == "01" & means$region == "LH_Vis_1"])'
        (example.folder / "tidy").mkdir()
        (example.folder / "tidy/tidy_output").symlink_to(outputs["tidy_output"])
        printed = self.run(example.folder / "tidy", f"{block}\n{shows}")
        table = pd.read_csv(outputs["tidy_output"] / f"{IMAGE}_timeseries.tsv", sep="\t")
        assert printed == pytest.approx([2 * table.size, 10, table["LH_Vis_1"].mean()], rel=1e-6)


@pytest.mark.skipif(OCTAVE is None, reason="Octave is not installed")
class TestOctave:
    (block,) = blocks("matlab")

    def run(self, folder: Path, text: str) -> list[float]:
        return run_script([OCTAVE, "--no-gui", "--norc", "--quiet"], folder / "snippet.m", text)

    def test_reads_the_examples_table(self, example):
        printed = self.run(example.folder, f"{self.block}\nprintf('%.8f ', size(signals), numel(names), first(1))")
        assert printed == pytest.approx([110, 30, 30, float(example.lines(SIGNALS, 2)[1][0])])

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
    words = [row[0] for row in table("strategy or word", "parameter", "columns")]
    assert words == [*STRATEGIES, *WORDS, *VOLUME_WORDS]


def test_parameters_of_words_are_the_codes_with_the_default_in_bold():
    described = {word: parameter for word, parameter, _ in table("strategy or word", "parameter", "columns")}
    expected = {
        word: ", ".join(f"**{each}**" if each == DEFAULTS.get(word) else each for each in WORDS.get(word, ()))
        for word in described
    }
    assert described == expected


def test_number_of_compcor_components_is_the_codes():
    columns = {row[0]: row[2] for row in table("strategy or word", "parameter", "columns")}
    assert f"first {DEFAULTS['n_compcor']} components" in columns["compcor"]
    assert f"first {STRATEGIES['AnatCompCor']['n_compcor']} a_comp_cor" in columns["AnatCompCor"]
    assert f"first {STRATEGIES['TempCompCor']['n_compcor']} t_comp_cor" in columns["TempCompCor"]


def test_methods_of_standardising_are_the_codes():
    assert tuple(row[0] for row in table("`--standardize_method`", "columns become")) == STANDARDIZE_METHODS


def test_scrub_example_censors_volumes_and_regresses(outputs):
    facts = json.loads((outputs["scrub_output"] / f"{IMAGE}_timeseries.json").read_text("utf-8"))
    n_kept = len(pd.read_csv(outputs["scrub_output"] / f"{IMAGE}_timeseries.tsv", sep="\t"))
    assert facts["Volumes"]["Discarded"] == 1
    assert facts["Volumes"]["Censored"] > 0
    assert n_kept == facts["Volumes"]["Kept"] == 119 - facts["Volumes"]["Censored"]
    assert {"trans_x_derivative1", "white_matter", "cosine00"} <= set(facts["Confounds"])


def test_word_scrub_alone_leaves_censored_rows_empty_and_regresses_nothing_out(outputs):
    folder = outputs["censored_output"]
    facts = json.loads((folder / f"{IMAGE}_timeseries.json").read_text("utf-8"))
    is_empty = pd.read_csv(folder / f"{IMAGE}_timeseries.tsv", sep="\t").isna().all(axis=1)
    outliers = pd.read_csv(folder / f"{IMAGE}_outliers.tsv", sep="\t")
    is_censored = outliers[outliers["discarded"] == 0].any(axis=1)
    assert is_empty.tolist() == is_censored.tolist()
    assert is_censored.sum() == facts["Volumes"]["Censored"] > 0
    assert facts["Confounds"] == []


def as_described(path: Path, folder: Path) -> str:
    """A file's name as the table of outputs writes it."""
    name = path.relative_to(folder).as_posix()
    stem = r"sub-0[12]_task-rest_space-MNI152NLin2009aSym_desc-preproc_bold"
    name = re.sub(rf"^(reports/)?{stem}(_atlas-.*(?=_))?", r"\1<image>", name)
    name = re.sub(r"_connectivity-[a-z]+_", "_connectivity-<kind>_", name)
    name = re.sub(r"^reports/assets/.*", "reports/assets/", name)
    name = re.sub(r"^niimasker_data/spheres_img_seeds\.", "niimasker_data/spheres_img_<atlas>.", name)
    return re.sub(r"^niimasker_data/(tpl|sub|seeds).*", "niimasker_data/<roi file>", name)


def test_files_written_are_those_that_are_described(outputs):
    folders = [folder for name, folder in outputs.items() if name != BIDS_OUTPUT]
    files = [
        as_described(path, folder)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "data" not in path.relative_to(folder).parts and path.name != "standard_deviation.nii.gz"
    ]
    assert set(files) == {file for row in table("file", "content") for file in code_in(row[0])}


def paths_in_tree() -> list[str]:
    """The files and folders without content that the tree of a BIDS derivative shows."""
    (tree,) = (block for block in blocks("text") if block.startswith(f"{BIDS_OUTPUT}/"))
    paths, folders = [], []
    for line in tree.splitlines():
        name = line.strip()
        folders = [*folders[: (len(line) - len(name)) // 2], name]
        paths.append("".join(folders).removeprefix(f"{BIDS_OUTPUT}/"))
    return [path for path in paths if path and not any(other.startswith(path) and other != path for other in paths)]


def test_tree_of_a_bids_derivative_is_what_is_written(outputs):
    folder = outputs[BIDS_OUTPUT]
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    # Folders that the tree does not open.
    closed = {"niimasker_data/", "reports/", "sub-02/func/..."}
    shown = {path.as_posix() for path in files if path.parts[0] not in ("niimasker_data", "reports", "sub-02")}
    assert set(paths_in_tree()) == shown | closed
    both = [{path.name[6:] for path in files if path.parts[0] == subject} for subject in ("sub-01", "sub-02")]
    assert both[0] == both[1]


def test_statistics_of_connectivity_are_the_codes():
    assert dict(table("`--connectivity`", "`stat-`")) == STATISTICS


def test_picture_of_the_report_is_there_and_small():
    (picture,) = re.findall(r"!\[[^\]]+\]\((\S+)\)", README)
    assert 10_000 < (ROOT / picture).stat().st_size < 300_000


def test_columns_of_names_and_indices_are_the_codes():
    (section,) = re.findall(r"^### Names\n(.*?)^###? ", README, re.MULTILINE | re.DOTALL)
    listed = {column.lower().replace("_", " ") for column in code_in(section)}
    assert {*NAME_COLUMNS, *OTHER_INDEX_COLUMNS} <= listed


def test_columns_of_regions_are_those_that_are_described(example):
    rows = table("column of `_regions.tsv`", "meaning")
    names = [name for row in rows for name in code_in(row[0])]
    assert names == example.lines(f"example_output/{IMAGE}_regions.tsv", 1)[0]


def statuses() -> list[str]:
    return [code for row in table("status", "column of the region") for code in code_in(row[0])]


def test_every_status_of_a_region_is_named():
    *others, coverage = statuses()
    assert others == [OK, OUTSIDE_IMAGE, LOST_IN_RESAMPLING, OUTSIDE_MASK, NO_SIGNAL, CONSTANT, NO_PERCENT]
    assert coverage.startswith("coverage")


def test_keys_of_the_sidecar_are_those_that_are_described(example):
    facts = json.loads((example.folder / f"example_output/{IMAGE}_timeseries.json").read_text("utf-8"))
    of_run = [*facts][: [*facts].index("Fingerprint") + 1]
    assert [key for row in table("key of `_timeseries.json`", "content") for key in code_in(row[0])] == [
        *of_run,
        "<column>",
    ]
    assert [*facts][len(of_run) :] == example.lines(f"example_output/{IMAGE}_timeseries.tsv", 1)[0]


def test_keys_beside_a_matrix_are_those_that_are_described(outputs):
    facts = json.loads(
        (outputs["connectivity_output"] / f"{IMAGE}_connectivity-pearson_relmat.json").read_text("utf-8")
    )
    assert [key for row in table("key of `_relmat.json`", "content") for key in code_in(row[0])] == list(facts)


def test_files_and_columns_of_a_group_are_those_that_are_described(tmp_path):
    files = name_group_files(Path("out"))
    paths = [path.relative_to("out").as_posix() for path in (files.page_path, files.numbers_path, files.edges_path)]
    assert [file for row in table("file of the group", "content") for file in code_in(row[0])] == paths
    groups = list(make_groups(write_members(tmp_path, *make_edges(10)), ["pearson"]))
    for name, written in (("group.tsv", groups_table(groups)), ("group_edges.tsv", edges_table(groups))):
        described = [column for row in table(f"column of `{name}`", "meaning") for column in code_in(row[0])]
        assert described == list(written.columns)


def test_kinds_of_connectivity_are_the_codes():
    assert [row[0] for row in table("`--connectivity`", "estimate")] == list(CONNECTIVITY_KINDS)


def test_columns_of_the_summary_are_those_that_are_described(example):
    described = [name for row in table("column of `summary.tsv`", "meaning") for name in code_in(row[0])]
    assert described == example.lines("example_output/niimasker_data/summary.tsv", 1)[0]


def test_columns_of_outliers_are_those_that_are_described(example):
    meaning = dict(table("file", "content"))["`<image>_outliers.tsv`"]
    assert code_in(meaning) == example.lines(f"example_output/{IMAGE}_outliers.tsv", 1)[0]


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


CHECKS = table("checked", "found", "what happens")
PLAIN_RUN = {
    "-i": [f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz"],
    "-r": [f"example_output/data/atlas/{ATLAS}"],
    "--regressor_files": ["example_output/data/fmriprep/sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv"],
    "--regressors": ["csf"],
    "--discard_scans": ["1"],
}
ATLAS_PATH, SEEDS = f"example_output/data/atlas/{ATLAS}", "example_output/data/atlas/seeds.tsv"
ODD = "-i odd.nii -r tpl-Odd_labels.nii --regressor_files --regressors --discard_scans 0"
DENOISED = "-i sub-01_task-rest_space-MNI_desc-smoothAROMAnonaggr_bold.nii -r tpl-Odd_labels.nii"
AROMA = "--regressor_files aroma.tsv --regressors ica_aroma=basic"
TWO_KEPT = "--regressor_files --regressors --discard_scans 118"
# What is checked, words of what is found, options that it is found with, and words of the message.
FOUND = [
    ("options", "out of their range", "--low_pass -1", "above 0"),
    ("options", "excluding each other", "--valid_voxels --smoothing_fwhm 4", "--valid_voxels"),
    ("options", "without effect", "--standardize_method psc", "is ignored"),
    ("files", "does not exist", "-i missing.nii.gz", "does not exist"),
    ("files", "a pattern matches none", "-i missing*.nii.gz", "no file matches"),
    ("output names", "two atlases", f"-r {ATLAS_PATH} {ATLAS_PATH}", "more than one atlas"),
    ("`--output_layout bids`", "no `sub-`", "-i odd.nii --output_layout bids", "some have no sub-"),
    ("`--output_layout bids`", "another program", "described_output --output_layout bids", "is of fMRIPrep"),
    ("pairs of image and table", "not as many tables", f"--censor_file {SEEDS} {SEEDS}", "give one per image"),
    ("`--roi_file`", "one of the images", f"-r {PLAIN_RUN['-i'][0]}", "one of the --input_files"),
    ("image", "no 4D", f"-i {ATLAS_PATH} -r {SEEDS} --regressor_files --regressors", "expected a 4D series"),
    ("image", "ends early", "-i early.nii.gz --regressor_files --regressors", "broken"),
    ("image", "can be mended", ODD.replace("odd.nii", "mended.nii"), "qform_code 99"),
    ("JSON files", "nested too deeply", "-c deep.json", "nested too deeply"),
    ("voxels of regions", "NaN", ODD, "1 of the voxels read"),
    ("JSON file beside the image", "cannot be read", ODD, "odd.json cannot be read"),
    ("tables of a run", "cannot be written", "taken_output", "cannot be written"),
    ("files in `niimasker_data`", "cannot be written", "blocked_output", "cannot be written"),
    ("parcellation", "no whole numbers", "-r halves.nii", "no region's index"),
    ("maps", "NaN", "-r nan_maps.nii", "NaN or infinite"),
    ("mask of `-m`", "one other value", f"-m {ATLAS_PATH}", "no mask"),
    ("coordinates", "no columns x, y, z", f"-r {ATLAS_PATH.replace('.nii.gz', '.tsv')}", "no column x, y, z"),
    ("coordinates", "no `--radius`", f"-r {SEEDS}", "no --radius"),
    ("spheres", "share voxels", f"-r {SEEDS} --radius 30", "spheres overlap"),
    ("`--as_voxels`", "coordinates", f"-r {SEEDS} --as_voxels", "holds coordinates"),
    ("nilearn: query", "an unknown word", "-r nilearn:schafer", "no atlas 'schafer'"),
    ("names", "too few", "--labels one two", "has 2 names"),
    ("look-up table of BIDS", "without a row", "-r tpl-Short_dseg.nii", "has no row for index 2"),
    ("names", "used twice", f"--labels {'one ' * 30}", "index is appended"),
    ("spaces in the names of image and atlas", "`space-` and `tpl-`", DENOISED, "space MNI, but tpl-Odd_labels.nii"),
    ("header of the image", "codes are 0", ODD, "sform and qform codes are 0"),
    ("field of view", "less than", ODD, "only 24% of the atlas"),
    ("field of view and mask", "no region", "-r far.nii", "no region is left"),
    ("coverage of a region", "below 0.5", ODD, "roi 3 0.45"),
    ("coverage of a region", "below `--min_coverage`", f"{ODD} --min_coverage 0.5", "(coverage too low): roi 3"),
    ("signal of a region", "none that varies", ODD, "(constant): roi 2"),
    ("signal of a region", "no voxel", ODD, "(empty: outside the image): roi 4"),
    ("tables", "no UTF-8 text", f"--regressor_files {ATLAS_PATH}", "not UTF-8"),
    ("rows", "not as many", f"--regressor_files {SEEDS}", "10 rows"),
    ("columns used", "a gap", "--regressor_files gap.tsv --regressors b", "has no value in row 5"),
    ("all columns", "without a name", "--regressor_files gap.tsv --regressors", "has no name"),
    ("all columns", "more than", "--regressors", "more than a quarter"),
    ("words", "unknown", "--regressors motoin", "nearest: motion"),
    ("words", "a pattern that matches in no run", "--regressors motoin*", "no column of any table matches motoin*"),
    ("words", "two parameters", "--regressors motion=basic motion=full", "motion=basic"),
    ("words", "without `compcor`", "--regressors n_compcor=5", "add compcor"),
    ("what words need", "columns", "--regressors ica_aroma", "aroma_motion"),
    ("what words need", "not denoised", "--regressors ica_aroma=full", "ica_aroma=full"),
    ("cosines", "not in the table", "--regressor_files short.tsv --regressors Params2", "no columns cosine00"),
    ("CompCor", "fewer", "--regressors compcor high_pass n_compcor=20", "10 CompCor components of the 20"),
    ("CompCor", "no high_pass", "--regressors compcor", "add high_pass"),
    ("`ica_aroma=basic`", "denoised already", f"{DENOISED} {AROMA}", "has taken out of the image already"),
    ("`--discard_scans`", "no volume is left", "--discard_scans 120", "leaves none"),
    ("`--discard_scans`", "fewer volumes", "--discard_scans 0", "--discard_scans auto"),
    ("`--scrub`", "a column is missing", "--regressor_files short.tsv --scrub", "no column framewise_displacement"),
    (
        "`--connectivity`",
        "with `--as_voxels`",
        "--connectivity pearson --as_voxels",
        "cannot be combined with --as_voxels",
    ),
    ("`--connectivity`", "no kind of", "--connectivity precision --fisher_z", "--fisher_z transforms correlations"),
    ("`--connectivity`", "fewer than 3", f"{TWO_KEPT} --connectivity pearson", "found 2 kept volumes"),
    ("`--connectivity`", "fewer than 20", "--discard_scans 104 --connectivity pearson", "14 degrees of freedom, fewer"),
    ("`--connectivity`", "more regions", "--discard_scans 91 --connectivity precision", "fewer than 30 regions"),
    ("`--censor_file`", "anything but 0 and 1", "--censor_file short.tsv", "expected 0, or 1"),
    ("kept volumes", "none", "--scrub --fd_threshold 0.001", "all 119 volumes"),
    ("kept volumes", "a single one", "--discard_scans 119 --standardize", "found 1 volume"),
    ("repetition time", "given by `--t_r`", "--t_r 2000", "milliseconds"),
    ("repetition time", "but not needed", DENOISED, "not recorded"),
    ("repetition time", "none, with a filter", f"{ODD} --low_pass 0.1", "give --t_r"),
    ("repetition time", "differs", "--t_r 2.1", "the sidecar says 2 s"),
    ("cut-offs", "Nyquist", "--low_pass 0.3", "not below 0.25 Hz"),
    ("cut-offs", "`--high_pass` not below", "--low_pass 0.1 --high_pass 0.1", "not below --low_pass"),
    ("length", "with one cut-off", "--low_pass 0.1 --discard_scans 110", "too few for the filter"),
    ("cosines", "together with `--high_pass`", "--regressors high_pass --high_pass 0.01", "filters twice"),
    ("regressors", "constant", "--scrub --regressors motion_outlier00", "motion_outlier00 (constant)"),
    ("degrees of freedom", "fewer than 1", "--regressors Params36 --low_pass 0.05", "no degree of freedom is left"),
    ("degrees of freedom", "fewer than 20", "--regressors Params36 --low_pass 0.12", "unreliable"),
]


@pytest.fixture(scope="session")
def spoilt(example) -> Example:
    """The example with an image that is cut short, and tables that lack a value, and columns."""
    whole = (example.folder / PLAIN_RUN["-i"][0]).read_bytes()
    (example.folder / "early.nii.gz").write_bytes(whole[:-1000])
    values = np.arange(240.0).reshape(120, 2)
    short = pd.DataFrame(values, columns=["csf", "white_matter"])
    short.to_csv(example.folder / "short.tsv", sep="\t", index=False)
    short.set_axis(["aroma_motion_01", "aroma_motion_02"], axis=1).to_csv(
        example.folder / "aroma.tsv", sep="\t", index=False
    )
    values[4, 1] = np.nan
    pd.DataFrame(values, columns=["", "b"]).to_csv(example.folder / "gap.tsv", sep="\t", index=False)
    (example.folder / "taken_output" / f"{IMAGE}_timeseries.tsv").mkdir(parents=True)
    (example.folder / "described_output").mkdir()
    description = '{"Name": "a", "BIDSVersion": "1.11.0", "GeneratedBy": [{"Name": "fMRIPrep"}]}'
    (example.folder / "described_output/dataset_description.json").write_text(description, "utf-8")
    (example.folder / "blocked_output").mkdir()
    (example.folder / "blocked_output/niimasker_data").write_text("a file", "utf-8")
    (example.folder / "deep.json").write_text('{"labels": ' + "[" * 99_999 + "]" * 99_999 + "}", "utf-8")
    write_odd_images(example.folder)
    return example


def write_odd_images(folder: Path) -> None:
    """Write an image whose regions are good, constant, mostly constant with a NaN, and outside; and wrong atlases."""
    volumes = np.random.default_rng(0).normal(100, 2, size=(6, 5, 4, 120)).astype(np.float32)
    volumes[1] = 100
    volumes[2].reshape(20, 120)[:10] = 100
    volumes[2, 4, 3, 7] = np.nan
    img = nib.Nifti1Image(volumes, np.diag([3.0, 3.0, 3.0, 1.0]))
    img.set_sform(None, 0)
    img.set_qform(None, 0)
    for name, sidecar in (("odd", "{"), (DENOISED.split()[1].removesuffix(".nii"), '{"RepetitionTime": 2000}')):
        nib.save(img, folder / f"{name}.nii")
        (folder / f"{name}.json").write_text(sidecar, "utf-8")
    header = bytearray((folder / "odd.nii").read_bytes())
    header[252:254] = (99).to_bytes(2, "little")  # qform_code, of which there are five
    (folder / "mended.nii").write_bytes(header)
    affine = nib.load(folder / "odd.nii").affine
    labels = np.zeros((6, 5, 42), dtype=np.int16)
    labels[:3, :, :4] = np.arange(1, 4)[:, None, None]
    labels[0, :, 4:] = 4
    (folder / "tpl-Short_dseg.tsv").write_text("index\tname\n1\ta\n", "utf-8")
    wrong = {
        "tpl-Odd_labels": labels,
        "tpl-Short_dseg": labels,
        "halves": labels / 2,
        "far": labels,
        "nan_maps": np.full((6, 5, 4, 2), np.nan),
    }
    for name, values in wrong.items():
        shift = 10_000 if name == "far" else 0
        stored = values if values.dtype == np.int16 else values.astype(np.float32)
        nib.save(nib.Nifti1Image(stored, affine + np.pad([[shift]], ((0, 3), (3, 0)))), folder / f"{name}.nii")


def what_happens(example: Example, options: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What the plain run does with other options, in README's words, and what it says."""
    given: dict[str, list[str]] = {"": []}
    for word in options.split():
        if re.match("--?[a-z]", word):
            given[word] = []
        else:
            given[[*given][-1]].append(word)
    output = given.pop("") or ["checks_output"]
    # An option of the plain run that is given without a value is left out.
    asked = {**PLAIN_RUN, **given}
    words = [word for flag, values in asked.items() if values or flag not in PLAIN_RUN for word in (flag, *values)]
    code = example.run([*output, *words])
    said = capsys.readouterr().err
    done = "warning" if "niimasker: warning:" in said else "nothing"
    return {EXIT_WRONG_USE: "error", EXIT_RUN_FAILED: "run fails", EXIT_DONE: done}[code], said


def test_checks_find_nothing_in_the_plain_run(spoilt, capsys):
    assert what_happens(spoilt, "", capsys) == ("nothing", "")


@pytest.mark.parametrize(("checked", "found", "options", "message"), FOUND, ids=lambda text: text[:30])
def test_checks_do_what_the_table_says(spoilt, capsys, checked, found, options, message):
    (row,) = (row for row in CHECKS if row[0] == checked and found in row[1])
    happens, said = what_happens(spoilt, options, capsys)
    assert happens == row[2]
    assert message in said


def test_every_check_of_the_table_is_tried():
    tried = [next(row for row in CHECKS if row[0] == checked and found in row[1]) for checked, found, *_ in FOUND]
    assert [row for row in CHECKS if row not in tried] == []


def test_what_a_check_does_is_explained():
    assert {row[2] for row in CHECKS} == {row[0] for row in table("what happens", "meaning")}


def bounds(checked: str, pattern: str) -> list[float]:
    """The numbers that a pattern finds in the one row of the checks that it fits."""
    (found,) = (match.groups() for name, text, _ in CHECKS if name == checked and (match := re.search(pattern, text)))
    return [float(number) for number in found]


def test_bounds_of_the_repetition_time_are_the_codes(spoilt, capsys):
    assert bounds("repetition time", r"from ([\d.]+) to (\d+) s, given by") == [T_R_MIN, T_R_MAX]
    assert bounds("repetition time", r"from ([\d.]+) to (\d+) s, but") == [T_R_MIN, T_R_MAX]
    (within,) = bounds("repetition time", r"more than ([\d.]+) s")
    assert what_happens(spoilt, f"--t_r {2 + 0.9 * within}", capsys)[0] == "nothing"
    assert what_happens(spoilt, f"--t_r {2 + 1.1 * within}", capsys)[0] == "warning"


@pytest.mark.parametrize(("place", "cut_offs"), [(0, "--low_pass 0.2"), (1, "--low_pass 0.2 --high_pass 0.01")])
def test_bounds_of_the_length_are_the_codes(spoilt, capsys, place, cut_offs):
    n_too_few = int(bounds("length", r"one cut-off at most (\d+) volumes, with both at most (\d+)")[place])
    for n_volumes, fails in ((n_too_few, True), (n_too_few + 1, False)):
        happens, said = what_happens(spoilt, f"{cut_offs} --discard_scans {120 - n_volumes}", capsys)
        assert (happens == "run fails") == fails == ("too few for the filter" in said)


def regress(n_volumes: int, n_left: int) -> list[str]:
    """Warnings of regressors that leave so many degrees of freedom; the mean takes one."""
    n_regressors = n_volumes - 1 - n_left
    values = np.random.default_rng(0).normal(size=(n_volumes, n_regressors))
    confounds = Confounds(tuple(f"c{number}" for number in range(n_regressors)), values)
    with record_warnings() as said:
        prepare_nuisance(confounds, Timeline(n_volumes, 0), Cleaning(False, None, None, None, None, None))
    return said


def test_bounds_of_the_degrees_of_freedom_are_the_codes():
    (least,) = map(int, bounds("degrees of freedom", r"^fewer than (\d+), with"))
    few, percent = map(int, bounds("degrees of freedom", r"fewer than (\d+), or than (\d+) %"))
    with pytest.raises(TooFewVolumesError):
        regress(50, least - 1)
    assert [bool(regress(*counts)) for counts in ((50, least), (50, few - 1), (50, few))] == [True, True, False]
    assert [bool(regress(500, n_left)) for n_left in (500 * percent // 100 - 1, 500 * percent // 100)] == [True, False]


def test_bound_of_all_columns_is_the_codes(tmp_path):
    (percent,) = bounds("all columns", r"more than (\d+) %")
    n_most = int(40 * percent / 100)
    for n_columns in (n_most, n_most + 1):
        values = np.random.default_rng(0).normal(size=(40, n_columns))
        pd.DataFrame(values).add_prefix("c").to_csv(tmp_path / "all.tsv", sep="\t", index=False)
        with record_warnings() as said:
            load_confounds(tmp_path / "all.tsv", (), n_volumes=40, image_path=tmp_path / "bold.nii.gz")
        assert bool(said) == (n_columns > n_most)


def cover(n_valid: int, n_outside: int, **options: object) -> tuple[list[str], str]:
    """Warnings about an atlas of one row of 20 voxels, n_outside of them beyond the image, and the region's status."""
    volumes = np.zeros((20 - n_outside, 5, 6, 12), dtype=np.float32)
    volumes[:n_valid] = 100 + np.arange(12) % 2
    labels = np.zeros((20, 5, 6), dtype=np.int16)
    labels[:, 2, 2] = 1
    for path, values in (("bold.nii", volumes), ("atlas.nii", labels)):
        nib.save(nib.Nifti1Image(values, np.diag([3.0, 3.0, 3.0, 1.0])), path)
    with record_warnings() as said:
        (outcome,) = extract("out", input_files="bold.nii", roi_file="atlas.nii", **options)
    return said, pd.read_csv(outcome.tables[0].regions_path, sep="\t")["status"][0]


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_empty_folder")
def test_bound_of_coverage_is_the_codes():
    (least,) = bounds("coverage of a region", r"below ([\d.]+),")
    n_least = round(20 * least)
    assert cover(n_least, 0) == ([], OK)
    (warning,), _ = cover(n_least - 1, 0)
    assert f"coverage < {least:g}" in warning


@pytest.mark.usefixtures("in_empty_folder")
def test_bound_of_the_field_of_view_is_the_codes():
    (percent,) = bounds("field of view", r"less than (\d+) %")
    n_outside = round(20 * (1 - percent / 100))
    assert cover(20, n_outside) == ([], OK)
    (warning,), _ = cover(20, n_outside + 1)
    assert "field of view" in warning


@pytest.mark.usefixtures("in_empty_folder")
def test_status_of_a_region_below_min_coverage_is_written_as_shown():
    _, status = cover(6, 0, min_coverage=0.5)
    assert status == statuses()[-1].replace("0.31", "0.30")
