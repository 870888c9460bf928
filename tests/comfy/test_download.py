"""Downloads from a hub on this machine: Cancel on a silent link, links that die."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import PACK, Comfy, Run

WEIGHTS = PACK / "region_core" / "demo" / "weights"
HUB_DINO = "dino-vits16"  # one that no other test asks for


class Hub(ThreadingHTTPServer):
    """A hub on this machine that has one DINO, and falls silent or hangs up where it is told to."""

    daemon_threads = True
    stops: str = ""  # "headers", "middle" or nowhere
    hangs_up = False  # where it stops, rather than falling silent
    page = False  # answers with a page for people, as a network that wants a login does
    huge = False  # tells of more bytes than any disk has
    wrong = False  # sends something else than it has told the checksum of

    def __init__(self, on_silence: Callable[[], None]) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.on_silence, self.over, self.gave_up = on_silence, threading.Event(), False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def fall_silent(self) -> None:
        """Until the test is over; whoever is still there after 15 seconds has waited for an answer."""
        self.on_silence()
        self.gave_up = not self.over.wait(15)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The other side has gone, as it should."""


class Page(BaseHTTPRequestHandler):
    """An answer of the hub."""

    server: Hub

    def do_HEAD(self) -> None:  # noqa: N802
        if self.server.stops == "headers":
            self.server.fall_silent()
        self.answer()

    def answer(self) -> bytes:
        """Send the headers as the hub does; the file."""
        data = (WEIGHTS / "dino" / self.path.rsplit("/", 1)[1]).read_bytes()
        if self.server.page:
            data = b"<!DOCTYPE html><html><body>Sign in</body></html>"
        length = 10**18 if self.server.huge else len(data)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        return data

    def do_GET(self) -> None:  # noqa: N802
        data = self.answer()
        if self.server.wrong:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if self.server.stops == "middle":
            self.wfile.write(data[: len(data) // 2])
            if not self.server.hangs_up:
                self.server.fall_silent()
            return
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def hub(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub that the pack downloads from; it presses Cancel when it has fallen silent."""
    made = Hub(lambda: comfy.nodes.interrupt_processing(True))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{made.server_port}")
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()
    shutil.rmtree(comfy.base / "models" / "dino" / HUB_DINO, ignore_errors=True)


def download(comfy: Comfy) -> Run:
    """A prompt that downloads the hub's DINO and loads it."""
    comfy.forget()
    return comfy.run(
        {
            "load": {
                "class_type": "LearnableRegions_LoadDinoEncoder",
                "inputs": {"dino_name": f"download: facebook/{HUB_DINO}", "image_size": 64},
            },
            "sink": {"class_type": "TestSink", "inputs": {"v0": ["load", 0]}},
        }
    )


def files_in(comfy: Comfy) -> list[str]:
    """What is there of the model, its folder too, and of what was not finished."""
    return [
        path.name
        for path in (comfy.base / "models").rglob("*")
        if HUB_DINO in path.parts or path.name.startswith(".download")
    ]


@pytest.mark.parametrize("stops", ["headers", "middle"])
def test_cancel_stops_a_download_on_a_silent_link(comfy: Comfy, hub: Hub, stops: str) -> None:
    """While the hub still says nothing; no half file stays, and the next prompt has the whole."""
    hub.stops = stops
    run = download(comfy)
    assert not hub.gave_up, "Cancel waited for the link"
    events = [event for event, _ in run.messages]
    assert "execution_interrupted" in events, events
    assert "execution_error" not in events, run.error
    assert not run.success
    assert files_in(comfy) == []
    hub.stops = ""
    again = download(comfy)
    assert again.success, again.messages
    assert sorted(files_in(comfy)) == ["config.json", HUB_DINO, "model.safetensors"]
    for name in ("config.json", "model.safetensors"):
        assert (comfy.base / "models" / "dino" / HUB_DINO / name).read_bytes() == (WEIGHTS / "dino" / name).read_bytes()


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_link_that_dies_is_told_and_leaves_no_half_file(
    comfy: Comfy, hub: Hub, monkeypatch: pytest.MonkeyPatch, hangs_up: bool
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.stops, hub.hangs_up, hub.on_silence = "middle", hangs_up, lambda: None
    run = download(comfy)
    assert not hub.gave_up
    assert "could not be downloaded" in run.error["exception_message"]
    assert files_in(comfy) == []


def test_a_bar_that_fails_ends_no_download(comfy: Comfy, hub: Hub) -> None:
    import comfy.utils as utils

    def hook(*_args: Any, **_more: Any) -> None:
        raise OSError("the connection is gone")

    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(hook)
    try:
        assert download(comfy).success
    finally:
        utils.set_progress_bar_global_hook(before)


def test_a_failure_leaves_not_even_a_folder_and_the_next_run_tries_again(comfy: Comfy, hub: Hub) -> None:
    folder = comfy.base / "models" / "dino"
    shutil.rmtree(folder, ignore_errors=True)
    hub.stops, hub.hangs_up, hub.on_silence = "middle", True, lambda: None
    assert not download(comfy).success
    assert not folder.exists()
    hub.stops = ""
    again = download(comfy)
    assert again.success, again.messages


def test_too_much_for_the_disk_is_told_before_it_is_fetched(comfy: Comfy, hub: Hub) -> None:
    hub.huge = True
    message = download(comfy).error["exception_message"]
    assert "it has 1000000000000 MB, and " in message
    assert "MB are free there" in message
    assert files_in(comfy) == []


@pytest.mark.parametrize(
    ("what", "says"), [("page", "is a web page, not a model's file"), ("wrong", "another checksum than the hub tells")]
)
def test_what_is_no_model_is_not_kept_as_one(comfy: Comfy, hub: Hub, what: str, says: str) -> None:
    setattr(hub, what, True)
    run = download(comfy)
    assert says in run.error["exception_message"]
    assert files_in(comfy) == []


def test_a_folder_that_cannot_be_written_is_told_and_not_the_network(
    comfy: Comfy, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_args: Any, **_more: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    message = download(comfy).error["exception_message"]
    assert (
        f"the folder {comfy.base / 'models' / 'dino' / HUB_DINO} cannot be written to (Read-only file system)"
        in message
    )
    assert "network" not in message
    assert files_in(comfy) == []


@pytest.mark.parametrize("endpoint", ["http", "https"])
def test_a_mirror_without_https_is_used_and_told_of(
    comfy: Comfy, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, endpoint: str
) -> None:
    if endpoint == "https":
        monkeypatch.setenv("HF_ENDPOINT", "https://127.0.0.1:9")
    assert download(comfy).success == (endpoint == "http")
    assert ("HF_ENDPOINT is without HTTPS" in caplog.text) == (endpoint == "http")


def test_models_in_folders_of_extra_model_paths_yaml_are_found(comfy: Comfy, tmp_path: Path) -> None:
    import folder_paths
    from utils.extra_config import load_extra_path_config

    before = {kind: list(folder_paths.get_folder_paths(kind)) for kind in ("dino", "open_clip")}
    for kind, name in (("dino", "dino"), ("open_clip", "clip")):
        shutil.copytree(WEIGHTS / name, tmp_path / "shared" / kind / "from elsewhere")
    lines = ["elsewhere:", f"    base_path: {tmp_path / 'shared'}", "    dino: dino", "    open_clip: open_clip"]
    (tmp_path / "extra_model_paths.yaml").write_text("\n".join(lines))
    try:
        load_extra_path_config(str(tmp_path / "extra_model_paths.yaml"))
        graph: dict[str, Any] = {"sink": {"class_type": "TestSink", "inputs": {}}}
        for number, (kind, widget) in enumerate((("LoadDinoEncoder", "dino_name"), ("LoadClipScorer", "clip_name"))):
            graph[kind] = {"class_type": f"LearnableRegions_{kind}", "inputs": {widget: "from elsewhere"}}
            graph["sink"]["inputs"][f"v{number}"] = [kind, 0]
        run = comfy.run(graph)
        assert run.success, (run.messages, run.problems)
    finally:
        for kind, folders in before.items():
            folder_paths.get_folder_paths(kind)[:] = folders
            folder_paths.folder_names_and_paths[kind][0][:] = folders


def test_models_in_folders_within_are_listed_and_loaded(comfy: Comfy) -> None:
    import folder_paths
    from transformers import Dinov2Config, Dinov2Model

    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    loaders = comfy.part("nodes.loaders")
    made = [Path(folder_paths.get_folder_paths(kind)[0]) / "family" for kind in ("dino", "open_clip")]
    hidden = made[1].with_name("._ViT-B-16-of-a-mac.safetensors")
    try:
        Dinov2Model(Dinov2Config(**sizes)).save_pretrained(made[0] / "v2" / "tiny")
        shutil.copytree(WEIGHTS / "clip", made[1] / "clip")
        shutil.copy(WEIGHTS / "clip" / "open_clip_model.safetensors", made[1] / "ViT-B-16-mine.safetensors")
        hidden.write_bytes(b"")
        for folder in made:
            (folder / ".cache").mkdir()
            (folder / ".cache" / "config.json").write_text("{}")
            (folder / "back").symlink_to(folder, target_is_directory=True)
            (folder / "again").symlink_to(folder / ("clip" if folder is made[1] else "v2/tiny"))
        dinos, clips = (
            node.define_schema().inputs[0].options for node in (loaders.LoadDinoEncoder, loaders.LoadClipScorer)
        )
        assert not [name for name in clips if name.startswith(".")]
        assert [name for name in dinos if name.startswith("family")] == ["family/again", "family/v2/tiny"]
        assert [name for name in clips if name.startswith("family")] == [
            "family/ViT-B-16-mine.safetensors",
            "family/again",
            "family/clip",
        ]
        graph: dict[str, Any] = {"sink": {"class_type": "TestSink", "inputs": {"v0": ["dino", 0], "v1": ["clip", 0]}}}
        graph["dino"] = {
            "class_type": "LearnableRegions_LoadDinoEncoder",
            "inputs": {"dino_name": "family/v2/tiny", "image_size": 0},
        }
        graph["clip"] = {"class_type": "LearnableRegions_LoadClipScorer", "inputs": {"clip_name": "family/clip"}}
        run = comfy.run(graph)
        assert run.success, (run.messages, run.problems)
        assert run.seen["v0"].grid(80, 80) == (32, 32)
        assert run.seen["v1"].shows_places
        graph["dino"]["inputs"]["dino_name"] = "family\\v2\\tiny"  # as written on Windows
        graph["clip"]["inputs"]["clip_name"] = "family\\clip"
        run = comfy.run(graph)
        assert run.success, (run.messages, run.problems)
        graph["dino"]["inputs"]["dino_name"] = "family\\none"
        assert "not in models/dino" in str(comfy.run(graph).problems)
    finally:
        hidden.unlink(missing_ok=True)
        for folder in made:
            shutil.rmtree(folder)


def test_offline_is_heeded(comfy: Comfy, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.stops = "headers"  # whoever asks has to wait
    for value in ("1", "true", "YES", "on"):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        message = download(comfy).error["exception_message"]
        for part in (
            "model.safetensors",
            "config.json",
            "about 90 MB",
            HUB_DINO,
            "HF_HUB_OFFLINE",
            f"facebook/{HUB_DINO}",
            str(comfy.base / "models" / "dino"),
        ):
            assert part in message, message
    assert files_in(comfy) == []
    hub.stops = ""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert download(comfy).success
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert download(comfy).success  # it is there


def test_what_is_on_disk_loads_without_a_socket(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DINO folder and a CLIP folder in models folders that nobody may write to."""
    places = {
        "dino": comfy.base / "models" / "dino" / "here",
        "open_clip": comfy.base / "models" / "open_clip" / "here",
    }
    for (kind, place), name in zip(places.items(), ("dino", "clip"), strict=True):
        shutil.copytree(WEIGHTS / name, place)
        assert place.is_dir(), kind

    def refused(*_args: Any, **_more: Any) -> None:
        raise AssertionError("the network was asked for what is on disk")

    real_open = open

    def read_only(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
        # simulated: root may write to what is read-only
        if set(mode) & set("wax+") and str(comfy.base / "models") in str(file):
            raise OSError(30, "Read-only file system")
        return real_open(file, mode, *args, **more)

    graph: dict[str, Any] = {"sink": {"class_type": "TestSink", "inputs": {}}}
    for number, (kind, widget) in enumerate((("LoadDinoEncoder", "dino_name"), ("LoadClipScorer", "clip_name"))):
        graph[kind] = {"class_type": f"LearnableRegions_{kind}", "inputs": {widget: "here"}}
        graph["sink"]["inputs"][f"v{number}"] = [kind, 0]
    comfy.forget()
    try:
        for place in places.values():
            for path in (*place.iterdir(), place, place.parent):
                path.chmod(0o555 if path.is_dir() else 0o444)
        with monkeypatch.context() as patch:
            for owner, name in ((socket.socket, "connect"), (socket, "getaddrinfo"), (socket, "create_connection")):
                patch.setattr(owner, name, refused)
            patch.setattr("builtins.open", read_only)
            run = comfy.run(graph)
        assert run.success, (run.messages, run.problems)
        assert run.seen["v0"] is not None
        assert run.seen["v1"] is not None
    finally:
        for place in places.values():
            for path in (place.parent, place):
                path.chmod(0o755)
            shutil.rmtree(place)


def test_a_download_into_a_read_only_models_folder_is_one_sentence(comfy: Comfy, hub: Hub) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("root may write anywhere: see the simulated one above")
    folder = comfy.base / "models" / "dino"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o555)
    try:
        message = download(comfy).error["exception_message"]
    finally:
        folder.chmod(0o755)
    assert "cannot be written to" in message
    assert len(message.strip().splitlines()) == 1
    assert files_in(comfy) == []
