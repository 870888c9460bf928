"""CLIP through open_clip: unit embeddings of images and texts, and the image's patch tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..cost import passed
from ..errors import InputError, first_line
from ..memory import in_chunks, is_out_of_memory
from ..texts import pieces_that_fit
from ..weights import check_cached, check_file, check_folder
from .dino import check_images, check_numbers, nothing, prepare
from .local import local_embeddings, proxy_affinity

TEMPLATE = "a high quality image of {}."
SMALLER = "choose a smaller CLIP model, or run it on another device"


class ClipScorer:
    """An open_clip model that takes pictures in 0..1 of any size and texts of any length.

    `tokenizer` turns a list of texts into [n, context_length] ids, as open_clip's do. `batch_size`
    images at most go through the model at once. `before_forward` is called before each of these
    forwards and may raise to stop. `images_encoded` and
    `texts_encoded` count what went through the model (an image larger than `image_size` as many).
    """

    before_forward: Callable[[], None] = staticmethod(nothing)

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Callable[..., Tensor],
        image_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.image_size = image_size
        self.mean, self.std = tuple(mean), tuple(std)
        self.batch_size = 32
        self.images_encoded, self.texts_encoded = 0.0, 0

    @property
    def device(self) -> torch.device:
        """Where the weights are now (they may be moved between calls)."""
        return next(self.model.parameters()).device

    @property
    def context_length(self) -> int:
        """How many tokens a text may have, start and end included."""
        for owner in (self.tokenizer, self.model, getattr(self.model, "text", None)):
            length = getattr(owner, "context_length", None)
            if length:
                return int(length)
        return 77

    @property
    def visual(self) -> Any:
        """The image tower."""
        return self.model.visual

    def _like(self) -> Tensor:
        # In mixed precision only the convolution's type tells what the tower takes.
        convolutions = (m.weight for m in self.visual.modules() if isinstance(m, nn.Conv2d))
        return next(convolutions, next(self.model.parameters()))

    def _prepare(self, images: Tensor) -> Tensor:
        return prepare(images, self.image_size, self.mean, self.std, self._like())

    def _read(self, images: Tensor, tokens: bool) -> tuple[Tensor, Tensor]:
        """One forward of a chunk of images: unit embeddings, and patch tokens if asked for."""
        self.before_forward()
        pixels = self._prepare(images)
        self.images_encoded += pixels[:, 0].numel() / self.image_size**2
        if not tokens:
            encoded = self.model.encode_image(pixels)  # type: ignore[operator]
            check_numbers(encoded, "CLIP model's embeddings of pictures", pixels)
            passed()
            return F.normalize(encoded.float(), dim=-1), images.new_zeros(0, 0, 0)
        out = self.visual.forward_intermediates(pixels, indices=1, normalize_intermediates=True)
        grid = out["image_intermediates"][-1].float()
        return (F.normalize(out["image_features"].float(), dim=-1), grid.flatten(2).transpose(1, 2).contiguous())

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W], 0..1, any size -> [B, E] float32 of unit length.

        Images may be on any device; embeddings, like those of texts, are on the model's.
        """
        check_images(images)
        return torch.cat([embedding for embedding, _ in self._read_all(images, False)])

    def _read_all(self, images: Tensor, tokens: bool) -> list[tuple[Tensor, Tensor]]:
        """`_read` of all images, as many at once as fit."""
        parts, self.batch_size = in_chunks(
            len(images), self.batch_size, lambda rows: self._read(images[rows], tokens), SMALLER
        )
        return parts

    @torch.no_grad()
    def encode_images_and_tokens(self, images: Tensor, with_tokens: int | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and patch tokens [T, N, D] in one forward an image.

        Tokens are kept for the first T = `with_tokens` images (all of them by default).
        """
        check_images(images)
        wanted = len(images) if with_tokens is None else with_tokens
        read = self._read_all(images[:wanted], True)
        embeddings, tokens = [part[0] for part in read], [part[1] for part in read]
        if wanted < len(images):
            embeddings.append(self.encode_images(images[wanted:]))
        kept = torch.cat(tokens) if wanted else embeddings[0].new_zeros(0, 0, 0)
        return torch.cat(embeddings), kept

    @torch.no_grad()
    def places(self, images: Tensor, features: Tensor) -> tuple[Tensor, Tensor] | None:
        """images [B, 3, H, W] in 0..1 -> embeddings [B, E] and those of their places [B, E, h, w], float32,
        not normalised. None where the tower shows no places.

        `features` [B, D, h', w'] (DINO's, of the same pictures) say which places belong together; a
        transformer's are averaged over those.
        """
        check_images(images)
        read, self.batch_size = in_chunks(
            len(images), self.batch_size, lambda rows: self._read_places(images[rows], features[rows]), SMALLER
        )
        seen = [one for one in read if one is not None]
        return (torch.cat([pooled for pooled, _ in seen]), torch.cat([places for _, places in seen])) if seen else None

    def _read_places(self, images: Tensor, features: Tensor) -> tuple[Tensor, Tensor] | None:
        """`places` of a chunk of images."""
        self.before_forward()
        pixels = self._prepare(images)
        self.images_encoded += len(pixels)
        seen = local_embeddings(self.visual, pixels, partial(proxy_affinity, features.to(pixels.device)))
        if seen is None:
            return None
        for part in seen:
            check_numbers(part, "CLIP model's embeddings of places", pixels)
        passed()
        return seen[0].float(), seen[1].float()

    @torch.no_grad()
    def encode_text(self, text: str) -> Tensor:
        """[1, E] float32 of unit length, on the model's device, in the template "a high quality
        image of {}.".

        A text too long for the context is parted into pieces that fit, each in the template; the answer
        is the mean of their unit embeddings, made unit again. InputError where empty.
        """
        return F.normalize(self._read_texts(self.split_text(text)).mean(dim=0, keepdim=True), dim=-1)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """[n, E] float32 of unit length: short texts, each as `encode_text` would, in few forwards."""
        return self._read_texts(texts)

    def _read_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit embeddings of texts that each fit the context, as many at once as fit into memory."""

        def read(rows: slice) -> Tensor:
            self.before_forward()
            some = [TEMPLATE.format(text) for text in texts[rows]]
            encoded = self.model.encode_text(self.tokenizer(some).to(self.device))  # type: ignore[operator]
            self.texts_encoded += len(some)
            check_numbers(encoded, "CLIP model's embeddings of texts")
            return F.normalize(encoded.float(), dim=-1)

        parts, self.batch_size = in_chunks(len(texts), self.batch_size, read, SMALLER)
        return torch.cat(parts)

    def split_text(self, text: str) -> list[str]:
        """The pieces of `text` that `encode_text` averages: one where it fits as it is."""
        if not text.split():
            raise InputError("The text is empty; write what is, or should be, in the picture.")
        try:
            return pieces_that_fit(text, self._fits)
        except ValueError:
            raise InputError(
                f"The CLIP model reads {self.context_length} tokens, too few for the template "
                f"'{TEMPLATE}'; use a model with a longer context."
            ) from None

    def _fits(self, text: str) -> bool:
        """Whether the tokenizer, given `text` in the template, cuts nothing off.

        Any tokenizer can be asked this way: with one place more than the context, a text that fits
        gains one padding token; a text that was cut shows another token in the last place.
        """
        text = TEMPLATE.format(text)
        limit = self.context_length
        short = self.tokenizer([text], context_length=limit)[0]
        long = self.tokenizer([text], context_length=limit + 1)[0]
        return torch.equal(short, long[:limit])


def load_clip(
    name: str = "ViT-B-16",
    pretrained: str | None = "openai",
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_dir: str | None = None,
) -> ClipScorer:
    """A scorer from an open_clip model name and weights (a tag or a file), "hf-hub:owner/name", a
    folder, or "local-dir:folder" with open_clip_config.json, weights and tokenizer (`pretrained` is
    not used for the last three).

    Raises InputError where the model or its weights cannot be had; never returns random weights.
    """
    import open_clip

    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if name.startswith("local-dir:") or folder.is_dir():
        name = f"local-dir:{folder}"
    if pretrained and Path(pretrained).expanduser().is_file():
        pretrained = str(Path(pretrained).expanduser())
    placed = ":" in name
    if not placed and not pretrained:
        raise InputError(f"The CLIP model '{name}' has no weights named; give a tag such as 'openai' or a file.")
    if name.startswith("local-dir:"):
        check_folder(folder)
    elif pretrained and Path(pretrained).is_file():
        check_file(Path(pretrained))
    try:
        with torch.random.fork_rng(devices=[]):  # building draws random weights
            model = open_clip.create_model(
                name,
                pretrained=None if placed else pretrained,
                force_quick_gelu=not placed and _trained_with_quick_gelu(name, pretrained),
                require_pretrained=True,
                cache_dir=cache_dir,
            )
            tokenizer = _tokenizer(name, cache_dir)
        model = model.to(device=device, dtype=dtype)
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(f"The CLIP model '{name}' is too large for {device}; {SMALLER}.") from error
        check_cached(_repository(name, pretrained), cache_dir)
        raise InputError(
            f"The CLIP model '{name}'"
            + ("" if placed else f" with weights '{pretrained}'")
            + f" could not be loaded ({first_line(error)}); pass 'local-dir:' and a folder with "
            "open_clip_config.json and weights, or connect to the network once to download it."
        ) from error
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise InputError(f"The CLIP model '{name}' takes {height} x {width} images; use one that takes squares.")
    return ClipScorer(model, tokenizer, height, tuple(config["mean"]), tuple(config["std"]))


def _tokenizer(name: str, cache_dir: str | None) -> Any:
    """The model's tokenizer; a config that comes with it may not ask for its own code to be run."""
    import open_clip

    try:
        return open_clip.get_tokenizer(name, cache_dir=cache_dir, trust_remote_code=False)
    except TypeError:  # open_clip's own tokenizer has no such argument, for it runs no code
        return open_clip.get_tokenizer(name, cache_dir=cache_dir)


def _repository(name: str, pretrained: str | None) -> str:
    """The hub's repository that a model's weights come from; "" where they do not."""
    import open_clip

    if ":" in name:
        return name.removeprefix("hf-hub:") if name.startswith("hf-hub:") else ""
    return str(open_clip.get_pretrained_cfg(name, pretrained or "").get("hf_hub", "")).strip("/")


def _trained_with_quick_gelu(name: str, pretrained: str | None) -> bool:
    """Whether weights need QuickGELU, as OpenAI's do; the plain model name ("ViT-B-16") would build
    with GELU and answer almost right, which is worse than an error.

    open_clip's table says so of each tag; a file is known by the tag in its name.
    """
    import open_clip

    if not pretrained:
        return False
    if not Path(pretrained).is_file():
        return bool(open_clip.get_pretrained_cfg(name, pretrained).get("quick_gelu", False))
    file = _plain(Path(pretrained).stem)
    tags = [tag for tag in open_clip.list_pretrained_tags_by_model(name) if _plain(tag) in file]
    if not tags:
        return "openai" in file
    return bool(open_clip.get_pretrained_cfg(name, max(tags, key=len)).get("quick_gelu", False))


def _plain(name: str) -> str:
    """A name less what people write in several ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
