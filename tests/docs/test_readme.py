"""README.md: its commands run as printed and do what it says of them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from answers import Result
from studies import environment, statuses, summary

from niimasker.cli import main
from niimasker.errors import EXIT_DONE
from niimasker.options.command_line import make_parser
from niimasker.options.settings import OPTIONS
from niimasker.regions.atlases.fetching import ATLASES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
RUN = "task-rest_space-MNI152NLin2009aSym_desc-preproc_bold"
FROM_A_CLONE = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/niimasker example_output --example",
    'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/pytest',
)
FLAGS = {f"--{option.name}" for option in OPTIONS} | {"--example"}
# Of sbatch and of benchmarks/run.py.
FLAGS_OF_OTHERS = {"--array", "--cpus", "--mem", "--time", "--repeats"}


def blocks(language: str, text: str = README) -> list[str]:
    """Return the content of the blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def find_recipes() -> dict[str, str]:
    """Return the one shell block of each recipe, by the recipe's title."""
    sections = re.split(r"^### \d\. ", README.partition("\n## What it writes")[0], flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: block for section in sections for block in blocks("sh", section)}


RECIPES = find_recipes()
COMMANDS = {title: block for title, block in RECIPES.items() if block.startswith("niimasker ")}
ARRAY = RECIPES["A SLURM array"]


def numbers_in(sentence: str) -> list[int]:
    """Return the numbers at the places that a pattern marks in README."""
    return [int(number.replace(",", "")) for number in re.search(sentence, README).groups()]


@dataclass(frozen=True)
class Example:
    """The folder in which the first command has been run, and what it printed."""

    folder: Path
    printed: str


def run_in(folder: Path, words: Sequence[str]) -> Result:
    """Return what a command answers that is given in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Result(code, out.getvalue(), err.getvalue())


def words_of(title: str) -> list[str]:
    """Return the words that a recipe gives to niimasker."""
    return shlex.split(COMMANDS[title].replace("\\\n", " "))[1:]


def read_signals(folder: Path, subject: str) -> pd.DataFrame:
    """Return a run's table of signals."""
    return pd.read_csv(folder / f"sub-{subject}_{RUN}_timeseries.tsv", sep="\t", na_values="n/a")


@pytest.fixture(scope="session")
def example(tmp_path_factory) -> Example:
    folder = tmp_path_factory.mktemp("readme")
    answer = run_in(folder, FROM_A_CLONE[0].split()[-2:])
    assert answer.code == EXIT_DONE
    assert answer.lines == []
    return Example(folder, answer.out)


def cook(example: Example, title: str) -> tuple[Path, Result]:
    """Run a recipe's command as printed, which is to do all runs without a warning; return its folder and answer."""
    words = words_of(title)
    answer = run_in(example.folder, words)
    assert answer.code == EXIT_DONE
    assert answer.lines == []
    return example.folder / words[0], answer


def test_it_is_an_introduction():
    assert len(README.splitlines()) <= 300


def test_the_two_commands_from_a_clone_are_shown():
    assert set(FROM_A_CLONE) <= set("".join(blocks("sh")).splitlines())


