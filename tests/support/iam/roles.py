"""Which role each of the three callers has, and what it grants, according to IAM itself."""

from typing import Any, Protocol

from support.iam.policies import Role


class Clients(Protocol):
    """Gives a boto3 client of a service."""

    def __call__(self, service: str) -> Any: ...


def role_of(aws: Clients, name: str) -> Role:
    """A role with all its policies, inline and attached."""
    iam = aws("iam")
    documents: list[Any] = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        documents.append(found["PolicyVersion"]["Document"])
    assert all(isinstance(document, dict) for document in documents), documents
    return Role.of(name, documents)


def role_of_function(aws: Clients, function: str) -> Role:
    """The role that Lambda takes on for a function."""
    arn = aws("lambda").get_function_configuration(FunctionName=function)["Role"]
    return role_of(aws, _name(arn))


def role_of_instances(aws: Clients, launch_template: str) -> Role:
    """The role that the instances of a launch template take on."""
    found = aws("ec2").describe_launch_template_versions(
        LaunchTemplateId=launch_template, Versions=["$Latest"]
    )
    profile = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["IamInstanceProfile"]
    name = profile.get("Name") or _name(profile["Arn"])
    answer = aws("iam").get_instance_profile(InstanceProfileName=name)
    [role] = answer["InstanceProfile"]["Roles"]
    return role_of(aws, role["RoleName"])


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
