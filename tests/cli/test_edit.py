"""The `edit` command: results are whole, Ctrl-C keeps the best so far, what was found is kept."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.cli import main as cli
from region_core.cli.engine import Engine
from region_core.demo.models import SUITED
from region_core.demo.worlds import held_out
from region_core.edits import Edits
from region_core.encoders.loading import Models
from region_core.events import Event
from region_core.paper.checkpoint import read_checkpoint
from region_core.settings import EditSettings

from .batch.quick import QuickEngine, quick_edits
from .played import NoEngine, arguments


class Played(QuickEngine):
    """Models and method played by others; `edit` gets the picture and what `edit_image` gets by name."""

    def __init__(self, edit: Callable[..., Edits]) -> None:
        self.acted = edit
        super().__init__(lambda image, caption, prompt, **options: edit(image, **options))

    def painter(self, models: Models, prompt: str, negative_prompt: str) -> Any:
        return SimpleNamespace(evaluations=8, prompt=prompt, negative_prompt=negative_prompt)


def result_of(image: object, on_event: Any, settings: EditSettings, regions: Any = None) -> Edits:
    edits = quick_edits(image, "a red circle", "a blue square", settings, regions=regions, score=0.7)
    best = {"best": edits.image, "best_box": edits[0].box, "best_score": 0.7}
    on_event(Event("round", 0.5, record={"round": 0, "loss": 0.5}, **best))
    on_event(Event("final", 1.0, **best))
    return edits


def fake(image: object, *, settings: EditSettings, on_event: object, regions: Any = None, **_rest: object) -> Edits:
    return result_of(image, on_event, settings, regions)


def instead(edits: Edits, act: Callable[[], None]) -> Edits:
    """The same edits, but that `act` is called whenever their picture is asked for, as it is when it is written."""

    class Acting(Edits):
        @property
        def image(self) -> torch.Tensor:
            act()
            return super().image

    return Acting(**{one.name: getattr(edits, one.name) for one in fields(edits)})


@pytest.mark.usefixtures("folder")
def test_all_results_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments("--draw_box", "--seed", "3"), Played(fake)) == 0
    out, err = capsys.readouterr()
    assert "edited" in out
    assert "loss 0.500, best score 0.700" in err
    found = {str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file()}
    assert found == {"edited.png", "region.png", "candidates.png", "report.json", "boxes/good.png"}
    edited, region = np.asarray(Image.open("out/edited.png")), np.asarray(Image.open("out/region.png"))
    source = np.asarray(Image.open("good.png"))
    assert edited.shape == (128, 128, 3)
    assert region.shape == (128, 128)
    assert (edited[region == 0] == source[region == 0]).all()
    assert (edited[region == 255] != source[region == 255]).any()
    report = json.loads(Path("out/report.json").read_text())
    assert report["box"] == [4, 8, 20, 24]
    assert report["bounding_box"] == {"x": 4, "y": 8, "width": 16, "height": 16}
    assert report["presence"] is None  # NaN is no JSON
    assert report["settings"]["seed"] == report["seed"] == 3
    assert {"verdict", "score", "versions", "rounds", "unet_evaluations", "seconds"} <= set(report)
    assert report["versions"]["region_core"]


@pytest.mark.usefixtures("folder")
def test_the_boxes_are_drawn_only_when_asked_for() -> None:
    assert cli.main(arguments("--quiet"), Played(fake)) == 0
    assert not Path("out/boxes").exists()


@pytest.mark.usefixtures("folder")
def test_the_curve_is_there_where_there_were_rounds_and_no_other_run_s() -> None:
    assert cli.main(arguments("--quiet", "--preset", "paper"), Played(fake)) == 0
    assert Path("out/loss.png").is_file()
    assert cli.main(arguments("--quiet"), Played(fake)) == 0
    assert not Path("out/loss.png").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_seeds_are_as_large_as_core_takes_them(seed: int) -> None:
    assert cli.main(arguments("--quiet", "--seed", str(seed)), Played(fake)) == 0
    assert json.loads(Path("out/report.json").read_text())["seed"] == seed


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("looks", [0, 2])
def test_ctrl_c_leaves_the_best_so_far(looks: int, capsys: pytest.CaptureFixture[str]) -> None:
    best = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))

    def stopped(_image: object, *, on_event: Any, **_rest: object) -> Edits:
        for done in range(looks):
            record = {"round": done, "loss": 0.5}
            on_event(Event("round", done / 9, best=best, best_box=(1, 2, 30, 40), best_score=0.7, record=record))
        raise KeyboardInterrupt

    Path("out/region.png").write_text("of an earlier run")
    assert cli.main(arguments("--quiet"), Played(stopped)) == 130
    assert "Stopped" in capsys.readouterr().err
    if looks:
        edited = np.asarray(Image.open("out/edited.png"))
        want = (best[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        assert (edited == want).all()
        report = json.loads(Path("out/report.json").read_text())
        assert (report["verdict"], report["box"], report["score"]) == ("stopped", [1, 2, 30, 40], 0.7)
        assert [one["round"] for one in report["rounds"]] == [0, 1]
        assert report["unet_evaluations"] == 8
        assert np.asarray(Image.open("out/loss.png")).shape == (400, 640, 3)
        assert not Path("out/region.png").exists()
    else:
        assert Path("out/edited.png").read_text() == "kept"
        assert Path("out/region.png").read_text() == "of an earlier run"


@pytest.mark.usefixtures("folder")
def test_ctrl_c_while_results_are_written_loses_none() -> None:
    presses = [KeyboardInterrupt()]

    def press() -> None:
        if presses:
            raise presses.pop()

    asked = arguments("--quiet", "--preset", "paper", "--save_path", "out/g.safetensors")
    assert cli.main(asked, Played(lambda *a, **b: instead(fake(*a, **b), press))) == 130
    assert not presses
    assert read_checkpoint(Path("out/g.safetensors"))[1]["lessons"]
    assert json.loads(Path("out/report.json").read_text(encoding="utf-8"))["verdict"] == "edited"
    assert {"edited.png", "region.png", "candidates.png"} <= {path.name for path in Path("out").iterdir()}
    assert not list(Path("out").rglob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("folder")
def test_a_second_signal_while_results_are_written_loses_none(name: str) -> None:
    signals = [getattr(signal, name)] * 2

    def press() -> None:
        if signals:
            os.kill(os.getpid(), signals.pop())

    assert cli.main(arguments("--quiet"), Played(lambda *a, **b: instead(fake(*a, **b), press))) == 130
    assert not signals
    assert json.loads(Path("out/report.json").read_text(encoding="utf-8"))["verdict"] == "edited"
    assert np.asarray(Image.open("out/edited.png")).shape[:2] == (128, 128)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.usefixtures("folder")
def test_a_third_signal_ends_it_and_nothing_of_an_earlier_run_is_lost() -> None:
    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    Path("out/region.png").write_text("of an earlier run")
    assert cli.main(arguments("--quiet"), Played(lambda *a, **b: instead(fake(*a, **b), press))) == 130
    assert Path("out/edited.png").read_text() == "kept"
    assert Path("out/region.png").read_text() == "of an earlier run"


@pytest.mark.usefixtures("folder")
def test_the_painter_is_given_the_prompt_and_not_the_files_name() -> None:
    given = []

    def seen(image: object, *, painter: Any, settings: EditSettings, on_event: object, **_rest: object) -> Edits:
        given.append((painter.prompt, painter.negative_prompt))
        return result_of(image, on_event, settings)

    assert cli.main(arguments("--negative_prompt", "grey"), Played(seen)) == 0
    assert given == [("a blue square", "grey")]


def scene_in(folder: Path, seed: int = 3) -> list[str]:
    """A command line about a held-out scene."""
    scene, wish = held_out(seed, 0)
    Image.fromarray(scene.image).save(folder / "scene.png")
    texts = ("--image_caption", wish.caption, "--editing_prompt", wish.prompt, "--steps", "3", "--quiet")
    return arguments("--image_file_path", str(folder / "scene.png"), *texts)


def report_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_a_real_edit_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way with the embedded models and as little work as there can be."""
    asked, out = scene_in(tmp_path), tmp_path / "out"
    assert cli.main([*asked, "--output_dir", str(out), "--preset", "fast"]) == 0, capsys.readouterr().err
    first, report = (out / "edited.png").read_bytes(), report_in(out)
    assert report["unet_evaluations"] == 6
    assert report["settings"]["guidance_scale"] == SUITED["guidance_scale"]
    assert [note[:8] for note in report["notes"]] == ["3 steps:"]
    assert all(one["improves"] in (True, False) for one in report["candidates"])
    assert cli.main([*asked, "--output_dir", str(out), "--preset", "fast"]) == 0
    assert (out / "edited.png").read_bytes() == first


