"""Pictures of a list read, whatever is wrong with one of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from region_core.cli.main import main
from region_core.picture import Picture

from .conftest import PICTURES
from .quick import QuickEngine, asked, batch, opened, pictures, quick_edit, table, write_list


@pytest.mark.usefixtures("folder")
def test_pictures_hang_neither_on_what_guides_say_of_loading_nor_on_what_else_is_in_the_list() -> None:
    assert batch() == 0
    assert batch("--num_workers", "2", out="other") == 0
    assert pictures("other") == pictures()
    write_list(dict(reversed(PICTURES.items())))
    assert batch("--no-pin_mem", out="reversed") == 0
    assert pictures("reversed") == pictures()


class Failing(QuickEngine):
    """An engine that fails to read a picture."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self.fails = fails

    def read(self, path: Path) -> Picture:
        if path.name == self.fails:
            raise SyntaxError("what a file")
        return super().read(path)


@pytest.mark.usefixtures("folder")
def test_a_picture_with_unreadable_exif_is_edited_as_it_is() -> None:
    with Image.open("in/one.png") as image:
        image.load()
        pixels = np.asarray(image)
        image.save("in/one.png", exif=b"Exif\0\0junk junk")
    assert batch() == 0
    assert [row["status"] for row in table()] == ["edited"] * 4
    where = opened(Path("out/items") / Path(table()[0]["result"]).stem / "region.png") > 0
    assert (opened(Path("out") / table()[0]["result"])[~where] == pixels[~where]).all()


@pytest.mark.usefixtures("folder")
def test_whatever_a_decoder_raises_is_one_failing_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked("--quiet"), Failing("one.png")) == 1
    assert "SyntaxError: what a file" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["failed"] + ["edited"] * 3


@pytest.mark.usefixtures("folder")
def test_a_failure_with_half_a_character_is_one_item_s_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(image: Any, caption: str, *texts: str, **rest: Any) -> Any:
        if caption == "a dog":
            raise ValueError("\ud83d")
        return quick_edit(image, caption, *texts, **rest)

    assert batch(edit=fails) == 1
    assert "failed: two words.png: ValueError" in capsys.readouterr().err
    assert [row["status"] for row in table()] == ["edited", "failed", "edited", "edited"]


@pytest.mark.usefixtures("folder")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_picture_that_has_become_a_pipe_is_not_waited_for() -> None:
    def meanwhile(*args: Any, **rest: Any) -> Any:
        if not Path("in/4.png").is_fifo():
            Path("in/4.png").unlink()
            os.mkfifo("in/4.png")
        return quick_edit(*args, **rest)

    assert batch(edit=meanwhile) == 1
    assert [row["status"] for row in table()] == ["edited"] * 3 + ["failed"]
