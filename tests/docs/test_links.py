"""Every link inside the repository leads to a file, and to a heading in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from documentation import ROOT

NOT_OURS = {"build", "dist", "_build", "node_modules"}
MARKDOWN = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part in NOT_OURS or part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def without_code(path: Path) -> str:
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S)
    return re.sub(r"``.+?``|`[^`\n]+`", lambda code: re.sub(r"[\[\]()]", "", code[0]), text)


def anchors(path: Path) -> set[str]:
    """What headings are called in links, as code hosts and MyST name them: the second of a name gets a number."""
    headings = re.findall(r"^#+ (.+)$", without_code(path), re.M)
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    twice = [f"{name}-{number}" for name, n in Counter(names).items() for number in range(1, n)]
    return {*names, *twice}


def links(path: Path) -> list[str]:
    text = without_code(path)
    targets = re.findall(r"\]\(<?([^)>\s]+)>?\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)", text, re.M)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def why_broken(page: Path, target: str) -> str | None:
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    if not path.exists():
        return f"{target}: no such file"
    if anchor and (path.suffix != ".md" or anchor not in anchors(path)):
        return f"{target}: no such heading"
    return None


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    assert [reason for target in links(page) if (reason := why_broken(page, target))] == []


def test_the_pages_of_the_documentation_and_their_links_are_looked_at():
    assert {"README.md", "CHANGELOG.md", "docs/index.md"} <= {path.relative_to(ROOT).as_posix() for path in MARKDOWN}
    assert "../config_template.json" in links(ROOT / "docs/options.md")
    assert "regions.md" in links(ROOT / "docs/options.md")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[a](other.md)", None),
        ("[a](other.md#one-heading)", None),
        ("[a](other.md#one-heading-1)", None),
        ("[a](#here)", None),
        ("[a](https://example.org/x#y) `[a](x.md)`", None),
        ("![a](picture.png)", "picture.png: no such file"),
        ("[a](other.md#one-heading-2)", "other.md#one-heading-2: no such heading"),
        ("[a](#there)", "#there: no such heading"),
        ("[a]\n\n[a]: missing.md", "missing.md: no such file"),
    ],
)
def test_broken_links_are_found(tmp_path, link, reason):
    (tmp_path / "other.md").write_text("# One heading\n\n# One heading\n\n```sh\n# Two heading\n```\n", "utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n{link}\n", "utf-8")
    assert [why_broken(page, target) for target in links(page)] == ([] if "https" in link else [reason])
