"""The `edit` command: results are whole, Ctrl-C keeps the best so far."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.cli import main as cli
from region_core.cli import report as reports
from region_core.cli.engine import Engine
from region_core.demo.models import SUITED
from region_core.demo.worlds import held_out
from region_core.edit import Candidate, EditResult
from region_core.encoders.loading import Models
from region_core.events import Event
from region_core.paper.checkpoint import read_checkpoint
from region_core.settings import SearchSettings

from .played import NoEngine, arguments


class Played(NoEngine):
    """Models and method played by others; `edit` gets the picture and what `edit_image` gets by name."""

    def __init__(self, edit: Callable[..., EditResult]) -> None:
        self.play = edit

    def load(self, choice: Any, max_window_size: int) -> Models:
        return Models(None, None, None)  # type: ignore[arg-type]

    def inpainter(self, models: Models, prompt: str, negative_prompt: str) -> Any:
        return SimpleNamespace(evaluations=8, prompt=prompt, negative_prompt=negative_prompt)

    def edit(self, models: Models, image: Any, caption: str, prompt: str, **options: Any) -> EditResult:
        return self.play(image, **options)


def result_of(image: object, on_event: object, settings: SearchSettings) -> EditResult:
    rgb = torch.from_numpy(np.asarray(image)[..., :3] / 255).permute(2, 0, 1)[None].float()
    alpha = torch.full_like(rgb[:, :1], 0.4)
    mask = torch.zeros_like(alpha)
    mask[..., 10:30, 20:50] = 1
    edited = torch.where(mask > 0, torch.zeros_like(rgb), rgb)
    box = (20, 10, 50, 30)
    for kind, done in (("preview", 0.5), ("final", 1.0)):
        on_event(Event(kind, done, torch.tensor([box]).float(), edited, 0.5, 0.7))  # type: ignore[operator]
    return EditResult(
        edited,
        alpha,
        mask,
        box,
        "edited",
        0.7,
        float("nan"),
        [Candidate(edited, box, 0.7)],
        [{"round": 0, "loss": 0.5, "best": 0.5}],
        12,
        0.1,
        torch.tensor([box]).float(),
        mask,
        settings,
        settings.seed,
    )


def fake(image: object, *, settings: SearchSettings, on_event: object, **_rest: object) -> EditResult:
    return result_of(image, on_event, settings)


@pytest.mark.usefixtures("folder")
def test_all_results_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments("--draw_box", "--seed", "3"), Played(fake)) == 0
    out, err = capsys.readouterr()
    assert "edited" in out
    assert "loss 0.500, best score 0.700" in err
    found = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert found == {"edited.png", "region.png", "candidates.png", "loss.png", "report.json", "boxes/good.png"}
    edited, region = np.asarray(Image.open("out/edited.png")), np.asarray(Image.open("out/region.png"))
    source = np.asarray(Image.open("good.png"))
    assert edited.shape == (128, 128, 4)
    assert region.shape == (128, 128)
    assert (edited[..., 3] == 102).all()
    assert (edited[region == 0, :3] == source[region == 0]).all()
    assert (edited[region == 255, :3] == 0).all()
    report = json.loads(Path("out/report.json").read_text())
    assert report["box"] == [20, 10, 50, 30]
    assert report["source_score"] is None  # NaN is no JSON
    assert report["settings"]["seed"] == report["seed"] == 3
    assert {"verdict", "score", "versions", "rounds", "unet_evaluations", "seconds"} <= set(report)
    assert report["versions"]["region_core"]


@pytest.mark.usefixtures("folder")
def test_the_boxes_are_drawn_only_when_asked_for() -> None:
    assert cli.main(arguments("--quiet"), Played(fake)) == 0
    assert not Path("out/boxes").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("looks", [0, 2])
def test_ctrl_c_leaves_the_best_so_far(looks: int, capsys: pytest.CaptureFixture[str]) -> None:
    best = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))

    def stopped(_image: object, *, on_event: object, **_rest: object) -> EditResult:
        for done in range(looks):
            on_event(
                Event(
                    "preview",
                    done / 9,
                    torch.zeros(1, 4),
                    best,
                    0.5,
                    0.7,  # type: ignore[operator]
                    torch.tensor([1.0, 2, 30, 40]),
                    {"round": done, "loss": 0.5},
                )
            )
        raise KeyboardInterrupt

    Path("out/region.png").write_text("of an earlier run")
    assert cli.main(arguments("--quiet"), Played(stopped)) == 130
    assert "Stopped" in capsys.readouterr().err
    if looks:
        edited = np.asarray(Image.open("out/edited.png"))
        want = (best[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        assert (edited == want).all()
        report = json.loads(Path("out/report.json").read_text())
        assert (report["verdict"], report["box"], report["score"]) == ("stopped", [1, 2, 30, 40], None)
        assert [one["round"] for one in report["rounds"]] == [0, 1]
        assert report["unet_evaluations"] == 8
        assert np.asarray(Image.open("out/loss.png")).shape == (400, 640, 3)
        assert not Path("out/region.png").exists()
    else:
        assert Path("out/edited.png").read_text() == "kept"
        assert Path("out/region.png").read_text() == "of an earlier run"


@pytest.mark.usefixtures("folder")
def test_ctrl_c_while_results_are_written_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [0], reports.save_png

    def save(*given: Any, **rest: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        real(*given, **rest)

    monkeypatch.setattr(reports, "save_png", save)
    assert cli.main(arguments("--quiet"), Played(fake)) == 130
    assert json.loads(Path("out/report.json").read_text(encoding="utf-8"))["verdict"] == "edited"
    assert {"edited.png", "region.png", "candidates.png", "loss.png"} <= {path.name for path in Path("out").iterdir()}
    assert not list(Path("out").rglob(".*"))


def seen_then(end: Callable[[], None]) -> Played:
    """An edit that is stopped after it has shown a picture, by `end`."""

    def stopped(image: object, *, on_event: object, settings: SearchSettings, **_rest: object) -> EditResult:
        result_of(image, on_event, settings)
        end()
        raise AssertionError("it was not stopped")

    return Played(stopped)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("folder")
def test_a_second_signal_while_results_are_written_loses_none(
    monkeypatch: pytest.MonkeyPatch, name: str, finished: bool
) -> None:
    def press() -> None:
        os.kill(os.getpid(), getattr(signal, name))

    signals, real = [press] * (2 if finished else 1), reports.save_png

    def save(*given: Any, **rest: Any) -> None:
        if signals:
            signals.pop()()
        real(*given, **rest)

    monkeypatch.setattr(reports, "save_png", save)
    assert cli.main(arguments("--quiet"), Played(fake) if finished else seen_then(press)) == 130
    report = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == ("edited" if finished else "stopped")
    assert np.asarray(Image.open("out/edited.png")).shape[:2] == (128, 128)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.usefixtures("folder")
def test_a_third_signal_ends_it_and_nothing_of_an_earlier_run_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_given: object, **_rest: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    Path("out/region.png").write_text("of an earlier run")
    monkeypatch.setattr(reports, "save_png", lambda *_given: [press(), press()])
    assert cli.main(arguments("--quiet"), seen_then(press)) == 130
    assert Path("out/edited.png").read_text() == "kept"
    assert Path("out/region.png").read_text() == "of an earlier run"


@pytest.mark.usefixtures("folder")
def test_the_inpainter_is_given_the_prompt_and_not_the_files_name() -> None:
    given = []

    def seen(
        image: object, *, inpainter: Any, settings: SearchSettings, on_event: object, **_rest: object
    ) -> EditResult:
        given.append((inpainter.prompt, inpainter.negative_prompt))
        return result_of(image, on_event, settings)

    asked = arguments("--negative_prompt", "grey")
    assert cli.main(asked, Played(seen)) == 0
    assert given == [("a blue square", "grey")]


def test_a_real_edit_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way with the embedded models and as little work as there can be."""
    scene, wish = held_out(3, 0)
    picture = tmp_path / "scene.png"
    Image.fromarray(scene.image).save(picture)
    saved = tmp_path / "saved"
    little = [
        "--image_file_path",
        str(picture),
        "--image_caption",
        wish.caption,
        "--editing_prompt",
        wish.prompt,
        "--output_dir",
        str(tmp_path / "out"),
        "--preset",
        "fast",
        "--per_image_iteration",
        "2",
        "--steps",
        "3",
        "--preview_steps",
        "1",
        "--quiet",
    ]
    teach = [*little, "--save_path", str(saved), "--previews", "always"]
    assert cli.main(arguments(*teach)) == 0, capsys.readouterr().err
    (taught_on,) = read_checkpoint(saved / "generator.safetensors")[1]["lessons"]["pictures"]
    assert taught_on["previews"] == 2
    assert taught_on["image"]
    assert taught_on["image_caption"]
    first = (tmp_path / "out" / "edited.png").read_bytes()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["unet_evaluations"] > 0
    assert report["settings"]["guidance_scale"] == SUITED["guidance_scale"]
    assert [len(record["boxes"]) for record in report["rounds"]] == [1, 1]  # previews
    assert cli.main(arguments(*teach)) == 0
    assert (tmp_path / "out" / "edited.png").read_bytes() == first
    # from the folder that save_path named, and with no preview of its own
    assert cli.main(arguments(*little, "--load_checkpoint_path", str(saved), "--previews", "never")) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["rounds"] == []
    assert any(c["parts"]["learned"] != 0 for c in report["candidates"])
    assert report["stopped"] == "no previews by the settings"


