"""Reading a list of edits: all that is wrong with it is found before any model is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ...checks import is_writable, text_problems
from ...errors import InputError, InputProblems
from ...settings import REMOVED, SETTINGS, SearchSettings, current_name, preset
from .items import Item, item_seed

TEXTS = ("image", "image_caption", "editing_prompt", "negative_prompt", "name", "preset")
_SHAPE = (
    '{"1.png": ["what is there", "what should be there"]} or [{"image": "1.png", '
    '"image_caption": "...", "editing_prompt": "..."}]'
)


@dataclass(frozen=True)
class Defaults:
    """What the command line says of all items: a preset, single settings over it, their seed.

    `suited` fits finished settings to the models, given the names that were set by hand.
    """

    preset: str = "standard"
    given: dict[str, Any] = field(default_factory=dict)
    negative_prompt: str = ""
    suited: Callable[[SearchSettings, Container[str]], SearchSettings] = lambda settings, _: settings

    @property
    def seed(self) -> int:
        """The seed from which items get theirs."""
        return int(self.given.get("seed", SearchSettings().seed))


class _Pairs(list):
    """A JSON object as its (key, value) pairs: a dict would lose what is there twice."""


@dataclass
class _Entry:
    """One edit as the list has it, before it is checked."""

    label: str  # what to call it in a message
    values: dict[str, Any]


def read_items(json_file: Path, image_dir: Path, defaults: Defaults) -> list[Item]:
    """The items of a JSON list of edits, in its order.

    Raises InputProblems with everything that is wrong, or InputError where the file is no list.
    """
    problems: list[tuple[str, str]] = []
    entries = list(_entries(_parse(json_file), problems))
    if not entries and not problems:
        raise InputError(f"json_file '{json_file}' has no edits in it; write them as {_SHAPE}.")
    uses = Counter(_image(entry) for entry in entries)
    keys: dict[str, str] = {}
    items = []
    for entry in entries:
        key = _image(entry) or entry.label
        if isinstance(entry.values.get("name"), str) and entry.values["name"].strip():
            key = entry.values["name"]
        elif uses[key] > 1:  # named by what they ask for, not by their order in the list
            key = f"{key}#{_wish(entry)}"
        item, wrong = _item(entry, key, image_dir, defaults)
        if key in keys:
            wrong.append(f"has the same name as {keys[key]}; give each edit a name of its own")
        keys.setdefault(key, entry.label)
        problems += [(entry.label, why) for why in wrong]
        if item is not None:
            items.append(item)
    if problems:
        raise InputProblems(f"json_file '{json_file}'", problems)
    return items


def _image(entry: _Entry) -> str:
    """The picture's name, the same for "./1.png" and "1.png"; "" where it has none."""
    image = entry.values.get("image")
    return PurePosixPath(image).as_posix() if isinstance(image, str) and image else ""


def _wish(entry: _Entry) -> str:
    """A few letters that differ where texts or settings do."""
    asked = sorted((name, repr(value)) for name, value in entry.values.items() if name not in ("image", "name"))
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:6]


