"""A group of the emulator starts an instance as its policy and the image have it."""

import pytest

from support.emulator_process import client


@pytest.mark.parametrize(
    ("template_type", "overrides", "started"),
    [
        ("", ["g6.xlarge", "g5.xlarge"], "g6.xlarge"),
        ("t3.micro", ["g6.xlarge"], "g6.xlarge"),
        ("t3.micro", [], "t3.micro"),
    ],
)
def test_an_instance_has_a_type_of_the_policy(
    emulator_url: str, template_type: str, overrides: list[str], started: str
) -> None:
    ec2, groups = client("ec2", emulator_url), client("autoscaling", emulator_url)
    name = f"group-{template_type}-{len(overrides)}"
    weights = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeType": "gp3", "Throughput": 300}}
    image_id = ec2.describe_images()["Images"][0]["ImageId"]
    tags = [{"Key": "env", "Value": "dev"}]
    data = {
        "ImageId": image_id,
        "BlockDeviceMappings": [weights],
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags}],
    }
    if template_type:
        data["InstanceType"] = template_type
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    groups.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["eu-central-1a"],
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "$Latest"},
                "Overrides": [{"InstanceType": each} for each in overrides],
            }
        },
    )
    groups.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    [group] = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    [instance] = group["Instances"]
    assert instance["InstanceType"] == started
    found = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])
    [described] = found["Reservations"][0]["Instances"]
    assert "/dev/sdf" in {each["DeviceName"] for each in described["BlockDeviceMappings"]}
    volumes = ec2.describe_volumes(
        Filters=[{"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}]
    )["Volumes"]
    assert [each["Tags"] for each in volumes] == [tags] * 2


def test_a_group_keeps_what_an_update_leaves_out(emulator_url: str) -> None:
    ec2, groups = client("ec2", emulator_url), client("autoscaling", emulator_url)
    name = "group-kept"
    image_id = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_id})
    template = {
        "LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "$Latest"},
        "Overrides": [{"InstanceType": "g6.xlarge"}],
    }
    groups.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["eu-central-1a"],
        MixedInstancesPolicy={
            "LaunchTemplate": template,
            "InstancesDistribution": {"OnDemandBaseCapacity": 0},
        },
    )

    def policy() -> dict[str, dict[str, int]]:
        found = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        kept: dict[str, dict[str, int]] = found["AutoScalingGroups"][0]["MixedInstancesPolicy"]
        return kept

    before = policy()["LaunchTemplate"]
    groups.update_auto_scaling_group(
        AutoScalingGroupName=name,
        MixedInstancesPolicy={"InstancesDistribution": {"OnDemandBaseCapacity": 1}},
    )
    assert policy()["InstancesDistribution"]["OnDemandBaseCapacity"] == 1
    assert policy()["LaunchTemplate"] == before
    groups.update_auto_scaling_group(AutoScalingGroupName=name, MaxSize=2)
    assert policy()["InstancesDistribution"]["OnDemandBaseCapacity"] == 1
    assert policy()["LaunchTemplate"] == before
