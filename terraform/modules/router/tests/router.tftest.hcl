mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/some" }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn     = "arn:aws:lambda:eu-central-1:123456789012:function:some"
      version = "7"
    }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/some:live/invocations" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:rule/some" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:some" }
  }
}

variables {
  name                         = "aistratus-test"
  zip                          = "main.tf" # any file: nothing is uploaded
  registry_prefix              = "/aistratus/test"
  registry_arn                 = "arn:aws:ssm:eu-central-1:123456789012:parameter/aistratus/test"
  queue_arn                    = "arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs.fifo"
  dead_letter_queue_arn        = "arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs-dlq.fifo"
  table_arn                    = "arn:aws:dynamodb:eu-central-1:123456789012:table/aistratus-test"
  group_arn                    = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName/aistratus-test-workers"
  log_retention_days           = 30
  snapstart                    = false
  reserved_concurrency         = -1
  steward_reserved_concurrency = null
  available_concurrency        = null
  user_limits                  = {}
}

run "functions" {
  assert {
    condition     = aws_lambda_function.this["router"].handler == "aistratus_router.api.handler.handler" && aws_lambda_function.this["steward"].handler == "aistratus_router.steward.handler.handler"
    error_message = "Both functions should be of the router's package."
  }

  assert {
    condition     = aws_lambda_function.this["router"].timeout < 30 && aws_lambda_function.this["steward"].timeout == 60
    error_message = "The router should stop before the gateway does; the steward has its minute."
  }

  assert {
    condition = alltrue([
      for function in aws_lambda_function.this :
      function.architectures == tolist(["arm64"]) && function.runtime == "python3.13"
    ]) && one(aws_lambda_function.this["steward"].tracing_config).mode == "Active" && one(aws_lambda_function.this["router"].tracing_config).mode == "PassThrough"
    error_message = "Both should run on arm64, and the steward alone with traces, which are paid for."
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.this : one(function.environment).variables == tomap({ AISTRATUS_REGISTRY = "/aistratus/test", AISTRATUS_READERS = "5" })])
    error_message = "All that a function is told is where the registry is, and how many polls are held in a new account."
  }

  assert {
    condition     = aws_lambda_alias.router.function_version == "7" && output.alias == "live" && endswith(output.invoke_arn, ":live/invocations")
    error_message = "The gateway should call the version that was published."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this["router"].name == "/aws/lambda/aistratus-test-router" && aws_cloudwatch_log_group.this["router"].retention_in_days == 30
    error_message = "The logs should be where Lambda writes them, and not for ever."
  }

  assert {
    condition     = length(aws_lambda_function.this["router"].snap_start) == 0
    error_message = "A snapshot costs, so there is none by default."
  }
}

run "the_steward_has_its_minute" {
  assert {
    condition     = aws_cloudwatch_event_rule.minute.schedule_expression == "rate(1 minute)" && aws_cloudwatch_event_target.steward.arn == aws_lambda_function.this["steward"].arn
    error_message = "The steward should be called every minute."
  }

  assert {
    condition     = aws_lambda_permission.minute.principal == "events.amazonaws.com" && aws_lambda_permission.minute.source_arn == aws_cloudwatch_event_rule.minute.arn
    error_message = "Only its schedule should call the steward."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.steward.maximum_retry_attempts == 0
    error_message = "A failed round should be left to the next."
  }
}

run "rights" {
  command = plan

  assert {
    condition = alltrue([
      for document in concat(values(data.aws_iam_policy_document.common), [data.aws_iam_policy_document.router, data.aws_iam_policy_document.steward]) :
      alltrue([for statement in document.statement : alltrue([for action in statement.actions : !strcontains(action, "*")])])
    ])
    error_message = "No action should have a wildcard."
  }

  assert {
    condition = toset(flatten([
      for document in concat(values(data.aws_iam_policy_document.common), [data.aws_iam_policy_document.router, data.aws_iam_policy_document.steward]) :
      [for statement in document.statement : statement.actions if contains(coalesce(statement.resources, []), "*")]
      ])) == toset([
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeScalingActivities",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ])
    error_message = "Only what AWS gives no resource for should be allowed on all."
  }

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.router.statement : tolist(statement.resources) if contains(statement.actions, "ssm:PutParameter")
    ] == [tolist(["arn:aws:ssm:eu-central-1:123456789012:parameter/aistratus/test/fleet/idle_timeout_seconds"])]
    error_message = "The router should write one parameter."
  }

  assert {
    condition     = !anytrue([for document in data.aws_iam_policy_document.common : anytrue([for statement in document.statement : anytrue([for action in statement.actions : startswith(action, "kms:")])])])
    error_message = "Without a key there is nothing to do with it."
  }
}

