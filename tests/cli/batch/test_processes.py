"""Several processes on one list: the same pictures, the same generator, nobody left waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from region_core.cli.batch.share import Share
from region_core.cli.batch.shared import vector
from region_core.paper.network import load_generator

from .quick import asked, batch, begun, pictures, table

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
    command = [sys.executable, *torchrun, str(DRIVER), *asked("--quiet", *more, out=out)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=400
    )


@pytest.mark.usefixtures("six")
def test_two_processes_do_what_one_does() -> None:
    """The shared generator's course, where each one's pictures hang on what all have taught."""
    shared = ("--preset", "paper", "--max_window_size", "4", "--batch_size", "3", "--epochs", "2")
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
def test_a_process_with_a_failure_does_not_end_the_others() -> None:
    """torchrun ends all processes as soon as one ends with another code than 0."""
    assert batch() == 0
    for n in (0, 1, 3, 5):  # one item is left to the first process, three to the second
        next(Path("out/results").glob(f"{n}-*")).unlink()
    ended = run(2, "out", BATCH_FAIL="thing 0", BATCH_SLEEP="0.5")
    assert ended.returncode != 0
    assert "6 items: 1 failed, 5 edited" in ended.stdout
    assert [row["status"] for row in table()] == ["failed"] + ["edited"] * 5


@pytest.mark.usefixtures("six")
def test_bad_input_is_told_once() -> None:
    Path("in/3.png").unlink()
    refused = run(2, "out")
    assert refused.returncode != 0
    assert refused.stderr.count("There is no file") == 1
    assert not Path("out").exists()


def test_a_process_has_its_own_device() -> None:
    assert Share(0, 2, 1).device(torch.device("cpu")) == torch.device("cpu")
    assert Share(0, 2, 1).device(torch.device("cuda", 2)) == torch.device("cuda", 2)


def test_shares_are_every_other_item(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Share.from_environment() == Share(0, 1, 0)
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "3"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    share = Share.from_environment()
    assert (share.rank, share.world, share.local_rank, share.first) == (1, 3, 1, False)
    assert share.of(list(range(8))) == [1, 4, 7]


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
        {"WORLD_SIZE": "two", "RANK": "0"},
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
