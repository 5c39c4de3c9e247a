mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij" }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = { invoke_url = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:some" }
  }
}

variables {
  name                = "aistratus-test"
  issuer              = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abcdefghi"
  client_id           = "abcdefghijklmnopqrstuvwxyz"
  scopes              = ["aistratus/infer", "aistratus/operate"]
  function_name       = "aistratus-test-router"
  function_alias      = "live"
  function_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/some:live/invocations"
  cors_origins        = []
  log_retention_days  = 30
}

run "routes" {
  assert {
    condition     = aws_apigatewayv2_route.default.route_key == "$default" && aws_apigatewayv2_route.default.authorization_type == "JWT" && toset(aws_apigatewayv2_route.default.authorization_scopes) == toset(["aistratus/infer", "aistratus/operate"])
    error_message = "Everything should need a token with one of the scopes."
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_route.open)) == toset(["GET /health", "GET /openapi.json"])
    error_message = "Only these two should be open."
  }

  assert {
    condition     = one(aws_apigatewayv2_authorizer.jwt.jwt_configuration).issuer == var.issuer && one(aws_apigatewayv2_authorizer.jwt.jwt_configuration).audience == toset([var.client_id])
    error_message = "Tokens should be of our pool and for our client."
  }

  assert {
    condition     = aws_apigatewayv2_integration.router.payload_format_version == "2.0"
    error_message = "The router reads events of version 2.0."
  }

  assert {
    condition     = output.url == "https://abcdefghij.execute-api.eu-central-1.amazonaws.com"
    error_message = "Clients put paths behind the address, so it has no slash at its end."
  }
}

run "stage" {
  assert {
    condition     = one(aws_apigatewayv2_stage.this.default_route_settings).throttling_rate_limit == 100 && one(aws_apigatewayv2_stage.this.default_route_settings).throttling_burst_limit == 200
    error_message = "There should be a limit."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.this.access_log_settings).destination_arn == aws_cloudwatch_log_group.access.arn && can(jsondecode(one(aws_apigatewayv2_stage.this.access_log_settings).format).status)
    error_message = "Requests should be logged, as JSON."
  }

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "No page should call the API from a browser by default."
  }

  assert {
    condition     = aws_lambda_permission.gateway.qualifier == "live" && startswith(aws_lambda_permission.gateway.source_arn, aws_apigatewayv2_api.this.execution_arn)
    error_message = "Only this API should call the function."
  }
}

run "with_a_page" {
  command = plan

  variables {
    cors_origins = ["https://chat.example.org", "http://localhost:8550"]
  }

  assert {
    condition     = one(aws_apigatewayv2_api.this.cors_configuration).allow_origins == toset(["https://chat.example.org", "http://localhost:8550"])
    error_message = "The page should be allowed to call."
  }
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    cors_origins        = ["*"]
    issuer              = "http://cognito.example.org"
    scopes              = []
    requests_per_second = 0
    burst               = 0
    name                = "Aistratus Test"
  }

  expect_failures = [var.cors_origins, var.issuer, var.scopes, var.requests_per_second, var.burst, var.name]
}