def test_a_generator_is_learned_saved_and_gone_on_from(tmp_path: Path) -> None:
    asked, out, saved = scene_in(tmp_path), tmp_path / "out", tmp_path / "saved"
    little = ["--preset", "paper", "--max_window_size", "3", "--point_number", "2", "--per_image_iteration", "2"]
    asked += [*little, "--output_dir", str(out)]
    assert cli.main([*asked, "--save_path", str(saved)]) == 0
    (taught_on,) = read_checkpoint(saved / "generator.safetensors")[1]["lessons"]["pictures"]
    assert taught_on["rounds"] == 2
    assert taught_on["image"] == "scene"
    fresh = report_in(out)
    assert [len(record["boxes"]) for record in fresh["rounds"]] == [2, 2]
    assert (out / "loss.png").is_file()
    assert {one["improves"] for one in fresh["candidates"]} == {None}
    assert fresh["notes"][-1].endswith("nor whether the edit is better than none"), "it does not judge"
    assert cli.main([*asked, "--load_checkpoint_path", str(saved)]) == 0  # the folder that save_path named
    assert report_in(out)["rounds"][0]["expected"] != fresh["rounds"][0]["expected"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("CUDA error: lost"), MemoryError()], ids=repr)
def test_whatever_ends_the_rounds_what_they_made_and_taught_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: BaseException
) -> None:
    asked, out, saved = scene_in(tmp_path), tmp_path / "out", tmp_path / "saved"
    asked += ["--preset", "paper", "--max_window_size", "3", "--point_number", "2", "--per_image_iteration", "9"]

    class Failing(Engine):
        def edit(self, *given: Any, on_event: Any, **options: Any) -> Edits:
            def told(event: Event) -> None:
                on_event(event)
                if event.record is not None and event.record["round"] == 1:
                    raise fault

            return super().edit(*given, on_event=told, **options)

    asked += ["--output_dir", str(out), "--save_path", str(saved)]
    if isinstance(fault, KeyboardInterrupt):
        assert cli.main(asked, Failing()) == 130
    else:
        with pytest.raises(type(fault)):
            cli.main(asked, Failing())
    report = report_in(out)
    assert (report["verdict"], len(report["rounds"])) == ("stopped", 2)
    assert report["reason"] == ("CUDA error: lost" if isinstance(fault, RuntimeError) else report["reason"])
    assert any("so few" in note for note in report["notes"])
    assert (out / "edited.png").is_file()
    (taught_on,) = read_checkpoint(saved / "generator.safetensors")[1]["lessons"]["pictures"]
    assert taught_on["rounds"] == 2
    said = capsys.readouterr().err
    assert f"the best picture so far is '{out / 'edited.png'}'" in said
    assert "What was learned so far is in" in said


