"""One engine for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from support.engine_process import EngineLink, EngineProcess, running_engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with running_engine(tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture
def link(engine: EngineProcess) -> Iterator[EngineLink]:
    with engine.link() as link:
        yield link
