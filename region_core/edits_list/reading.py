"""Reading a list of edits: all that is wrong with it is found before any model is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ..checks import is_writable, text_problems
from ..errors import InputError, InputProblems
from ..picture_file import check_header
from ..requests import Request, check_evidence, parse_request
from ..settings import REMOVED, SETTINGS, EditSettings, current_name, preset
from .items import Item, item_seed

TEXTS = ("image", "image_caption", "editing_prompt", "negative_prompt", "name", "preset")
EDITS = "edits"
_SHAPE = (
    '{"1.png": ["what is there", "what should be there"]} or [{"image": "1.png", '
    '"image_caption": "...", "editing_prompt": "..."}]'
)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}

Problems = list[tuple[str, str]]  # (where, why)


@dataclass(frozen=True)
class Defaults:
    """What the command line says of all items: a preset, settings over it, their seed among them."""

    preset: str = "standard"
    given: dict[str, Any] = field(default_factory=dict)
    negative_prompt: str = ""

    @property
    def seed(self) -> int:
        """The seed from which items get theirs."""
        return int(self.given.get("seed", EditSettings().seed))


class _Pairs(list):
    """A JSON object as its (key, value) pairs: a dict would lose what is there twice."""

    def repeated(self) -> list[tuple[str, int]]:
        """The keys that are there more than once, and how often."""
        return [(key, count) for key, count in Counter(key for key, _ in self).items() if count > 1]


Entry = dict[str, Any]  # one edit as the list has it, before it is checked


def read_items(json_file: Path, image_dir: Path, defaults: Defaults) -> list[Item]:
    """The items of a JSON list of edits, in its order.

    Raises InputProblems with everything that is wrong, or InputError where the file is no list.
    """
    problems: Problems = []
    entries = list(_entries(_parse(json_file), problems))
    if not entries and not problems:
        raise InputError(f"json_file '{json_file}' has no edits in it; write them as {_SHAPE}.")
    uses = Counter(_image(entry) for _, entry in entries)
    labels: dict[str, str] = {}
    items = []
    for label, entry in entries:
        key = _key(entry, label, uses[_image(entry)])
        item, wrong = _item(entry, key, image_dir, defaults)
        if key in labels:
            wrong.append(f"has the same name as {labels[key]}; give each edit a name of its own")
        labels.setdefault(key, label)
        problems += [(label, why) for why in wrong]
        items.append(item)
    if problems:
        raise InputProblems(f"json_file '{json_file}'", problems)
    return [item for item in items if item is not None]


def _image(entry: Entry) -> str:
    """The picture's name, the same for "./1.png" and "1.png"; "" where it has none."""
    image = entry.get("image")
    return PurePosixPath(image).as_posix() if isinstance(image, str) and image else ""


def _key(entry: Entry, label: str, uses: int) -> str:
    """What an edit is called whose picture has so many `uses`: by what it asks for, not by its order in the list."""
    name, image = entry.get("name"), _image(entry) or label
    if isinstance(name, str) and name.strip():
        return name
    if uses < 2:
        return image
    asked = sorted((name, repr(value)) for name, value in entry.items() if name not in ("image", "name"))
    return f"{image}#{hashlib.sha256(repr(asked).encode()).hexdigest()[:6]}"


