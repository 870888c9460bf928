"""Odd places: links that lead nowhere, folders where files go, names that are too long or of nobody's home."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from region_core.cli import main as cli
from region_core.encoders.clip_loading import load_clip
from region_core.encoders.dino_loading import load_dino
from region_core.errors import InputError
from region_core.paint.diffusers_painter import load_pipeline
from region_core.paper.checkpoint import check_replaceable

from .batch.quick import QuickEngine, quick_edit
from .played import NoEngine, arguments

LIST = ["batch", "--image_dir_path", ".", "--json_file", "edits.json", "--output_dir", "new", "--models", "shapes"]
COMMANDS = {
    "edit": [*arguments("--draw_box"), "--output_dir", "new"],
    "batch": [*LIST, "--draw_box"],
    "demo": ["demo", "--output_dir", "new"],
    "find": ["find", "good.png", "a cat", "--out", "new", "--models", "shapes"],
}


def refused(capsys: pytest.CaptureFixture[str], args: list[str]) -> str:
    """What a command says that loads nothing and ends with 2."""
    assert cli.main(args, NoEngine()) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    return said


@pytest.fixture(autouse=True)
def edits(folder: Path) -> None:
    (folder / "edits.json").write_text(json.dumps({"good.png": ["a cat", "a dog"]}))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("leads_to", ["/nowhere/at/all", "new"])
def test_an_output_folder_that_is_a_link_to_nothing(
    command: str, leads_to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.symlink(leads_to, "new")
    assert "new' is a link that leads nowhere; choose" in refused(capsys, COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_folder_without_a_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["" if word == "new" else word for word in COMMANDS[command]]
    assert f"{'out' if command == 'find' else 'output_dir'} is empty" in refused(capsys, args)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("edit", "edited.png"),
        ("edit", "report.json"),
        ("edit", "boxes/good.png"),
        ("batch", "index.html"),
        ("batch", "summary.csv"),
        ("demo", "sheet.png"),
        ("find", "sheet.png"),
        ("find", "regions.json"),
    ],
)
def test_a_folder_where_a_result_goes(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new", name).mkdir(parents=True)
    assert f"'new/{name}' is a folder; remove it" in refused(capsys, COMMANDS[command])


@pytest.mark.parametrize(
    ("command", "name"), [("edit", "boxes"), ("batch", "items"), ("batch", "results"), ("batch", "boxes")]
)
def test_a_file_where_the_folder_of_a_result_goes(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new").mkdir()
    Path("new", name).write_text("mine")
    assert f"'new/{name}' is a file; remove it" in refused(capsys, COMMANDS[command])
    assert Path("new", name).read_text() == "mine"


def test_a_list_is_not_replaced_by_the_page_or_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new").mkdir()
    for name in ("index.html", "summary.csv"):
        Path("edits.json").replace(f"new/{name}")
        said = refused(capsys, [f"new/{name}" if word == "edits.json" else word for word in LIST])
        assert f"is where the result {name} would go" in said
        Path(f"new/{name}").replace("edits.json")


@pytest.mark.parametrize("name", ["model.safetensors", "notes.safetensors", "folder.safetensors", "in/generator"])
def test_what_is_no_generator_is_not_replaced_by_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"weight": torch.zeros(3)}, "model.safetensors")
    Path("notes.safetensors").write_text("mine")
    Path("folder.safetensors").mkdir()
    Path("in/generator/generator.safetensors").mkdir(parents=True)
    Path("empty.safetensors").touch()
    check_replaceable(Path("empty.safetensors"))  # there is nothing to be lost
    before = Path("model.safetensors").read_bytes()
    for args in (arguments("--save_path", name, "--preset", "paper"), [*LIST, "--save_path", name]):
        said = refused(capsys, args)
        assert "is a folder; remove it" in said or "is no region generator and would be lost" in said
    assert (Path("model.safetensors").read_bytes(), Path("notes.safetensors").read_text()) == (before, "mine")


NAMES = ["~nobody.at.all/model", "x" * 300, "x/" + "x" * 300]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "option", ["dino_model", "clip_model", "diffusion_model_path", "clip_pretrained", "load_checkpoint_path"]
)
def test_a_model_whose_path_cannot_be(option: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name.startswith("x"):
        name = {"clip_model": f"local-dir:{name}", "clip_pretrained": f"./{name}"}.get(option, name)
    hub = name.startswith("x/") and option in ("dino_model", "diffusion_model_path")
    if not hub:  # it may be a hub id, and the loader will tell
        refused(capsys, arguments(f"--{option}", name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("load", [load_dino, load_clip, load_pipeline])
def test_loaders_say_so_too(load: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError):
        load(name)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["x" * 255, "x" * 251 + ".png", "caf\udce9.png"])
def test_a_picture_s_name_that_leaves_no_room_for_another_ending(name: str) -> None:
    try:
        Path("good.png").rename(name)
    except (OSError, UnicodeError):
        pytest.skip("no such name here")
    for _again in range(2):
        args = [name if word == "good.png" else word for word in arguments("--draw_box", "--output_dir", "new")]
        assert cli.main(args, QuickEngine()) == 0
    (boxes,) = os.listdir("new/boxes")
    assert boxes.endswith(".png")
    assert name.startswith(boxes[:-4])


def test_a_pipe_in_a_list_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo("pipe.png")
    Path("edits.json").write_text(json.dumps({"pipe.png": ["a cat", "a dog"]}))
    assert cli.main(LIST, NoEngine()) == 2
    assert "'pipe.png' is no file but a pipe" in capsys.readouterr().err


def test_an_output_folder_that_is_gone_when_the_edit_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    def meanwhile(*args: Any, **rest: Any) -> Any:
        Path("new").write_text("")
        return quick_edit(*args, **rest)

    assert cli.main(COMMANDS["edit"], QuickEngine(meanwhile)) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: 'new/report.json' cannot be removed")
