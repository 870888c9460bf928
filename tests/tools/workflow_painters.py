"""Workflows in which another model paints what was found; files and nodes are those of ComfyUI's own templates."""

from __future__ import annotations

from .workflow_file import Frame, Link, Node, Note, workflow
from .workflow_parts import (
    HUB,
    ORDER,
    WISH,
    Cut,
    Found,
    checkpoint,
    decoded,
    lora,
    sampler,
    save,
    text_encoders,
    unet,
    vae,
    wish,
)

FLUX_CLIP = "comfyanonymous/flux_text_encoders/resolve/main/"
FLUX_VAE = HUB + "Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae/ae.safetensors"
QWEN = "Comfy-Org/Qwen-Image-Edit_ComfyUI/resolve/main/split_files/diffusion_models/"
QWEN_CLIP = "Comfy-Org/HunyuanVideo_1.5_repackaged/resolve/main/split_files/text_encoders/"
LIGHTNING = "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors"
SDXL_INPAINT = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1/resolve/main/unet/"
Painter = tuple[list[Node], list[Node], Node]  # what loads and encodes, what paints, and the last of it


def painted_by(name: str, size: int, said: tuple[str, str], paint: Painter, cut: Cut) -> dict:
    """The workflow of a painter; `said` are two sentences about it, English and Chinese."""
    loading, painting, last = paint
    models = [model for node in loading for model in node.models]
    files = "\n".join(f"- `models/{one['directory']}`: [{one['name']}]({one['url']})" for one in models)
    text = (
        f"*Find Region by Text* finds it, *Region Crop* cuts out a square of {size} pixels, {said[0]} and "
        "*Region Stitch* puts it back; all else stays as it is. Where nothing is found nothing is painted.\n\n"
        f"先查找区域，再裁出 {size} 像素的方块，{said[1]}最后放回原图；未找到则不绘制。\n\n"
        f"{files}\n\nDINO and CLIP are downloaded on the first run · 首次运行时下载 DINO 和 CLIP"
    )
    note = Note("Find, then paint · 先找后画", text, height=420, width=380)
    columns: list[list[Frame | Note]] = [
        [note, *cut.found.frames()],
        [cut.found.shown(), Frame("3. Cut it out · 裁出", "work", [cut.crop])],
        [Frame("What paints it · 用于绘制的模型", "texts", loading)],
        [Frame("4. Paint it · 绘制", "work", painting, room=380)],
        [cut.back(last["IMAGE"])],
    ]
    return workflow(name, columns)


def inpainting(model: Link, positive: Link, negative: Link, ae: Link, cut: Cut) -> Node:
    """InpaintModelConditioning of the crop."""
    return Node(
        "InpaintModelConditioning",
        positive=positive,
        negative=negative,
        vae=ae,
        pixels=cut.crop["crops"],
        mask=cut.crop["masks"],
        noise_mask=True,
    )


def flux_fill(name: str) -> dict:
    """Flux.1 Fill: an inpainting model."""
    cut = Cut(Found(), 1024)
    model = unet(HUB + "Comfy-Org/flux1-dev/resolve/main/split_files/diffusion_models/flux1-fill-dev.safetensors")
    names = ("clip_l.safetensors", "t5xxl_fp16.safetensors")
    clip = text_encoders("flux", *(HUB + FLUX_CLIP + one for one in names))
    ae = vae(FLUX_VAE)
    text = wish(clip["CLIP"], WISH)
    guided = Node("FluxGuidance", conditioning=text["CONDITIONING"], guidance=30.0)
    nothing = Node("ConditioningZeroOut", conditioning=text["CONDITIONING"])
    put = inpainting(model["MODEL"], guided["CONDITIONING"], nothing["CONDITIONING"], ae["VAE"], cut)
    made = sampler(model["MODEL"], put["positive"], put["negative"], put["latent"], 20, 1.0, "euler", "normal")
    last = decoded(made["LATENT"], ae["VAE"])
    said = ("Flux.1 Fill paints in its mask", "Flux.1 Fill 在遮罩内绘制，")
    return painted_by(name, 1024, said, ([model, clip, ae, text, guided, nothing], [put, last, made], last), cut)


