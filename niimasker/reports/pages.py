"""HTML pages: rendering templates, writing pages, and the folder of assets that all pages share."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from niimasker.outputs.files import replacing
from niimasker.outputs.study_names import ASSETS_FOLDER, OWN_ASSETS, PLOTLY, RUNS_SCRIPT
from niimasker.reports.runs_script import make_script, read_study_id


def render(template: str, **values: Any) -> str:
    """Return the page of a template; every value is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("niimasker.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def write_page(path: Path, text: str) -> None:
    """Write a page."""
    # The text may contain a file name that is not valid Unicode.
    _replace(path, text.encode("utf-8", "backslashreplace"))


def write_assets(reports_folder: Path) -> None:
    """Write the style sheet and scripts of all pages that are missing or differ from this version's."""
    source = files("niimasker.reports") / "assets"
    contents = {name: (source / name).read_bytes() for name in OWN_ASSETS}
    contents[PLOTLY] = get_plotlyjs().encode("utf-8")
    for name, content in contents.items():
        path = reports_folder / ASSETS_FOLDER / name
        if not path.is_file() or path.read_bytes() != content:
            _replace(path, content)
    # Pages load it, although only the index, which comes last, knows what to write into it.
    path = reports_folder / RUNS_SCRIPT
    if not path.is_file():
        _replace(path, make_script(read_study_id(path)).encode("ascii"))


def find_output(page_path: Path, reports_folder: Path) -> str:
    """Return the output name of the run that a page is of."""
    return page_path.relative_to(reports_folder).as_posix().removesuffix("_report.html")


def link_to_assets(page_path: Path, reports_folder: Path) -> str:
    """Return the link from a page to the folder of assets."""
    depth = len(page_path.relative_to(reports_folder).parts) - 1
    return "../" * depth + ASSETS_FOLDER


def _replace(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