def test_ctrl_c_after_half_of_a_real_edit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where no preview is made there is a picture to keep by then."""
    scene, wish = held_out(3, 0)
    picture, out = tmp_path / "scene.png", tmp_path / "out"
    Image.fromarray(scene.image).save(picture)

    class Pressed(Engine):
        def edit(self, *asked: Any, on_event: Any, **options: Any) -> EditResult:
            def told(event: Event) -> None:
                on_event(event)
                if event.kind == "half":
                    raise KeyboardInterrupt

            return super().edit(*asked, on_event=told, **options)

    assert (
        cli.main(
            arguments(
                "--image_file_path",
                str(picture),
                "--image_caption",
                wish.caption,
                "--editing_prompt",
                wish.prompt,
                "--output_dir",
                str(out),
                "--steps",
                "4",
                "--previews",
                "never",
                "--quiet",
            ),
            Pressed(),
        )
        == 130
    )
    share = int(re.search(r"Stopped after (\d+)% of the work", capsys.readouterr().err)[1])
    assert 25 <= share <= 75
    report = json.loads((out / "report.json").read_text())
    assert report["verdict"] == "stopped"
    x0, y0, x1, y1 = report["box"]
    assert 0 <= x0 < x1 <= 128
    assert 0 <= y0 < y1 <= 128
    assert report["unet_evaluations"] == 2 * 2 * 2  # two regions, two of four steps, guidance
    assert report["score"] is None
    with Image.open(out / "edited.png") as edited:
        assert edited.size == (128, 128)
    assert (out / "loss.png").is_file()
