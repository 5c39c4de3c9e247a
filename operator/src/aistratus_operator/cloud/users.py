"""The users who may sign in: the administrator creates them, Cognito sends them mail."""

from typing import Final

from botocore.exceptions import ClientError

from aistratus_contracts.registry import Parameter
from aistratus_operator.checks import check_address
from aistratus_operator.cloud.aws import Account, code_of, said_by
from aistratus_operator.cloud.environments import Environment
from aistratus_operator.cloud.registry import read_parameter
from aistratus_operator.errors import OperatorError

_NEVER_SIGNED_IN: Final = "FORCE_CHANGE_PASSWORD"


def invite(account: Account, environment: Environment, email: str, *, again: bool = False) -> str:
    """Create a user, who gets a temporary password by mail; returns a sentence about it.

    `again` sends a new password to a user who has not used the first one.
    """
    address = check_address(email, environment.name)
    pool_id = read_parameter(account, environment, Parameter.USER_POOL_ID)
    cognito = account.client("cognito-idp")
    try:
        cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=address,
            DesiredDeliveryMediums=["EMAIL"],
            **({"MessageAction": "RESEND"} if again else {}),
            UserAttributes=[
                {"Name": "email", "Value": address},
                {"Name": "email_verified", "Value": "true"},
            ],
        )
    except ClientError as error:
        raise _refused(error, cognito, pool_id, address, environment) from error
    return (
        f"{address} may sign in to {environment.name}: a mail with a temporary password is on "
        "its way. The password is good for 7 days."
    )


def _refused(
    error: ClientError, cognito: object, pool_id: str, address: str, environment: Environment
) -> OperatorError:
    match code_of(error):
        case "UsernameExistsException":
            found = cognito.admin_get_user(  # type: ignore[attr-defined]
                UserPoolId=pool_id, Username=address
            )
            if found["UserStatus"] != _NEVER_SIGNED_IN:
                return OperatorError(
                    f"{address} is a user of {environment.name} already, with a password of their "
                    "own. If it is forgotten, the login page sends a new one."
                )
            return OperatorError(
                f"{address} was invited already, and has not signed in yet. To send a new "
                f"password: make user ENV={environment.name} EMAIL={address} AGAIN=1"
            )
        case "UserNotFoundException" | "UnsupportedUserStateException":
            return OperatorError(
                f"{address} has no invitation to {environment.name} that could be sent again. "
                "Leave AGAIN out to invite them."
            )
        case "ResourceNotFoundException":
            return OperatorError(
                f"The pool of users that the registry of {environment.name} names is gone. Make it "
                f"again: make deploy ENV={environment.name}"
            )
    return OperatorError(
        f"Cognito does not take {address}: {said_by(error)}. Correct it, or get the right to "
        "cognito-idp:AdminCreateUser; then run the same command again."
    )
