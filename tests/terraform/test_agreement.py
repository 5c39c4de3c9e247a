"""What Terraform makes is what the programs count on, and what `local/` makes on one machine.

It is looked at in the state that Terraform's mock of AWS leads to: what the configuration says is
in it as it is, and what AWS would have made up is made up.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import build_zip
import pytest

from aistratus_contracts.known_models import known_models
from aistratus_contracts.limits import (
    DEFAULT_IDLE_TIMEOUT_SECONDS,
    MAX_EVENT_WAIT_SECONDS,
    MAX_IDLE_TIMEOUT_SECONDS,
    MIN_IDLE_TIMEOUT_SECONDS,
    VISIBILITY_TIMEOUT_SECONDS,
)
from aistratus_contracts.models import decode_catalogue
from aistratus_contracts.registry import OF_FUNCTIONS, REGISTRY_VARIABLE, Parameter, Scope
from aistratus_contracts.table import TABLE_SCHEMA, TTL_ATTRIBUTE
from aistratus_desktop.native import CALLBACK_PATH, CALLBACK_PORTS
from aistratus_local.gateway.api import OPEN_ROUTES
from aistratus_local.provision import (
    DEAD_LETTER_QUEUE_NAME,
    MAX_RECEIVE_COUNT,
    NATIVE_CALLBACK_PORTS,
    QUEUE_NAME,
)
from aistratus_operator.cloud.instance_types import default_instance_types
from aistratus_router.steward.sweep import RESERVE_SECONDS
from aistratus_router.user_limits import VARIABLES
from support.terraform_folders import copied, initialized
from terraform_pages.page import TERRAFORM
from terraform_pages.reader import blocks

pytestmark = pytest.mark.needs("terraform")

NAME: Final = "aistratus-test"
PREFIX: Final = "/aistratus/test"

# The gateway's limit, which cannot be raised.
GATEWAY_SECONDS: Final = 30

NAMES: Final = ("name", "function_name", "alarm_name", "dashboard_name")
BEGINNINGS: Final = (NAME, PREFIX, f"/aws/lambda/{NAME}", f"/aws/apigateway/{NAME}")
OTHERS_NAMES: Final = {
    "module.api.aws_apigatewayv2_stage.this": "$default is the stage without a name",
    "module.identity.aws_cognito_resource_server.this": "shown to people",
    "module.router.aws_lambda_alias.router": "a name within the function",
    "module.network.aws_default_security_group.nothing": "AWS has named it",
}
"""What is not named project-env, and why."""


@dataclass(frozen=True, slots=True)
class State:
    """All resources of a deployment, by their addresses."""

    resources: dict[str, dict[str, Any]]

    def values(self, address: str) -> dict[str, Any]:
        """One resource's attributes."""
        found: dict[str, Any] = self.resources[address]["values"]
        return found

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The attributes of all resources of a type."""
        return [each["values"] for each in self.resources.values() if each["type"] == kind]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    terraform = initialized(copied(tmp_path_factory.mktemp("agreement") / "terraform"), ".")
    done = terraform.run("test", "-json", "-verbose", "-filter=tests/composition.tftest.hcl")
    for line in done.output.splitlines():
        said = json.loads(line)
        if said["type"] == "test_state" and said["@testrun"] == "everything_by_default":
            return State(dict(_resources(said["test_state"]["root_module"])))
    pytest.fail("The composition's test has no run everything_by_default.")


def _resources(module: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield resource["address"], resource
    for child in module.get("child_modules", []):
        yield from _resources(child)


def test_the_registry_has_what_is_read_and_nothing_else(state: State) -> None:
    parameters = {each["name"]: each["type"] for each in state.of("aws_ssm_parameter")}
    assert parameters == {each.under(PREFIX): "String" for each in set(Parameter) - OF_FUNCTIONS}


def test_what_the_running_system_sets_is_left_alone(state: State) -> None:
    adjustable = {address for address in state.resources if ".adjustable[" in address}
    name = Parameter.IDLE_TIMEOUT.value
    assert adjustable == {f'module.registry.aws_ssm_parameter.adjustable["{name}"]'}


def test_the_idle_timeout_begins_where_the_router_would(state: State) -> None:
    (value,) = (
        each["value"]
        for each in state.of("aws_ssm_parameter")
        if each["name"] == Parameter.IDLE_TIMEOUT.under(PREFIX)
    )
    assert int(value) == DEFAULT_IDLE_TIMEOUT_SECONDS
    text = (TERRAFORM / "variables.tf").read_text("utf-8")
    assert f"var.idle_timeout_seconds >= {MIN_IDLE_TIMEOUT_SECONDS} " in text
    assert f"var.idle_timeout_seconds <= {MAX_IDLE_TIMEOUT_SECONDS} " in text


def test_the_models_are_those_of_the_image(state: State) -> None:
    (value,) = (
        each["value"]
        for each in state.of("aws_ssm_parameter")
        if each["name"] == Parameter.MODELS.under(PREFIX)
    )
    (card,) = decode_catalogue(value).models
    image = (TERRAFORM.parent / "packer" / "worker" / "tinyllama.pkrvars.hcl").read_text("utf-8")
    assert card == known_models()["tinyllama"].card
    assert 'model        = "tinyllama"' in image


def test_the_instances_are_the_known_ones_in_their_order(state: State) -> None:
    group = state.values("module.fleet.aws_autoscaling_group.workers")
    ((policy,),) = (each["launch_template"] for each in group["mixed_instances_policy"])
    taken = [each["instance_type"] for each in policy["override"]]
    assert taken == [each.type for each in default_instance_types()]


def test_the_table_is_the_one_of_the_contracts(state: State) -> None:
    (table,) = state.of("aws_dynamodb_table")
    (index,) = table["local_secondary_index"]
    keys = {"HASH": table["hash_key"], "RANGE": table["range_key"]}
    made = {
        "AttributeDefinitions": sorted((each["name"], each["type"]) for each in table["attribute"]),
        "KeySchema": keys,
        "Index": (
            index["name"],
            {"HASH": table["hash_key"], "RANGE": index["range_key"]},
            index["projection_type"],
        ),
        "BillingMode": table["billing_mode"],
    }
    (wanted,) = TABLE_SCHEMA["LocalSecondaryIndexes"]
    assert made == {
        "AttributeDefinitions": sorted(
            (each["AttributeName"], each["AttributeType"])
            for each in TABLE_SCHEMA["AttributeDefinitions"]
        ),
        "KeySchema": _keys(TABLE_SCHEMA["KeySchema"]),
        "Index": (
            wanted["IndexName"],
            _keys(wanted["KeySchema"]),
            wanted["Projection"]["ProjectionType"],
        ),
        "BillingMode": TABLE_SCHEMA["BillingMode"],
    }
    assert table["global_secondary_index"] == []
    assert table["ttl"] == [{"attribute_name": TTL_ATTRIBUTE, "enabled": True}]


def _keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {each["KeyType"]: each["AttributeName"] for each in schema}


def test_the_queues_are_those_of_one_machine(state: State) -> None:
    jobs = state.values("module.jobs.aws_sqs_queue.jobs")
    dead_letters = state.values("module.jobs.aws_sqs_queue.dead_letters")
    assert jobs["name"] == f"{NAME}-{QUEUE_NAME}"
    assert dead_letters["name"] == f"{NAME}-{DEAD_LETTER_QUEUE_NAME}"
    assert jobs["visibility_timeout_seconds"] == VISIBILITY_TIMEOUT_SECONDS
    assert json.loads(jobs["redrive_policy"]) == {
        "deadLetterTargetArn": dead_letters["arn"],
        "maxReceiveCount": MAX_RECEIVE_COUNT,
    }


def test_apps_can_sign_in_where_they_listen(state: State) -> None:
    (client,) = state.of("aws_cognito_user_pool_client")
    native = {f"http://localhost:{port}{CALLBACK_PATH}" for port in CALLBACK_PORTS}
    assert CALLBACK_PORTS == NATIVE_CALLBACK_PORTS
    assert set(client["callback_urls"]) == native | {"aistratus://callback"}
    assert {f"http://localhost:{port}/" for port in CALLBACK_PORTS} < set(client["logout_urls"])


def test_the_scopes_are_those_of_the_contracts(state: State) -> None:
    (server,) = state.of("aws_cognito_resource_server")
    made = {f"{server['identifier']}/{each['scope_name']}" for each in server["scope"]}
    assert made == {each.value for each in Scope}
    routes = {each["route_key"]: each for each in state.of("aws_apigatewayv2_route")}
    assert set(routes["$default"]["authorization_scopes"]) == made


def test_the_open_routes_are_those_of_one_machine(state: State) -> None:
    routes = state.of("aws_apigatewayv2_route")
    made = {each["route_key"] for each in routes if each["authorization_type"] == "NONE"}
    assert made == OPEN_ROUTES


def test_the_functions_are_what_the_package_holds(state: State) -> None:
    functions = state.of("aws_lambda_function")
    assert len(functions) == 2
    for function in functions:
        module, _, name = function["handler"].rpartition(".")
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        assert f"def {name}(" in Path(spec.origin).read_text("utf-8")
        assert function["runtime"] == f"python{build_zip.LAMBDA_PYTHON}"
        assert function["architectures"] == ["arm64"]
        variables = function["environment"][0]["variables"]
        assert variables == {REGISTRY_VARIABLE: PREFIX, VARIABLES["readers"][0]: "5"}
    assert "aarch64" in build_zip.ARCHITECTURES  # which Lambda calls arm64


def test_each_function_has_the_time_that_its_code_wants(state: State) -> None:
    router = state.values('module.router.aws_lambda_function.this["router"]')
    steward = state.values('module.router.aws_lambda_function.this["steward"]')
    assert MAX_EVENT_WAIT_SECONDS < router["timeout"] < GATEWAY_SECONDS
    assert RESERVE_SECONDS * 2 < steward["timeout"] <= 60  # or two rounds would meet


def test_everything_bears_the_deployments_name(state: State) -> None:
    strange = {
        address
        for address, resource in state.resources.items()
        for key in NAMES
        if isinstance(name := resource["values"].get(key), str)
        if not name.startswith(BEGINNINGS)
    }
    assert strange == set(OTHERS_NAMES)
    assert state.of("aws_cognito_user_pool_domain")[0]["domain"].startswith(NAME)


def test_what_clients_need_is_among_the_outputs() -> None:
    outputs = {each.name for each in blocks(TERRAFORM / "outputs.tf", "output")}
    assert outputs >= {"api_url", "region", "client_id", "login_url", "registry_prefix"}
