"""How it works states tolerances that the tests keep to, and folders that there are."""

from __future__ import annotations

import re

import pytest
from documentation import ROOT, code_in, table

from niimasker.inputs.blocks import BLOCK_BYTES

STATED = {row[0]: row[2] for row in table("compared with", "on", "largest difference allowed")}


@pytest.mark.parametrize(
    ("compared", "test_file"),
    [
        ("weighted sums over volumes", "test_operators.py"),
        ("nilearn's maskers", "test_oracle.py"),
        ("formulas of each cleaning step", "test_reference_cleaning.py"),
        ("tables that niimasker 0.0.4 wrote", "test_reference.py"),
    ],
)
def test_tolerances_are_those_of_the_tests(compared, test_file):
    (path,) = (ROOT / "tests").rglob(test_file)
    (tolerance,) = re.findall(r"^TOLERANCE = (\S+)$", path.read_text("utf-8"), re.M)
    (stated,) = (text for name, text in STATED.items() if name.startswith(compared))
    assert float(re.match(r"[\de-]+", stated)[0]) == float(tolerance)


def test_size_of_a_block_is_the_codes():
    page = " ".join((ROOT / "docs/how_it_works.md").read_text("utf-8").split())
    assert f"blocks of volumes of {BLOCK_BYTES // 2**20} MiB as float64" in page


def test_folders_of_the_code_are_named_as_packages():
    folders = [folder for row in table("folder", "what it does") for folder in code_in(row[0])]
    assert all(re.fullmatch(r"niimasker/\w+/", folder) for folder in folders)
