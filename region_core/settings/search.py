"""The settings of a search, each in one place, and the presets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import InputError
from .setting import PRESET_NAMES, Setting, described, setting

LEARNING = ("exact", "gumbel", "off")

_GENERATOR, _LOSS, _EDIT = "RegionGenerator", "ClipRegionLoss", "RegionInpaintOptimize"


@dataclass(frozen=True)
class SearchSettings:
    """How one picture is searched and edited. `validate` says what is out of range.

    A new setting is a field here, with its description; to take one away, take its field away.
    """

    point_number: int = setting(
        9, 1, 256, presets={"fast": 5, "quality": 12}, widget=f"{_GENERATOR}.point_number",
        en="Anchor points. More find smaller things and cost more work.",
        zh="锚点数。越多越能找到小物体，计算量也越大。")
    max_window_size: int = setting(
        15, 1, 128, presets={"fast": 10, "quality": 20}, widget=f"{_GENERATOR}.max_window_size",
        en="The largest box, as half a side in cells of DINO's grid; at most the grid's side.",
        zh="最大的框，以 DINO 网格的格数计的半边长；不超过网格边长。")
    per_image_iteration: int = setting(
        10, 1, 1000, presets={"fast": 5, "quality": 20}, widget=f"{_EDIT}.per_image_iteration",
        only_custom=True,
        en="Rounds of previews, which teach the region generator; without the screen they choose the "
           "region. With the screen and without learning there are none.",
        zh="预览的轮数，用来训练区域生成器；关闭筛选时由预览选定区域。筛选开启且不学习时没有预览。")
    lr: float = setting(
        5e-3, 0, 10, above=True, step=1e-4, widget=f"{_EDIT}.lr", only_custom=True,
        en="Learning rate of the region generator. Too large diverges, too small stalls. It has a say in "
           "the edit without the screen.",
        zh="区域生成器的学习率。过大发散，过小停滞。关闭筛选时才影响编辑。")
    loss_alpha: float = setting(
        1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_alpha",
        en="Weight of the clip loss: the edit shows the prompt.",
        zh="CLIP 损失的权重：编辑符合提示词。")
    loss_beta: float = setting(
        1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_beta",
        en="Weight of the directional loss: the edit moves from caption to prompt.",
        zh="方向损失的权重：由描述变为提示词。")
    loss_gamma: float = setting(
        1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_gamma",
        en="Weight of the structure loss: the layout stays.",
        zh="结构损失的权重：布局保持不变。")
    loss_area: float = setting(
        0.3, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_area",
        en="Weight of the box's share of the picture; without it CLIP favours large boxes.",
        zh="框占图片面积的权重；没有它 CLIP 偏爱大框。")
    loss_crop: float = setting(
        1.0, 0, 1000, step=0.05, widget=f"{_LOSS}.loss_crop",
        en="How much the text terms look at the region close up, against 1 for the whole picture.",
        zh="文本项在多大程度上近看区域，整图为 1。")
    test_alpha: float = setting(
        2.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_alpha", only_custom=True,
        en="Weight of the text's similarity in the final score.",
        zh="最终评分中文本相似度的权重。")
    test_beta: float = setting(
        1.0, 0, 1000, step=0.05, widget=f"{_EDIT}.test_beta", only_custom=True,
        en="Weight of the picture's similarity to the source in the final score.",
        zh="最终评分中与原图相似度的权重。")
    test_gamma: float = setting(
        40.0, 0, 1000, step=0.5, widget=f"{_EDIT}.test_gamma", only_custom=True,
        en="Weight in the final score of what CLIP said of the box before any edit.",
        zh="最终评分中，编辑之前 CLIP 对该框判断的权重。")
    views: int = setting(
        2, 1, 64, widget=f"{_LOSS}.views",
        en="How many random views of each edit CLIP sees; more is steadier and slower.",
        zh="CLIP 对每个编辑观察的随机视图数；越多越稳，也越慢。")
    steps: int = setting(
        20, 1, 1000, widget=f"{_EDIT}.steps",
        en="Sampling steps of a full edit.",
        zh="完整编辑的采样步数。")
    guidance_scale: float = setting(
        7.5, 0, 100, step=0.1, widget=f"{_EDIT}.cfg",
        en="How closely the full edit follows the prompt (classifier-free guidance, cfg); 1 or less "
           "costs half. For Flux Fill 1, with a FluxGuidance node before positive.",
        zh="完整编辑遵循提示词的程度（CFG）；不大于 1 时计算量减半。"
           "Flux Fill 用 1，并在正面条件前接 FluxGuidance。")
    strength: float = setting(
        1.0, 0, 1, above=True, step=0.01, widget=f"{_EDIT}.denoise",
        en="1 paints anew; less starts from what is there and keeps some of it.",
        zh="1 为完全重画，较小则从原图开始并保留一部分。")
    preview_steps: int = setting(
        4, 1, 1000, presets={"fast": 3}, widget=f"{_EDIT}.look_steps", only_custom=True,
        old_names=("look_steps",),
        en="Sampling steps of a preview, a quick edit that is scored; at most steps.",
        zh="一次预览（用于评分的快速编辑）的采样步数，不多于步数。")
    preview_guidance: float = setting(
        1.0, 0, 100, step=0.1, widget=f"{_EDIT}.look_guidance", only_custom=True,
        old_names=("look_guidance",),
        en="Guidance (cfg) of a preview; 1 or less costs half.",
        zh="一次预览的 CFG；不大于 1 时计算量减半。")
    previews_per_round: int = setting(
        1, 1, 256, widget=f"{_EDIT}.looks_per_round", only_custom=True, old_names=("looks_per_round",),
        en="Previews made in a round.",
        zh="每轮预览的区域数。")
    num_regions: int = setting(
        2, 1, 64, presets={"fast": 1, "quality": 3}, widget=f"{_EDIT}.finalists", only_custom=True,
        old_names=("finalists",),
        en="Regions that are painted with all steps, to choose from.",
        zh="以全部步数绘制、可供选择的区域数。")
    noise_samples: int = setting(
        1, 1, 64, presets={"quality": 2}, widget=f"{_EDIT}.drafts", only_custom=True,
        old_names=("drafts",),
        en="Noise samples each region is painted from to half way; the best of each goes on.",
        zh="每个区域先用几份噪声画到一半，各取最好的继续。")
    screen: bool = setting(
        True, widget=f"{_EDIT}.screen", only_custom=True,
        en="Let CLIP choose among all boxes before anything is painted. Off, previews choose, by the "
           "losses' weights.",
        zh="在绘制之前先由 CLIP 从所有框中选定。关闭后由预览按各损失权重选定区域。")
    refine: bool = setting(
        True,
        en="Let CLIP move the edges of the best boxes.",
        zh="由 CLIP 移动最佳框的边。")
    fit: bool = setting(
        True,
        en="Let DINO fit the best boxes to the things in them.",
        zh="由 DINO 使最佳框贴合其中的物体。")
    anchor_distance: float = setting(
        2.0, 0, 128, step=0.5,
        en="Least distance between anchor points, in cells of DINO's grid.",
        zh="锚点之间的最小距离，以 DINO 网格的格数计。")
    learning: str = setting(
        "off", choices=LEARNING, widget=f"{_EDIT}.learning", only_custom=True,
        en="How the region generator learns from previews: by the exact expected loss, by the paper's "
           "Gumbel-softmax, or not at all. On the command line exact where the generator is to be saved.",
        zh="区域生成器如何从预览中学习：精确期望损失、论文的 Gumbel-softmax，或不学习。"
           "命令行要求保存生成器时为 exact。")
    generator_steps: int = setting(
        8, 0, 10_000, widget=f"{_EDIT}.generator_steps", only_custom=True,
        en="Optimiser steps of the region generator in a round.",
        zh="区域生成器每轮学习的步数。")
    grow: int = setting(
        0, 0, 4096, widget=f"{_EDIT}.mask_grow",
        en="Widen the region by so many pixels before it is painted.",
        zh="绘制前把区域扩大这么多像素。")
    feather: int = setting(
        0, 0, 4096, widget=f"{_EDIT}.mask_feather",
        en="Soften the region's border, inward, over so many pixels.",
        zh="把区域边缘向内柔化这么多像素。")
    seed: int = setting(
        42, 0, 2**63 - 1, widget=f"{_EDIT}.seed",
        en="Same seed and settings, same result.",
        zh="相同的种子和设置得到相同的结果。")

    @property
    def max_previews(self) -> int:
        """How many previews are made, at most: none where CLIP's screen chooses and nothing is learned."""
        if self.screen and self.learning == "off":
            return 0
        return self.per_image_iteration * self.previews_per_round

    def validate(self) -> None:
        """Raise InputError naming the first setting out of range, its value and its limit."""
        for problem in self.problems():
            raise InputError(problem)

    def problems(self) -> Iterator[str]:
        """A sentence for each setting out of range: its value and its limit."""
        wrong = set()
        for name, one in SETTINGS.items():
            if problem := one.problem(getattr(self, name)):
                wrong.add(name)
                yield problem
        if self.max_previews and self.preview_steps > self.steps and not wrong & {"preview_steps", "steps"}:
            yield (f"preview_steps is {self.preview_steps} and steps is {self.steps}; a preview must not "
                   "take more steps than the edit")

    def with_values(self, **values: object) -> SearchSettings:
        """A copy with some settings changed, old names included; None leaves a setting as it is."""
        changed = {current_name(name): value for name, value in values.items() if value is not None}
        for name in changed:
            if name not in SETTINGS:
                raise InputError(f"unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        return replace(self, **changed)  # type: ignore[arg-type]


SETTINGS: dict[str, Setting] = described(SearchSettings)

# Rounds, windows and anchors as people know them. More than one region is for the person to choose from,
# and so are noise samples: on shapes neither makes the first choice better (docs/benchmark.md).
PRESETS: dict[str, SearchSettings] = {
    name: SearchSettings(**{one.name: one.presets[name] for one in SETTINGS.values()
                            if name in one.presets})
    for name in PRESET_NAMES}

_OLD_NAMES = {old: one.name for one in SETTINGS.values() for old in one.old_names}


def current_name(name: str) -> str:
    """A setting's name today, where `name` is an old one; else `name` itself."""
    return _OLD_NAMES.get(name, name)


def preset(name: str) -> SearchSettings:
    """The preset of a name; raises InputError where there is none."""
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
