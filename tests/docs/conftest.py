from __future__ import annotations

import pytest
from documentation import block_with
from example_runs import Example


@pytest.fixture(scope="session")
def example(tmp_path_factory, worker_id) -> Example:
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "documentation"
    folder.mkdir(exist_ok=True)
    (folder / "mine.json").write_text(block_with("json", '"raw"'), "utf-8")
    run = Example(folder)
    assert run.printed
    return run
