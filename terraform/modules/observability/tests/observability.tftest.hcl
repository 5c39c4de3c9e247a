mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:aistratus-test-alarms" }
  }
}

variables {
  name                   = "aistratus-test"
  environment            = "test"
  region                 = "eu-central-1"
  api_id                 = "api1"
  stage_name             = "$default"
  router_function        = "aistratus-test-router"
  steward_function       = "aistratus-test-steward"
  queue_name             = "aistratus-test-jobs.fifo"
  dead_letter_queue_name = "aistratus-test-jobs-dlq.fifo"
  table_name             = "aistratus-test"
  group_name             = "aistratus-test-workers"
  alarm_email            = ""
}

run "alarms" {
  # Each is 0.10 USD a month, after ten free ones: adding one changes docs/cost.md too.
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) + length([for query in aws_cloudwatch_metric_alarm.idle.metric_query : query if length(query.metric) == 1]) == 11
    error_message = "Alarms should look at eleven metrics: CloudWatch gives ten for nothing, and one is paid for."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), [aws_cloudwatch_metric_alarm.idle]) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && startswith(alarm.alarm_name, "aistratus-test-") && alarm.alarm_description != ""])
    error_message = "Every alarm should be told, under our name, with what to do."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.this), [aws_cloudwatch_metric_alarm.idle]) : alarm.threshold >= 0]) && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.period >= 60])
    error_message = "An alarm that looks more often than once a minute costs three times as much."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["steward-missing"].treat_missing_data == "breaching"
    error_message = "A steward that does not run sends no figures: that is the alarm."
  }

  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == "notBreaching" if key != "steward-missing"])
    error_message = "An idle deployment sends no figures, and nothing is wrong with it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["router-slow"].extended_statistic == "p95" && aws_cloudwatch_metric_alarm.this["router-slow"].threshold > 20000
    error_message = "Readers wait up to 20 seconds; only what is longer is slow."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.idle.evaluation_periods == 6
    error_message = "A GPU should have been idle for the whole time, in periods of five minutes."
  }
}

run "mail" {
  variables {
    alarm_email  = "me@example.com"
    idle_minutes = 60
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "me@example.com" && aws_cloudwatch_metric_alarm.idle.evaluation_periods == 12
    error_message = "The address should be told."
  }
}

run "nobody" {
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "Without an address there should be no subscription."
  }
}

run "topic" {
  assert {
    condition     = alltrue([for each in data.aws_iam_policy_document.alarms.statement : one(each.condition).variable == "aws:SourceAccount"])
    error_message = "Only this account's alarms should be told."
  }
}

run "dashboard" {
  assert {
    condition     = length(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : try(widget.properties.metrics, [])])) > 0
    error_message = "There should be something to see."
  }

  assert {
    condition     = sum([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : length(try(widget.properties.metrics, []))]) <= 50
    error_message = "A dashboard of more than 50 metrics costs 3 USD a month."
  }

  # No two overlap, and none extends beyond the edge.
  assert {
    condition = (
      length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
      && alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.x + widget.width <= 24])
    )
    error_message = "Each widget should have a place of its own."
  }

  assert {
    condition     = output.dashboard_url == "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/aistratus-test"
    error_message = "The dashboard's address should lead to it."
  }
}

run "refuses_a_bad_address" {
  command = plan

  variables {
    alarm_email = "me at example"
  }

  expect_failures = [var.alarm_email]
}

run "refuses_a_message_that_may_never_wait" {
  command = plan

  variables {
    oldest_message_seconds = 10
  }

  expect_failures = [var.oldest_message_seconds]
}

run "refuses_minutes_between_periods" {
  command = plan

  variables {
    idle_minutes = 12
  }

  expect_failures = [var.idle_minutes]
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "-test"
  }

  expect_failures = [var.name]
}

run "a_schedule_lets_a_gpu_be_idle_for_so_much_longer" {
  variables {
    scheduled_minutes = 612
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.idle.evaluation_periods == (30 + 615) / 5
    error_message = "Nobody should be told of an idle GPU that a schedule keeps on."
  }
}

run "a_schedule_of_a_whole_day_is_looked_at_for_a_day" {
  variables {
    scheduled_minutes = 1440
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.idle.evaluation_periods == 24 * 60 / 5
    error_message = "CloudWatch refuses to look back over more than a day."
  }
}

run "refuses_a_schedule_of_more_than_a_day" {
  command = plan

  variables {
    scheduled_minutes = 1441
  }

  expect_failures = [var.scheduled_minutes]
}
