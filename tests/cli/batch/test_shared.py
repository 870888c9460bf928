"""One region generator learned over a list: the same however it is stopped, split or ordered."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from region_core.cli.batch.plan import check_batch
from region_core.cli.batch.shared import schedule, vector
from region_core.cli.main import main
from region_core.cli.options import parse
from region_core.edits_list.items import shuffled
from region_core.paper.network import build_generator, load_generator, save_generator

from .quick import FEATURES, asked, batch, begun, pictures, quick_edit, table, write_list
from .test_run import LITTLE

PAPER = ("--preset", "paper", "--max_window_size", "4")
SHARED = ("--save_path", "g.safetensors", "--batch_size", "3", *PAPER)


@pytest.fixture
def list_of_seven(folder: Path) -> Path:
    for n in range(7):
        Image.new("RGB", (40, 40), (n, 2 * n, 3 * n)).save(f"in/{n}.png")
    write_list({f"{n}.png": f"thing {n}" for n in range(7)})
    return folder


def job_of(*more: str) -> Any:
    return check_batch(parse(asked(*more)))  # type: ignore[arg-type]


@pytest.mark.usefixtures("list_of_seven")
def test_the_generator_moves_by_the_mean_of_what_a_groups_pictures_taught() -> None:
    assert batch(*SHARED, "--epochs", "2", "--ckpt_interval", "2") == 0
    job = job_of(*SHARED, "--epochs", "2")
    steps = schedule(job)
    assert [len(step.members) for step in steps] == [3, 3, 1] * 2
    assert [n for step in steps[:3] for n in step.members] == shuffled(job.items, 42, 0)
    module = build_generator(FEATURES, 4, 42)
    image = torch.zeros(1, 3, 40, 40)
    for number, step in enumerate(steps, 1):
        start, after = vector(module), []
        for n in step.members:
            copied = build_generator(seed=0, **module.config)
            copied.load_state_dict(module.state_dict())
            item = job.items[n]
            quick_edit(image, item.caption, item.prompt, settings=item.settings, generator=copied, painter=item.prompt)
            after.append(vector(copied))
        torch.nn.utils.vector_to_parameters(start + (torch.stack(after) - start).mean(dim=0), module.parameters())
        kept = Path(f"g-{number:06d}.safetensors")
        assert kept.exists() == (number % 2 == 0)
        if kept.exists():
            assert torch.allclose(vector(load_generator(kept)[0]), vector(module), atol=1e-6)
    learned, settings = load_generator("g.safetensors")
    assert torch.allclose(vector(learned), vector(module), atol=1e-6)
    assert settings["max_window_size"] == 4
    with safe_open("g.safetensors", "pt") as file:
        assert '"pictures": 7' in file.metadata()["lessons"]


@pytest.mark.usefixtures("list_of_seven")
def test_neither_order_nor_a_second_run_changes_what_is_learned() -> None:
    assert batch(*SHARED) == 0
    first, shown = vector(load_generator("g.safetensors")[0]), pictures()
    assert len(begun()) == 7
    Path("g.safetensors").unlink()
    assert batch(*SHARED) == 0
    assert begun() == []
    assert torch.equal(vector(load_generator("g.safetensors")[0]), first)
    write_list({f"{n}.png": f"thing {n}" for n in reversed(range(7))})
    assert batch(*SHARED, out="other") == 0
    assert torch.equal(vector(load_generator("g.safetensors")[0]), first)
    assert pictures("other") == shown


@pytest.mark.usefixtures("list_of_seven")
@pytest.mark.parametrize(
    "more", [("--seed", "1"), ("--epochs", "2"), ("--batch_size", "2"), ("--steps", "9")], ids=" ".join
)
def test_another_course_begins_anew(more: tuple[str, str]) -> None:
    assert batch(*SHARED) == 0
    begun()
    assert batch(*SHARED, *more) == 0
    assert len(begun()) == (14 if more[0] == "--epochs" else 7)


@pytest.mark.usefixtures("list_of_seven")
def test_a_failing_item_teaches_nothing_and_is_done_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_FAIL", "thing 3")
    assert batch(*SHARED) == 1
    learned = vector(load_generator("g.safetensors")[0])
    monkeypatch.delenv("BATCH_FAIL")
    begun()
    assert batch(*SHARED) == 0
    assert begun() == ["thing 3"]
    assert torch.equal(vector(load_generator("g.safetensors")[0]), learned)
    assert [row["status"] for row in table()] == ["edited"] * 7


@pytest.mark.usefixtures("list_of_seven")
def test_a_loaded_generator_is_where_every_picture_starts(capsys: pytest.CaptureFixture[str]) -> None:
    Path("saved").mkdir()
    file = Path("saved/generator.safetensors")
    module = build_generator(FEATURES, 4, 9)
    with torch.no_grad():
        for weights in module.parameters():
            weights.fill_(0.5)
    save_generator(module, file, {})
    start = ("--load_checkpoint_path", "saved", *PAPER)  # the folder that save_path named
    assert batch(*start) == 0
    assert [float(row["score"]) for row in table()] == [1.5] * 7
    assert begun()
    assert batch(*start) == 0
    assert begun() == []
    save_generator(build_generator(FEATURES, 4, 1), file, {})
    assert batch(*start) == 0
    assert len(begun()) == 7  # not taken for the same
    assert batch(*start, "--max_window_size", "5") == 2
    assert "sizes = 4, this run needs 5; use the max_window_size it was saved with" in capsys.readouterr().err
    save_generator(build_generator(FEATURES + 1, 4, 9), file, {})
    assert batch(*start) == 2
    assert "feature_dim = 6, this run needs 5; use the DINO model" in capsys.readouterr().err
    assert batch("--load_checkpoint_path", "nowhere", out="elsewhere") == 2
    assert "no checkpoint 'nowhere'" in capsys.readouterr().err


@pytest.mark.usefixtures("list_of_seven")
def test_items_that_cannot_share_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = ({"image": f"{n}.png", "image_caption": "a", "editing_prompt": "b"} for n in (1, 2))
    Path("edits.json").write_text(json.dumps([one, {**two, "preset": "fast"}]))
    assert batch(*SHARED) == 2
    assert "region generator that preset paper learns, and another preset is asked for" in capsys.readouterr().err
    Path("edits.json").write_text(json.dumps([one, {**two, "max_window_size": 20}]))
    assert batch(*SHARED) == 2
    assert "max_window_size 4, 20" in capsys.readouterr().err
    assert batch("--save_path", "g") == 2
    assert not Path("out").exists()


@pytest.mark.usefixtures("list_of_seven")
def test_an_item_that_fails_in_a_later_epoch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []

    def second_time_lucky(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        turns.append(caption)
        if turns.count("thing 3") == 2 and caption == "thing 3":
            raise ArithmeticError("not again")
        return quick_edit(image, caption, *texts, **rest)

    assert batch(*SHARED, "--epochs", "2", edit=second_time_lucky) == 1
    assert [row["status"] for row in table()] == ["edited"] * 3 + ["failed"] + ["edited"] * 3
    assert "not again" in table()[3]["error"]
    begun()
    assert batch(*SHARED, "--epochs", "2") == 0
    assert begun() == ["thing 3"]
    assert [row["status"] for row in table()] == ["edited"] * 7


@pytest.mark.usefixtures("list_of_seven")
def test_a_picture_that_teaches_nothing_or_no_number_spoils_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoilt(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        result = quick_edit(image, caption, *texts, **rest)
        if caption == "thing 3":
            with torch.no_grad():
                rest["generator"].linear1.bias[0] = float("nan")
        return result

    def nothing_there(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        before = copy.deepcopy(rest["generator"].state_dict())
        result = quick_edit(image, caption, *texts, **rest)
        if caption == "thing 3":
            rest["generator"].load_state_dict(before)
        return result

    monkeypatch.setenv("BATCH_FAIL", "thing 3")
    assert batch(*SHARED, out="without") == 1
    without = vector(load_generator("g.safetensors")[0])
    monkeypatch.delenv("BATCH_FAIL")
    assert batch(*SHARED, edit=spoilt) == 0
    assert "3.png: what it taught is no finite number" in capsys.readouterr().err
    assert torch.equal(vector(load_generator("g.safetensors")[0]), without)
    assert batch(*SHARED, out="nothing", edit=nothing_there) == 0
    assert torch.equal(vector(load_generator("g.safetensors")[0]), without)


@pytest.mark.usefixtures("list_of_seven")
def test_drafts_of_a_killed_run_are_cleared_and_no_other_ones() -> None:
    Path("out").mkdir()
    some = "ab" * 16
    mine = [f"out/.learning.safetensors.{some}.tmp", f".g.safetensors.{some}.tmp"]
    others = [f".g2.safetensors.{some}.tmp", f".g-two.safetensors.{some}.tmp", ".g.safetensors.mine.tmp"]
    for name in mine + others:
        Path(name).write_bytes(b"half")
    assert batch(*SHARED) == 0
    assert [name for name in mine + others if Path(name).exists()] == others


def test_a_shared_step_with_the_real_method(tmp_path: Path) -> None:
    from region_core.demo.scenes import make_scene

    folder = tmp_path / "in"
    folder.mkdir()
    for n in (1, 2):
        Image.fromarray(make_scene(n).image).save(folder / f"{n}.png")
    (tmp_path / "edits.json").write_text(
        '{"1.png": ["background", "a blue square"], "2.png": ["background", "a green star"]}'
    )
    assert (
        main(
            [
                "batch",
                "--models",
                "shapes",
                "--image_dir_path",
                str(folder),
                "--json_file",
                str(tmp_path / "edits.json"),
                "--output_dir",
                str(tmp_path / "out"),
                "--save_path",
                str(tmp_path / "g"),
                "--quiet",
                *LITTLE,
            ]
        )
        == 0
    )
    assert {row["status"] for row in table(str(tmp_path / "out"))} <= {"edited", "no region"}
    learned, _ = load_generator(tmp_path / "g" / "generator.safetensors", sizes=3)
    assert vector(learned).isfinite().all()
