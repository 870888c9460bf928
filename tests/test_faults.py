"""A fault at each step of an edit: it is told once, and everything else is as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from region_core import files
from region_core.cli.batch.places import Place
from region_core.cli.report import write_result
from region_core.demo.models import WEIGHTS
from region_core.errors import InputError
from region_core.images import load_picture
from region_core.painting.diffusers_inpainter import DiffusersInpainter, load_pipeline

from .tools.tiny import LITTLE, TAUGHT, Painter, encoders
from .tools.tiny import edit as tiny_edit
from .tools.world import difference, shared_state


class Fault(Exception):
    """Raised on purpose."""


def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int) -> list[int]:
    """Let the `at`-th call fail; the calls counted."""
    call, count = getattr(owner, name), [0]

    def run(*args: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] == at:
            raise Fault(f"call {at} of {name}")
        return call(*args, **more)

    monkeypatch.setattr(owner, name, run)
    return count


def edit(**more: Any) -> Any:
    image = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    return tiny_edit(image, TAUGHT, **more)


PLACES: dict[str, Callable[[], tuple[Any, str]]] = {
    "begin": lambda: (Painter, "begin"),
    "advance": lambda: (Painter, "advance"),
    "decode": lambda: (Painter, "decode"),
    "DINO": lambda: (encoders()[0].model, "forward"),
    "CLIP pictures": lambda: (encoders()[1].model, "encode_image"),
    "CLIP texts": lambda: (encoders()[1].model, "encode_text"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_fault_at_every_call_passes_once_and_leaves_no_trace(place: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls = failing(patch, *PLACES[place](), at=-1)
        whole = edit()
    dino, scorer = encoders()
    batches = dino.batch_size, scorer.batch_size
    assert calls[0] > 0, "nothing of it is asked"
    for at in sorted({1, min(2, calls[0]), -(-calls[0] // 2), calls[0]}):
        before = shared_state()
        with pytest.MonkeyPatch.context() as patch:
            counted = failing(patch, *PLACES[place](), at=at)
            with pytest.raises(Fault, match=f"call {at} of"):
                edit()
            assert counted[0] == at, "it went on after the fault"
        assert difference(before, shared_state()) == {}
        assert (dino.batch_size, scorer.batch_size) == batches
    again = edit()  # an undisturbed one is as it would have been
    assert torch.equal(again.image, whole.image)
    assert [c.box for c in again.candidates] == [c.box for c in whole.candidates]


def test_a_watcher_that_raises_stops_it_at_any_event() -> None:
    events: list[Any] = []
    edit(on_event=events.append)
    for at in range(len(events)):
        seen: list[Any] = []

        def stop(event: Any, seen: list[Any] = seen, at: int = at) -> None:
            seen.append(event)
            if len(seen) == at + 1:
                raise KeyboardInterrupt

        before = shared_state()
        with pytest.raises(KeyboardInterrupt):
            edit(on_event=stop)
        assert len(seen) == at + 1
        assert difference(before, shared_state()) == {}


@pytest.mark.parametrize("part", ["unet", "vae.encode", "vae.decode", "text_encoder"])
def test_a_fault_in_a_real_pipeline_leaves_no_hook(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = load_pipeline(WEIGHTS / "inpaint")
    owner, _, name = part.partition(".")
    failing(monkeypatch, getattr(pipe, owner), name or "forward", 1)
    before = shared_state()
    masks = torch.zeros(1, 1, 128, 128)
    masks[..., 20:60, 20:60] = 1
    image = torch.full((1, 3, 128, 128), 0.3)

    def all_of_it() -> None:
        painter = DiffusersInpainter(pipe, "a red circle")
        painter.decode(painter.advance(painter.begin(image, masks, 1, 2), 2, 3.0))

    with pytest.raises(Fault):
        all_of_it()
    assert difference(before, shared_state()) == {}
    assert not pipe.unet._forward_hooks
    assert not pipe.unet._forward_pre_hooks


def attempt(work: Callable[[], Any]) -> str:
    """What an InputError says; "" where there is none."""
    try:
        work()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("call", ["replace", "mkdir"])
def test_a_fault_at_every_file_is_one_sentence_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 80, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    picture, result = load_picture(tmp_path / "in.png"), edit()
    for at in range(1, 40):
        folder, count = tmp_path / f"out {at}", [0]
        own = {"replace": files.os.replace, "mkdir": Path.mkdir}[call]

        def full(*args: Any, own: Any = own, count: list[int] = count, at: int = at, **more: Any) -> Any:
            count[0] += 1
            if count[0] == at:
                raise OSError(28, "No space left on device")
            return own(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(files.os if call == "replace" else Path, call, full)
            said = attempt(lambda folder=folder: write_result(folder, picture, result, "in", draw_box=True))
        if not said:
            assert count[0] < at
            break
        assert "cannot be written" in said
        assert "No space left" in said
        found = [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
        assert not [path for path in found if path.name.endswith(".tmp")]
        assert not (folder / "report.json").exists(), "the report says that all is there"
        for path in found:
            Image.open(path).load()
    else:
        pytest.fail("more files than were tried")


class HalfSpoilt(Painter):
    """Gives no numbers in some rows of what is painted in full: those of `spoilt`, by their order."""

    def __init__(self, spoilt: tuple[int, ...]) -> None:
        super().__init__()
        self.spoilt = spoilt

    def decode(self, latents: Any) -> torch.Tensor:
        pictures = super().decode(latents)
        for row in self.spoilt:
            if latents.step == latents.steps and len(pictures) > row:
                pictures[row] = torch.nan
        return pictures


@pytest.mark.parametrize("method", ["evidence", "published"])
@pytest.mark.parametrize("spoilt", [(0,), (1,)])
def test_an_edit_of_no_numbers_is_ranked_last(spoilt: tuple[int, ...], method: str) -> None:
    image = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    settings = LITTLE.with_values(method=method, per_image_iteration=1)
    result = tiny_edit(image, settings, inpainter=HalfSpoilt(spoilt))
    sound = [bool(candidate.image.isfinite().all()) for candidate in result.candidates]
    assert sound == [True] * (len(sound) - 1) + [False]
    assert bool(result.image.isfinite().all())


def test_a_preview_of_no_numbers_does_not_end_the_learning() -> None:
    image = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))
    result = tiny_edit(image, TAUGHT.with_values(preview_steps=3), inpainter=HalfSpoilt((0,)))
    assert all(bool(weight.isfinite().all()) for weight in result.generator.parameters())
    assert len(result.rounds) > 0


def test_windows_waits_for_a_file_that_another_program_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, rename = [2], files.os.replace

    def locked(draft: Path, path: Path) -> None:
        if held[0]:
            held[0] -= 1
            raise PermissionError(13, "used by another process")
        rename(draft, path)

    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(files.os, "replace", locked)
    monkeypatch.setattr(files.time, "sleep", lambda _seconds: None)
    files.write_whole(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"
    held[0] = 99
    with pytest.raises(InputError, match="used by another process"):
        files.write_whole(tmp_path / "a.json", b"[]")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_windows_waits_for_a_file_that_is_to_go_and_leaves_a_draft_that_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, unlink = [2], Path.unlink

    def locked(path: Path, missing_ok: bool = False) -> None:
        if held[0]:
            held[0] -= 1
            raise PermissionError(13, "used by another process")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(files.sys, "platform", "win32")
    monkeypatch.setattr(Path, "unlink", locked)
    monkeypatch.setattr(files.time, "sleep", lambda _seconds: None)
    draft, place = tmp_path / f".a.json.{'0' * 32}.tmp", Place(tmp_path, "one")
    inside = place.folder / ".b.tmp"
    place.folder.mkdir(parents=True)
    for file, clear in ((draft, lambda: files.clear_drafts(tmp_path / "a.json")), (inside, place.clear_drafts)):
        file.write_text("half")
        held[0] = 99
        clear()
        assert file.exists()
        held[0] = 2
        clear()
        assert not file.exists()
    (tmp_path / "report.json").write_text("{}")
    held[0] = 2
    files.remove(tmp_path / "report.json")
    held[0] = 99
    with pytest.raises(InputError, match="used by another process"):
        files.remove(tmp_path / "report.json")


def test_a_folder_that_cannot_be_held_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(InputError, match="cannot be made .* choose another place"), files.held(place):
            pass
