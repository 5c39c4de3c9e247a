"""Everything in an account that Terraform can have made."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Lister = Callable[[Any], list[str]]


def _instances(ec2: Any) -> set[str]:
    """The instances that exist; AWS shows terminated ones for an hour."""
    return {
        each["InstanceId"]
        for reservation in ec2.describe_instances()["Reservations"]
        for each in reservation["Instances"]
        if each["State"]["Name"] != "terminated"
    }


def _interfaces(ec2: Any) -> list[str]:
    """All but those of terminated instances: EC2 deletes these interfaces too, moto does not."""
    there = _instances(ec2)
    return [
        each["NetworkInterfaceId"]
        for each in ec2.describe_network_interfaces()["NetworkInterfaces"]
        if each.get("Attachment", {}).get("InstanceId") in there | {None}
    ]


# By Terraform's resource type: the service to ask, and how to list all of that type.
LISTS: Final[Mapping[str, tuple[str, Lister]]] = {
    "aws_apigatewayv2_api": (
        "apigatewayv2",
        lambda api: [each["ApiId"] for each in api.get_apis()["Items"]],
    ),
    "aws_autoscaling_group": (
        "autoscaling",
        lambda groups: [
            each["AutoScalingGroupName"]
            for each in groups.describe_auto_scaling_groups()["AutoScalingGroups"]
        ],
    ),
    "aws_cloudwatch_dashboard": (
        "cloudwatch",
        lambda watch: [
            each["DashboardName"] for each in watch.list_dashboards()["DashboardEntries"]
        ],
    ),
    "aws_cloudwatch_event_rule": (
        "events",
        lambda events: [each["Name"] for each in events.list_rules()["Rules"]],
    ),
    "aws_cloudwatch_log_group": (
        "logs",
        lambda logs: [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]],
    ),
    "aws_cloudwatch_metric_alarm": (
        "cloudwatch",
        lambda watch: [each["AlarmName"] for each in watch.describe_alarms()["MetricAlarms"]],
    ),
    "aws_cognito_user_pool": (
        "cognito-idp",
        lambda pools: [each["Id"] for each in pools.list_user_pools(MaxResults=60)["UserPools"]],
    ),
    "aws_dynamodb_table": ("dynamodb", lambda tables: tables.list_tables()["TableNames"]),
    "aws_ebs_volume": (
        "ec2",
        lambda ec2: [each["VolumeId"] for each in ec2.describe_volumes()["Volumes"]],
    ),
    "aws_iam_instance_profile": (
        "iam",
        lambda iam: [
            each["InstanceProfileName"] for each in iam.list_instance_profiles()["InstanceProfiles"]
        ],
    ),
    "aws_iam_policy": (
        "iam",
        lambda iam: [each["Arn"] for each in iam.list_policies(Scope="Local")["Policies"]],
    ),
    "aws_iam_role": ("iam", lambda iam: [each["RoleName"] for each in iam.list_roles()["Roles"]]),
    "aws_instance": ("ec2", lambda ec2: sorted(_instances(ec2))),
    "aws_internet_gateway": (
        "ec2",
        lambda ec2: [
            each["InternetGatewayId"]
            for each in ec2.describe_internet_gateways()["InternetGateways"]
        ],
    ),
    "aws_kms_key": ("kms", lambda kms: [each["KeyId"] for each in kms.list_keys()["Keys"]]),
    "aws_lambda_function": (
        "lambda",
        lambda functions: [
            each["FunctionName"] for each in functions.list_functions()["Functions"]
        ],
    ),
    "aws_launch_template": (
        "ec2",
        lambda ec2: [
            each["LaunchTemplateId"] for each in ec2.describe_launch_templates()["LaunchTemplates"]
        ],
    ),
    "aws_network_interface": ("ec2", _interfaces),
    "aws_route_table": (
        "ec2",
        lambda ec2: [each["RouteTableId"] for each in ec2.describe_route_tables()["RouteTables"]],
    ),
    "aws_security_group": (
        "ec2",
        lambda ec2: [each["GroupId"] for each in ec2.describe_security_groups()["SecurityGroups"]],
    ),
    "aws_sns_topic": (
        "sns",
        lambda topics: [each["TopicArn"] for each in topics.list_topics()["Topics"]],
    ),
    "aws_sns_topic_subscription": (
        "sns",
        lambda topics: [
            each["SubscriptionArn"] for each in topics.list_subscriptions()["Subscriptions"]
        ],
    ),
    "aws_sqs_queue": ("sqs", lambda queues: queues.list_queues().get("QueueUrls", [])),
    "aws_ssm_parameter": (
        "ssm",
        lambda ssm: [each["Name"] for each in ssm.describe_parameters()["Parameters"]],
    ),
    "aws_subnet": (
        "ec2",
        lambda ec2: [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]],
    ),
    "aws_vpc": ("ec2", lambda ec2: [each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]]),
    "aws_vpc_endpoint": (
        "ec2",
        lambda ec2: [
            each["VpcEndpointId"]
            for each in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if each["State"] != "deleted"  # AWS shows those for a while
        ],
    ),
}

# Types that exist only as a part of something above, and go with it.
PARTS: Final[Mapping[str, str]] = {
    "aws_apigatewayv2_authorizer": "aws_apigatewayv2_api",
    "aws_apigatewayv2_integration": "aws_apigatewayv2_api",
    "aws_apigatewayv2_route": "aws_apigatewayv2_api",
    "aws_apigatewayv2_stage": "aws_apigatewayv2_api",
    "aws_autoscaling_lifecycle_hook": "aws_autoscaling_group",
    "aws_cloudwatch_event_target": "aws_cloudwatch_event_rule",
    "aws_cognito_managed_login_branding": "aws_cognito_user_pool",
    "aws_cognito_resource_server": "aws_cognito_user_pool",
    "aws_cognito_user_pool_client": "aws_cognito_user_pool",
    "aws_cognito_user_pool_domain": "aws_cognito_user_pool",
    "aws_default_security_group": "aws_vpc",
    "aws_iam_role_policy": "aws_iam_role",
    "aws_lambda_alias": "aws_lambda_function",
    "aws_lambda_function_event_invoke_config": "aws_lambda_function",
    "aws_lambda_permission": "aws_lambda_function",
    "aws_route": "aws_route_table",
    "aws_route_table_association": "aws_route_table",
    "aws_sns_topic_policy": "aws_sns_topic",
    "aws_vpc_security_group_egress_rule": "aws_security_group",
    "aws_vpc_security_group_ingress_rule": "aws_security_group",
}

Inventory = dict[str, set[str]]


def inventory(aws: Callable[[str], Any]) -> Inventory:
    """What exists, by type; types without any are left out."""
    found = {kind: set(of_all(aws(service))) for kind, (service, of_all) in LISTS.items()}
    return {kind: ids for kind, ids in found.items() if ids}


def beyond(now: Inventory, before: Inventory) -> Inventory:
    """What exists now and did not before."""
    more = {kind: ids - before.get(kind, set()) for kind, ids in now.items()}
    return {kind: ids for kind, ids in more.items() if ids}
