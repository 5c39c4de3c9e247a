"""The names of the ids in SSM Parameter Store, below one prefix per environment.

Terraform (or `local/`) writes them; everything else reads them by these names.
"""

from enum import StrEnum
from typing import Final

# The environment variable that tells a program its prefix, for example `/aistratus/dev`.
REGISTRY_VARIABLE: Final = "AISTRATUS_REGISTRY"


class Parameter(StrEnum):
    """A parameter's path below the prefix; all are of type String.

    Those of the fleet are missing where there is no fleet, and those of the functions where there
    are none (`OF_FUNCTIONS`). The running system changes only the idle timeout, in `PUT /fleet`.
    """

    QUEUE_URL = "jobs/queue_url"
    DEAD_LETTER_QUEUE_URL = "jobs/dead_letter_queue_url"
    TABLE_NAME = "jobs/table_name"
    ISSUER = "identity/issuer"
    CLIENT_ID = "identity/client_id"
    USER_POOL_ID = "identity/user_pool_id"
    LOGIN_URL = "identity/login_url"
    API_URL = "api/url"
    MODELS = "models"
    FLEET_GROUP = "fleet/group_name"
    TERMINATION_HOOK = "fleet/termination_hook_name"
    IDLE_TIMEOUT = "fleet/idle_timeout_seconds"
    SCHEDULE = "fleet/schedule"
    GPU = "fleet/gpu"
    PRICES = "fleet/prices"
    FUNCTION_NAME = "function/name"
    MAX_FUNCTIONS = "function/max"

    def under(self, prefix: str) -> str:
        """The parameter's full name."""
        return f"{prefix.rstrip('/')}/{self.value}"


# What is missing where no functions answer.
OF_FUNCTIONS: Final = frozenset(
    {Parameter.GPU, Parameter.PRICES, Parameter.FUNCTION_NAME, Parameter.MAX_FUNCTIONS}
)


class Scope(StrEnum):
    """What an access token may be used for."""

    INFER = "aistratus/infer"
    OPERATE = "aistratus/operate"
