# The way in. The gateway checks the token; every path is the router's business
# (docs/adr/0006-one-default-route.md).

locals {
  open_routes = ["GET /health", "GET /openapi.json"]
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Aistratus."
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    for_each = length(var.cors_origins) > 0 ? [var.cors_origins] : []

    content {
      allow_origins = cors_configuration.value
      allow_methods = ["DELETE", "GET", "POST", "PUT"]
      allow_headers = ["authorization", "content-type"]
      max_age       = 3600
    }
  }
}

# Cognito's access tokens have no `aud`; the gateway then checks their `client_id` instead.
resource "aws_apigatewayv2_authorizer" "jwt" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "${var.name}-jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.issuer
    audience = [var.client_id]
  }
}

resource "aws_apigatewayv2_integration" "router" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.function_invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000 # the maximum; the function's own timeout is shorter
}

resource "aws_apigatewayv2_route" "default" {
  api_id               = aws_apigatewayv2_api.this.id
  route_key            = "$default"
  target               = "integrations/${aws_apigatewayv2_integration.router.id}"
  authorization_type   = "JWT"
  authorizer_id        = aws_apigatewayv2_authorizer.jwt.id
  authorization_scopes = var.scopes
}

resource "aws_apigatewayv2_route" "open" {
  #checkov:skip=CKV_AWS_309:Whether the API is up, and how it is used, is for everybody (docs/adr/0006-one-default-route.md)
  for_each = toset(local.open_routes)

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.router.id}"
  authorization_type = "NONE"
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_338:An environment says how long (log_retention_days); who asks what shall not be known for a year by default
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.burst
    detailed_metrics_enabled = false # each route would be a paid metric
  }

  # Logs who called what and how long it took, never any content.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      at                   = "$context.requestTime"
      request_id           = "$context.requestId"
      ip                   = "$context.identity.sourceIp"
      sub                  = "$context.authorizer.claims.sub"
      method               = "$context.httpMethod"
      path                 = "$context.path"
      status               = "$context.status"
      bytes                = "$context.responseLength"
      latency_ms           = "$context.responseLatency"
      router_ms            = "$context.integrationLatency"
      authorizer_error     = "$context.authorizer.error"
      gateway_error        = "$context.error.message"
      integration_error    = "$context.integrationErrorMessage"
      integration_trace_id = "$context.integration.requestId"
    })
  }
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.function_name
  qualifier     = var.function_alias
  principal     = "apigateway.amazonaws.com"

  # Wildcard: every stage and route of this API, which has one stage and a default route.
  source_arn = "${aws_apigatewayv2_api.this.execution_arn}/*"
}
