"""One engine for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from aistratus_daemon.engine.llama import Llama
from support.engine_process import EngineLink, EngineProcess, running_engine
from support.inner_engine import InnerEngine, InnerForms, settings


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with running_engine(tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture
def link(engine: EngineProcess) -> Iterator[EngineLink]:
    with engine.link() as link:
        yield link


@pytest.fixture(scope="session")
def llama() -> Iterator[Llama]:
    loaded = Llama(settings())
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def forms(llama: Llama) -> Iterator[InnerForms]:
    made = InnerForms(llama)
    yield made
    made.close()


@pytest.fixture
def inner(llama: Llama, forms: InnerForms) -> Iterator[InnerEngine]:
    engine = InnerEngine(llama, forms)
    yield engine
    engine.scheduler.drop_all()
    for sequence in range(llama.slots):
        llama.forget(sequence)
