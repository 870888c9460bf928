"""A written picture is whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import torch
from PIL import Image

from region_core.errors import InputError
from region_core.picture import to_pil
from region_core.picture_file import save_png


def test_saving_makes_folders_and_leaves_nothing_beside_the_file(tmp_path):
    target = save_png(Image.new("RGB", (40, 40)), tmp_path / "a" / "b" / "out.png")
    assert os.listdir(target.parent) == ["out.png"]


class Watched(Image.Image):
    """A picture that can be saved: half of it, or with a look at the folder when it is done."""

    def __init__(self, made: Image.Image, look: Callable[[str], None]) -> None:
        super().__init__()
        self.made, self.look = made, look

    def save(self, path, **options) -> None:
        self.made.save(path, **options)
        self.look(path)


def test_a_failed_save_leaves_the_old_file_and_no_draft(tmp_path):
    target = save_png(Image.new("RGB", (40, 40), (1, 2, 3)), tmp_path / "out.png")
    before = target.read_bytes()

    def full(path):
        with open(path, "r+b") as file:
            file.truncate(20)
        raise OSError("disk full")

    with pytest.raises(InputError, match="disk full"):
        save_png(Watched(Image.new("RGB", (40, 40)), full), target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.png"]


def test_the_file_is_whole_before_it_gets_its_name(tmp_path):
    seen = []

    def look(draft):
        with Image.open(draft) as written:
            written.load()
            seen.append(written.size)
        assert not os.path.exists(tmp_path / "out.png")

    save_png(Watched(Image.new("RGB", (40, 44)), look), tmp_path / "out.png")
    assert seen == [(40, 44)]
    assert os.listdir(tmp_path) == ["out.png"]


def test_only_png_names_are_taken(tmp_path):
    with pytest.raises(InputError, match="out.jpg"):
        save_png(Image.new("RGB", (40, 40)), tmp_path / "out.jpg")


def test_two_pictures_are_not_one_pil_image():
    with pytest.raises(InputError, match=r"\[2, 3, 40, 40\]"):
        to_pil(torch.zeros(2, 3, 40, 40))
