"""Consoles that are closed, full or read no further; signals that end a command."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from region_core.cli import main as cli
from region_core.cli.console import tolerant_streams
from region_core.edits import Edits

from .batch.quick import asked, write_list
from .played import ROOT, arguments
from .test_edit import Played, fake, result_of

QUICK = [sys.executable, str(ROOT / "tests/cli/batch/quick.py")]
pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix")
@pytest.mark.parametrize("redirected", ["| true", "2>&1 | true", ">/dev/full", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_a_console_that_is_gone_does_not_end_the_work(redirected: str) -> None:
    write_list({"good.png": "a cat", "none.png": "a cat"})
    Path("none.png").write_bytes(Path("cut.png").read_bytes())  # of one item something is said in the middle
    Path("in").symlink_to(".")
    for args, code in ((arguments("--output_dir", "new"), 0), (asked(out="many"), 1)):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {redirected}; exit ${{PIPESTATUS[0]}}', "bash", *QUICK, *args],
            check=False,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert "Exception ignored" not in done.stderr
        assert done.returncode == code, done.stderr
    assert Path("new/report.json").is_file()
    assert Path("many/index.html").is_file()


def test_the_streams_are_the_callers_again_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    before = sys.stderr
    assert cli.main(arguments("--output_dir", "new", "--quiet"), Played(fake)) == 0
    assert cli.main(arguments("--steps", "0"), Played(fake)) == 2
    assert sys.stdout is None
    assert sys.stderr is before
    assert before.errors == "strict"
    assert b"steps is 0" in before.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "set_blocking") or sys.platform == "win32", reason="pipes of Unix")
def test_a_reader_that_is_behind_loses_a_piece_and_not_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with tolerant_streams():
            print("x" * 1_000_000, flush=True)
            while len(os.read(reading, 1 << 20)) == 1 << 16:
                sys.stdout.flush()
            print("after it")
            sys.stdout.flush()
        monkeypatch.undo()
        stream.close()
        assert reader.read().endswith(b"after it\n")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors as Linux shows them")
def test_a_console_that_is_gone_costs_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        before = len(os.listdir("/proc/self/fd"))
        with tolerant_streams():
            for _ in range(3):
                print("x" * 100_000)
            print("x", flush=True)
        monkeypatch.undo()
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_an_edit_that_is_ended_leaves_the_best_so_far(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("no such signal here")

    def ended(image: object, *, settings: Any, on_event: object, **_rest: object) -> Edits:
        result_of(image, on_event, settings)
        os.kill(os.getpid(), number)
        time.sleep(5)
        raise AssertionError("the signal was not heard")

    assert signal.getsignal(number) is signal.SIG_DFL
    assert cli.main(arguments("--output_dir", "new"), Played(ended)) == 130
    assert signal.getsignal(number) is signal.SIG_DFL
    assert "the best picture so far is" in capsys.readouterr().err
    assert Path("new/edited.png").is_file()


def test_a_signal_that_is_ignored_stays_so() -> None:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("no such signal here")

    def kept(image: object, *, settings: Any, on_event: object, **_rest: object) -> Edits:
        os.kill(os.getpid(), signal.SIGHUP)  # as of a terminal that is closed, under nohup
        return result_of(image, on_event, settings)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert cli.main(arguments("--output_dir", "new"), Played(kept)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
