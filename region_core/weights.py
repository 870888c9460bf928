"""Model files as they arrive: cut off, a web page under a model's name, a pointer of Git LFS.

Only the head of a file is read. Libraries say of such a file what their parser stumbled over; a person
needs to know which file it is, and that it has to be downloaded again.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import InputError

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")  # of a repository
_HEAD = 512  # bytes that show what a file is
_LONGEST_HEADER = 100_000_000  # bytes, as safetensors itself has it
_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "scheduler")  # of a pipeline
_DESCRIBED = {"scheduler": "scheduler_config.json", "tokenizer": ""}  # the other parts by their config.json
# What a pipeline may be made of. Another class (a pipeline of its own, one that is found by its
# config) or a library of another name may be code in the folder, which older versions of diffusers run.
_PART = re.compile(
    r"None None|diffusers (UNet2DConditionModel|Autoencoder\w+|AsymmetricAutoencoderKL|\w+Scheduler)"
    r"|transformers CLIP\w+|stable_diffusion StableDiffusionSafetyChecker"
)


def problem_with(path: Path) -> str:
    """What is wrong with a model's weights or JSON file, to follow its name in a sentence; "" where nothing is seen."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not size:
        return "is empty"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return "is a web page, not a model's file"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself"
    if path.suffix == ".safetensors":
        return _safetensors(path, size, head)
    if path.suffix == ".json":
        return _json(path)
    if path.suffix in WEIGHTS and head.startswith(b"PK") and not zipfile.is_zipfile(path):
        return "is cut short"  # the list of its parts stands at its end
    return ""


def check_file(path: Path) -> None:
    """Raise InputError, naming the file, where a model's file is of a kind that is not read, or seen from its head to
    be damaged."""
    if path.suffix.lower() not in (*WEIGHTS, ".json", ".npz", ".tar"):
        raise InputError(f"'{path}' is no file of weights that is read here; give one of {', '.join(WEIGHTS)}.")
    problem = problem_with(path)
    if problem:
        raise InputError(f"'{path}' {problem}; remove it and download it again.")
    if path.suffix in (".pt", ".pth") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise InputError(
                    f"'{path}' is TorchScript, as OpenAI published CLIP: code as well as weights, which is not run; "
                    "give the same weights as .safetensors, or by their tag, such as openai."
                )


def check_folder(folder: Path) -> None:
    """`check_file` of what a model's folder holds: its JSON files and the weights that are loaded; of a
    pipeline's folder, in its parts too, and that it brings no code."""
    for place in (folder, *(folder / part for part in _PARTS)):
        for path in _loaded(place):
            check_file(path)
    if os.path.isfile(folder / "model_index.json"):
        _check_index(folder)


def check_hub(model: str, repository: str, error: BaseException, cache_dir: str | None = None) -> None:
    """Tell why a `model` of the hub could not be loaded, where it is known; it failed with `error`.

    `check_folder` of what the cache holds of the repository, if anything: a page that a gateway sent, say, stays
    there until it is removed. Where it holds too little and the network is forbidden, that is told.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in ("config.json", "open_clip_config.json", "model.safetensors", "open_clip_model.safetensors"):
        with suppress(HFValidationError):  # no name of a repository
            cached = try_to_load_from_cache(repository, name, cache_dir)
            if isinstance(cached, str):
                check_folder(Path(cached).parent)
    if repository and is_offline() and is_unreachable(error):
        variable = offline_variable()
        raise InputError(
            f"{model} is not on this disk: {repository} was looked for in '{cache_dir or constants.HF_HUB_CACHE}', and "
            f"{variable} is set, which forbids to download it; unset {variable} once, or give a local folder."
        ) from error
    if repository and is_unreachable(error) and os.environ.get("HF_ENDPOINT"):
        raise InputError(
            f"{model} is not on this disk, and HF_ENDPOINT, {constants.ENDPOINT}, does not answer or has no "
            f"{repository}; unset HF_ENDPOINT, set it to a mirror that has it, or give a local folder."
        ) from error


def is_unreachable(error: BaseException) -> bool:
    """Whether `error` comes of a file that is neither in the hub's cache nor to be fetched."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    cause: BaseException | None = error  # the libraries wrap it
    while cause and not isinstance(cause, LocalEntryNotFoundError | OfflineModeIsEnabled | ConnectionError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def is_offline() -> bool:
    """Whether the hub's libraries were told to keep off the network, as they read it when they were imported."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def offline_variable() -> str:
    """The name of the variable that keeps them off the network; they heed either."""
    variables = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((one for one in variables if os.environ.get(one)), variables[0])


def variant_of(folder: Path) -> str | None:
    """The variant ("fp16") that a pipeline's folder has to be loaded as, where a part has no plain weights; or None."""
    return next(filter(None, (variant_in(folder / part) for part in _PARTS)), None)


def variant_in(folder: Path) -> str | None:
    """The same of the folder of one model."""
    names = [path.stem for path in sorted(folder.glob("*")) if path.suffix in (".safetensors", ".bin")]
    if not names or not all("." in name for name in names):
        return None
    return re.sub(r"-\d+-of-\d+$", "", names[0].split(".", 1)[1])  # model.fp16-00001-of-00002


def _check_index(folder: Path) -> None:
    """Raise InputError where a pipeline's folder asks for code that is not of the libraries."""
    path = folder / "model_index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise InputError(f"'{path}' names no pipeline of diffusers; download the model again, or choose another.")
    for name, part in index.items():
        if not isinstance(part, list):
            continue
        if len(part) != 2 or not _PART.fullmatch(f"{part[0]} {part[1]}"):
            raise InputError(
                f"'{path}' makes its {name} of {part}, which is no part of an inpainting pipeline and may be "
                "code of a stranger's; choose another model."
            )
        needed = folder / name / _DESCRIBED.get(name, "config.json")
        if part[0] and name in _PARTS and not os.path.exists(needed):
            raise InputError(f"'{needed}' is not there, which {path.name} asks for; download all of the model again.")
        code = next((folder / name).glob("*.py"), None)
        if code is not None:
            raise InputError(f"'{code}' is code, which a model does not need and is not run; remove it.")


def _loaded(folder: Path) -> Iterator[Path]:
    """JSON files and weights of one folder that a loader would take."""
    if not os.path.isdir(folder):  # False, not an error, for a name that is too long
        return
    files = sorted(path for path in folder.iterdir() if path.is_file())
    yield from (path for path in files if path.suffix == ".json")
    for suffix in WEIGHTS:
        found = [path for path in files if path.suffix == suffix]
        # model.fp16.safetensors beside model.safetensors is not asked for
        plain = [path for path in found if "." not in path.stem]
        if plain or found:
            yield from plain or found
            return  # safetensors come first, and the rest are not looked at


def _json(path: Path) -> str:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return "is not JSON, or cut short"
    return ""


def _safetensors(path: Path, size: int, head: bytes) -> str:
    """8 bytes with the length of a JSON header, the header, the numbers it tells of."""
    length = int.from_bytes(head[:8], "little")
    if size < 8 or length > _LONGEST_HEADER or not head[8:9].startswith(b"{"):
        return "is no safetensors file, or damaged"
    if 8 + length > size:
        return f"is cut short ({size} of more than {8 + length} bytes)"
    try:
        with path.open("rb") as file:
            file.seek(8)
            header = json.loads(file.read(length))
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "is no safetensors file, or damaged"
    whole = 8 + length + max(ends, default=0)
    if size < whole:
        return f"is cut short ({size} of {whole} bytes)"
    return "" if size == whole else f"is damaged ({size} bytes where its header tells of {whole})"
