"""Full disks and places where no file can be: one sentence, and what was there is kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from region_core import files
from region_core.errors import InputError
from region_core.paper.network import build_generator, load_generator, save_generator
from region_core.picture_file import save_png


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file can become larger than so many bytes: the system refuses what a full disk does."""
    resource = pytest.importorskip("resource")
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))


NOISE = Image.effect_noise((64, 80), 50)
WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "picture": ("a.png", lambda path: save_png(NOISE, path)),
    "JSON": ("a.json", lambda path: files.write_json(path, {"numbers": list(range(2000))})),
    "generator": ("a.safetensors", lambda path: save_generator(build_generator(4, 2, 0), path, {"a": 1})),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_a_disk_that_fills_up_is_one_sentence_and_leaves_no_half(
    tmp_path: Path, writer: str, share: float, again: bool
) -> None:
    name, write = WRITERS[writer]
    write(tmp_path / "whole" / name)
    whole = (tmp_path / "whole" / name).stat().st_size
    target = tmp_path / "out" / name
    if again:
        target.parent.mkdir()
        target.write_bytes(b"what was there")
    with (
        room(int(whole * share)),
        pytest.raises(InputError, match=r"cannot be written \(.*\); choose another") as caught,
    ):
        write(target)
    assert len(str(caught.value).splitlines()) == 1
    left = {path.name: path.read_bytes() for path in target.parent.iterdir()} if target.parent.exists() else {}
    assert left == ({name: b"what was there"} if again else {}), "a draft was left, or what was there is lost"
    with room(whole):
        write(target)
    assert target.stat().st_size == whole


@pytest.mark.parametrize("writer", WRITERS)
def test_a_place_where_no_file_can_be_is_one_sentence(tmp_path: Path, writer: str) -> None:
    name, write = WRITERS[writer]
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder" / name / "in it").mkdir(parents=True)
    for place in (tmp_path / "file" / name, tmp_path / "folder" / name):
        with pytest.raises(InputError, match="cannot be written"):
            write(place)
    assert (tmp_path / "file").read_text() == "kept"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name], "a draft was left"


def test_a_generator_that_could_not_be_saved_is_as_it_was_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    save_generator(build_generator(4, 2, 0), path, {"round": 1})
    with room(500), pytest.raises(InputError, match="cannot be written"):
        save_generator(build_generator(4, 2, 1), path, {"round": 2})
    assert load_generator(path)[1] == {"round": 1}


class Windows:
    """As on Windows, where a file that another program has open can be neither renamed nor removed for a moment."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.held = 0
        self.rename, self.unlink = files.os.replace, Path.unlink
        patch.setattr(sys, "platform", "win32")
        patch.setattr(files.os, "replace", self.replace)
        patch.setattr(Path, "unlink", lambda path, missing_ok=False: self.remove(path, missing_ok))
        patch.setattr(files.time, "sleep", lambda _seconds: None)

    def tell(self) -> None:
        if self.held:
            self.held -= 1
            raise PermissionError(13, "used by another process")

    def replace(self, draft: Path, path: Path) -> None:
        self.tell()
        self.rename(draft, path)

    def remove(self, path: Path, missing_ok: bool) -> None:
        self.tell()
        self.unlink(path, missing_ok=missing_ok)


def test_windows_waits_for_a_file_that_another_program_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = Windows(monkeypatch)
    system.held = 2
    files.write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").read_bytes() == b"{}\n"
    system.held = 6  # five waits, and then the draft goes
    with pytest.raises(InputError, match="used by another process"):
        files.write_json(tmp_path / "a.json", [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"{}\n"


def test_windows_waits_for_a_file_that_is_to_go_and_leaves_a_draft_that_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = Windows(monkeypatch)
    draft = tmp_path / f".a.json.{'0' * 32}.tmp"
    draft.write_text("half")
    system.held = 6
    files.clear_drafts(tmp_path / "a.json")
    assert draft.exists()
    system.held = 2
    files.clear_drafts(tmp_path / "a.json")
    assert not draft.exists()
    (tmp_path / "report.json").write_text("{}")
    system.held = 2
    files.remove(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{}")
    system.held = 6
    with pytest.raises(InputError, match="used by another process"):
        files.remove(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == "{}"
