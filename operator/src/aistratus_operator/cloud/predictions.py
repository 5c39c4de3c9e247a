"""What this code expects of AWS and nobody has seen on a real account.

The emulator cannot tell: it is laxer than AWS in these points, or stricter. docs/cloud.md has the
same list, and docs/seen.md what a run of `make smoke` saw of it; tests compare them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Prediction:
    """One expectation: what it is, where it was read, and what shows whether it holds.

    `name` is short and unique.
    """

    name: str
    expected: str
    source: str
    shown_by: str


PREDICTIONS: Final = (
    Prediction(
        name="capacity-rebalance-room",
        expected="A replacement for a Spot instance at risk starts beside it, so two instances of "
        "4 vCPUs run for a while even with max_instances = 1, which may be exceeded by a tenth, "
        "rounded up. With a Spot quota of 4 the replacement fails to start, and nothing else does: "
        "the instance drains on its Spot notice.",
        source="Auto Scaling's guide, Capacity Rebalancing, considerations",
        shown_by="DescribeScalingActivities after a rebalance recommendation: a launch before the "
        "termination, or a failure with MaxSpotInstanceCountExceeded",
    ),
    Prediction(
        name="distribution-alone",
        expected="UpdateAutoScalingGroup takes a MixedInstancesPolicy with only an "
        "InstancesDistribution, and keeps the launch template and its overrides.",
        source="botocore's service model of autoscaling: MixedInstancesPolicy requires neither "
        "member; the emulator breaks off",
        shown_by="make smoke: no ValidationError; DescribeAutoScalingGroups then has "
        "OnDemandBaseCapacity 1 and the old overrides",
    ),
    Prediction(
        name="distribution-needs-no-run",
        expected="The same call asks its caller for no right to ec2:RunInstances, which the "
        "steward does not have.",
        source="EC2 Auto Scaling's guide, launch template support: the right is needed by those "
        "who name a launch template",
        shown_by="the steward's log after a shortage of Spot: no AccessDenied",
    ),
    Prediction(
        name="rate-without-snapshot",
        expected="A launch template may set volume_initialization_rate for a device without "
        "SnapshotId: at launch the image's mapping of that device gives the snapshot.",
        source="botocore's service model of ec2: the rate is supported only for volumes created "
        "from snapshots; SnapshotId is not required. How template and image are merged is not said",
        shown_by="DescribeVolumes of the weights' volume: VolumeInitializationRate 300 and the "
        "image's SnapshotId; otherwise the launch fails, and weights_initialization_rate = 0 mends "
        "it",
    ),
    Prediction(
        name="grant-for-the-image-key",
        expected="With the image encrypted by a customer's key, Auto Scaling's service-linked role "
        "starts instances only with a grant on that key, which image_kms_key_arn makes.",
        source="Auto Scaling's guide, Required AWS KMS key policy for use with encrypted volumes",
        shown_by="DescribeScalingActivities after a start: without the grant it fails with "
        "Client.InternalError or Client.InvalidKMSKey",
    ),
    Prediction(
        name="unsubscribe-resource",
        expected="IAM compares sns:Unsubscribe and sns:SetSubscriptionAttributes with no topic, so "
        "a deploying role needs them on all resources; it has them in its region.",
        source="botocore's service model of sns: both name a subscription and no topic. Which "
        "resource IAM compares could not be looked up; all resources hold in each case",
        shown_by="make deploy by the workflow after alarm_email was changed: no AuthorizationError",
    ),
    Prediction(
        name="newer-packer",
        expected="Packer 1.7 and later with its Amazon plugin takes the lines of "
        "packer/newer/source.hcl.",
        source="the plugin's source: metadata_options, imds_support and deprecate_at",
        shown_by="make image with Packer 1.14; DescribeImages then has ImdsSupport v2.0 and a "
        "DeprecationTime",
    ),
    Prediction(
        name="shell-rights",
        expected="Session Manager's agent needs five rights for a shell and no ec2messages "
        "endpoint.",
        source="Systems Manager's guide, instance permissions for Session Manager",
        shown_by="make shell on an instance in a private network",
    ),
    Prediction(
        name="bad-card-ends",
        expected="An instance that turns itself off because of its card is terminated by EC2, and "
        "Auto Scaling starts another one.",
        source="EC2's guide, instance initiated shutdown behavior; Auto Scaling's guide, health "
        "checks",
        shown_by="sudo systemctl poweroff in a shell on the instance; DescribeScalingActivities "
        "then has a termination and a launch",
    ),
    Prediction(
        name="template-number",
        expected="DescribeAutoScalingGroups gives the version of the launch template that an "
        "instance was made from as a number, so that the steward knows an old image.",
        source="botocore's service model of autoscaling: LaunchTemplateSpecification.Version",
        shown_by="make deploy with another IMAGE_ID while a GPU is on and idle: it goes off within "
        "two minutes",
    ),
    Prediction(
        name="figures-by-environment",
        expected="The CloudWatch agent sends the card's figures under the dimension Environment "
        "alone, too, from which the alarms gpu-hot and gpu-idle read.",
        source="the agent's configuration reference, append_dimensions and aggregation_dimensions",
        shown_by="aws cloudwatch list-metrics --namespace Aistratus --dimensions Name=Environment "
        "after an hour with a GPU: nvidia_smi_temperature_gpu and nvidia_smi_utilization_gpu",
    ),
)