run "with_options" {
  variables {
    snapstart            = true
    reserved_concurrency = 20
    user_limits          = { open_jobs = 10, readers = 5 }
    kms_key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = one(aws_lambda_function.this["router"].snap_start).apply_on == "PublishedVersions" && length(aws_lambda_function.this["steward"].snap_start) == 0
    error_message = "The router should start from a snapshot; the steward, who is not published, cannot."
  }

  assert {
    condition     = aws_lambda_function.this["router"].reserved_concurrent_executions == 20 && aws_lambda_function.this["steward"].reserved_concurrent_executions == -1
    error_message = "What is reserved is the router's."
  }

  assert {
    condition     = one(aws_lambda_function.this["router"].environment).variables == tomap({ AISTRATUS_REGISTRY = "/aistratus/test", AISTRATUS_OPEN_JOBS_PER_USER = "10", AISTRATUS_READERS = "5" })
    error_message = "The router should be told of the limits that are set, and of no others."
  }

  assert {
    condition     = alltrue([for document in data.aws_iam_policy_document.common : anytrue([for statement in document.statement : contains(statement.actions, "kms:Decrypt") && contains(statement.resources, var.kms_key_arn)])])
    error_message = "Both should be able to read what is encrypted with the key."
  }
}

run "a_new_account" {
  command = plan

  variables {
    available_concurrency = 10
  }

  assert {
    condition     = aws_lambda_function.this["steward"].reserved_concurrent_executions == -1 && one(aws_lambda_function.this["router"].environment).variables.AISTRATUS_READERS == "5"
    error_message = "It can reserve nothing, so half of its concurrency is kept free of held polls."
  }
}

run "the_most_that_can_reserve_nothing" {
  command = plan

  variables {
    available_concurrency = 120
    reserved_concurrency  = 20
  }

  assert {
    condition     = aws_lambda_function.this["steward"].reserved_concurrent_executions == -1 && one(aws_lambda_function.this["router"].environment).variables.AISTRATUS_READERS == "10"
    error_message = "AWS keeps 100 unreserved, and the router's share bounds its held polls."
  }
}

run "the_least_that_can_reserve" {
  command = plan

  variables {
    available_concurrency = 101
  }

  assert {
    condition     = aws_lambda_function.this["steward"].reserved_concurrent_executions == 1 && one(aws_lambda_function.this["router"].environment).variables.AISTRATUS_READERS == "50"
    error_message = "The steward should have one of its own."
  }
}

run "a_large_account" {
  command = plan

  variables {
    available_concurrency        = 1000
    steward_reserved_concurrency = -1
  }

  assert {
    condition     = aws_lambda_function.this["steward"].reserved_concurrent_executions == -1 && one(aws_lambda_function.this["router"].environment).variables.AISTRATUS_READERS == "256"
    error_message = "What the operator says goes, and no more polls are held than the program allows."
  }
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    zip                  = "no/router.zip"
    reserved_concurrency = 0
    memory_mb            = 128
    registry_prefix      = "aistratus/test"
    name                 = "Aistratus Test"
    user_limits          = { lanes = 0 }

    steward_reserved_concurrency = 0
    available_concurrency        = 0.5
  }

  expect_failures = [var.zip, var.reserved_concurrency, var.steward_reserved_concurrency, var.available_concurrency, var.user_limits, var.memory_mb, var.registry_prefix, var.name]
}
