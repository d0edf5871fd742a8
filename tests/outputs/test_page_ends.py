"""Complete pages, cut ones and those of failed runs are told apart by their ends."""

from __future__ import annotations

import pytest

from niimasker.outputs.page_ends import FAILED, is_complete_page, is_failed_page


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ("<html></html>", (True, False)),
        (f"<html></html>\n{FAILED}", (False, True)),
        ("<html></ht", (False, False)),
        ("", (False, False)),
        (None, (False, False)),
    ],
)
def test_pages_are_told_apart(tmp_path, content, kinds):
    path = tmp_path / "page.html"
    if content is not None:
        path.write_text(content, "utf-8")
    assert (is_complete_page(path), is_failed_page(path)) == kinds
    assert not is_complete_page(tmp_path)
