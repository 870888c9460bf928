"""What a person sees of the nodes: sockets, tooltips, help pages, translations."""

from __future__ import annotations

import json
import re

import pytest

from .conftest import PACK, Comfy

GOLDEN = PACK / "tests" / "comfy" / "sockets.json"
OPTIONS = {
    ("LearnableRegions_RegionInpaintOptimize", "preset"): ["standard", "quality", "paper", "custom"],
    ("LearnableRegions_RegionInpaintOptimize", "preset.learning"): ["exact", "gumbel", "off"],
    ("LearnableRegions_RegionInpaintOptimize", "mask_shape"): ["box", "object"],
    ("LearnableRegions_RegionCrop", "which"): [
        *("best", "all", "largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost")
    ],
    ("LearnableRegions_RegionCrop", "mask_shape"): ["box", "object"],
    ("LearnableRegions_ShapesScene", "kind"): ["replace", "recolour", "remove", "add", "absent"],
}
# options that are ComfyUI's, or files on a disk
FROM_ELSEWHERE = {"sampler_name", "scheduler", "dino_name", "clip_name", "learned_name", "models", "json_file"}


def infos(comfy: Comfy) -> dict:
    return {name: cls.GET_NODE_INFO_V1() for name, cls in comfy.classes.items()}


def inputs_of(info: dict) -> dict[str, tuple]:
    """What the node asks for, in order: type or list of options, and the fields beside it."""
    return {key: spec for group in ("required", "optional") for key, spec in info["input"].get(group, {}).items()}


def shown_by(info: dict) -> dict[str, dict[str, dict[str, tuple]]]:
    """What the node asks for besides, by the input and the option that shows it."""
    return {
        key: {
            option["key"]: {
                f"{key}.{name}": spec for group in option["inputs"].values() for name, spec in group.items()
            }
            for option in spec[1]["options"]
        }
        for key, spec in inputs_of(info).items()
        if spec[0] == "COMFY_DYNAMICCOMBO_V3"
    }


def all_inputs(info: dict) -> dict[str, tuple]:
    """All that a node may ask for, in order of the options."""
    found = {}
    for key, spec in inputs_of(info).items():
        found[key] = spec
        for more in shown_by(info).get(key, {}).values():
            found.update(more)
    return found


