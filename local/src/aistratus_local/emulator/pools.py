"""Moto's Cognito, plus the one call that Terraform also needs: DeleteResourceServer."""

from moto.cognitoidp.responses import CognitoIdpResponse
from moto.core.responses import ActionResult, EmptyResult


def install() -> None:
    """Add the call to moto's Cognito, in this process."""
    CognitoIdpResponse.delete_resource_server = _delete_resource_server  # type: ignore[attr-defined]


def _delete_resource_server(asked: CognitoIdpResponse) -> ActionResult:
    """DeleteResourceServer."""
    pool_id, identifier = asked._get_param("UserPoolId"), asked._get_param("Identifier")
    # Raises if it does not exist.
    asked.backend.describe_resource_server(pool_id, identifier)
    del asked.backend.describe_user_pool(pool_id).resource_servers[identifier]
    return EmptyResult()
