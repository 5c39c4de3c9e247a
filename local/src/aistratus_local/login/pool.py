"""The user pool as the login uses it: registered apps, and people with passwords."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import ClientMixin
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


@dataclass(frozen=True, slots=True)
class Person:
    """A person who has signed in."""

    sub: str
    username: str
    email: str


@dataclass(frozen=True, slots=True)
class App(ClientMixin):  # type: ignore[misc]
    """A registered public client, in Authlib's terms."""

    client_id: str
    callback_urls: tuple[str, ...]
    logout_urls: tuple[str, ...]
    scopes: tuple[str, ...]

    def get_client_id(self) -> str:
        """The id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """None: a request must always name the address."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        """The requested scopes that are allowed; all allowed ones if none are requested."""
        asked = (scope or "").split() or self.scopes
        return " ".join(name for name in asked if name in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Accept registered addresses only, matched exactly."""
        return redirect_uri in self.callback_urls

    def check_client_secret(self, client_secret: str) -> bool:
        """Accept no secret: a public client has none."""
        return not client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002
        """Accept only `none`: a public client does not authenticate; PKCE secures the exchange."""
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        """Accept the code flow only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Accept the authorization code and its refresh token."""
        return grant_type in ("authorization_code", "refresh_token")


@dataclass(frozen=True)
class UserPool:
    """One of the emulator's pools."""

    client: "CognitoIdentityProviderClient"
    pool_id: str

    def app(self, client_id: str) -> App | None:
        """The app registered under that id; None if there is none."""
        try:
            answer = self.client.describe_user_pool_client(
                UserPoolId=self.pool_id, ClientId=client_id
            )
        except ClientError:
            return None
        found: dict[str, Any] = dict(answer["UserPoolClient"])
        return App(
            client_id=client_id,
            callback_urls=tuple(found.get("CallbackURLs", ())),
            logout_urls=tuple(found.get("LogoutURLs", ())),
            scopes=tuple(found.get("AllowedOAuthScopes", ())),
        )

    def sign_in(self, client_id: str, username: str, password: str) -> Person | None:
        """The person, if name and password are right; else None."""
        try:
            self.client.initiate_auth(
                ClientId=client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": username, "PASSWORD": password},
            )
            found = self.client.admin_get_user(UserPoolId=self.pool_id, Username=username)
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSALS:
                return None
            raise
        attributes = {item["Name"]: item.get("Value", "") for item in found["UserAttributes"]}
        return Person(attributes["sub"], found["Username"], attributes.get("email", ""))


# All of these get the same answer: telling them apart would reveal which users exist.
_REFUSALS = frozenset(
    {
        "InvalidParameterException",
        "NotAuthorizedException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
        "UserNotFoundException",
    }
)
