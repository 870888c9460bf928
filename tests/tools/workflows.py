"""Writes the workflows that are made here: python -m tests.tools.workflows

The others were saved from the front end. A name that ends in .app is shown among the apps of the template browser.
"""

from __future__ import annotations

import sys

from ..comfy.flows import PACK
from .workflow_file import Frame, Node, Note, workflow, written
from .workflow_painters import PAINTERS
from .workflow_parts import EXAMPLE, WAS, WISH, Found, Shapes, ours, save, wish

NOTHING = "**Press Run: nothing is downloaded.**"
NICHTS = "**点击运行即可，无需下载。**"
THREE = "a black triangle -> a green square\na purple triangle -> a white star\na blue triangle -> a blue circle"
SD2 = "512-inpainting-ema.safetensors"
SD2_URL = f"https://huggingface.co/Comfy-Org/stable_diffusion_2.1_repackaged/resolve/main/{SD2}"


def lines_demo(name: str, seed: int, kind: str, lines: str, note: Note) -> dict:
    """Edits of a scene, one a line, with the embedded models."""
    shapes = Shapes(seed, kind)
    negative = wish(shapes.models["clip"], "", "What not to paint · 不想画出的内容")
    negative.width = 320
    edit = ours(
        "EditSeveralRegions",
        wide=380,
        **{kind: shapes.models[kind] for kind in ("model", "clip", "vae", "dino", "scorer")},
        negative=negative["CONDITIONING"],
        image=shapes.image,
        edits=lines,
        seed=42,
        steps=20,
        cfg=3.0,
        sampler_name="ddim",
        scheduler="ddim_uniform",
        denoise=1.0,
    )
    before = Node("PreviewImage", "Before · 编辑前", wide=380, images=shapes.image)
    after = save(edit["edited"], "After · 编辑后", wide=380)
    where = Node("MaskPreview", "Where it was edited · 编辑之处", mask=edit["mask"])
    report = Node("PreviewAny", "Report · 报告", source=edit["report"])
    return workflow(
        name,
        [
            [note, Frame("1. Models and a picture · 模型与图像", "models", [shapes.models, shapes.scene, negative])],
            [Frame("2. What to change · 要改什么", "work", [edit], room=300)],
            [Frame("3. Before and after · 前后", "models", [before, after])],
            [Frame("Where, and the report · 位置与报告", "models", [where, report])],
        ],
    )


def demo(name: str) -> dict:
    """The first minute: a picture, a line, Run."""
    note = Note(
        "Edit a picture by two texts · 用两段文本编辑图像",
        f"{NOTHING} The line in *Edit Several Regions* says what is there and what should be there. No mask is drawn: "
        "the region is found from the text.\n\nType your own: colours red, green, blue, yellow, orange, purple, black, "
        "white; shapes circle, square, triangle, star, cross, ring. Another picture: another `seed` of *Shapes Scene*. "
        f"What is not there is not painted.\n\n{NICHTS} *编辑多个区域* 中的一行写明"
        "现有之物和应有之物，区域由文本找到，不用画遮罩。"
        "可输入自己的颜色和形状；换图请改 *形状场景* 的 `seed`；图中没有的不会绘制。",
        width=360,
        height=240,
    )
    return lines_demo(name, 9, "replace", "a green cross -> a yellow square", note)


def several(name: str) -> dict:
    """Three edits of one picture."""
    note = Note(
        "Several edits, one run · 多处编辑，一次运行",
        f"{NOTHING} Each line of `edits` is an edit: *what is there -> what should be there*. Each has its own region "
        "and prompt; all come into one picture, and the rest stays as it is.\n\n"
        "Try `a purple triangle | all -> a red circle`, or add a line.\n\n"
        f"{NICHTS} `edits` 的每一行是一处编辑：*现有之物 -> 应有之物*。"
        "每处有自己的区域和提示词，全部画入同一张图像，其余部分保持不变。",
        width=360,
        height=250,
    )
    return lines_demo(name, 2, "recolour", THREE, note)


