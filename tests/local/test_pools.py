"""What Terraform makes in a pool of users, it can take away again."""

import pytest
from botocore.exceptions import ClientError

from support.emulator_process import client


def test_a_resource_server_goes_and_can_come_back(emulator_url: str) -> None:
    pools = client("cognito-idp", emulator_url)
    pool_id = pools.create_user_pool(PoolName="a-pool")["UserPool"]["Id"]
    server = {"UserPoolId": pool_id, "Identifier": "aistratus"}
    for _ in range(2):
        pools.create_resource_server(Name="Aistratus", Scopes=[], **server)
        pools.delete_resource_server(**server)
        assert pools.list_resource_servers(UserPoolId=pool_id)["ResourceServers"] == []
    with pytest.raises(ClientError) as refused:
        pools.delete_resource_server(**server)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