def flux_kontext(name: str) -> dict:
    """Flux.1 Kontext: an editing model that takes an order."""
    cut = Cut(Found(), 1024)
    folder = "Comfy-Org/flux1-kontext-dev_ComfyUI/resolve/main/split_files/diffusion_models/"
    model = unet(HUB + folder + "flux1-dev-kontext_fp8_scaled.safetensors")
    names = ("clip_l.safetensors", "t5xxl_fp8_e4m3fn_scaled.safetensors")
    clip = text_encoders("flux", *(HUB + FLUX_CLIP + one for one in names))
    ae = vae(FLUX_VAE)
    text = wish(clip["CLIP"], ORDER, "What to do · 要做什么")
    seen = Node("VAEEncode", pixels=cut.crop["crops"], vae=ae["VAE"])
    shown = Node("ReferenceLatent", conditioning=text["CONDITIONING"], latent=seen["LATENT"])
    guided = Node("FluxGuidance", conditioning=shown["CONDITIONING"], guidance=2.5)
    nothing = Node("ConditioningZeroOut", conditioning=text["CONDITIONING"])
    made = sampler(
        model["MODEL"], guided["CONDITIONING"], nothing["CONDITIONING"], seen["LATENT"], 20, 1.0, "euler", "simple"
    )
    last = decoded(made["LATENT"], ae["VAE"])
    said = ("Flux.1 Kontext does to it what it is told", "Flux.1 Kontext 按指令编辑，")
    return painted_by(
        name, 1024, said, ([model, clip, ae, text, nothing], [seen, shown, guided, last, made], last), cut
    )


def flux2_klein(name: str) -> dict:
    """Flux.2 Klein 4B, distilled: four steps without guidance."""
    cut = Cut(Found(), 1024)
    model = unet(HUB + "black-forest-labs/FLUX.2-klein-4b-fp8/resolve/main/flux-2-klein-4b-fp8.safetensors")
    encoder = "Comfy-Org/z_image_turbo/resolve/main/split_files/text_encoders/qwen_3_4b.safetensors"
    clip = text_encoders("flux2", HUB + encoder)
    ae = vae(HUB + "Comfy-Org/flux2-dev/resolve/main/split_files/vae/flux2-vae.safetensors")
    text = wish(clip["CLIP"], ORDER, "What to do · 要做什么")
    seen = Node("VAEEncode", pixels=cut.crop["crops"], vae=ae["VAE"])
    shown = Node("ReferenceLatent", conditioning=text["CONDITIONING"], latent=seen["LATENT"])
    guider = Node("BasicGuider", model=model["MODEL"], conditioning=shown["CONDITIONING"])
    empty = Node("EmptyFlux2LatentImage", width=1024, height=1024, batch_size=1)
    steps = Node("Flux2Scheduler", steps=4, width=1024, height=1024)
    noise = Node("RandomNoise", noise_seed=42)
    how = Node("KSamplerSelect", sampler_name="euler")
    made = Node(
        "SamplerCustomAdvanced",
        noise=noise["NOISE"],
        guider=guider["GUIDER"],
        sampler=how["SAMPLER"],
        sigmas=steps["SIGMAS"],
        latent_image=empty["LATENT"],
    )
    last = decoded(made["output"], ae["VAE"])
    said = ("Flux.2 Klein does to it what it is told", "Flux.2 Klein 按指令编辑，")
    loading = [model, clip, ae, text, empty, steps, noise, how]
    return painted_by(name, 1024, said, (loading, [seen, shown, guider, last, made], last), cut)


def qwen_image_edit(name: str) -> dict:
    """Qwen-Image-Edit with its Lightning LoRA: four steps without guidance."""
    cut = Cut(Found(), 1024)
    model = unet(HUB + QWEN + "qwen_image_edit_2511_fp8mixed.safetensors")
    fast = lora(HUB + "lightx2v/Qwen-Image-Edit-2511-Lightning/resolve/main/" + LIGHTNING, model["MODEL"])
    shifted = Node("ModelSamplingAuraFlow", model=fast["MODEL"], shift=3.1)
    clip = text_encoders("qwen_image", HUB + QWEN_CLIP + "qwen_2.5_vl_7b_fp8_scaled.safetensors")
    ae = vae(HUB + "Comfy-Org/Qwen-Image_ComfyUI/resolve/main/split_files/vae/qwen_image_vae.safetensors")
    text = Node(
        "TextEncodeQwenImageEditPlus",
        "What to do · 要做什么",
        clip=clip["CLIP"],
        vae=ae["VAE"],
        image1=cut.crop["crops"],
        prompt=ORDER,
    )
    nothing = Node("ConditioningZeroOut", conditioning=text["CONDITIONING"])
    seen = Node("VAEEncode", pixels=cut.crop["crops"], vae=ae["VAE"])
    made = sampler(
        shifted["MODEL"], text["CONDITIONING"], nothing["CONDITIONING"], seen["LATENT"], 4, 1.0, "euler", "simple"
    )
    last = decoded(made["LATENT"], ae["VAE"])
    said = ("Qwen-Image-Edit does to it in four steps what it is told", "Qwen-Image-Edit 四步按指令编辑，")
    return painted_by(
        name, 1024, said, ([model, fast, shifted, clip, ae, text], [seen, nothing, last, made], last), cut
    )