def _parse(json_file: Path) -> Any:
    way_out = f"write the edits as {_SHAPE}."
    try:
        return json.loads(json_file.read_bytes().decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except OSError as error:
        raise InputError(f"json_file '{json_file}' cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"json_file '{json_file}' is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"json_file '{json_file}' is not JSON (line {error.lineno}, column {error.colno}: {error.msg}); {way_out}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"json_file '{json_file}' is not JSON that can be read ({error}); {way_out}") from None


def _entries(content: Any, problems: list[tuple[str, str]]) -> Iterator[_Entry]:
    """The edits of either form; what is no edit at all goes to `problems`."""
    if isinstance(content, _Pairs):
        counts = Counter(key for key, _ in content)
        problems += [
            (quoted(key), f"is there {count} times; a picture with several edits needs the list form")
            for key, count in counts.items()
            if count > 1
        ]
        for key, value in content:
            if isinstance(value, _Pairs):
                yield _Entry(quoted(key), {**_fields(quoted(key), value, problems), "image": key})
            elif isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value):
                yield _Entry(quoted(key), {"image": key, "image_caption": value[0], "editing_prompt": value[1]})
            else:
                problems.append(
                    (quoted(key), f"is {_short(value)}; it must be two texts, [what is there, what should be there]")
                )
    elif isinstance(content, list):
        for number, value in enumerate(content, 1):
            label = f"entry {number}"
            if not isinstance(value, _Pairs):
                problems.append(
                    (label, f"is {_short(value)}; it must be an object with image, image_caption and editing_prompt")
                )
                continue
            values = _fields(label, value, problems)
            image = values.get("image")
            named = isinstance(image, str) and image
            yield _Entry(f"{label} ({quoted(str(image))})" if named else label, values)
    else:
        raise InputError(f"The json_file holds {_short(content)}, not a list of edits; write them as {_SHAPE}.")


def _fields(label: str, pairs: _Pairs, problems: list[tuple[str, str]]) -> dict[str, Any]:
    pairs = _Pairs((current_name(key), value) for key, value in pairs)
    counts = Counter(key for key, _ in pairs)
    problems += [(label, f"has {quoted(key)} {count} times; keep one") for key, count in counts.items() if count > 1]
    return dict(pairs)


def _item(entry: _Entry, key: str, image_dir: Path, defaults: Defaults) -> tuple[Item | None, list[str]]:
    """(the item, or None where it is wrong; all that is wrong with it)."""
    values, wrong = entry.values, []
    for name in TEXTS:
        if name in values and not isinstance(values[name], str):
            wrong.append(f"{name} is {_short(values[name])}; it must be a text")
        elif name in values and not is_writable(values[name]):
            wrong.append(f"{name} has a character that cannot be written: {quoted(values[name])}")
    for name in ("image", "image_caption", "editing_prompt"):
        if name not in values:
            wrong.append(f"{name} is missing")
    unknown = [name for name in values if name not in TEXTS and name not in SETTINGS and name not in REMOVED]
    wrong += [f"{quoted(name)} is no setting; known are {', '.join((*TEXTS, *SETTINGS))}" for name in unknown]
    settings = _settings(values, key, defaults, wrong)
    path = None
    if isinstance(values.get("image"), str) and is_writable(values["image"]):
        path = _picture(values["image"], image_dir, wrong)
    caption, prompt = values.get("image_caption"), values.get("editing_prompt")
    # a text that is none has been told of; the other one is looked at all the same
    wrong += [
        problem.rstrip(".")
        for problem in text_problems(
            caption if isinstance(caption, str) and is_writable(caption) else "no caption",
            prompt if isinstance(prompt, str) and is_writable(prompt) else "no prompt",
        )
    ]
    if wrong or path is None or settings is None:
        return None, wrong
    return Item(
        key,
        values["image"],
        path,
        values["image_caption"],
        values["editing_prompt"],
        values.get("negative_prompt", defaults.negative_prompt),
        settings,
    ), wrong


def _settings(values: dict[str, Any], key: str, defaults: Defaults, wrong: list[str]) -> SearchSettings | None:
    own = {}
    for name, one in SETTINGS.items():
        if name not in values:
            continue
        value, kind = values[name], one.kind
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 1e300 else float("inf")
        if type(value) is not kind:
            called = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
            wrong.append(f"{name} is {_short(value)}; it must be {called[kind]}")
        else:
            own[name] = value
    name = values.get("preset", defaults.preset)
    if not isinstance(name, str) or _try(lambda: preset(name), wrong) is None:
        name = defaults.preset  # the other settings are looked at all the same
    seed = own.get("seed", item_seed(key, defaults.seed) if is_writable(key) else 0)

    given = {**defaults.given, **own}
    settings = _try(lambda: preset(name).with_values(**{**given, "seed": seed}), wrong)
    if settings is None:
        return None
    wrong += settings.problems()
    return defaults.suited(settings, given)


def _picture(name: str, image_dir: Path, wrong: list[str]) -> Path | None:
    """Where the picture is; its header is read, the picture itself is not."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if not name.strip() or any(ord(c) < 32 for c in name):
        wrong.append(f"image is {quoted(name)}, which is no file name")
        return None
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
        wrong.append("the path leads out of image_dir_path; name a file in that folder")
        return None
    from ...images import check_header

    path = _found(image_dir, name)
    _try(lambda: check_header(path), wrong)
    return path


def _found(image_dir: Path, name: str) -> Path:
    """The file of that name; also where its accents are written in Unicode's other way."""
    path = image_dir / name
    others = (image_dir / unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((p for p in (path, *others) if os.path.exists(p)), path)


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
