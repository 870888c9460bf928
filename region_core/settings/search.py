"""The settings of a search, each in one place, and the presets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import InputError
from .setting import PRESET_NAMES, Setting, described, setting

LEARNING = ("exact", "gumbel", "off")
PREVIEWS = ("auto", "always", "never")
METHODS = ("evidence", "published")

_GENERATOR, _LOSS, _EDIT = "RegionGenerator", "ClipRegionLoss", "RegionInpaintOptimize"


@dataclass(frozen=True)
class SearchSettings:
    """How one picture is searched and edited. `validate` says what is out of range.

    A new setting is a field here, with its description; to take one away, take its field away.
    """

    point_number: int = setting(
        9,
        1,
        256,
        presets={"fast": 5, "quality": 12},
        widget=f"{_GENERATOR}.point_number",
        en="Anchor points. More find smaller things and cost more work.",
        zh="锚点数。越多越能找到小物体，计算量也越大。",
    )
    max_window_size: int = setting(
        15,
        1,
        128,
        presets={"fast": 10, "quality": 20},
        widget=f"{_GENERATOR}.max_window_size",
        en="The largest box, as half a side in cells of DINO's grid; at most the grid's side.",
        zh="最大的框，以 DINO 网格的格数计的半边长；不超过网格边长。",
    )
    per_image_iteration: int = setting(
        10,
        1,
        1000,
        presets={"fast": 5, "quality": 20},
        widget=f"{_EDIT}.per_image_iteration",
        only_custom=True,
        en="Rounds an image at most. In a round one region is previewed and the region generator learns "
        "from it; with previews on auto there are fewer where it is sure.",
        zh="每张图片最多的轮数。每轮预览一个区域，区域生成器从中学习；previews 为 auto 时，若已确定则更少。",
    )
    lr: float = setting(
        5e-3,
        0,
        10,
        above=True,
        step=1e-4,
        widget=f"{_EDIT}.lr",
        only_custom=True,
        en="Learning rate of the region generator. Too large diverges, too small stalls.",
        zh="区域生成器的学习率。过大发散，过小停滞。",
    )
    loss_alpha: float = setting(
        1.0,
        0,
        1000,
        step=0.05,
        widget=f"{_LOSS}.loss_alpha",
        en="Weight of the clip loss: the edit shows the prompt.",
        zh="CLIP 损失的权重：编辑符合提示词。",
    )
    loss_beta: float = setting(
        1.0,
        0,
        1000,
        step=0.05,
        widget=f"{_LOSS}.loss_beta",
        en="Weight of the directional loss: the edit moves from caption to prompt.",
        zh="方向损失的权重：由描述变为提示词。",
    )
    loss_gamma: float = setting(
        1.0,
        0,
        1000,
        step=0.05,
        widget=f"{_LOSS}.loss_gamma",
        en="Weight of the structure loss: the layout stays.",
        zh="结构损失的权重：布局保持不变。",
    )
    loss_crop: float = setting(
        1.0,
        0,
        1000,
        step=0.05,
        presets={"paper": 0.0},
        widget=f"{_LOSS}.loss_crop",
        en="How much the clip and directional losses look at the region close up, against 1 for the whole picture.",
        zh="CLIP 损失和方向损失在多大程度上近看区域，整图为 1。",
    )
    test_alpha: float = setting(
        2.0,
        0,
        1000,
        step=0.05,
        widget=f"{_EDIT}.test_alpha",
        only_custom=True,
        en="Weight of the text's similarity in the final score.",
        zh="最终评分中文本相似度的权重。",
    )
    test_beta: float = setting(
        1.0,
        0,
        1000,
        step=0.05,
        widget=f"{_EDIT}.test_beta",
        only_custom=True,
        en="Weight of the picture's similarity to the source in the final score.",
        zh="最终评分中与原图相似度的权重。",
    )
    views: int = setting(
        2,
        1,
        64,
        widget=f"{_LOSS}.views",
        en="How many random views of each edit CLIP sees; more is steadier and slower.",
        zh="CLIP 对每个编辑观察的随机视图数；越多越稳，也越慢。",
    )
    steps: int = setting(
        20, 1, 1000, widget=f"{_EDIT}.steps", en="Sampling steps of a full edit.", zh="完整编辑的采样步数。"
    )
    guidance_scale: float = setting(
        7.5,
        0,
        100,
        step=0.1,
        widget=f"{_EDIT}.cfg",
        en="How closely the full edit follows the prompt (classifier-free guidance, cfg); 1 or less "
        "costs half. For Flux Fill 1, with a FluxGuidance node before positive.",
        zh="完整编辑遵循提示词的程度（CFG）；不大于 1 时计算量减半。Flux Fill 用 1，并在正面条件前接 FluxGuidance。",
    )
    strength: float = setting(
        1.0,
        0,
        1,
        above=True,
        step=0.01,
        widget=f"{_EDIT}.denoise",
        en="1 paints anew; less starts from what is there and keeps some of it.",
        zh="1 为完全重画，较小则从原图开始并保留一部分。",
    )
    previews: str = setting(
        "auto",
        choices=PREVIEWS,
        widget=f"{_EDIT}.previews",
        only_custom=True,
        not_in=("paper",),
        en="Quick edits that teach the region generator before any region is painted: on auto while two "
        "things or more are likely, always as many as there are rounds, or never.",
        zh="绘制之前用来训练区域生成器的快速编辑：auto 仅在有两个以上可能的区域时，always 每轮都做，never 不做。",
    )
    preview_steps: int = setting(
        4,
        1,
        1000,
        presets={"fast": 3},
        widget=f"{_EDIT}.look_steps",
        only_custom=True,
        not_in=("paper",),
        old_names=("look_steps",),
        en="Sampling steps of a preview, a quick edit that is scored; no more than an edit has.",
        zh="一次预览（用于评分的快速编辑）的采样步数，不多于完整编辑。",
    )
    preview_guidance: float = setting(
        1.0,
        0,
        100,
        step=0.1,
        widget=f"{_EDIT}.look_guidance",
        only_custom=True,
        not_in=("paper",),
        old_names=("look_guidance",),
        en="Guidance (cfg) of a preview; 1 or less costs half.",
        zh="一次预览的 CFG；不大于 1 时计算量减半。",
    )
    num_regions: int = setting(
        2,
        1,
        64,
        presets={"fast": 1, "quality": 3},
        widget=f"{_EDIT}.finalists",
        only_custom=True,
        not_in=("paper",),
        old_names=("finalists",),
        en="Regions that are painted with all steps, to choose from.",
        zh="以全部步数绘制、可供选择的区域数。",
    )
    noise_samples: int = setting(
        1,
        1,
        64,
        presets={"quality": 2},
        widget=f"{_EDIT}.drafts",
        only_custom=True,
        not_in=("paper",),
        old_names=("drafts",),
        en="Noise samples each region is painted from to half way; the best of each goes on.",
        zh="每个区域先用几份噪声画到一半，各取最好的继续。",
    )
    anchor_distance: float = setting(
        2.0,
        0,
        128,
        step=0.5,
        en="Least distance between anchor points, in cells of DINO's grid.",
        zh="锚点之间的最小距离，以 DINO 网格的格数计。",
    )
    learning: str = setting(
        "exact",
        choices=LEARNING,
        presets={"paper": "gumbel"},
        widget=f"{_EDIT}.learning",
        only_custom=True,
        en="How the region generator learns from previews: by the exact expected loss, by the paper's "
        "Gumbel-softmax, or not at all; then there are no previews.",
        zh="区域生成器如何从预览中学习：精确期望损失、论文的 Gumbel-softmax，或不学习（也就没有预览）。",
    )
    generator_steps: int = setting(
        8,
        0,
        10_000,
        widget=f"{_EDIT}.generator_steps",
        only_custom=True,
        en="Optimiser steps of the region generator in a round.",
        zh="区域生成器每轮学习的步数。",
    )
    grow_percent: float = setting(
        10.0,
        0,
        100,
        step=1,
        widget=f"{_EDIT}.mask_grow_percent",
        en="Widen the region before it is painted, in percent of its side, so that nothing of the old thing is left.",
        zh="绘制前把区域扩大，以其边长的百分比计，使旧物体不留残余。",
    )
    feather_percent: float = setting(
        15.0,
        0,
        100,
        step=1,
        widget=f"{_EDIT}.mask_feather_percent",
        en="Over how much the edit fades into the picture, in percent of the region's side: half inside and "
        "half outside the widened border, or farther outside where it would reach the old thing.",
        zh="编辑与原图之间过渡带的宽度，以区域边长的百分比计：扩大后的边缘内外各一半，若会触及旧物体则更靠外。",
    )
    grow: int = setting(
        0,
        0,
        4096,
        widget=f"{_EDIT}.mask_grow",
        en="Widen the region by so many pixels at least.",
        zh="区域至少扩大这么多像素。",
    )
    feather: int = setting(
        0,
        0,
        4096,
        widget=f"{_EDIT}.mask_feather",
        en="Fade over so many pixels at least.",
        zh="过渡带至少有这么多像素宽。",
    )
    method: str = setting(
        "evidence",
        choices=METHODS,
        presets={"paper": "published"},
        option=False,
        en="How the region is found: by the evidence of CLIP and DINO, or as published.",
        zh="如何寻找区域：依据 CLIP 和 DINO 的证据，或按论文。",
    )
    seed: int = setting(
        42,
        0,
        2**63 - 1,
        widget=f"{_EDIT}.seed",
        en="Same seed and settings, same result.",
        zh="相同的种子和设置得到相同的结果。",
    )

    @property
    def max_previews(self) -> int:
        """How many edits are made to teach the region generator, at most."""
        if self.method == "published":
            return self.per_image_iteration * self.point_number
        if self.previews == "never" or self.learning == "off":
            return 0
        return self.per_image_iteration

    def validate(self) -> None:
        """Raise InputError naming the first setting out of range, its value and its limit."""
        for problem in self.problems():
            raise InputError(problem)

    def problems(self) -> Iterator[str]:
        """A sentence for each setting out of range: its value and its limit."""
        for name, one in SETTINGS.items():
            if problem := one.problem(getattr(self, name)):
                yield problem
        if self.previews == "always" and self.learning == "off" and self.method == "evidence":
            yield (
                "previews is always and learning is off, and previews are there to learn from; set "
                "previews to never, or learning to exact"
            )

    def with_values(self, **values: object) -> SearchSettings:
        """A copy with some settings changed, old names included; None leaves a setting as it is, and what
        was removed is left out."""
        changed = {
            current_name(name): value for name, value in values.items() if value is not None and name not in REMOVED
        }
        for name in changed:
            if name not in SETTINGS:
                raise InputError(f"unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        return replace(self, **changed)  # type: ignore[arg-type]


# What there was once. Saved settings and command lines may still have it; it does nothing.
REMOVED: dict[str, type] = {
    "loss_area": float,
    "test_gamma": float,
    "screen": bool,
    "refine": bool,
    "fit": bool,
    "looks_per_round": int,
    "previews_per_round": int,
}

SETTINGS: dict[str, Setting] = described(SearchSettings)

# Rounds, windows and anchors as people know them. More than one region is for the person to choose from,
# and so are noise samples: on shapes neither makes the first choice better (docs/benchmark.md).
PRESETS: dict[str, SearchSettings] = {
    name: SearchSettings(**{one.name: one.presets[name] for one in SETTINGS.values() if name in one.presets})
    for name in PRESET_NAMES
}

_OLD_NAMES = {old: one.name for one in SETTINGS.values() for old in one.old_names}


def current_name(name: str) -> str:
    """A setting's name today, where `name` is an old one; else `name` itself."""
    return _OLD_NAMES.get(name, name)


def preset(name: str) -> SearchSettings:
    """The preset of a name; raises InputError where there is none."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
