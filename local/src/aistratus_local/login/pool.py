"""The user pool as the login sees it: one registered app, and people with passwords."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import ClientMixin
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


@dataclass(frozen=True, slots=True)
class Person:
    """Who has signed in."""

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
        """None: the address is always to be named."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        """What of the asked is allowed; all of it when nothing is asked, as Cognito has it."""
        asked = (scope or "").split() or self.scopes
        return " ".join(name for name in asked if name in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Registered addresses only, letter by letter."""
        return redirect_uri in self.callback_urls

    def check_client_secret(self, client_secret: str) -> bool:
        """A public client has none."""
        return not client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002
        """A public client names itself and proves nothing; PKCE proves the exchange."""
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        """The code flow."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """The code, and its refresh token."""
        return grant_type in ("authorization_code", "refresh_token")


@dataclass(frozen=True)
class UserPool:
    """One pool of the emulator."""

    client: "CognitoIdentityProviderClient"
    pool_id: str

    def app(self, client_id: str) -> App | None:
        """The app that is registered under that id."""
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
        """The person, if the pool knows them by this password."""
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


# All that may be wrong with a person is one thing: which of them it is tells who there is.
_REFUSALS = frozenset(
    {
        "InvalidParameterException",
        "NotAuthorizedException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
        "UserNotFoundException",
    }
)
