"""What can be known to be wrong before any model is loaded."""

from __future__ import annotations

import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from .errors import InputError
from .files import path_of
from .weights import HUB_ID, check_file, check_folder

# names of devices on Windows, whatever follows their first point
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
# signs that show nothing between letters, and (Unicode's Default_Ignorable_Code_Point, controls and the empty Braille
# cell) all that alone show nothing at all
_HIDDEN = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_UNSEEN = re.compile(
    _HIDDEN.pattern + r"|[\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LONGEST_NAME = 230  # bytes: a number and an ending are added, and 255 are the most
# owner/name, as hubs have it; a path that begins like a path is never one
_ROOM = 1 << 22  # bytes that have to fit on a disk: some pictures, or a region generator


def check_texts(caption: str, prompt: str, negative: str = "") -> None:
    """Raise InputError where a text is empty or cannot be written, or both say the same."""
    for problem in text_problems(caption, prompt, negative):
        raise InputError(problem)


def check_text(name: str, text: str) -> None:
    """Raise InputError where a text that is needed is empty or cannot be written."""
    if problem := text_problem(name, text):
        raise InputError(problem)


def text_problem(name: str, text: str) -> str:
    """A sentence about a caption or prompt that is empty or has half of a character in it; "" where it is well."""
    empty = f"{name} is empty; write in a few words what is there, or should be."
    return broken_text(name, text) or ("" if _UNSEEN.sub("", text).strip() else empty)


def text_problems(caption: str, prompt: str, negative: str = "") -> list[str]:
    """A sentence for each text that is empty or is no text, or one where both say the same."""
    problems = [text_problem("image_caption", caption), text_problem("editing_prompt", prompt)]
    problems.append(broken_text("negative_prompt", negative))
    if not any(problems) and _seen(caption) == _seen(prompt):
        problems = [
            f"image_caption and editing_prompt are both '{caption.strip()}'; ask for something that is not there yet."
        ]
    return [problem for problem in problems if problem]


def _seen(text: str) -> list[str]:
    """The words of a text as a person sees them: no signs between letters that show nothing, accents and widths
    written one way. What joins emoji and makes flags of them stays."""
    narrow = (unicodedata.normalize("NFKC", c) if unicodedata.east_asian_width(c) in "FH" else c for c in text)
    return unicodedata.normalize("NFC", _HIDDEN.sub("", "".join(narrow))).casefold().split()


def broken_text(name: str, text: str) -> str:
    """A sentence about half of a surrogate pair in a text, which JSON and a shell can bring and UTF-8 cannot spell; ""
    where there is none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return (
            f"{name} has half of a character at place {error.start + 1} ({ascii(text[error.start])[1:-1]}), as "
            "texts have that were cut or copied wrongly; write that character again or leave it out."
        )
    return ""


def is_writable(text: str) -> bool:
    """False for a text with half of a character in it."""
    return not broken_text("", text)


def is_file_name(name: str) -> bool:
    """Whether a name can be a file's or a folder's on every system: Windows has the fewest."""
    return (
        is_writable(name)
        and bool(name.strip())
        and name not in (".", "..")
        and len(name.encode()) <= _LONGEST_NAME
        and not name.endswith((".", " "))
        and not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        and not _RESERVED.fullmatch(name.split(".")[0].rstrip())
    )


def check_model_path(option: str, name: str, *, hub: bool = True) -> None:
    """Raise InputError where `name` is neither on disk nor, with `hub`, shaped like a hub id."""
    if os.path.exists(path_of(name)):  # False, not an error, for a name that is too long
        return
    if not hub or not HUB_ID.fullmatch(name):
        raise InputError(
            f"{option} is '{name}', and there is no such file or folder; give one "
            "that exists" + (" or a hub id such as owner/name." if hub else ".")
        )


def check_dino(name: str) -> None:
    """Raise InputError where a DINO model is not to be had, or its folder holds a damaged file."""
    check_model_path("dino_model", name)
    check_folder(path_of(name))


def check_inpainting_model(option: str, name: str) -> None:
    """Raise InputError where a model on disk is seen, without loading it, not to be for inpainting.

    Looks at the number of input channels of the UNet, in a folder's `unet/config.json` or in the
    header of a single .safetensors file. What is not understood is left for the loader to judge.
    """
    check_model_path(option, name)
    path = path_of(name)
    channels: object = None
    if os.path.isdir(path):
        if not (path / "model_index.json").is_file():
            raise InputError(
                f"{option} is '{name}', a folder without model_index.json; give the "
                "folder of a diffusers inpainting pipeline."
            )
        check_folder(path)
        try:
            channels = json.loads((path / "unet" / "config.json").read_text(encoding="utf-8"))["in_channels"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{option} is '{name}', a pipeline without a readable "
                "unet/config.json; give the folder of a diffusers inpainting "
                "pipeline."
            ) from None
    elif path.suffix == ".safetensors":
        check_file(path)
        channels = _single_file_channels(option, path)
    elif os.path.isfile(path):
        raise InputError(
            f"{option} is '{name}', which is not a .safetensors file; give one, or "
            "the folder of a diffusers inpainting pipeline."
        )
    if channels is not None and channels != 9:
        raise InputError(
            f"{option} is '{name}', whose UNet takes {channels} input channels where "
            "an inpainting model's takes 9; give an inpainting model."
        )


def _single_file_channels(option: str, path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            first = file.get_slice("model.diffusion_model.input_blocks.0.0.weight")
            return int(first.get_shape()[1])
    except (SafetensorError, OSError):
        raise InputError(
            f"{option} is '{path}', which is not a Stable Diffusion inpainting model in one safetensors file; give one."
        ) from None


def check_clip(name: str, pretrained: str) -> None:
    """Raise InputError where a CLIP model named by a path is not there."""
    if name.startswith("local-dir:"):
        folder = name.removeprefix("local-dir:")
        check_model_path("clip_model", folder, hub=False)
        check_folder(path_of(folder))
    elif name.startswith((".", "/", "~")):
        check_model_path("clip_model", name, hub=False)
    if pretrained.startswith((".", "/", "~")):
        check_model_path("clip_pretrained", pretrained, hub=False)
        if path_of(pretrained).is_file():
            check_file(path_of(pretrained))


def check_named(option: str, path: str | None) -> None:
    """Raise InputError where a path was given and is empty: it would be the current folder."""
    if path is not None and not path.strip():
        raise InputError(f"{option} is empty; name a place, or . for the current folder.")


def check_writable(option: str, folder: Path) -> None:
    """Raise InputError where files could not be put into `folder`, which need not exist yet, or the disk is full.

    Nothing is made: the nearest folder that exists is tried with a file that has no name.
    """
    nearest = path_of(folder).absolute()
    way_out = "choose a folder that can be written to."
    try:
        # a link that leads nowhere is there, and no folder can be made in its place
        while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
            nearest = nearest.parent
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{option} is '{folder}', which cannot be a folder ({error.strerror}); {way_out}") from None
    if not nearest.is_dir():
        raise InputError(f"{option} is '{folder}', but '{nearest}' is {_instead(nearest)}; {way_out}")
    try:
        with tempfile.TemporaryFile(dir=nearest) as probe:
            probe.write(bytes(_ROOM))
    except OSError as error:
        raise InputError(f"{option} is '{folder}', which cannot be written to ({error.strerror}); {way_out}") from None


def check_free(option: str, folder: Path, names: Iterable[str]) -> None:
    """Raise InputError where the file of a result, by its name in `folder`, cannot be put there: a folder has its
    name, or what is to be its folder is none."""
    for name in names:
        target = path_of(folder) / name
        wrong = "is a folder" if os.path.isdir(target) else ""
        if os.path.lexists(target.parent) and not os.path.isdir(target.parent):
            target, wrong = target.parent, f"is {_instead(target.parent)}"
        if wrong:
            raise InputError(f"{option} is '{folder}', but '{target}' {wrong}; remove it, or choose another place.")


def _instead(path: Path) -> str:
    """What something is that is no folder."""
    return "a file" if os.path.exists(path) else "a link that leads nowhere"


def check_not_overwritten(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Raise InputError where one of the results would replace a file that is read."""
    for name in names:
        target = path_of(folder) / name
        if os.path.exists(target) and os.path.samefile(source, target):
            raise InputError(f"'{source}' is where the result {name} would go; choose another output_dir.")