def test_another_region_is_painted_without_a_search(tmp_path: Path) -> None:
    asked, out = scene_in(tmp_path), tmp_path / "out"
    assert cli.main([*asked, "--output_dir", str(out)]) == 0
    first, found = report_in(out), json.loads((out / "regions" / "regions.json").read_text(encoding="utf-8"))
    assert found["found"]
    second = found["regions"][1]["box"]
    assert second != first["box"]
    kept = ["--regions", str(out / "regions"), "--pick", "2"]
    assert cli.main([*asked, *kept, "--output_dir", str(tmp_path / "kept")]) == 0
    report = report_in(tmp_path / "kept")
    assert report["box"] == second
    assert report["unet_evaluations"] == 6
    assert report["cost"]["clip_texts"] == 2
    assert not (tmp_path / "kept" / "regions").exists()
    assert cli.main([*asked, "--pick", "2", "--output_dir", str(tmp_path / "anew")]) == 0
    assert (tmp_path / "anew" / "edited.png").read_bytes() == (tmp_path / "kept" / "edited.png").read_bytes()
    assert report_in(tmp_path / "anew")["cost"]["clip_texts"] > 2  # the search is counted


def test_kept_regions_of_another_picture_or_caption_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, out, kept = scene_in(tmp_path), tmp_path / "out", ["--regions", str(tmp_path / "out" / "regions")]
    assert cli.main([*asked, "--preset", "fast", "--output_dir", str(out)]) == 0
    edited = str(out / "edited.png")
    for more, says in (
        (["--image_file_path", edited], "found in another picture"),
        (["--image_caption", "a grey cat"], "and the caption is 'a grey cat'"),
        (["--pick", "9"], "pick is 9, and there are 8 regions; choose from 1 to 8"),
        (["--pick", "0"], "pick is 0; it must be at least 1"),
        (["--regions", str(tmp_path)], "no regions can be read there"),
        (["--preset", "paper"], "preset paper learns its region"),
    ):
        capsys.readouterr()
        assert cli.main([*asked, *kept, *more, "--output_dir", str(tmp_path / "new")], NoEngine()) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_ctrl_c_while_a_region_is_painted_keeps_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, out = scene_in(tmp_path), tmp_path / "out"

    class Pressed(Engine):
        def edit(self, *given: Any, on_event: Any, **options: Any) -> Edits:
            def told(event: Event) -> None:
                on_event(event)
                if event.step is not None and event.step.done == 2:
                    raise KeyboardInterrupt

            return super().edit(*given, on_event=told, **options)

    assert cli.main([*asked, "--output_dir", str(out)], Pressed()) == 130
    said = capsys.readouterr().err
    assert 25 <= int(re.search(r"Stopped after (\d+)% of the work", said)[1]) <= 85  # type: ignore[index]
    assert "with --regions the command goes on" in said
    assert not (out / "report.json").exists()
    kept = ["--regions", str(out / "regions"), "--output_dir", str(tmp_path / "kept")]
    assert cli.main([*asked, *kept], Pressed()) == 130
    assert "What was found is in" not in capsys.readouterr().err, "it was not found by this run"
    assert cli.main([*asked, *kept]) == 0
    assert report_in(tmp_path / "kept")["cost"]["clip_texts"] == 2