def test_the_picture_is_there_and_small():
    ((path, alternative),) = re.findall(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">', README)
    assert 10_000 < (ROOT / path).stat().st_size < 300_000
    assert alternative


def test_what_the_first_command_prints_is_shown(example):
    assert example.printed in blocks("text")


def test_first_rows_of_the_first_table_are_shown(example):
    (block,) = blocks("console")
    command, *rows = block.splitlines()
    path, n_columns, n_lines = re.fullmatch(r"\$ cut -f 1-(\d+) (\S+) \| head -n (\d+)", command).group(2, 1, 3)
    lines = (example.folder / path).read_text("utf-8").splitlines()[: int(n_lines)]
    names, *values = [line.split("\t")[: int(n_columns)] for line in lines]
    assert rows[0].split("\t") == names
    shown = [[float(cell) for cell in row.split("\t")] for row in rows[1:]]
    assert shown == [pytest.approx([float(cell) for cell in row], abs=1e-6) for row in values]


def test_there_are_eight_recipes_of_one_command_each():
    assert [len(RECIPES), len(COMMANDS)] == [8, 7]
    assert all(block.count("niimasker ") == 1 for block in RECIPES.values())
    assert len(re.findall(r"^### \d\. ", README, re.MULTILINE)) == 8


def test_options_named_exist():
    assert set(re.findall(r"(?<![\w-])--[a-z_]+", README)) - FLAGS_OF_OTHERS <= FLAGS


@pytest.mark.parametrize("title", COMMANDS)
def test_recipes_name_a_folder_of_their_own(title):
    assert make_parser().parse_args(words_of(title)).output_dir.endswith("_output")
    assert len({words_of(other)[0] for other in COMMANDS}) == len(COMMANDS)


def test_recipe_of_a_whole_study_has_connectivity_and_the_degrees_of_freedom_told(example):
    folder, _ = cook(example, "A whole fMRIPrep study")
    n_kept, n_left = numbers_in(r"Here (\d+) volumes are kept and (\d+) degrees of freedom are left")
    (n_left_filtered,) = numbers_in(r"With `--low_pass 0.1` it would be (\d+)")
    runs = summary(folder)
    assert set(runs["status"]) == {"done"}
    assert set(runs["n_volumes"]) == {n_kept}
    assert set(runs["degrees_of_freedom"]) == {n_left}
    assert set(runs["n_warnings"]) == {0}
    relmat = pd.read_csv(folder / f"sub-01_{RUN}_connectivity-pearson_relmat.tsv", sep="\t", index_col="node")
    assert relmat.shape == (30, 30)
    assert (folder / "reports/index.html").is_file()
    few = run_in(example.folder, ["few", *words_of("A whole fMRIPrep study")[1:], "--low_pass", "0.1", "--no_report"])
    assert set(summary(example.folder / "few")["degrees_of_freedom"]) == {n_left_filtered}
    assert any("correlations will be unreliable" in line for line in few.lines)


def test_recipe_of_a_mask_has_a_column_for_each_voxel(example):
    folder, _ = cook(example, "One mask, voxel by voxel")
    (n_columns,) = numbers_in(r"the table has ([\d,]+) columns")
    path = folder / f"sub-01_{RUN}_timeseries.tsv"
    with path.open(encoding="utf-8") as lines:
        assert len(next(lines).split("\t")) == n_columns
    voxels = pd.read_csv(folder / f"sub-01_{RUN}_voxels.tsv", sep="\t")
    assert {"column", "i", "j", "k", "x", "y", "z"} <= set(voxels.columns)


def test_recipe_of_seeds_names_its_columns_by_the_table(example):
    folder, _ = cook(example, "Seeds from a paper")
    seeds = pd.read_csv(example.folder / "example_output/data/atlas/seeds.tsv", sep="\t")
    assert {"x", "y", "z"} <= set(seeds.columns)
    assert list(read_signals(folder, "02").columns) == list(seeds["name"])


def test_recipe_of_surfaces_has_the_regions_of_both_hemispheres(example):
    folder, _ = cook(example, "The surface of the cortex")
    (path,) = folder.glob("*_timeseries.tsv")
    assert "hemi-" not in path.name
    names = path.read_text("utf-8").partition("\n")[0].split("\t")
    assert {name[:2] for name in names} == {"LH", "RH"}


def test_recipe_of_pipelines_writes_tables_of_each(example):
    title = "Several ways of denoising"
    folder, answer = cook(example, title)
    names = words_of(title)[words_of(title).index("--pipelines") + 1 :]
    assert answer.out.startswith(f"2 images x {len(names)} pipelines: {2 * len(names)} runs done")
    runs = summary(folder)
    assert list(runs["pipeline"]) == names * 2
    assert (folder / f"sub-01_{RUN}_desc-simple+gsr_timeseries.tsv").is_file()
    assert "<image>_desc-simple+gsr_timeseries.tsv" in README


def test_recipe_of_a_json_file_shows_the_file_and_gives_the_examples_tables(example):
    folder, _ = cook(example, "A JSON file for a colleague")
    assert (example.folder / "example_output/data/config.json").read_text("utf-8") in blocks("json")
    assert read_signals(folder, "01").equals(read_signals(example.folder / "example_output", "01"))


def test_recipe_of_resuming_skips_what_is_done_as_shown(example):
    _, answer = cook(example, "Again, after adding subjects")
    assert answer.out in blocks("text")


def test_recipe_of_resuming_does_only_the_subject_that_is_added(example, tmp_path):
    shutil.copytree(example.folder / "example_output", tmp_path / "example_output")
    subjects = tmp_path / "example_output/data/fmriprep"
    for path in (subjects / "sub-02/func").iterdir():
        added = subjects / "sub-03/func" / path.name.replace("sub-02", "sub-03")
        added.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, added)
    answer = run_in(tmp_path, words_of("Again, after adding subjects"))
    assert answer.code == EXIT_DONE
    assert list(statuses(tmp_path / "example_output")) == ["skipped", "skipped", "done"]


def test_recipe_of_an_array_does_all_runs_when_its_jobs_run_at_once(example):
    (n_jobs,) = numbers_in(r"#SBATCH --array=1-(\d+)\n")
    (example.folder / "array.sh").write_text(ARRAY, "utf-8")
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    variables = {**environment(), "PATH": path, "SLURM_ARRAY_TASK_COUNT": str(n_jobs)}
    jobs = [
        subprocess.Popen(
            ["sh", "array.sh"],
            cwd=example.folder,
            env={**variables, "SLURM_ARRAY_TASK_ID": str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(1, n_jobs + 1)
    ]
    for job in jobs:
        _, said = job.communicate()
        assert job.returncode == EXIT_DONE, said
    runs = summary(example.folder / "slurm_output")
    assert list(runs["status"]) == ["done", "done"]
    assert (example.folder / "slurm_output/reports/index.html").is_file()


def test_number_of_nilearns_atlases_is_the_codes():
    assert numbers_in(r"(\d+) atlases by name") == [len(ATLASES)]
