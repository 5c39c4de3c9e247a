# Two functions from one zip: the router answers the API, the steward looks after everything each
# minute. Their rights are in policies.tf.

locals {
  functions = {
    router = {
      name        = "${var.name}-router"
      handler     = "aistratus_router.api.handler.handler"
      description = "Answers the API."
      # The gateway gives up after 30 seconds.
      timeout_seconds = 29
    }
    steward = {
      name        = "${var.name}-steward"
      handler     = "aistratus_router.steward.handler.handler"
      description = "Sees to every open job and to the fleet, each minute."
      # It begins its last call 15 seconds before the timeout.
      timeout_seconds = 60
    }
  }

  publishes = { router = true, steward = false }

  # A new account may run 10 functions at once.
  concurrency = coalesce(var.available_concurrency, 10)
  # AWS keeps 100 of them for the functions that reserve none.
  can_reserve = local.concurrency - max(0, var.reserved_concurrency) > 100

  reserved = {
    router  = var.reserved_concurrency
    steward = var.steward_reserved_concurrency != null ? var.steward_reserved_concurrency : local.can_reserve ? 1 : -1
  }

  # Half of what the router can run at once may wait with a held poll; prompts, and a steward without
  # a reservation, find room in the other half. 256 is the program's own limit.
  router_concurrency = var.reserved_concurrency > 0 ? var.reserved_concurrency : local.concurrency
  readers            = coalesce(var.user_limits.readers, min(256, max(1, floor(local.router_concurrency / 2))))

  # The limits of one user. The program has defaults for those that are not set.
  user_limits = {
    for name, most in {
      AISTRATUS_LANES_PER_USER     = var.user_limits.lanes
      AISTRATUS_OPEN_JOBS_PER_USER = var.user_limits.open_jobs
      AISTRATUS_PROMPTS_PER_MINUTE = var.user_limits.prompts_per_minute
      AISTRATUS_PROMPT_BURST       = var.user_limits.prompt_burst
      AISTRATUS_READERS_PER_USER   = var.user_limits.readers_per_user
      AISTRATUS_READERS            = local.readers
    } : name => tostring(most) if most != null
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:An environment says how long (log_retention_days); who asks what shall not be known for a year by default
  for_each = local.functions

  name              = "/aws/lambda/${each.value.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:The gateway waits for the router's answer, and the steward's next round does what a failed one left undone
  #checkov:skip=CKV_AWS_117:They call nothing but AWS's own services; in a VPC that would need endpoints, which cost while nothing runs
  #checkov:skip=CKV_AWS_272:The package is built and applied by the same hands; who may change the function may change what it may be signed by
  for_each = local.functions

  function_name = each.value.name
  description   = each.value.description
  role          = aws_iam_role.this[each.key].arn

  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  handler          = each.value.handler
  runtime          = "python3.13"
  architectures    = ["arm64"]

  timeout                        = each.value.timeout_seconds
  memory_size                    = var.memory_mb
  reserved_concurrent_executions = local.reserved[each.key]
  kms_key_arn                    = var.kms_key_arn

  # The alias needs a version, and so does a snapshot.
  publish = local.publishes[each.key]

  environment {
    variables = merge(local.user_limits, { AISTRATUS_REGISTRY = var.registry_prefix })
  }

  # Lambda traces one request a second and does not let that be changed; of readers that poll, that
  # would be nearly every one. The gateway asks for no trace, so the router has none.
  tracing_config {
    mode = each.key == "steward" ? "Active" : "PassThrough"
  }

  dynamic "snap_start" {
    for_each = var.snapstart && local.publishes[each.key] ? ["PublishedVersions"] : []

    content {
      apply_on = snap_start.value
    }
  }

  # Without its rights the first call fails; without its log group, Lambda creates one with
  # unlimited retention.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "router" {
  name             = var.alias
  description      = "What the gateway calls."
  function_name    = aws_lambda_function.this["router"].function_name
  function_version = aws_lambda_function.this["router"].version
}

# --- the steward's minute ------------------------------------------------------------------

resource "aws_cloudwatch_event_rule" "minute" {
  name                = "${var.name}-steward"
  description         = "Calls the steward every minute."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "steward" {
  rule = aws_cloudwatch_event_rule.minute.name
  arn  = aws_lambda_function.this["steward"].arn
}

resource "aws_lambda_permission" "minute" {
  statement_id  = "minute"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["steward"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.minute.arn
}

# A failed round is not retried: the next one is a minute away and does the same.
resource "aws_lambda_function_event_invoke_config" "steward" {
  function_name                = aws_lambda_function.this["steward"].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
