"""CLIP: unit embeddings of texts, of pictures and of their places, and a picture's patch tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..chunk_text import pieces_that_fit
from ..cost import on_forward
from ..defaults import plain_defaults
from ..errors import InputError
from ..memory import in_chunks
from .affinity import proxy_affinity
from .base import check_numbers, nothing, prepare
from .places import NoPlaces, Reader, reader_of

TEMPLATE = "a high quality image of {}."
T = TypeVar("T")
SMALLER = "choose a smaller CLIP model, or run it on another device"


class ClipScorer:
    """A CLIP that takes pictures in 0..1 of any size and texts of any length.

    `model` has encode_image, encode_text and visual, its image tower, as open_clip's have; `tokenizer`
    turns a list of texts into [n, context_length] ids, as open_clip's do. `batch_size` images at most go
    through the model at once. `before_forward` is called before each of these forwards and may raise to
    stop. `images_encoded` and `texts_encoded` count what went through the model. `why_no_places` says, to
    follow "because", why `places` gives None; it is empty where the tower shows places. `words` are all that
    it was taught, where these are few enough to be told.
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
        self.why_no_places = ""
        self.words: tuple[str, ...] = ()
        self._read: Reader | None = None
        try:
            self._read = reader_of(self.visual)
        except NoPlaces as reason:
            self.why_no_places = str(reason)

    @property
    def shows_places(self) -> bool:
        """Whether `places` gives embeddings of places."""
        return not self.why_no_places

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
        return getattr(self.model, "visual", self.model)

    def _pixels(self, images: Tensor) -> Tensor:
        """What the tower is given of a chunk of images, counted."""
        self.before_forward()
        # In mixed precision only the convolution's type tells what the tower takes.
        convolutions = (m.weight for m in self.visual.modules() if isinstance(m, nn.Conv2d))
        like = next(convolutions, next(self.model.parameters()))
        pixels = prepare(images, self.image_size, self.mean, self.std, like)
        self.images_encoded += pixels[:, 0].numel() / self.image_size**2
        return pixels

    def _in_chunks(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """What `work` gives of all rows, as many at once as fit."""
        return in_chunks(count, self.batch_size, work, SMALLER)[0]

    @plain_defaults
    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """images [B, 3, H, W], 0..1, any size -> [B, E] float32 of unit length.

        Images may be on any device; embeddings, like those of texts, are on the model's.
        """

        def encoded(rows: slice) -> Tensor:
            pixels = self._pixels(images[rows])
            embeddings = self.model.encode_image(pixels)  # type: ignore[operator]
            check_numbers(embeddings, "CLIP model's embeddings of pictures", pixels)
            on_forward()
            return F.normalize(embeddings.float(), dim=-1)

        return torch.cat(self._in_chunks(len(images), encoded))

    @plain_defaults
    @torch.no_grad()
    def encode_images_and_tokens(self, images: Tensor, with_tokens: int | None = None) -> tuple[Tensor, Tensor]:
        """Embeddings [B, E] and patch tokens [T, N, D] in one forward an image.

        Tokens are kept for the first T = `with_tokens` images (all of them by default).
        """
        wanted = len(images) if with_tokens is None else with_tokens

        def read(rows: slice) -> tuple[Tensor, Tensor]:
            pixels = self._pixels(images[:wanted][rows])
            embeddings, tokens = _with_tokens(self.visual, pixels)
            check_numbers(embeddings, "CLIP model's embeddings of pictures", pixels)
            check_numbers(tokens, "CLIP model's patch tokens", pixels)
            on_forward()
            return F.normalize(embeddings.float(), dim=-1), tokens.float().contiguous()

        parts = self._in_chunks(wanted, read)
        embeddings, tokens = [part[0] for part in parts], [part[1] for part in parts]
        if wanted < len(images):
            embeddings.append(self.encode_images(images[wanted:]))
        return torch.cat(embeddings), torch.cat(tokens) if tokens else images.new_zeros(0, 0, 0)

    @plain_defaults
    @torch.no_grad()
    def places(self, images: Tensor, features: Tensor) -> tuple[Tensor, Tensor] | None:
        """images [B, 3, H, W] in 0..1 -> embeddings [B, E] and those of their places [B, E, h, w], float32,
        not normalised. None where the tower shows no places.

        `features` [B, D, h', w'] (DINO's, of the same pictures) say which places belong together; a
        transformer's are averaged over those.
        """

        reader = self._read
        if reader is None:
            return None

        def read(rows: slice) -> tuple[Tensor, Tensor]:
            pixels = self._pixels(images[rows])
            seen = reader(self.visual, pixels, partial(proxy_affinity, features[rows].to(pixels.device)))
            for part in seen:
                check_numbers(part, "CLIP model's embeddings of places", pixels)
            on_forward()
            return seen[0].float(), seen[1].float()

        try:
            seen = self._in_chunks(len(images), read)
        except NoPlaces as reason:  # of some towers only their output shows it
            self._read, self.why_no_places = None, str(reason)
            return None
        return torch.cat([pooled for pooled, _ in seen]), torch.cat([places for _, places in seen])

    @plain_defaults
    @torch.no_grad()
    def encode_text(self, text: str) -> Tensor:
        """[1, E] float32 of unit length, on the model's device, in the template "a high quality
        image of {}.".

        A text too long for the context is parted into pieces that fit, each in the template; the answer
        is the mean of their unit embeddings, made unit again. InputError where empty.
        """
        return F.normalize(self.encode_texts(self.split_text(text)).mean(dim=0, keepdim=True), dim=-1)

    @plain_defaults
    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """[n, E] float32 of unit length: texts that each fit the context, each as `encode_text` would."""

        def read(rows: slice) -> Tensor:
            self.before_forward()
            some = [TEMPLATE.format(text) for text in texts[rows]]
            encoded = self.model.encode_text(self.tokenizer(some).to(self.device))  # type: ignore[operator]
            self.texts_encoded += len(some)
            check_numbers(encoded, "CLIP model's embeddings of texts")
            on_forward()
            return F.normalize(encoded.float(), dim=-1)

        return torch.cat(self._in_chunks(len(texts), read))

    @plain_defaults
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


def _with_tokens(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings [B, E] and patch tokens [B, N, D] of an image tower, in one forward."""
    if hasattr(visual, "with_tokens"):
        return visual.with_tokens(pixels)
    if hasattr(visual, "forward_intermediates"):  # open_clip's own
        out = visual.forward_intermediates(pixels, indices=1, normalize_intermediates=True)
        return out["image_features"], out["image_intermediates"][-1].flatten(2).transpose(1, 2)
    maps = visual.trunk.forward_features(pixels)
    return visual.head(visual.trunk.forward_head(maps)), maps.flatten(2).transpose(1, 2)
