"""API Gateway can be described in the emulator; nothing answers behind it."""

from support.emulator_process import client


def test_an_api_is_made_part_by_part(emulator_url: str) -> None:
    apis = client("apigatewayv2", emulator_url)
    api_id = apis.create_api(Name="an-api", ProtocolType="HTTP")["ApiId"]
    apis.create_route(ApiId=api_id, RouteKey="$default")
    assert [api["Name"] for api in apis.get_apis()["Items"]] == ["an-api"]
    assert [route["RouteKey"] for route in apis.get_routes(ApiId=api_id)["Items"]] == ["$default"]
