"""Workers of a Dask cluster that have other versions than the process that asks them."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

import pytest
from dask_processes import dask_processes
from small_tasks import square
from studies import results_in, start, summary, wait_until, write_study

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning
from niimasker.running import cluster_jobs, cluster_workers, schedulers
from niimasker.running.batch import ConnectionLostError
from niimasker.running.cluster_workers import ClusterWorkers, versions_here
from niimasker.running.clusters import attempt_on_cluster
from niimasker.running.schedulers import connect

distributed = pytest.importorskip("distributed")

# What the cluster's own machinery leaves behind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def cluster():
    """Two workers in threads of this process, which take a few milliseconds to start."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        dashboard_address=":0",
        protocol="tcp",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def expect(monkeypatch, **versions: str) -> None:
    """Let this process ask for other versions than those that are installed."""
    expected = {**versions_here(), **versions}
    monkeypatch.setattr(cluster_workers, "versions_here", lambda: expected)


@pytest.mark.parametrize(
    ("name", "other"),
    [("numpy", "1.0"), ("nilearn", "0.1"), ("scipy", "1.0"), ("niimasker", "0.0.4"), ("Python", "3.0")],
)
def test_cluster_of_other_versions_is_wrong_use(tmp_path, monkeypatch, cluster, capsys, name, other):
    here = versions_here()[name]
    expect(monkeypatch, **{name: other})
    assert main([str(tmp_path / "out"), *write_study(tmp_path, 1), "--scheduler", cluster.scheduler_address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    addresses = ", ".join(sorted(worker.address for worker in cluster.workers.values()))
    assert line == (
        "niimasker: error: --scheduler: no worker of the Dask cluster has the versions of this machine: "
        f"{addresses} ({name} {here} instead of {other})."
    )
    assert not (tmp_path / "out").exists()


def test_package_that_a_worker_lacks_is_named(monkeypatch, cluster):
    monkeypatch.setattr(cluster_workers, "_PACKAGES", ("numpy", "no-such-package"))
    expect(monkeypatch, **{"no-such-package": "1.0"})
    with connect_unchecked(cluster) as client:
        workers = ClusterWorkers(client)
        with pytest.warns(NiimaskerWarning, match=r"no-such-package not installed instead of 1\.0"):
            assert workers.update()
        assert workers.chosen == []


def connect_unchecked(cluster):
    return distributed.Client(cluster.scheduler_address, set_as_default=False)


def test_workers_of_equal_versions_are_all_chosen(cluster):
    with connect_unchecked(cluster) as client:
        workers = ClusterWorkers(client)
        assert workers.update()
        assert workers.chosen is None
        assert workers.count_runs(1000) == 1000


def test_refused_worker_leaves_the_other_one(cluster):
    with connect_unchecked(cluster) as client:
        workers = ClusterWorkers(client)
        workers.update()
        first, second = sorted(worker.address for worker in cluster.workers.values())
        with pytest.warns(NiimaskerWarning, match=rf"get no runs: {first} \(numpy 1\.0 instead of "):
            workers.refuse(first, {**versions_here(), "numpy": "1.0"})
        assert workers.chosen == [second]
        assert workers.count_runs(1000) == 2
        workers.refuse(first, {})  # one warning


@pytest.fixture
def replaced_workers(monkeypatch, cluster):
    """A function that gives the first workers another numpy after they have been asked for their versions."""
    here = versions_here()
    expected = {**here, "numpy": "1.0"}
    addresses = sorted(worker.address for worker in cluster.workers.values())

    def replace(n_workers: int) -> list[str]:
        others = set(addresses[:n_workers])

        def versions_there() -> dict[str, str]:
            in_this_process = threading.current_thread() is threading.main_thread()
            return expected if in_this_process or distributed.get_worker().address not in others else here

        monkeypatch.setattr(cluster_jobs, "versions_here", versions_there)
        monkeypatch.setattr(cluster_workers, "versions_here", lambda: expected)
        monkeypatch.setattr(cluster_workers, "_ask", lambda client, new: dict.fromkeys(new, expected))
        return addresses[:n_workers]

    return replace


def square_on(cluster, folder: Path) -> dict[int, int | None]:
    with connect(cluster.scheduler_address) as client:
        attempts = attempt_on_cluster(
            square, range(20), client=client, markers_folder=folder, on_start=lambda number: None
        )
        return {number: attempted.value for number, attempted in attempts}


def test_task_that_a_worker_refuses_goes_to_another(tmp_path, cluster, replaced_workers):
    (other,) = replaced_workers(1)
    with pytest.warns(NiimaskerWarning) as warned:
        assert square_on(cluster, tmp_path) == {number: number**2 for number in range(20)}
    (message,) = [str(warning.message) for warning in warned if warning.category is NiimaskerWarning]
    assert f"get no runs: {other} (numpy " in message


def test_tasks_that_all_workers_refuse_end_after_a_while(tmp_path, monkeypatch, cluster, replaced_workers):
    monkeypatch.setattr(schedulers, "SECONDS_TO_RECONNECT", 0.5)
    addresses = replaced_workers(2)
    with (
        pytest.warns(NiimaskerWarning, match="get no runs"),
        pytest.raises(ConnectionLostError, match=f"no worker of the Dask cluster has .*{', '.join(addresses)} "),
    ):
        square_on(cluster, tmp_path)


OLD_NIIMASKER = {
    "niimasker/__init__.py": "",
    "niimasker/running/__init__.py": "",
    "niimasker-0.0.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: niimasker\nVersion: 0.0.4\n",
}


def test_worker_that_joins_with_an_older_niimasker_gets_no_runs(tmp_path):
    for name, content in OLD_NIIMASKER.items():
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_text(content)
    words = write_study(tmp_path, 4)
    with dask_processes(tmp_path / "dask") as dask:
        process = start(tmp_path / "out", *words, "--scheduler", dask.address)
        said = []
        listener = threading.Thread(target=lambda: said.extend(process.stderr))
        listener.start()
        wait_until((tmp_path / "out/niimasker_data").is_dir, "the study has found the cluster without workers")
        dask.add_worker(tmp_path / "old")
        wait_until(lambda: said or process.poll() is not None, "the old worker is refused")
        dask.add_worker()
        assert process.wait(60) == 0
        listener.join()
        process.stdout.close()
    warnings = [line for line in said if "runs (" not in line]
    (line,) = warnings
    assert re.fullmatch(
        r"niimasker: warning: --scheduler: workers with other versions than this machine get no runs: "
        rf"tcp://127.0.0.1:\d+ \(niimasker 0.0.4 instead of {versions_here()['niimasker']}\).\n",
        line,
    )
    assert summary(tmp_path / "out")["status"].eq("done").all()
    assert main([str(tmp_path / "here"), *words]) == 0
    here = results_in(tmp_path / "here")
    assert {name for name, content in results_in(tmp_path / "out").items() if here[name] != content} <= {
        name for name in here if name.endswith(".json")
    }
