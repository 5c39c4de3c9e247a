"""Old images go with their snapshots; what something still starts stays."""

import json
from collections.abc import Iterator

import pytest

from aistratus_operator.cloud.aws import Account, sign_in
from aistratus_operator.cloud.images import publish
from aistratus_operator.cloud.prune import OldImage, prune
from aistratus_operator.errors import OperatorError
from aistratus_operator.program import main
from support.cloud_account import make_image

VARIANT = "cpu"
REGION = "eu-north-1"


@pytest.fixture
def account(aws: str) -> Iterator[Account]:
    """A region without images of ours."""
    account = sign_in(REGION)
    ec2 = account.client("ec2")
    yield account
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        ec2.deregister_image(ImageId=image["ImageId"])


def bake(account: Account, count: int, variant: str = VARIANT) -> list[str]:
    """Images as Packer tags them, the oldest first."""
    made = []
    for _ in range(count):
        image_id = make_image(account)
        tags = {"aistratus:part": "worker-image", "aistratus:variant": variant}
        account.client("ec2").create_tags(
            Resources=[image_id], Tags=[{"Key": key, "Value": tags[key]} for key in tags]
        )
        made.append(image_id)
    return made


def there(account: Account) -> set[str]:
    found = account.client("ec2").describe_images(Owners=["self"])["Images"]
    return {image["ImageId"] for image in found}


def fates(images: list[OldImage]) -> dict[str, str]:
    return {image.id: image.kept_for for image in images}


def test_all_but_the_newest_go_with_their_snapshots(account: Account) -> None:
    ec2 = account.client("ec2")
    made = bake(account, 2)
    others = {*bake(account, 1, "tinyllama"), make_image(account)}
    images = prune(account, "aistratus", VARIANT, keep=3)
    assert all(fates(images).values())
    gone = [image for image in prune(account, "aistratus", VARIANT, keep=1) if not image.kept_for]
    assert len(gone) == 1
    assert there(account) == others | (set(made) - {gone[0].id})
    left = {each["SnapshotId"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert gone[0].snapshots
    assert left.isdisjoint(gone[0].snapshots)


def test_what_something_starts_stays(account: Account) -> None:
    ec2, groups = account.client("ec2"), account.client("autoscaling")
    made = bake(account, 7)
    templates = []
    for name, image_ids in (("latest", made[:1]), ("older", made[1:3])):
        data = [{"ImageId": each, "InstanceType": "t3.micro"} for each in image_ids]
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data[0])
        for each in data[1:]:
            ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData=each)
        templates.append(name)
    ec2.create_launch_template_version(
        LaunchTemplateName="older", LaunchTemplateData={"ImageId": made[2]}
    )
    ec2.modify_launch_template(LaunchTemplateName="older", DefaultVersion="3")
    groups.create_auto_scaling_group(
        AutoScalingGroupName="at-version-1",
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=[f"{REGION}a"],
        LaunchTemplate={"LaunchTemplateName": "older", "Version": "1"},
    )
    started = ec2.run_instances(ImageId=made[3], MinCount=1, MaxCount=1)["Instances"][0]
    ended = ec2.run_instances(ImageId=made[4], MinCount=1, MaxCount=1)["Instances"][0]
    ec2.terminate_instances(InstanceIds=[ended["InstanceId"]])
    publish(account, "aistratus", made[5])
    try:
        kept = fates(prune(account, "aistratus", VARIANT, keep=1, dry_run=True))
        assert there(account) >= set(made), "a dry run removes nothing"
        reasons = {
            made[0]: "the launch template latest",
            made[1]: "the launch template older",
            made[2]: "the launch template older",
            made[3]: f"the instance {started['InstanceId']}",
            made[4]: "",
            made[5]: "/aistratus/images/worker",
        }
        newest = next(each for each, why in kept.items() if why == "one of the newest")
        assert kept == reasons | {made[6]: ""} | {newest: "one of the newest"}
        prune(account, "aistratus", VARIANT, keep=1)
        assert set(made) - there(account) == {each for each, why in kept.items() if not why}
    finally:
        groups.delete_auto_scaling_group(AutoScalingGroupName="at-version-1", ForceDelete=True)
        ec2.terminate_instances(InstanceIds=[started["InstanceId"]])
        for name in templates:
            ec2.delete_launch_template(LaunchTemplateName=name)
        account.client("ssm").delete_parameter(Name="/aistratus/images/worker")


def test_who_says_another_name_removes_nothing(account: Account) -> None:
    made = bake(account, 2)
    asked: list[list[OldImage]] = []

    def refuse(old: list[OldImage]) -> bool:
        asked.append(old)
        return False

    with pytest.raises(OperatorError, match=r"^Nothing was removed: that was not cpu\.$"):
        prune(account, "aistratus", VARIANT, keep=1, confirm=refuse)
    assert len(asked[0]) == 1
    assert there(account) >= set(made)


def test_it_is_told_to_people_and_machines(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bake(account, 2)
    call = ["prune-images", f"--variant={VARIANT}", f"--region={REGION}", "--keep=1"]
    assert main([*call, "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["dry_run"] is True
    assert {image["id"] for image in shown["images"]} == set(made)
    assert main([*call, "--yes"]) == 0
    assert "1 of 2 images of cpu removed.\n" in capsys.readouterr().out
    assert main([*call, "--yes"]) == 0
    assert "0 of 1 images of cpu removed.\n" in capsys.readouterr().out
    assert main(call) == 2
    assert "make prune-images VARIANT=cpu YES=1" in capsys.readouterr().err
