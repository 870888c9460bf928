"""What can be known to be wrong before any model is loaded, sentence by sentence."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from region_core.checks import (
    broken_text,
    check_clip,
    check_dino,
    check_inpainting_model,
    check_model_path,
    check_named,
    check_not_overwritten,
    check_texts,
    check_writable,
    is_file_name,
    text_problem,
    text_problems,
)
from region_core.errors import InputError
from region_core.files import path_of

INDEX = '{"_class_name": "StableDiffusionInpaintPipeline"}'


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a.png",
        "red fox",
        "\u7ea2.png",
        ".hidden",
        "console",
        "com",
        "com10",
        "lpt",
        "nul1",
        "a" * 230,
        "\u7ea2" * 76,
    ],
)
def test_names_that_a_file_may_have_everywhere(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "a.",
        "a ",
        "a/b",
        "a\\b",
        "a:b",
        "a?",
        "a*",
        "<",
        "a|b",
        'a"',
        "a\x00",
        "a\x1f",
        "CON",
        "con.txt",
    ]
    + ["aux.", "nul .txt", "Com1", "lpt9.a.b", "com\u00b2", "conin$", "a" * 231, "\u7ea2" * 77, "a\ud83d"],
)
def test_names_that_a_file_may_not_have_somewhere(name: str) -> None:
    assert not is_file_name(name)


def test_each_text_that_is_wrong_is_told() -> None:
    assert text_problems("a cat", "a dog") == text_problems("a cat", "a dog", "blurred") == []
    assert [said.split(" ")[0] for said in text_problems(" ", "")] == ["image_caption", "editing_prompt"]
    (said,) = text_problems("a cat", "a dog", "\ud83d")
    assert said.startswith("negative_prompt has half of a character at place 1")
    (said,) = text_problems("a  Cat ", "A cat")
    assert said == "image_caption and editing_prompt are both 'a  Cat'; ask for something that is not there yet."
    (said,) = text_problems(" ", " ")[:1]
    assert "is empty" in said  # and not that both are the same
    (said,) = text_problems("a cat", "a cat", "\ud83d")
    assert said.startswith("negative_prompt")
    assert text_problem("it", "\udfff").startswith("it has half")
    with pytest.raises(InputError, match="are both 'a cat'"):
        check_texts("a cat", "a cat")
    check_texts("a cat", "a dog", "")


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("caf\u00e9", "cafe\u2060\u0301"),
        ("red", "\uff52\uff45\uff44"),
        ("red \u200bcircle", "Red\u3000circle\ufeff"),
        ("red\x00", "\x1bred"),
    ],
)
def test_texts_that_look_the_same_are_the_same(caption: str, prompt: str) -> None:
    (problem,) = text_problems(caption, prompt)
    assert "ask for something that is not there yet" in problem


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("x\u00b2", "x2"),
        ("\U0001f469\u200d\U0001f33e", "\U0001f469\U0001f33e"),  # a farmer; a woman and a sheaf
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e007f"),
    ],
)
def test_texts_that_look_different_are_different(caption: str, prompt: str) -> None:
    assert text_problems(caption, prompt) == []


@pytest.mark.parametrize("sign", [0x3164, 0x2800, 0xFE0F, 0x34F, 0x115F, 0x180B, 0x17B4, 0x200D, 0xE0041, 0, 0xAD])
def test_signs_that_show_nothing_are_no_text(sign: int) -> None:
    assert "is empty" in text_problem("it", f" {chr(sign) * 2} ")
    assert text_problem("it", f"{chr(sign)}a") == ""


@pytest.mark.parametrize("text", ["...", "\U0001f98a", "\U0001fae9", "\u0301", "\ue000", "\u05d0", "a\nb"])
def test_texts_of_few_signs_are_texts(text: str) -> None:
    assert text_problems(text, "a blue square") == []


@pytest.mark.parametrize(("text", "place"), [("ab\ud800", 3), ("\udfff", 1), ("\U0001f600\udc00 \ud83d", 2)])
def test_the_first_half_of_a_character_is_named_by_its_place(text: str, place: int) -> None:
    assert f"at place {place} (" in broken_text("it", text)
    assert broken_text("it", "\U0001f600 \u7ea2") == ""
    assert r"at place 4 (\ud83d), as texts" in broken_text("it", "red\ud83d")  # as it can be shown anywhere


@pytest.mark.parametrize("name", ["facebook/dino-vitb8", "a/b.c_d-e", "9/x"])
def test_a_hub_id_needs_no_folder(name: str) -> None:
    check_model_path("it", name)
    with pytest.raises(InputError, match=r"there is no such file or folder; give one that exists\.$"):
        check_model_path("it", name, hub=False)


@pytest.mark.parametrize("name", ["./a/b", "/a/b", "a", "a/b/c", "~/a", "-a/b", "a\\b", "a b/c"])
def test_what_is_shaped_like_a_path_must_be_there(name: str) -> None:
    with pytest.raises(InputError, match=r"or a hub id such as owner/name\.$"):
        check_model_path("it", name)


def test_a_path_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "model").mkdir()
    for check in (lambda name: check_model_path("it", name), check_dino):
        check("~/model")
    check_clip("local-dir:~/model", "")


def test_a_clip_model_is_looked_for_where_it_is_a_path(tmp_path: Path) -> None:
    check_clip("ViT-B-16", "openai")
    for model, weights, says in (
        ("local-dir:nowhere", "", "clip_model is 'nowhere'"),
        ("local-dir:owner/name", "", "clip_model is 'owner/name'"),
        ("./nowhere", "", "clip_model is './nowhere'"),
        ("/nowhere", "", "clip_model is '/nowhere'"),
        ("ViT-B-16", "/nowhere.pt", "clip_pretrained is '/nowhere.pt'"),
        ("ViT-B-16", "~/nowhere.pt", "clip_pretrained is '~/nowhere.pt'"),
    ):
        with pytest.raises(InputError) as caught:
            check_clip(model, weights)
        assert says in str(caught.value)
        assert "hub id" not in str(caught.value)  # a path that is none names no model of a hub
    page = tmp_path / "clip.safetensors"
    page.write_text("<!DOCTYPE html><html>")
    with pytest.raises(InputError, match="is a web page"):
        check_clip("ViT-B-16", str(page))


@pytest.mark.parametrize(
    ("channels", "says"),
    [(9, ""), (4, "takes 4 input channels"), (8, "takes 8 input channels"), (12, "takes 12 input")],
)
def test_a_pipeline_is_judged_by_its_input_channels(tmp_path: Path, channels: int, says: str) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(INDEX)
    (tmp_path / "unet" / "config.json").write_text(json.dumps({"in_channels": channels}))
    if not says:
        check_inpainting_model("it", str(tmp_path))
        return
    with pytest.raises(InputError, match=says):
        check_inpainting_model("it", str(tmp_path))


@pytest.mark.parametrize("config", ["", "{}", "[]", "null", "[" * 9999])
def test_a_pipeline_without_a_readable_config_is_told(tmp_path: Path, config: str) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text(INDEX)
    (tmp_path / "unet" / "config.json").write_text(config)
    with pytest.raises(InputError, match=r"config\.json"):
        check_inpainting_model("it", str(tmp_path))


def test_a_file_of_another_kind_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"is not a \.safetensors file"):
        check_inpainting_model("it", str(tmp_path / "model.ckpt"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_of_bytes_that_are_no_text_goes_on_working(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    assert path_of(folder) == folder
    check_writable("it", folder)


def test_a_path_that_was_given_is_not_empty() -> None:
    check_named("it", None)
    check_named("it", ".")
    for empty in ("", "  "):
        with pytest.raises(InputError, match="it is empty"):
            check_named("it", empty)


def test_a_folder_that_can_be_written_to_is_left_as_it_was(tmp_path: Path) -> None:
    check_writable("it", tmp_path / "new" / "deep")
    check_writable("it", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("kept")
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(InputError, match=r"file' is a file; choose a folder"):
            check_writable("it", place)
    with pytest.raises(InputError, match="cannot be a folder"):
        check_writable("it", tmp_path / ("x" * 300))
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")
def test_a_place_without_room_is_told(tmp_path: Path) -> None:
    """A limit of the process's files in the place of a full disk: the system refuses the same write."""
    import resource

    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, most))
        check_writable("it", tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**22 - 1, most))  # some pictures need more
        with pytest.raises(InputError, match="cannot be written to .File too large"):
            check_writable("it", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))


def test_a_result_is_put_where_the_picture_is_not(tmp_path: Path) -> None:
    picture = tmp_path / "edited.png"
    picture.write_bytes(b"x")
    with pytest.raises(InputError, match=r"where the result edited\.png would go"):
        check_not_overwritten(picture, tmp_path, ("region.png", "edited.png"))
    check_not_overwritten(picture, tmp_path, ("region.png",))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "edited.png").write_bytes(b"y")
    check_not_overwritten(picture, tmp_path / "other", ("edited.png",))
