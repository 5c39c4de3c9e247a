"""The models that are measured: TinyLlama's shape, the stand-in, and a tiny body."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from engine_bench import shape
from engine_bench.options import TINY


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A model's file. `context` is in tokens."""

    name: str
    path: Path
    sha256: str
    context: int


def load(name: str) -> BenchModel:
    """The model of that name; its file is made if need be, and is in the page cache afterwards."""
    if name == STANDIN:
        standin = local_model(STANDIN, Console(sys.stderr))
        return BenchModel(STANDIN, standin.path, standin.sha256, standin.card.context)
    body = shape.TINY if name == TINY else shape.TINYLLAMA
    path = shape.shape_model(shape.cache_folder(), body)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return BenchModel(name, path, sha256, shape.CONTEXT)
