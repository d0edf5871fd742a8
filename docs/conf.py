"""Build these pages into a site: sphinx-build -W -b html docs docs/_build/html."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "niimasker"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
# Docstrings put names between single backticks.
default_role = "code"
autodoc_default_options = {"show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Two dashes before an option stay two.
smartquotes = False
html_theme = "furo"
html_title = "niimasker"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False


def take_repository_files_as_downloads(app: Sphinx, page: str, source: list[str]) -> None:
    """Let links to files of the repository, which the site does not have as pages, lead to copies of them."""
    source[0] = source[0].replace("](../", "](path:../")


def setup(app: Sphinx) -> None:
    """Connect what is done to each page before it is parsed."""
    app.connect("source-read", take_repository_files_as_downloads)
