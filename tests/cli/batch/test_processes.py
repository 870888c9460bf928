"""Several processes on one list: the same pictures, the same generator, nobody left waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from PIL import Image

from region_core.cli import BAD_INPUT, STOPPED
from region_core.cli.batch import command, processes
from region_core.cli.batch.processes import Processes, ProcessLost, backend_for, device_for
from region_core.cli.batch.shared import vector
from region_core.errors import InputError
from region_core.paper.network import load_generator

from .quick import QuickEngine, asked, batch, begun, pictures, table

DRIVER = Path(__file__).with_name("quick.py")
COUNT = 6


@pytest.fixture
def six(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for n in range(COUNT):
        Image.new("RGB", (40, 40), (n, 2 * n, 3 * n)).save(f"in/{n}.png")
    Path("edits.json").write_text(json.dumps({f"{n}.png": [f"thing {n}", "a fox"] for n in range(COUNT)}))
    return tmp_path


def run(processes: int, out: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The quick batch under torchrun."""
    torchrun = [
        "-m",
        "torch.distributed.run",
        f"--nproc_per_node={processes}",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:0",
    ]
    command = [sys.executable, *torchrun, str(DRIVER), *asked("--quiet", "--num_workers", "0", *more, out=out)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=400
    )


@pytest.mark.usefixtures("six")
def test_two_processes_do_what_one_does() -> None:
    """The shared generator's course, where each one's pictures hang on what all have taught."""
    shared = ("--max_window_size", "4", "--batch_size", "3", "--epochs", "2")
    assert batch("--save_path", "g1", *shared, out="one") == 0
    two = run(2, "two", "--save_path", "g2", *shared, BATCH_LOG="log")
    assert two.returncode == 0, two.stderr
    assert two.stdout.count(f"{COUNT} items: {COUNT} edited") == 1
    assert "with 2 processes" in two.stdout
    assert pictures("two") == pictures("one")
    a, b = (vector(load_generator(f"{g}/generator.safetensors")[0]) for g in ("g1", "g2"))
    assert torch.equal(a, b)
    lines = Path("log").read_text().splitlines()
    assert len(lines) == 2 * COUNT
    assert len({line.split()[0] for line in lines}) == 2, "one process did everything"


@pytest.mark.usefixtures("six")
def test_a_process_that_dies_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    died = run(2, "out", BATCH_DIE="thing 3", BATCH_SLEEP="0.2", BATCH_LOG="log")
    assert died.returncode != 0
    done = {p.parent.name for p in Path("out").rglob("report.json")}
    assert len(done) < COUNT
    begun()
    monkeypatch.setenv("BATCH_LOG", "log")
    assert batch() == 0
    assert len(begun()) == COUNT - len(done)
    assert [row["status"] for row in table()] == ["edited"] * COUNT


@pytest.mark.usefixtures("six")
def test_bad_input_is_told_once() -> None:
    Path("in/3.png").unlink()
    refused = run(2, "out")
    assert refused.returncode != 0
    assert refused.stderr.count("There is no file") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(("problem", "code"), [(KeyboardInterrupt(), STOPPED), (InputError("no list"), BAD_INPUT)])
def test_all_end_as_the_first_does_where_it_comes_to_no_plan(
    monkeypatch: pytest.MonkeyPatch, problem: BaseException, code: int
) -> None:
    store = dist.HashStore()

    class Joined(Processes):
        def __enter__(self) -> Processes:
            self._store = store
            return self

    def refused(_args: object) -> None:
        raise problem

    monkeypatch.setattr(command, "check_batch", refused)
    monkeypatch.setattr(Processes, "from_environment", lambda: Joined(0, 2))
    with pytest.raises(type(problem)):
        command.batch(Namespace(), QuickEngine())
    monkeypatch.setattr(Processes, "from_environment", lambda: Joined(1, 2))
    assert command.batch(Namespace(), QuickEngine()) == code


def test_backend_and_device_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend_for(torch.device("cpu")) == "gloo"
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for here, backend in (("2", "nccl"), ("3", "gloo")):  # NCCL wants a GPU for each process
        monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
        assert backend_for(torch.device("cuda", 1)) == backend
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)  # as on Windows
    assert backend_for(torch.device("cuda", 0)) == "gloo"
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 4)
    assert device_for(torch.device("cuda"), 5) == torch.device("cuda", 1)
    assert device_for(torch.device("cuda", 2), 1) == torch.device("cuda", 2)
    assert device_for(torch.device("cpu"), 1) == torch.device("cpu")
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    found = Processes.from_environment()
    assert (found.rank, found.world, found.local_rank) == (3, 4, 1)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "names",
    [
        {"RANK": "1"},
        {"RANK": "-1"},
        {"WORLD_SIZE": "0"},
        {"WORLD_SIZE": "-3"},
        {"LOCAL_RANK": "-1"},
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "abc"},
        {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"},
    ],
)
def test_what_torchrun_never_says_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert batch() == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "torchrun, or take " in said
    assert not Path("out").exists()


def test_alone_nothing_is_waited_for() -> None:
    with Processes() as alone:
        alone.meet("here")
        assert alone.count("done") == 1
        values = torch.randn(3)
        assert alone.sum(values, torch.device("cpu")) is values
        done: list[int] = []
        alone.leave(lambda: done.append(1))
        assert done == [1]


def test_who_has_left_is_not_waited_for() -> None:
    """Though it still lives: it waits in its turn for all others."""
    here, store = Processes(0, 2), dist.HashStore()
    here._store = store
    store.set("said", "yes")
    store.set("gone/1", "")
    assert here.hear("said", of=1) == "yes"
    with pytest.raises(ProcessLost, match="Process 1 of 2 has stopped"):
        here.hear("not said", of=1)


def test_who_shows_no_sign_of_life_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_BEAT", 0.01)
    here, store = Processes(0, 2), dist.HashStore()
    here._store = store
    store.set("beat/1", "its last one")
    given_up: list[int] = []
    monkeypatch.setattr(processes, "_HURRIED", 0.3)
    here.leave(lambda: given_up.append(1), hurried=True)
    assert given_up == [1]
    watch = here._watch({1}, 0.3)
    watch()
    time.sleep(0.4)
    with pytest.raises(ProcessLost, match="Process 1 of 2 shows no sign of life"):
        watch()


def test_who_lives_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_BEAT", 0.01)
    here, store = Processes(0, 2), dist.HashStore()
    here._store = store
    watch = here._watch({1}, 0.3)
    for number in range(20):
        store.set("beat/1", str(number))
        watch()
        time.sleep(0.05)
