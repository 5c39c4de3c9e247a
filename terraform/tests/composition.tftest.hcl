# The whole composition, with nothing from AWS: what goes where, and what is refused.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1", id = "eu-central-1" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:some.fifo"
      url = "https://sqs.eu-central-1.amazonaws.com/123456789012/some.fifo"
    }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/some" }
  }

  mock_resource "aws_cognito_user_pool" {
    defaults = {
      arn      = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_abcdefghi"
      endpoint = "cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abcdefghi"
    }
  }

  mock_resource "aws_cognito_resource_server" {
    defaults = { scope_identifiers = ["aistratus/infer", "aistratus/operate"] }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/some" }
  }

  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/some" }
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

  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij" }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = { invoke_url = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/" }
  }

  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:some" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
}

variables {
  env                 = "test"
  image_id            = "ami-0123456789abcdef0"
  router_zip          = "main.tf" # any file: nothing is uploaded
  deletion_protection = false
}

run "everything_by_default" {
  assert {
    condition     = output.registry_prefix == "/aistratus/test" && output.group_name == "aistratus-test-workers" && output.table_name == "aistratus-test"
    error_message = "Everything should be named after project and environment."
  }

  assert {
    condition     = output.router_function == "aistratus-test-router" && output.steward_function == "aistratus-test-steward"
    error_message = "So should the functions."
  }

  assert {
    condition     = output.region == "eu-central-1" && startswith(output.api_url, "https://") && startswith(output.login_url, "https://")
    error_message = "Clients need to know where to go."
  }

  assert {
    condition     = length(aws_kms_key.this) == 0 && length(module.budget) == 0
    error_message = "What costs money or needs a decision should not be there by default."
  }

  assert {
    condition     = endswith(local.group_arn, "/${output.group_name}")
    error_message = "The router's rights should be on the group that is made."
  }
}

run "with_all_options" {
  command = plan

  variables {
    customer_managed_key = true
    private_network      = true
    on_demand_only       = true
    snapstart            = true
    weights_device       = ""
    max_instances        = 3
    alarm_email          = "operator@example.org"
    monthly_budget_usd   = 50
    cors_origins         = ["https://chat.example.org"]
    callback_urls        = ["https://chat.example.org/callback"]
    deletion_protection  = true
  }

  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && length(module.budget) == 1
    error_message = "What was asked for should be there."
  }
}

run "refuses_a_wrong_environment" {
  command = plan

  variables {
    env = "Dev Box"
  }

  expect_failures = [var.env]
}

run "refuses_a_wrong_project" {
  command = plan

  variables {
    project = "my-project"
  }

  expect_failures = [var.project]
}

run "refuses_a_wrong_region" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "refuses_what_is_no_image" {
  command = plan

  variables {
    image_id = "debian-12"
  }

  expect_failures = [var.image_id]
}

run "refuses_what_is_no_device" {
  command = plan

  variables {
    weights_device = "sdf"
  }

  expect_failures = [var.weights_device]
}

run "refuses_a_rate_that_aws_has_not" {
  command = plan

  variables {
    weights_initialization_rate = 50
  }

  expect_failures = [var.weights_initialization_rate]
}

run "refuses_no_model" {
  command = plan

  variables {
    models = []
  }

  expect_failures = [var.models]
}

run "refuses_an_answer_that_does_not_fit" {
  command = plan

  variables {
    models = [{ id = "a", title = "A", context = 512, default_max_tokens = 512, default_temperature = 0.7, license = "MIT" }]
  }

  expect_failures = [var.models]
}

run "refuses_a_wild_temperature" {
  command = plan

  variables {
    models = [{ id = "a", title = "A", context = 512, default_max_tokens = 128, default_temperature = 3, license = "MIT" }]
  }

  expect_failures = [var.models]
}

run "refuses_what_is_no_instance_type" {
  command = plan

  variables {
    instance_types = ["a big one"]
  }

  expect_failures = [var.instance_types]
}

run "refuses_no_instance" {
  command = plan

  variables {
    max_instances = 0
  }

  expect_failures = [var.max_instances]
}

run "refuses_an_idle_timeout_of_seconds" {
  command = plan

  variables {
    idle_timeout_seconds = 5
  }

  expect_failures = [var.idle_timeout_seconds]
}

run "refuses_a_retention_that_cloudwatch_has_not" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_what_is_no_mail_address" {
  command = plan

  variables {
    alarm_email = "operator"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_budget_below_zero" {
  command = plan

  variables {
    monthly_budget_usd = -1
  }

  expect_failures = [var.monthly_budget_usd]
}

run "refuses_a_budget_that_nobody_hears_of" {
  command = plan

  variables {
    monthly_budget_usd = 50
  }

  expect_failures = [var.monthly_budget_usd]
}
