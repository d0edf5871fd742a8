"""Files of pipelines are read as files of options are, and names of pipelines fit into names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.errors import SettingsError, record_warnings
from niimasker.options.merging import make_settings

MINIMAL = {"output_dir": "out", "input_files": "a.nii.gz", "roi_file": "atlas.nii.gz"}


def names_in(path: Path) -> list[str]:
    """Return the names of the pipelines that a file gives."""
    return list(make_settings({**MINIMAL, "pipelines": str(path)}).by_pipeline)


@pytest.fixture
def path(tmp_path) -> Path:
    """The path of a file of pipelines."""
    return tmp_path / "mine.json"


@pytest.mark.parametrize("text", ['{"a": {}, "a": {"detrend": true}}', '{"b": {"detrend": 1, "a": 1, "a": 2}}'])
def test_name_that_a_file_repeats_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        names_in(path)
    assert str(caught.value) == f"{path}: 'a' is given twice; keep one of them."


def test_option_that_is_no_text_is_unknown():
    with pytest.raises(SettingsError, match="pipeline 'a': unknown option '3'; a pipeline may set"):
        make_settings({**MINIMAL, "pipelines": {"a": {3: True}}})


def test_file_may_begin_with_a_byte_order_mark(path):
    path.write_text('{"a": {"detrend": true}}', encoding="utf-8-sig")
    assert names_in(path) == ["a"]


def test_name_that_is_too_long_for_names_of_files_is_refused(path):
    path.write_text(f'{{"{"a" * 100}": {{}}}}')
    assert names_in(path) == ["a" * 100]
    path.write_text(f'{{"{"a" * 101}": {{}}}}')
    with pytest.raises(SettingsError, match="cannot be the name of a pipeline; give letters and digits, at most 100,"):
        names_in(path)


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ('{\n  "a": {"detrend": true,}\n}', 2, "probably a comma after the last item: delete it."),
        ("", 1, 'the file is empty: expected an object such as {"24P": {"regressors": "Params24"}}.'),
    ],
)
def test_mistake_in_json_is_explained(path, text, line, cause):
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        names_in(path)
    message = str(caught.value)
    assert message.startswith(f"--pipelines: {path}, line {line}, column ")
    assert message.endswith(f"; {cause}")


@pytest.mark.parametrize(
    ("word", "way_out"),
    [
        ("simple,compcor", "separate several by spaces, in JSON give a list."),
        ('{"a": {"detrend": true}}', "write the object into a .json file and give the name of that file."),
        ("scrubbing5", "the nearest is 'scrubbing.5'."),
    ],
)
def test_word_that_names_no_pipeline_has_a_way_out(word, way_out):
    with pytest.raises(SettingsError) as caught:
        make_settings({**MINIMAL, "pipelines": word})
    assert str(caught.value) == f"--pipelines: {word!r} is neither a preset nor a .json file; {way_out}"


@pytest.mark.parametrize("name", ["24P ", "24P+", "24P.", " 24P", "+", ""])
def test_name_begins_and_ends_with_a_letter_or_digit(path, name):
    path.write_text(f'{{"{name}": {{}}}}')
    with pytest.raises(SettingsError, match="cannot be the name of a pipeline"):
        names_in(path)


@pytest.mark.parametrize("name", ["a", "24", "a b", "scrubbing.5+gsr", "a_-b"])
def test_names_may_have_signs_within(path, name):
    path.write_text(f'{{"{name}": {{}}}}')
    assert names_in(path) == [name]


class TestOptionsOfTheCall:
    def warnings(self, **options):
        with record_warnings() as recorded:
            make_settings({**MINIMAL, **options})
        return recorded

    def test_option_that_every_pipeline_overrides_is_warned_of(self):
        expected = ["--low_pass of the call is ignored: every pipeline sets another value."]
        assert self.warnings(pipelines=["simple", "compcor"], low_pass=0.1) == expected

    def test_option_that_one_pipeline_takes_is_not(self):
        assert self.warnings(pipelines=["simple", {"mine": {"regressors": "csf"}}], low_pass=0.1) == []
        assert self.warnings(pipelines=["24P"], low_pass=0.08) == []

    def test_discarding_automatically_without_marks_is_warned_of(self):
        (warning,) = self.warnings(discard_scans="auto", motion_format="fsl", regressor_files="a.par")
        assert warning.startswith("--discard_scans auto discards nothing where tables of --motion_format fsl")