def _parse(json_file: Path) -> Any:
    try:
        return json.loads(json_file.read_bytes().decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except OSError as error:
        raise InputError(f"json_file '{json_file}' cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"json_file '{json_file}' is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        what = f"is not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    except (ValueError, RecursionError) as error:
        what = f"is not JSON that can be read ({error})"
    raise InputError(f"json_file '{json_file}' {what}; write the edits as {_SHAPE}.")


def _entries(content: Any, problems: Problems) -> Iterator[tuple[str, Entry]]:
    """The edits of either form, each with what a message calls it; what is no edit at all goes to `problems`."""
    if isinstance(content, _Pairs):
        several = "times; a picture with several edits needs the list form"
        problems += [(quoted(key), f"is there {count} {several}") for key, count in content.repeated()]
        rows = [(quoted(key), value, {"image": key}) for key, value in content]
        want = "two texts, [what is there, what should be there]"
    elif isinstance(content, list):
        rows = [(f"entry {number}", value, {}) for number, value in enumerate(content, 1)]
        want = "an object with image, image_caption and editing_prompt"
    else:
        raise InputError(f"The json_file holds {_short(content)}, not a list of edits; write them as {_SHAPE}.")
    for label, value, image in rows:
        if isinstance(value, _Pairs):
            pairs = _Pairs((current_name(key), value) for key, value in value)
            problems += [(label, f"has {quoted(key)} {count} times; keep one") for key, count in pairs.repeated()]
            entry = {**dict(pairs), **image}
            shown = not image and isinstance(entry.get("image"), str) and entry["image"]
            yield f"{label} ({quoted(entry['image'])})" if shown else label, entry
        elif image and isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value):
            yield label, {**image, "image_caption": value[0], "editing_prompt": value[1]}
        else:
            problems.append((label, f"is {_short(value)}; it must be {want}"))


def _item(entry: Entry, key: str, image_dir: Path, defaults: Defaults) -> tuple[Item | None, list[str]]:
    """(the item, or None where it is wrong; all that is wrong with it)."""
    wrong: list[str] = []
    texts = {}
    for name in TEXTS:
        if name not in entry:
            continue
        if not isinstance(entry[name], str):
            wrong.append(f"{name} is {_short(entry[name])}; it must be a text")
        elif not is_writable(entry[name]):
            wrong.append(f"{name} has a character that cannot be written: {quoted(entry[name])}")
        else:
            texts[name] = entry[name]
    requests = _requests(entry, wrong)
    needed = ("image",) if EDITS in entry else ("image", "image_caption", "editing_prompt")
    wrong += [f"{name} is missing" for name in needed if name not in entry]
    known = (*TEXTS, EDITS, *SETTINGS)
    unknown = [name for name in entry if name not in known and name not in REMOVED]
    wrong += [f"{quoted(name)} is no setting; known are {', '.join(known)}" for name in unknown]
    settings = _settings(entry, key, defaults, wrong)
    path = _picture(texts["image"], image_dir, wrong) if "image" in texts else None
    # a text that is none has been told of; the other one is looked at all the same
    caption, prompt = texts.get("image_caption", "no caption"), texts.get("editing_prompt", "no prompt")
    wrong += [problem.rstrip(".") for problem in text_problems(caption, prompt)]
    if EDITS in entry:
        _try(lambda: check_evidence(settings, EDITS), wrong)
        caption, prompt = ("; ".join(getattr(one, name) for one in requests) for name in ("caption", "prompt"))
    if wrong or path is None:
        return None, wrong
    negative = texts.get("negative_prompt", defaults.negative_prompt)
    return Item(key, texts["image"], path, caption, prompt, negative, settings, requests), wrong


def _requests(entry: Entry, wrong: list[str]) -> tuple[Request, ...]:
    """The item's several edits, if any."""
    if EDITS not in entry:
        return ()
    lines = entry[EDITS]
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        wrong.append(f'{EDITS} is {_short(lines)}; it must be texts, ["what is there -> what should be there"]')
        return ()
    wrong += [f"{name} is beside {EDITS}; leave one of them out" for name in TEXTS[1:3] if name in entry]
    tried = [_try(partial(parse_request, line), wrong) for line in lines]
    return tuple(one for one in tried if one is not None)


def _settings(entry: Entry, key: str, defaults: Defaults, wrong: list[str]) -> EditSettings:
    own = {}
    for name, value in ((name, entry[name]) for name in SETTINGS if name in entry):
        kind = SETTINGS[name].kind
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 1e300 else float("inf")
        if type(value) is not kind:
            wrong.append(f"{name} is {_short(value)}; it must be {_KINDS[kind]}")
        else:
            own[name] = value
    name = entry.get("preset", defaults.preset)
    if not isinstance(name, str) or _try(lambda: preset(name), wrong) is None:
        name = defaults.preset  # the other settings are looked at all the same
    seed = item_seed(key, defaults.seed) if is_writable(key) else 0
    settings = preset(name).with_values(**{**defaults.given, "seed": seed, **own})
    wrong += settings.problems()
    return settings


def _picture(name: str, image_dir: Path, wrong: list[str]) -> Path | None:
    """Where the picture is; its header is read, the picture itself is not."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name.strip() or any(ord(c) < 32 for c in name):
        wrong.append(f"image is {quoted(name)}, which is no file name")
        return None
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        wrong.append("the path leads out of image_dir_path; name a file in that folder")
        return None
    # also where its accents are written in Unicode's other way
    others = (image_dir / unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    path = next((p for p in (image_dir / name, *others) if os.path.exists(p)), image_dir / name)
    _try(lambda: check_header(path), wrong)
    return path


def _try(check: Callable[[], Any], wrong: list[str]) -> Any:
    """What `check` returns; where it raises InputError, None and its text goes to `wrong`."""
    try:
        return check()
    except InputError as error:
        wrong.append(str(error).rstrip("."))
        return None


def quoted(text: str) -> str:
    """The text in quotes, on one line, with what cannot be shown escaped."""
    return json.dumps(text, ensure_ascii=not is_writable(text))


def _short(value: Any) -> str:
    """A JSON value in few words."""
    if isinstance(value, _Pairs):
        return "an object"
    text = json.dumps(value, ensure_ascii=True, default=lambda _: "...")
    return text if len(text) <= 60 else text[:57] + "..."