def test_sockets_are_as_in_the_golden_file(comfy: Comfy) -> None:
    """In the same order too: widget values of saved workflows and links go by their place."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert set(comfy.classes) == set(golden)
    for name, info in infos(comfy).items():
        inputs = {
            group: {
                key: spec[0] if isinstance(spec[0], str) else "COMBO"
                for key, spec in info["input"].get(group, {}).items()
            }
            for group in ("required", "optional")
        }
        for group, own in inputs.items():  # what the front end goes by
            assert info["input_order"].get(group, []) == list(own), name
        outputs = [list(pair) for pair in zip(info["output_name"], info["output"], strict=True)]
        found: dict = {"inputs": inputs, "outputs": outputs}
        if more := shown_by(info):
            found["shown"] = {
                key: {
                    option: {name: spec[0] if isinstance(spec[0], str) else "COMBO" for name, spec in specs.items()}
                    for option, specs in options.items()
                }
                for key, options in more.items()
            }
        assert json.dumps(found, indent=1) == json.dumps(golden[name], indent=1), name
        # the front end puts one more value behind these
        controlled = [key for key, spec in inputs_of(info).items() if spec[1].get("control_after_generate")]
        assert controlled == [key for key in inputs_of(info) if key == "seed"], name


def test_options_of_fixed_combos_stay(comfy: Comfy) -> None:
    """Saved workflows name them. New ones may be added here, none may go."""
    found = {}
    for name, info in infos(comfy).items():
        for key, (kind, fields) in all_inputs(info).items():
            options = kind if isinstance(kind, list) else fields.get("options")
            if options is not None and key not in FROM_ELSEWHERE:
                found[name, key] = [one["key"] if isinstance(one, dict) else one for one in options]
    assert found == OPTIONS


def test_everything_has_a_tooltip_and_a_help_page_in_both_languages(comfy: Comfy) -> None:
    docs = PACK / "nodes" / "web" / "docs"
    for name, info in infos(comfy).items():
        assert info["description"]
        specs = {key: spec[1] for key, spec in all_inputs(info).items()}
        assert all(fields["tooltip"] for fields in specs.values()), name
        assert all(info["output_tooltips"]), name
        for page in (docs / f"{name}.md", docs / name / "zh.md"):
            text = page.read_text(encoding="utf-8")
            for key in [*specs, *info["output_name"]]:
                assert f"`{key.rpartition('.')[2]}`" in text, (page, key)
            picture = re.search(r"!\[\]\((pictures/.*)\)", text)
            assert picture, page
            assert (docs / picture[1]).stat().st_size < 40_000


# a second word for what has one already
SYNONYMS = ["图片", "尝试", "蒙版", "掩码", "草稿", "入围", "试看"]


def test_chinese_has_one_word_for_a_term() -> None:
    pages = [PACK / "locales" / "zh" / "nodeDefs.json", *(PACK / "nodes" / "web" / "docs").rglob("zh.md")]
    assert len(pages) == 18
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert [word for word in SYNONYMS if word in text] == [], page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_translations_fit_the_schemas(comfy: Comfy, language: str) -> None:
    path = PACK / "locales" / language / "nodeDefs.json"
    texts = json.loads(path.read_text(encoding="utf-8"))
    for name, info in infos(comfy).items():
        # the front end writes a point as a line
        specs = {key.replace(".", "_"): spec[1] for key, spec in all_inputs(info).items()}
        shown, outputs = texts[name]["inputs"], texts[name]["outputs"]
        assert set(shown) == set(specs)
        assert list(outputs) == [str(place) for place in range(len(info["output"]))]
        assert texts[name]["display_name"]
        assert all(one["name"] and one["tooltip"] for one in [*shown.values(), *outputs.values()])
        if language == "en":  # what the schema says, said again for the front end's search
            assert texts[name]["display_name"] == info["display_name"]
            assert texts[name]["description"] == info["description"]
            assert {key: one["tooltip"] for key, one in shown.items()} == {
                key: fields["tooltip"] for key, fields in specs.items()
            }
            assert [(one["name"], one["tooltip"]) for one in outputs.values()] == list(
                zip(info["output_name"], info["output_tooltips"], strict=True)
            )
        else:
            told = [texts[name]["description"], *(one["tooltip"] for one in shown.values())]
            assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text) for text in told)
    assert set(texts) == set(comfy.classes)


def test_a_preset_shows_what_it_reads_and_fixes_nothing_that_is_shown(comfy: Comfy) -> None:
    settings = comfy.part("region_core.settings")
    info = infos(comfy)["LearnableRegions_RegionInpaintOptimize"]
    shown = {name: {key.partition(".")[2] for key in specs} for name, specs in shown_by(info)["preset"].items()}
    only_paper = {name for name, one in settings.SETTINGS.items() if one.only_paper}
    assert shown["paper"] >= only_paper
    assert all(not names & only_paper for name, names in shown.items() if name != "paper")
    widgets = {one.partition(".")[2] for one in (s.widget for s in settings.SETTINGS.values()) if one}
    assert set(settings.PRESETS) - set(shown) == {"fast"}, "it differs by its steps alone, which are shown"
    for name in set(settings.PRESETS) & set(shown):
        always = set(inputs_of(info)) & widgets
        for key in always | shown[name]:
            one = next(s for s in settings.SETTINGS.values() if s.widget.partition(".")[2] == key)
            assert settings.PRESETS[name].flat()[one.name] == one.default, (name, key)
    graph = shown_by(info)["preset"]["custom"]
    assert {key: spec[1]["default"] for key, spec in graph.items()} == {
        f"preset.{name}": settings.SETTINGS[name].default for name in shown["custom"]
    }
