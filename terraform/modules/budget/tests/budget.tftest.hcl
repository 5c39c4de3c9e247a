mock_provider "aws" {}

variables {
  name        = "aistratus-test"
  monthly_usd = 20
  topic_arn   = "arn:aws:sns:eu-central-1:123456789012:aistratus-test-alarms"
  email       = ""
}

run "month" {
  assert {
    condition     = aws_budgets_budget.month.limit_amount == "20" && aws_budgets_budget.month.time_unit == "MONTHLY"
    error_message = "A month should have its limit."
  }

  assert {
    condition     = sort([for each in aws_budgets_budget.month.notification : "${each.notification_type} ${each.threshold}"]) == tolist(["ACTUAL 100", "ACTUAL 50", "ACTUAL 80", "FORECASTED 100"])
    error_message = "Word should come at 50, 80 and 100 percent, and when 100 is foreseen."
  }

  assert {
    condition     = alltrue([for each in aws_budgets_budget.month.notification : each.subscriber_sns_topic_arns == toset([var.topic_arn])])
    error_message = "The topic should be told."
  }

  assert {
    condition     = length(aws_budgets_budget.month.cost_filter) == 0
    error_message = "A tag that nobody has activated counts nothing: the whole account should count."
  }
}

run "mail_and_tag" {
  variables {
    email = "me@example.com"
    tag   = "project$aistratus"
  }

  assert {
    condition     = alltrue([for each in aws_budgets_budget.month.notification : each.subscriber_email_addresses == toset(["me@example.com"]) && length(coalesce(each.subscriber_sns_topic_arns, [])) == 0])
    error_message = "The address should be told, once."
  }

  assert {
    condition     = one(aws_budgets_budget.month.cost_filter).name == "TagKeyValue" && one(aws_budgets_budget.month.cost_filter).values == tolist(["user:project$aistratus"])
    error_message = "Only what bears the tag should count."
  }
}

run "refuses_nothing" {
  command = plan

  variables {
    monthly_usd = 0
  }

  expect_failures = [var.monthly_usd]
}

run "refuses_to_tell_nobody" {
  command = plan

  variables {
    topic_arn = ""
  }

  expect_failures = [var.email]
}

run "refuses_a_bad_address" {
  command = plan

  variables {
    email = "me@example"
  }

  expect_failures = [var.email]
}

run "refuses_a_tag_without_a_value" {
  command = plan

  variables {
    tag = "project"
  }

  expect_failures = [var.tag]
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "x"
  }

  expect_failures = [var.name]
}
