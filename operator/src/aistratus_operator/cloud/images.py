"""Chooses the workers' image: the one named, the one just baked, or the published one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from aistratus_operator import ROOT
from aistratus_operator.checks import check_image_id
from aistratus_operator.cloud.aws import Account, code_of, said_by
from aistratus_operator.errors import OperatorError

MANIFEST: Final = ROOT / "build" / "image" / "manifest.json"
# The device on which packer/worker puts the weights, if they have their own volume.
WEIGHTS_DEVICE: Final = "/dev/sdf"
# The template's tag for whether the variant computes on a card (packer/worker/source.pkr.hcl).
_CARD_TAG: Final = "aistratus:gpu"

_BAKE: Final = "Bake one, which takes about half an hour: make image REGION={region}"


@dataclass(frozen=True, slots=True)
class Image:
    """An existing AMI; `weights_device` is empty if the weights are on the root volume.

    `needs_card` is None if the image does not say, as one that another account has tagged.
    """

    id: str
    weights_device: str
    found_in: str
    architecture: str = "x86_64"
    needs_card: bool | None = None

    def __str__(self) -> str:
        return f"the image {self.id} ({self.found_in})"


def parameter_name(project: str) -> str:
    """The name of the parameter with the published image's id."""
    return f"/{project}/images/worker"


def choose(account: Account, project: str, asked: str = "", manifest: Path = MANIFEST) -> Image:
    """The image to deploy; raises `OperatorError` if there is none or it cannot be used."""
    if asked:
        check_image_id(asked)
        return look_at(account, asked, "IMAGE_ID")
    baked, device = _baked(account.region, manifest)
    if baked:
        return look_at(account, baked, "the last make image", device)
    if image_id := published(account, project):
        return look_at(account, image_id, parameter_name(project))
    raise OperatorError(
        f"There is no image for the workers in {account.region} yet. "
        + _BAKE.format(region=account.region)
    )


def publish(account: Account, project: str, asked: str = "", manifest: Path = MANIFEST) -> Image:
    """Publish an image: deployments use it unless they have just baked one."""
    baked = asked or _baked(account.region, manifest)[0]
    if not baked:
        raise OperatorError(
            f"build/image has no image for {account.region}. Name one with IMAGE_ID, or bake it: "
            f"make image REGION={account.region}"
        )
    image = choose(account, project, baked)
    account.client("ssm").put_parameter(
        Name=parameter_name(project),
        Description="The image that workers start from; make publish-image writes it.",
        Type="String",
        Value=image.id,
        Overwrite=True,
    )
    return image


def _baked(region: str, manifest: Path) -> tuple[str, str]:
    """The image of Packer's last run in that region and its weights' device, or empty strings.

    Packer writes an artifact as `eu-central-1:ami-…`, with regions separated by commas.
    """
    if not manifest.is_file():
        return "", ""
    try:
        document = json.loads(manifest.read_text(encoding="utf-8"))
        last = document["last_run_uuid"]
        baked = {
            place: (image_id, str((build.get("custom_data") or {}).get("weights_device") or ""))
            for build in document["builds"]
            if build["packer_run_uuid"] == last
            for artifact in str(build["artifact_id"]).split(",")
            for place, _, image_id in [artifact.partition(":")]
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OperatorError(
            f"{_short(manifest)} is not what Packer writes. Remove it, and name the image with "
            "IMAGE_ID or bake it again: make image"
        ) from None
    return baked.get(region, ("", ""))


def published(account: Account, project: str) -> str:
    """The id of the published image, or an empty string."""
    try:
        found = account.client("ssm").get_parameter(Name=parameter_name(project))
    except ClientError as error:
        if code_of(error) == "ParameterNotFound":
            return ""
        raise OperatorError(
            f"The published image cannot be looked up: {said_by(error)}. Name the image with "
            "IMAGE_ID, or get the right to read the parameter."
        ) from error
    return str(found["Parameter"]["Value"])


def look_at(account: Account, image_id: str, found_in: str, device: str = "") -> Image:
    """Check with EC2 that the image exists and is available.

    The weights' device comes from Packer's manifest, or else from the image's volumes.
    """
    where = f"The image {image_id} ({found_in})"
    try:
        images = account.client("ec2").describe_images(ImageIds=[image_id])["Images"]
    except ClientError as error:
        if not code_of(error).startswith("InvalidAMIID"):
            raise OperatorError(
                f"{where} cannot be looked at: {said_by(error)}. Get the right to "
                "ec2:DescribeImages, then run the same command again."
            ) from error
        images = []
    if not images:
        raise OperatorError(
            f"{where} is not in {account.region}, or not yours to use. Name another with "
            f"IMAGE_ID. {_BAKE.format(region=account.region)}"
        )
    found: dict[str, Any] = images[0]
    if found["State"] != "available":
        raise OperatorError(
            f"{where} is {found['State']}, not available. Wait until it is, and run the same "
            "command again; an image that failed has to be baked anew: make image"
        )
    devices = {mapping.get("DeviceName") for mapping in found.get("BlockDeviceMappings", [])}
    if not device and WEIGHTS_DEVICE in devices:
        device = WEIGHTS_DEVICE
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return Image(
        image_id,
        device,
        found_in,
        architecture=str(found.get("Architecture", "x86_64")),
        needs_card={"true": True, "false": False}.get(tags.get(_CARD_TAG, "")),
    )


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
