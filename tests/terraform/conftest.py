"""A copy of terraform/ for the whole run, and Terraform's own tests under way in it."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from aistratus_operator.cloud.terraform import Finished
from support.terraform_folders import check, copied


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("terraform") / "terraform")


@pytest.fixture(scope="session")
def own_tests(
    request: pytest.FixtureRequest, configuration: Path
) -> Iterator[dict[str, Future[Finished]]]:
    """The runs of all folders that are wanted, as many at once as there are processors."""
    items = request.session.items
    wanted = [each.callspec.params.get("tested") for each in items if hasattr(each, "callspec")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(check, configuration, name) for name in wanted if name}
        pool.shutdown(cancel_futures=True)
