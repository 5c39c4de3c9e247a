"""An image that cannot start, or not compute, on the types: refused by name, with nothing made."""

import io
from dataclasses import replace

import pytest

from aistratus_operator.cloud.aws import Account
from aistratus_operator.cloud.bootstrap import is_complete
from aistratus_operator.cloud.capacity import check_offerings
from aistratus_operator.cloud.deploy import Options, check
from aistratus_operator.cloud.environments import load
from aistratus_operator.cloud.fit import check_fit
from aistratus_operator.cloud.images import choose, publish
from aistratus_operator.cloud.stack import open_stack
from aistratus_operator.errors import OperatorError
from support.cloud_account import make_image, refusal

pytestmark = pytest.mark.needs("terraform")

NVIDIA = ("g6.xlarge", "g5.xlarge")


def fit(account: Account, image_id: str, *types: str) -> list[str]:
    """What is said of that image on those types."""
    dev = replace(load("dev", account.region), instance_types=types or NVIDIA)
    offered = check_offerings(account, dev)
    return check_fit(account, dev, offered, choose(account, dev.project, image_id))


def test_an_image_for_the_types_is_taken(account: Account) -> None:
    assert fit(account, make_image(account, gpu="true")) == []
    assert fit(account, make_image(account, "arm64", gpu="true"), "g5g.xlarge") == []


def test_an_image_of_somebody_elses_says_nothing_of_cards(account: Account) -> None:
    image_id = make_image(account)
    assert fit(account, image_id) == []
    assert fit(account, image_id, "m5.xlarge") == []


def test_an_arm_image_on_other_types_is_refused(account: Account) -> None:
    image_id = make_image(account, "arm64", gpu="true")
    said = refusal(lambda: fit(account, image_id))
    assert said == (
        f"The image {image_id} (IMAGE_ID) is for arm64, and g6.xlarge, g5.xlarge for x86_64. Bake "
        "one for x86_64 (make image VARIANT=tinyllama REGION=eu-central-1), or set instance_types "
        "in terraform/envs/dev.tfvars to types for arm64, such as g5g.xlarge."
    )


def test_another_image_on_arm_types_is_refused(account: Account) -> None:
    image_id = make_image(account, gpu="true")
    said = refusal(lambda: fit(account, image_id, "g5g.xlarge"))
    assert "is for x86_64, and g5g.xlarge for arm64." in said
    assert "make image VARIANT=tinyllama-arm64 REGION=eu-central-1" in said
    mixed = refusal(lambda: fit(account, image_id, "g6.xlarge", "g5g.xlarge"))
    assert "and g5g.xlarge for arm64." in mixed, "the one that does not fit, and no other"


def test_an_image_for_a_card_on_types_without_one_is_refused(account: Account) -> None:
    image_id = make_image(account, gpu="true")
    said = refusal(lambda: fit(account, image_id, "m5.xlarge", "g6.xlarge"))
    assert "computes on a card, and m5.xlarge has none of NVIDIA's." in said
    assert "such as g6.xlarge" in said
    assert "make image VARIANT=cpu REGION=eu-central-1" in said


def test_a_card_that_would_stand_idle_is_told(account: Account) -> None:
    [warning] = fit(account, make_image(account, gpu="false"))
    assert "the card of g6.xlarge, g5.xlarge would be paid for and stand idle" in warning
    assert fit(account, make_image(account, gpu="false"), "m5.xlarge") == []


def test_a_deploy_makes_nothing_of_it(account: Account) -> None:
    image_id = make_image(account, "arm64")
    stack = open_stack("prod", account.region)
    with pytest.raises(OperatorError, match="is for arm64"):
        check(stack, Options(image_id=image_id, out=io.StringIO()))
    assert not is_complete(account, "aistratus")


def test_an_arm_image_can_be_published(account: Account) -> None:
    image_id = make_image(account, "arm64")
    assert publish(account, "arms", image_id).architecture == "arm64"
