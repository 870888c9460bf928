"""A written picture is whole or not there at all."""

from __future__ import annotations

import os

import pytest
import torch
from PIL import Image

from region_core.errors import InputError
from region_core.picture import save_png, to_pil


def test_saving_makes_folders_and_leaves_nothing_beside_the_file(tmp_path):
    target = save_png(Image.new("RGB", (40, 40)), tmp_path / "a" / "b" / "out.png")
    assert os.listdir(target.parent) == ["out.png"]


def test_a_failed_save_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    target = save_png(Image.new("RGB", (40, 40), (1, 2, 3)), tmp_path / "out.png")
    before = target.read_bytes()

    def half(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(InputError, match="disk full"):
        save_png(Image.new("RGB", (40, 40)), target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.png"]


def test_the_file_is_whole_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []
    real = os.replace

    def replace(draft, target):
        with Image.open(draft) as written:
            written.load()
            seen.append(written.size)
        assert not os.path.exists(target)
        real(draft, target)

    monkeypatch.setattr(os, "replace", replace)
    save_png(Image.new("RGB", (40, 44)), tmp_path / "out.png")
    assert seen == [(40, 44)]


def test_only_png_names_are_taken(tmp_path):
    with pytest.raises(InputError, match="out.jpg"):
        save_png(Image.new("RGB", (40, 40)), tmp_path / "out.jpg")


def test_two_pictures_are_not_one_pil_image():
    with pytest.raises(InputError, match=r"\[2, 3, 40, 40\]"):
        to_pil(torch.zeros(2, 3, 40, 40))
