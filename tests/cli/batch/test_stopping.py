"""A run that is stopped or killed: what is finished is kept, the same command goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tqdm import tqdm

from region_core.edits import Edits

from .quick import batch, begun, opened, pictures, quick_edit, table, write_list


@pytest.mark.usefixtures("folder")
def test_a_second_run_into_one_folder_is_told_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    second: list[tuple[int, str]] = []

    def meanwhile(*args: Any, **rest: Any) -> Any:
        if not second:
            code = batch()
            second.append((code, capsys.readouterr().err))
        return quick_edit(*args, **rest)

    assert batch(edit=meanwhile) == 0
    ((code, said),) = second
    assert code == 2
    assert "output_dir is 'out', and another run is writing to it; wait" in said
    assert [row["status"] for row in table()] == ["edited"] * 4
    assert batch() == 0  # it is free again
    assert batch(out="other") == 0


def begun_lines() -> list[str]:
    """Lines of the log, left where they are."""
    return Path("log").read_text().splitlines() if Path("log").exists() else []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("by", [KeyboardInterrupt, signal.SIGTERM])
def test_stopping_leaves_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, by: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a <b>tree</b>":
            if by is KeyboardInterrupt:
                raise by
            os.kill(os.getpid(), by)
        return quick_edit(image, caption, *texts, **rest)

    assert batch(edit=stop) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["edited", "edited", "waiting", "waiting"]
    begun()
    assert batch() == 0
    assert begun() == ["a <b>tree</b>", "x"]


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.usefixtures("folder")
def test_a_second_signal_while_files_are_written_loses_none() -> None:
    pressed = threading.Event()

    class Pressing(Edits):
        @property
        def image(self) -> torch.Tensor:
            assert pressed.wait(60)
            time.sleep(0.2)  # by then the command waits for these files
            os.kill(os.getpid(), signal.SIGINT)
            return super().image

    def press(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a dog":
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)
        edits = quick_edit(image, caption, *texts, **rest)
        return Pressing(**{one.name: getattr(edits, one.name) for one in fields(edits)})

    assert batch(edit=press) == 130
    assert [row["status"] for row in table()] == ["edited"] + ["waiting"] * 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "more",
    [
        (),
        (
            "--save_path",
            "g",
            "--batch_size",
            "3",
            "--epochs",
            "2",
            "--ckpt_interval",
            "2",
            "--preset",
            "paper",
            "--max_window_size",
            "4",
        ),
    ],
    ids=["a generator each", "a shared one"],
)
def test_killed_at_any_moment_it_goes_on(monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    write_list({f"{n}.png": f"thing {n}" for n in range(26)})
    for n in range(26):
        Image.new("RGB", (40, 40), (n, 2 * n, 3 * n)).save(f"in/{n}.png")
    assert batch(*more, out="whole") == 0
    edits = len(begun())
    monkeypatch.setenv("BATCH_SLEEP", "0.1")
    chance, killed, kept, seen = random.Random(0), 0, 0, 0
    finished: set[str] = set()
    while killed < 5:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child needs none
            child = os.fork()
        if not child:
            tqdm.set_lock(threading.RLock())  # its own is shared with the parent, and would stay locked
            os._exit(batch(*more))
        while kept == len(list(Path("out").rglob("report.json"))) and not more:
            time.sleep(0.002)  # so that every life brings something forward
        time.sleep(chance.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, (
            "it came to its end before it was killed: make the list longer"
        )
        killed += 1
        if not more:  # with a shared generator a second epoch does each again
            assert not finished & {line.split(" ", 1)[1] for line in begun_lines()[seen:]}
            finished = {json.loads(file.read_text())["image_caption"] for file in Path("out").rglob("report.json")}
            seen = len(begun_lines())
        kept = len(list(Path("out").rglob("report.json")))
        for file in Path("out").rglob("*.*"):  # none is half written
            if file.suffix in (".png", ".jpg"):
                opened(file)
            elif file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
    monkeypatch.setenv("BATCH_SLEEP", "0")
    assert batch(*more) == 0
    assert pictures() == pictures("whole")
    assert [row["status"] for row in table()] == ["edited"] * 26
    # one begun and not finished, and one or two not written yet, are lost with each life
    assert edits <= len(begun()) <= edits + 5 * 4
    left = [p for p in Path("out").rglob("*") if p.name.endswith((".tmp", ".part")) or p.name == "learned.safetensors"]
    assert not left
    if more:
        learned = [load_file(f"{out}/learning.safetensors") for out in ("out", "whole")]
        assert learned[0].keys() == learned[1].keys()
        assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])
    assert batch(*more) == 0
    assert begun() == []
