"""Lists of edits: all that is wrong is said at once, with its key, before a model is loaded."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from region_core.edits_list.items import item_seed, safe_name, shuffled
from region_core.edits_list.reading import Defaults, read_items
from region_core.errors import InputError, InputProblems
from region_core.settings import PRESETS

from .lists import NAMES, TEXTS


def read(folder: Path, content: Any, defaults: Defaults | None = None) -> list[Any]:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    (folder / "edits.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    return read_items(folder / "edits.json", folder / "pictures", defaults or Defaults())


def problems(folder: Path, content: Any) -> list[tuple[str, str]]:
    with pytest.raises(InputProblems) as raised:
        read(folder, content)
    return raised.value.problems


def test_names_of_all_kinds_are_read_and_kept_apart(odd_folder: Path) -> None:
    items = read(odd_folder, dict.fromkeys(NAMES, TEXTS))
    assert [item.key for item in items] == NAMES
    assert all(item.path.is_file() for item in items)
    folders = [item.folder for item in items]
    assert len({name.casefold() for name in folders}) == len(NAMES)
    for name in folders:
        assert len(name.encode()) <= 255
        assert not set(name) & set('/\\:*?"<>| \n')
        assert not name.startswith((".", "-"))
    assert "一只猫" in folders[3]
    assert safe_name("x" * 5000) != safe_name("x" * 5001)
    assert len(safe_name("字" * 5000).encode()) <= 255


def test_both_forms_say_the_same(odd_folder: Path) -> None:
    pairs = read(odd_folder, {"1.png": TEXTS, "2.png": ["x", "y"]})
    rows = read(
        odd_folder,
        [
            {"image": "1.png", "image_caption": TEXTS[0], "editing_prompt": TEXTS[1]},
            {"image": "2.png", "image_caption": "x", "editing_prompt": "y"},
        ],
    )
    assert pairs == rows
    assert read(odd_folder, "\ufeff" + json.dumps({"1.png": TEXTS}))[0] == pairs[0]


def test_settings_of_an_item_go_before_the_command_lines(odd_folder: Path) -> None:
    entry = {"image": "1.png", "image_caption": "x", "editing_prompt": "y"}
    plain, fast, own = read(
        odd_folder,
        [
            entry,
            {**entry, "preset": "fast"},
            {**entry, "name": "mine", "seed": 7, "steps": 30, "lr": 1, "negative_prompt": "grey"},
        ],
        Defaults("quality", {"num_regions": 3, "seed": 5}, "blurred"),
    )
    assert plain.settings == PRESETS["quality"].with_values(num_regions=3, seed=item_seed(plain.key, 5))
    assert fast.settings.find == PRESETS["fast"].find
    assert fast.settings.paint.num_regions == 3
    assert own.settings == PRESETS["quality"].with_values(num_regions=3, seed=7, steps=30, lr=1.0)
    assert (plain.negative_prompt, own.negative_prompt) == ("blurred", "grey")
    assert (plain.key.startswith("1.png#"), own.key) == (True, "mine")
    assert plain.key != fast.key


def test_edits_of_one_picture_are_named_by_what_they_ask_for(odd_folder: Path) -> None:
    fox, dog = ({"image": "1.png", "image_caption": "x", "editing_prompt": wish} for wish in ("a fox", "a dog"))
    there, back = read(odd_folder, [fox, dog]), read(odd_folder, [dog, fox])
    assert {i.prompt: (i.key, i.settings.seed) for i in there} == {i.prompt: (i.key, i.settings.seed) for i in back}
    assert len({i.key for i in there}) == 2
    assert [i.key for i in read(odd_folder, [fox])] == ["1.png"]
    for twice in ([fox, fox], [fox, {**fox, "image": "./1.png"}]):
        with pytest.raises(InputError, match="same name"):
            read(odd_folder, twice)


def test_no_problem_of_an_edit_hides_another(odd_folder: Path) -> None:
    with pytest.raises(InputError) as told:
        read(
            odd_folder,
            [{"image": "1.png", "image_caption": "", "editing_prompt": 3, "preset": "best", "steps": 0, "lr": -1}],
        )
    for problem in ("image_caption is empty", "editing_prompt is 3", "preset 'best'", "steps is 0", "lr is -1"):
        assert problem in str(told.value)


def test_seeds_and_epochs_hang_on_names_and_not_on_places(odd_folder: Path) -> None:
    a = read(odd_folder, {"1.png": TEXTS, "2.png": TEXTS, "plain.png": TEXTS})
    b = read(odd_folder, {"plain.png": TEXTS, "1.png": TEXTS})
    assert {i.key: i.settings.seed for i in a} == {**{i.key: i.settings.seed for i in b}, "2.png": a[1].settings.seed}
    assert len({i.settings.seed for i in a}) == 3
    assert item_seed("1.png", 42) != item_seed("1.png", 43)
    order = [a[n].key for n in shuffled(a, 1, 0)]
    assert order == [list(reversed(a))[n].key for n in shuffled(list(reversed(a)), 1, 0)]
    assert any([a[n].key for n in shuffled(a, 1, epoch)] != order for epoch in range(1, 9))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'1.png': 2}", "line 1, column 2"),
        ('"1.png"', "not a list of edits"),
        ("3", "not a list of edits"),
        ("{}", "no edits"),
        ("[]", "no edits"),
        ("[" * 100_000, "not JSON"),
        ("\udce4", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_list(odd_folder: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(odd_folder, text)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"none.png": TEXTS}, "There is no file"),
        ({"sub": TEXTS}, "is a folder"),
        ({"../edits.json": TEXTS}, "leads out of image_dir_path"),
        ({"sub/../../x.png": TEXTS}, "leads out of image_dir_path"),
        ({"..\\x.png": TEXTS}, "leads out of image_dir_path"),
        ({"/etc/passwd": TEXTS}, "leads out of image_dir_path"),
        ({"C:\\x.png": TEXTS}, "leads out of image_dir_path"),
        ({"": TEXTS}, "no file name"),
        ({"a\0b.png": TEXTS}, "no file name"),
        ({"x" * 5000: TEXTS}, "There is no file"),
        ({"1.png": "a cat"}, "two texts"),
        ({"1.png": ["a cat"]}, "two texts"),
        ({"1.png": ["a cat", 3]}, "two texts"),
        ({"1.png": None}, "two texts"),
        ({"1.png": ["a cat", " "]}, "editing_prompt is empty"),
        ({"1.png": ["a cat", "A  Cat"]}, "not there yet"),
        ({"1.png": {"image_caption": "a"}}, "editing_prompt is missing"),
        ([["1.png", "a", "b"]], "must be an object"),
        ([{"image_caption": "a", "editing_prompt": "b"}], "image is missing"),
    ],
)
def test_what_is_wrong_with_an_edit(odd_folder: Path, entry: Any, says: str) -> None:
    ((key, why),) = problems(odd_folder, entry)
    assert says in why
    if isinstance(entry, dict):
        assert key == json.dumps(next(iter(entry)), ensure_ascii=False)
    else:
        assert key == "entry 1"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"step": 3}, '"step" is no setting'),
        ({"steps": "3"}, 'steps is "3"'),
        ({"steps": 2.5}, "must be a whole number"),
        ({"steps": True}, "must be a whole number"),
        ({"lr": 10**400}, "lr is inf"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": -1}, "lr is -1"),
        ({"preset": "best"}, "fast, standard, quality, paper"),
        ({"preset": 3}, "preset is 3"),
        ({"seed": -1}, "seed is -1"),
        ({"name": 3}, "name is 3"),
        ({"name": "\ud800"}, "cannot be written"),
        ({"negative_prompt": None}, "negative_prompt is null"),
        ({"learning": "fast"}, "choose one of"),
    ],
)
def test_what_is_wrong_with_settings_of_an_item(odd_folder: Path, more: dict, says: str) -> None:
    entry = {"image": "1.png", "image_caption": "a", "editing_prompt": "b", **more}
    ((key, why),) = problems(odd_folder, json.dumps([entry]))
    assert key == 'entry 1 ("1.png")'
    assert says in why


def test_all_that_is_wrong_with_one_item_is_said(odd_folder: Path) -> None:
    entry = {
        "image": "1.png",
        "image_caption": "",
        "editing_prompt": " ",
        "steps": 0,
        "views": 0,
        "lr": 0,
        "learning": "fast",
    }
    said = [why for _, why in problems(odd_folder, [entry])]
    wrong = {"lr", "views", "steps", "learning", "image_caption", "editing_prompt"}
    assert {why.split()[0] for why in said} == wrong
    assert len(said) == len(wrong)


def test_everything_that_is_there_twice(odd_folder: Path) -> None:
    text = '{"1.png": ["a", "b"], "2.png": ["a", "b"], "1.png": ["a", "c"], "1.png": ["a", "d"]}'
    assert problems(odd_folder, text)[0] == (
        '"1.png"',
        "is there 3 times; a picture with several edits needs the list form",
    )
    entry = '{"image": "1.png", "image": "2.png", "image_caption": "a", "editing_prompt": "b"}'
    assert 'has "image" 2 times' in problems(odd_folder, f"[{entry}]")[0][1]
    row = {"image_caption": "a", "editing_prompt": "b", "name": "n"}
    ((key, why),) = problems(odd_folder, [{**row, "image": "1.png"}, {**row, "image": "2.png"}])
    assert key == 'entry 2 ("2.png")'
    assert 'same name as entry 1 ("1.png")' in why


def test_accents_written_in_unicodes_other_way(odd_folder: Path) -> None:
    name = unicodedata.normalize("NFD", "ünïcödé.png")
    assert name != "ünïcödé.png"
    assert read(odd_folder, {name: TEXTS})[0].path.is_file()