def sdxl_inpainting(name: str) -> dict:
    """The inpainting UNet of SDXL, with CLIP and VAE of SDXL's checkpoint."""
    cut = Cut(Found(), 1024)
    model = unet(HUB + SDXL_INPAINT + "diffusion_pytorch_model.fp16.safetensors")
    base = checkpoint(HUB + "stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors")
    text, not_this = wish(base["CLIP"], WISH), wish(base["CLIP"], "", "What not to paint · 不想画出的内容")
    put = inpainting(model["MODEL"], text["CONDITIONING"], not_this["CONDITIONING"], base["VAE"], cut)
    made = sampler(model["MODEL"], put["positive"], put["negative"], put["latent"], 25, 7.0, "dpmpp_2m", "karras")
    last = decoded(made["LATENT"], base["VAE"])
    said = ("SDXL's inpainting model paints in its mask", "SDXL 重绘模型在遮罩内绘制，")
    return painted_by(name, 1024, said, ([model, base, text, not_this], [put, last, made], last), cut)


def sd15_lcm(name: str) -> dict:
    """SD1.5 inpainting with the LCM-LoRA: eight steps."""
    cut = Cut(Found(), 512)
    base = checkpoint(HUB + "stable-diffusion-v1-5/stable-diffusion-inpainting/resolve/main/sd-v1-5-inpainting.ckpt")
    folder = "latent-consistency/lcm-lora-sdv1-5/resolve/main/"
    fast = lora(HUB + folder + "pytorch_lora_weights.safetensors", base["MODEL"])
    text, not_this = wish(base["CLIP"], WISH), wish(base["CLIP"], "", "What not to paint · 不想画出的内容")
    put = inpainting(fast["MODEL"], text["CONDITIONING"], not_this["CONDITIONING"], base["VAE"], cut)
    made = sampler(fast["MODEL"], put["positive"], put["negative"], put["latent"], 8, 1.5, "lcm", "sgm_uniform")
    last = decoded(made["LATENT"], base["VAE"])
    said = ("SD1.5 inpainting paints in its mask in eight steps", "SD1.5 重绘模型八步在遮罩内绘制，")
    return painted_by(name, 512, said, ([base, fast, text, not_this], [put, last, made], last), cut)


def sam3_mask(name: str) -> dict:
    """SAM 3 draws the thing's outline in the box that was found."""
    found = Found()
    url = HUB + "Comfy-Org/sam3.1/resolve/main/checkpoints/sam3.1_multiplex_fp16.safetensors"
    model = checkpoint(url)
    outline = Node(
        "SAM3_Detect",
        model=model["MODEL"],
        image=found.image,
        bboxes=found.find["bounding_box"],
        threshold=0.5,
        refine_iterations=2,
        individual_masks=False,
    )
    switch = Node(
        "ComfySwitchNode",
        "Found, or empty · 未找到则为空遮罩",
        on_false=found.find["mask"],
        on_true=outline["masks"],
        switch=found.find["found"],
    )
    text = (
        "*Find Region by Text* finds the thing, SAM 3 draws its outline in the box. Where nothing is found SAM 3 is "
        "not asked, and the mask is empty.\n\n先按文本查找，再由 SAM 3 在框内描出轮廓；未找到时遮罩为空。\n\n"
        f"- `models/checkpoints`: [{model.models[0]['name']}]({url})\n\n"
        "DINO and CLIP are downloaded on the first run · 首次运行时下载 DINO 和 CLIP\n\n"
        "A ComfyUI with SAM 3 · 需要支持 SAM 3"
    )
    picture = Node("MaskToImage", mask=switch["output"])
    result = Frame("4. The mask · 遮罩", "models", [switch, picture, save(picture["IMAGE"], "Mask · 遮罩", wide=400)])
    note = Note("Find, then outline · 先找后描", text, height=330, width=380)
    work = Frame("3. Outline it · 描出轮廓", "work", [model, outline])
    return workflow(name, [[note, *found.frames()], [found.shown()], [work], [result]])


PAINTERS = {
    "Paint with Flux Fill": flux_fill,
    "Paint with Flux Kontext": flux_kontext,
    "Paint with Flux.2 Klein": flux2_klein,
    "Paint with Qwen-Image-Edit": qwen_image_edit,
    "Paint with SDXL Inpainting": sdxl_inpainting,
    "Paint with SD1.5 LCM": sd15_lcm,
    "Mask by SAM 3": sam3_mask,
}