def photograph(name: str) -> dict:
    """A mask from a text, of a photograph."""
    found = Found()
    note = Note(
        "A mask from a text · 由文本得到遮罩",
        "Choose a photograph and write what is in it. Nothing is painted: the mask is for any painter.\n\n"
        "DINO ViT-B/8 (340 MB) and CLIP ViT-B/16 (600 MB) are downloaded on the first run. The picture of this "
        "template was really found, by smaller models: DINOv2 ViT-S/14 and, in CLIP's place, EfficientNet-Lite2.\n\n"
        "选一张照片，写出其中之物；只查找，不绘制。首次运行时下载 DINO 和 CLIP。模板图片由更小的模型真实找到。",
        height=290,
        width=380,
    )
    mask = Node("MaskToImage", mask=found.find["mask"])
    shown = [
        Node("PreviewImage", "Regions, 1 the best · 区域，1 为最佳", images=found.find["ranked"]),
        Node("MaskPreview", "Heat map · 热图", mask=found.find["relevance"]),
    ]
    saved = [mask, save(mask["IMAGE"], "Mask · 遮罩")]
    frames = [Frame("2. Where it is · 位置", "models", shown), Frame("3. The mask, saved · 保存遮罩", "models", saved)]
    return workflow(name, [[note, *found.frames()], [frames[0]], [frames[1]]])


def app(name: str) -> dict:
    """Picture, texts, which region; the graph behind it is not shown."""
    picture = Node("LoadImage", "Picture · 图像", image=EXAMPLE)
    models = ours(
        "LoadEditingModels",
        models=SD2,
        dino_name="download: facebook/dino-vitb8",
        clip_name="download: ViT-B-16-openai.safetensors",
    ).fetch("checkpoints", SD2_URL)
    was = Node("PrimitiveString", "What is there · 现有之物", value=WAS)
    will = Node("PrimitiveString", "What should be there · 应有之物", value=WISH)
    image = picture["IMAGE"]
    find = ours(
        "FindRegion",
        image=image,
        dino=models["dino"],
        scorer=models["scorer"],
        image_caption=was["STRING"],
        max_window_size=15,
        detections_only=False,
    )
    pick = ours("PickRegion", "Which of the regions · 选取区域", regions=find["regions"], index=1)
    positive = wish(models["clip"], "", "Positive: same prompt · 正面：同上")
    positive.links["text"] = will["STRING"]
    negative = wish(models["clip"], "", "Negative · 负面")
    loss = ours("ClipRegionLoss", scorer=models["scorer"], image_caption=was["STRING"], editing_prompt=will["STRING"])
    edit = ours(
        "RegionInpaintOptimize",
        wide=360,
        preset="standard",
        model=models["model"],
        vae=models["vae"],
        positive=positive["CONDITIONING"],
        negative=negative["CONDITIONING"],
        image=image,
        loss=loss["loss"],
        regions=pick["regions"],
        seed=42,
        steps=20,
        cfg=7.5,
        sampler_name="ddim",
        scheduler="ddim_uniform",
        denoise=1.0,
        mask_grow_percent=10.0,
        mask_feather_percent=15.0,
        mask_shape="box",
        mask_grow=0,
        mask_feather=0,
        native_size=0,
    )
    both = Node(
        "ImageStitch",
        image1=image,
        image2=edit["edited"],
        direction="right",
        match_image_size=True,
        spacing_width=8,
        spacing_color="white",
    )
    beside = Node("PreviewImage", "Before and after · 前后", images=both["IMAGE"])
    regions = Node("PreviewImage", "Regions by their numbers · 区域及编号", images=find["ranked"])
    report = Node("PreviewAny", "Report · 报告", source=edit["report"])
    after = save(edit["edited"], "After · 编辑后")
    columns: list[list[Frame | Note]] = [
        [Frame("1. Picture and texts · 图像与文本", "models", [picture, was, will, models])],
        [Frame("2. Find and choose · 查找与选取", "texts", [find, pick, regions])],
        [Frame("3. Say it to the models · 提示词", "texts", [positive, negative, loss])],
        [Frame("4. Paint · 绘制", "work", [edit], room=500)],
        [Frame("5. Before and after · 前后", "models", [beside, both, after])],
        [Frame("Report · 报告", "models", [report])],
    ]
    widgets = [
        picture.called("image", "Picture · 图像"),
        was.called("value", "What is there · 现有之物"),
        will.called("value", "What should be there · 应有之物"),
        pick.called("index", "Which region, 1 the best · 选取区域"),
        models.called("models", "Models · 模型"),
        edit.called("seed", "Seed · 种子"),
    ]
    return workflow(name, columns, (widgets, [beside, regions, after]))


MADE = {
    "Edit by Text - Demo": demo,
    "Edit by Text.app": app,
    "Find Region by Text - Photograph": photograph,
    "Several Edits - Demo": several,
    **PAINTERS,
}


def main() -> None:
    """Write every one of them."""
    for name, make in MADE.items():
        flow = make(name)
        written(PACK / "workflows" / f"{name}.json", flow)
        print(name, len(flow["nodes"]), file=sys.stderr)


if __name__ == "__main__":
    main()
