"""A fault at each step of an edit: it is told once, and everything else is as it was."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from region_core import files
from region_core.cli.batch.places import Place
from region_core.cli.progress import Progress
from region_core.cli.report import write_result, write_stopped
from region_core.demo.scenes import make_scene
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.paper.network import save_generator
from region_core.picture import load_picture

from .edits import QUICK as SHORT
from .edits import edit as real_edit
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


REAL: dict[str, Callable[[Models], tuple[Any, str]]] = {
    "UNet": lambda models: (models.pipe.unet, "forward"),
    "VAE encode": lambda models: (models.pipe.vae, "encode"),
    "VAE decode": lambda models: (models.pipe.vae, "decode"),
    "text encoder": lambda models: (models.pipe.text_encoder, "forward"),
    "DINO": lambda models: (models.dino.model, "forward"),
    "CLIP pictures": lambda models: (models.scorer.model.visual, "forward"),
    "CLIP texts": lambda models: (models.scorer.model, "encode_text"),
}
FEWEST = SHORT.with_values(steps=2, point_number=1, max_window_size=3)


def test_a_fault_at_every_call_of_the_embedded_models_leaves_no_trace(models: Models) -> None:
    image = make_scene(3).image
    pipe = models.pipe
    modules = [pipe.unet, pipe.vae, pipe.text_encoder, models.dino.model, models.scorer.model]

    def left() -> dict[str, Any]:
        """What of the models, and of all, has to be as it was."""
        inside = [one for module in modules for one in module.modules()]
        return {
            **shared_state(),
            "hooks": [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in inside],
            "training": [one.training for one in inside],
            "at once": (models.dino.batch_size, models.scorer.batch_size),
            "dtype": {(one.dtype, one.device, one.requires_grad) for m in modules for one in m.parameters()},
        }

    real_edit(models, image, FEWEST)  # embeddings of fixed texts are remembered from the first edit on
    with pytest.MonkeyPatch.context() as patch:
        calls = {part: failing(patch, *place(models), at=-1) for part, place in REAL.items()}
        whole = real_edit(models, image, FEWEST)
    assert min(count for (count,) in calls.values()) > 0, "of one nothing is asked"
    before = left()
    moments = [(part, at) for part, (count,) in calls.items() for at in sorted({1, -(-count // 2), count})]
    for part, at in moments:
        with pytest.MonkeyPatch.context() as patch:
            counted = failing(patch, *REAL[part](models), at=at)
            with pytest.raises(Fault, match=f"call {at} of"):
                real_edit(models, image, FEWEST)
            assert counted[0] == at, f"{part} was asked again after the fault"
        assert difference(before, left()) == {}, (part, at)
    again = real_edit(models, image, FEWEST)  # an undisturbed one is as it would have been
    assert torch.equal(again.image, whole.image)
    assert [c.box for c in again.candidates] == [c.box for c in whole.candidates]


def attempt(work: Callable[[], Any]) -> str:
    """What an InputError says; "" where there is none."""
    try:
        work()
    except InputError as error:
        return str(error)
    return ""


class Full:
    """A disk that is full from the `at`-th call on of what makes, writes or renames a file."""

    def __init__(self, patch: pytest.MonkeyPatch, call: str, at: int) -> None:
        self.count, self.at = 0, at
        if call == "write":  # half of it is there when the rest has no room
            real_open = io.open

            def opened(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
                made = real_open(file, mode, *args, **more)
                return self.filling(made) if set(mode) & set("wax") else made

            patch.setattr("builtins.open", opened)
            patch.setattr("io.open", opened)
        else:
            owner = files.os if call == "replace" else Path
            own = getattr(owner, call)

            def run(*args: Any, **more: Any) -> Any:
                self.tell()
                return own(*args, **more)

            patch.setattr(owner, call, run)

    def tell(self) -> None:
        self.count += 1
        if self.count >= self.at:
            raise OSError(28, "No space left on device")

    def filling(self, file: Any) -> Any:
        return _Filling(self, file)


class _Filling:
    """A file on that disk."""

    def __init__(self, disk: Full, file: Any) -> None:
        self.disk, self.file = disk, file

    def write(self, data: Any) -> int:
        try:
            self.disk.tell()
        except OSError:
            self.file.write(data[: len(data) // 2])
            raise
        return self.file.write(data)

    def __enter__(self) -> _Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        if name == "fileno":  # or Pillow writes past us
            raise AttributeError(name)
        return getattr(self.file, name)


def stopped(folder: Path, picture: Any, result: Any) -> None:
    progress = Progress(shown=False)
    progress.best, progress.best_box, progress.rounds = result.image, [1, 2, 30, 40], result.rounds
    assert write_stopped(folder, picture, progress, result.settings, "in", {})


WRITERS: dict[str, Callable[[Path, Any, Any], Any]] = {
    "result": lambda folder, picture, result: write_result(folder, picture, result, "in", draw_box=True),
    "stopped": stopped,
    "generator": lambda folder, picture, result: save_generator(result.generator, folder / "g.safetensors", {"a": 1}),
    "batch": lambda folder, picture, result: Place(folder, "one", draw_box=True).write(picture, result, {}),
}


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    path = tmp_path_factory.mktemp("written") / "in.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 80, 3), dtype=np.uint8)).save(path)
    return load_picture(path), edit()


MOMENTS = 5  # of the calls, the first and the last among them


@pytest.mark.parametrize("call", ["replace", "mkdir", "write"])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
def test_a_fault_at_every_file_is_one_sentence_and_leaves_no_half(
    tmp_path: Path, written: tuple[Any, Any], call: str, writer: str, again: bool
) -> None:
    picture, result = written
    WRITERS[writer](tmp_path / "whole", picture, result)
    whole = {path: len(data) for path, data in files_in(tmp_path / "whole").items()}
    with pytest.MonkeyPatch.context() as patch:
        disk = Full(patch, call, 10**9)
        WRITERS[writer](tmp_path / ("whole" if again else "counted"), picture, result)
    assert disk.count > 0, "nothing of it was asked"
    for at in sorted({*np.linspace(1, disk.count, MOMENTS).round().astype(int).tolist(), min(2, disk.count)}):
        folder = tmp_path / f"out {at}"
        old = {}
        if again:
            for path in whole:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes((tmp_path / "whole" / path).read_bytes())
            old = files_in(folder)
        with pytest.MonkeyPatch.context() as patch:
            Full(patch, call, at)
            said = attempt(lambda folder=folder: WRITERS[writer](folder, picture, result))
        assert "cannot be written" in said
        assert "No space left" in said
        found = files_in(folder) if folder.exists() else {}
        assert set(found) <= set(whole), "a draft was left"
        assert not [path for path in found if path.name == "report.json"], "the report says that all is there"
        for path, data in found.items():
            if path.suffix == ".safetensors":
                assert data == old[path], "what was there is lost"
            elif path.suffix in (".png", ".jpg"):
                Image.open(io.BytesIO(data)).load()
        if writer == "generator":
            assert found == old


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
