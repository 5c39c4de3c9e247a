# Who is told when something is wrong. What is normal is on the dashboard, in dashboard.tf.

data "aws_caller_identity" "current" {}

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:CloudWatch may not use SNS's own key, and one of ours is 1 USD a month; kms_key_arn takes one
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "Tell"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# CloudWatch bills each metric that an alarm uses: 0.10 USD per month, after ten free ones per
# account. Eight of these alarms use one, the last uses three: eleven, of which one is paid for.
# A test counts them.
locals {
  alarms = {
    # The errors that a person sees: the router's errors and timeouts, as the gateway reports them.
    api-errors = {
      description = "The API answers with errors (5xx). Look into the router's log."
      namespace   = "AWS/ApiGateway"
      metric      = "5xx"
      dimensions  = { ApiId = var.api_id, Stage = var.stage_name }
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
      missing     = "notBreaching"
    }
    # Readers poll for up to 20 seconds for the next token, so only longer requests are slow.
    router-slow = {
      description = "One request in 20 takes more than 22 of the router's 29 seconds. Look into its log."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      dimensions  = { FunctionName = var.router_function }
      statistic   = "p95"
      threshold   = 22000
      periods     = 3
      missing     = "notBreaching"
    }
    router-throttled = {
      description = "Lambda refuses requests: more come at once than the account, or reserved_concurrency, allows."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = var.router_function }
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
      missing     = "notBreaching"
    }
    steward-errors = {
      description = "The steward fails. It switches idle GPUs off: look into its log now."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = var.steward_function }
      statistic   = "Sum"
      # One round may fail; the next one catches up.
      threshold = 1
      periods   = 1
      missing   = "notBreaching"
    }
    steward-missing = {
      description = "The steward has not run for 5 minutes. It switches idle GPUs off: look at its EventBridge rule now."
      namespace   = "AWS/Lambda"
      metric      = "Invocations"
      dimensions  = { FunctionName = var.steward_function }
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = 1
      missing     = "breaching"
    }
    oldest-message = {
      description = "A job has waited or run for more than ${var.oldest_message_seconds / 60} minutes. Is an instance on, and does its log say why?"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.queue_name }
      statistic   = "Maximum"
      threshold   = var.oldest_message_seconds
      periods     = 1
      missing     = "notBreaching"
    }
    dead-letters = {
      description = "There are messages in the dead-letter queue. See them, and put them back, with: make redrive ENV=${var.environment}"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum"
      threshold   = 0
      periods     = 1
      missing     = "notBreaching"
    }
    # Cards of data centers slow down by themselves from about 90 degrees on.
    gpu-hot = {
      description = "A GPU has been hotter than 87 degrees for 10 minutes: it slows down, and may break. Take another instance: make stop ENV=${var.environment}, then make start."
      namespace   = "Aistratus"
      metric      = "nvidia_smi_temperature_gpu"
      dimensions  = { Environment = var.environment }
      statistic   = "Maximum"
      threshold   = 87
      periods     = 2
      missing     = "notBreaching"
    }
  }

  period_seconds = 300

  # CloudWatch looks back over a day at most.
  idle_minutes = min(1440, var.idle_minutes + 5 * ceil(var.scheduled_minutes / 5))

  # The metrics of the idle alarm.
  idle_metrics = {
    on      = { namespace = "AWS/AutoScaling", metric = "GroupInServiceInstances", dimensions = { AutoScalingGroupName = var.group_name } }
    running = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesNotVisible", dimensions = { QueueName = var.queue_name } }
    busy    = { namespace = "Aistratus", metric = "nvidia_smi_utilization_gpu", dimensions = { Environment = var.environment } }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic == "p95" ? null : each.value.statistic
  extended_statistic  = each.value.statistic == "p95" ? each.value.statistic : null
  comparison_operator = try(each.value.comparison, "GreaterThanThreshold")
  threshold           = each.value.threshold
  period              = local.period_seconds
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# The alarm for a state that costs money.
resource "aws_cloudwatch_metric_alarm" "idle" {
  alarm_name          = "${var.name}-gpu-idle"
  alarm_description   = "A GPU has been on for ${local.idle_minutes} minutes and computed nothing: no worker has a job, or one has and the card is not used. Turn it off with make stop ENV=${var.environment}, or set the group ${var.group_name} to 0."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = local.idle_minutes * 60 / local.period_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id    = "idle"
    label = "GPUs that are on and compute nothing"
    # Without figures of the card, it counts as busy.
    expression  = "IF((FILL(running, 0) == 0) OR (FILL(busy, 100) < 1), on, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.idle_metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = "Maximum"
        period      = local.period_seconds
      }
    }
  }
}
