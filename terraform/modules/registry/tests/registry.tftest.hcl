mock_provider "aws" {}

variables {
  prefix     = "/aistratus/test"
  values     = { "jobs/table_name" = "aistratus-test", "models" = "{}" }
  adjustable = { "fleet/idle_timeout_seconds" = "600" }
}

run "parameters" {
  assert {
    condition     = aws_ssm_parameter.fixed["jobs/table_name"].name == "/aistratus/test/jobs/table_name" && aws_ssm_parameter.fixed["jobs/table_name"].value == "aistratus-test"
    error_message = "A value should stand under its path below the prefix."
  }

  assert {
    condition     = alltrue([for parameter in merge(aws_ssm_parameter.fixed, aws_ssm_parameter.adjustable) : parameter.type == "String"])
    error_message = "Programs read parameters of type String."
  }

  assert {
    condition     = toset(keys(output.arns)) == toset(["jobs/table_name", "models", "fleet/idle_timeout_seconds"])
    error_message = "There should be an ARN for each parameter."
  }

  assert {
    condition     = output.prefix == "/aistratus/test"
    error_message = "The prefix should come out as it went in."
  }
}

run "what_is_adjustable_is_left_alone" {
  variables {
    adjustable = { "fleet/idle_timeout_seconds" = "900" }
  }

  assert {
    condition     = aws_ssm_parameter.adjustable["fleet/idle_timeout_seconds"].value == "600"
    error_message = "A value that the running system may have set should stay."
  }
}

run "refuses_a_prefix_of_aws" {
  command = plan

  variables {
    prefix = "/aws/aistratus"
  }

  expect_failures = [var.prefix]
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    prefix     = "aistratus/test"
    values     = { "jobs/table_name" = "" }
    adjustable = { "fleet/idle_timeout_seconds" = "" }
  }

  expect_failures = [var.prefix, var.values, var.adjustable]
}
