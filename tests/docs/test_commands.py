"""The commands on the pages run, and name options that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig

import pandas as pd
import pytest
from documentation import ATLAS, COMMANDS, FLAGS, IMAGE, ON_THE_EXAMPLE, PAGES, ROOT, block_with, blocks, table

from niimasker.errors import EXIT_RUN_FAILED, EXIT_WRONG_USE
from niimasker.options.command_line import make_parser


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_hold_options_that_the_parser_knows(words):
    assert {word for word in words if re.match("--?[a-z]", word)} <= FLAGS
    assert "output_dir" in make_parser().parse_args(words)


# fMRIPrep's --cifti-output, mri_surf2surf's --fwhm and XCP-D's --bpf-order.
OF_OTHER_PROGRAMS = {"--bpf", "--cifti", "--fwhm"}


def test_options_named_in_the_text_exist():
    text = "".join(PAGES.values())
    assert set(re.findall(r"(?<![\w-])--[a-z_]+", text)) - {"--repeats", "--mem", *OF_OTHER_PROGRAMS} <= FLAGS


def test_commands_on_the_example_write_folders_of_their_own():
    assert len(ON_THE_EXAMPLE) == len([words for words in COMMANDS if words in ON_THE_EXAMPLE.values()]) == 20


@pytest.mark.parametrize("name", ON_THE_EXAMPLE)
def test_commands_on_the_example_do_every_run(example, name):
    summary = pd.read_csv(example.output(name) / "niimasker_data/summary.tsv", sep="\t")
    assert set(summary["status"]) == {"done"}


@pytest.mark.parametrize("name", ON_THE_EXAMPLE)
def test_commands_on_the_example_warn_of_nothing_that_is_not_shown(example, name):
    warnings = [line for line in example.said(name).splitlines() if "warning" in line]
    assert set(warnings) <= {line for block in blocks("text") for line in block.splitlines()}


def test_shell_loop_writes_the_folder_of_its_turn(example):
    loop = block_with("sh", "for radius in")
    loop = loop.replace("in 4 8;", "in 8;")  # a turn takes seconds
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-c", loop], cwd=example.folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    # A slow machine shows its progress.
    told = [line for line in done.stderr.splitlines() if not re.match(r"niimasker: \d+ of \d+ runs", line)]
    assert (done.returncode, told) == (0, [])
    assert [folder.name for folder in example.folder.glob("radius_*")] == ["radius_8_output"]
    assert "not all" not in done.stdout


def test_exit_code_tells_a_failed_run_from_wrong_use(example):
    broken = example.folder / "broken.nii.gz"
    whole = example.folder / f"example_output/data/fmriprep/sub-01/func/{IMAGE}.nii.gz"
    broken.write_bytes(whole.read_bytes()[:-1000])
    atlas = f"example_output/data/atlas/{ATLAS}"
    assert example.run(["broken_output", "-i", "broken.nii.gz", "-r", atlas]) == EXIT_RUN_FAILED
    assert example.run(["broken_output", "-i", "missing.nii.gz", "-r", atlas]) == EXIT_WRONG_USE


def test_benchmarks_that_are_named_exist():
    named = {path for text in PAGES.values() for path in re.findall(r"python (benchmarks/\w+\.py)", text)}
    assert len(named) == len(table("command", "measures")) == 6
    assert all((ROOT / path).is_file() for path in named)
