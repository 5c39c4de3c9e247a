# One page that shows, from left to right and top to bottom, a prompt's path and its cost. Three
# dashboards of up to 50 metrics are free.

locals {
  worker = "Aistratus" # the namespace of aistratus_daemon.worker.metrics

  api       = ["ApiId", var.api_id, "Stage", var.stage_name]
  router    = ["FunctionName", var.router_function]
  steward   = ["FunctionName", var.steward_function]
  queue     = ["QueueName", var.queue_name]
  dead      = ["QueueName", var.dead_letter_queue_name]
  table     = ["TableName", var.table_name]
  group     = ["AutoScalingGroupName", var.group_name]
  engine    = ["Environment", var.environment]
  line      = { view = "timeSeries", stacked = false, region = var.region, period = 60 }
  width     = 8
  height    = 6
  per_row   = 24 / local.width
  text_rows = 2

  panels = [
    {
      title = "1 · Requests"
      metrics = [
        concat(["AWS/ApiGateway", "Count"], local.api, [{ stat = "Sum", label = "requests" }]),
        concat(["AWS/ApiGateway", "4xx"], local.api, [{ stat = "Sum", label = "refused (4xx)" }]),
        concat(["AWS/ApiGateway", "5xx"], local.api, [{ stat = "Sum", label = "failed (5xx)" }]),
      ]
    },
    {
      title = "2 · Router: milliseconds (readers wait up to 20,000)"
      metrics = [
        concat(["AWS/Lambda", "Duration"], local.router, [{ stat = "p50", label = "p50" }]),
        concat(["AWS/Lambda", "Duration"], local.router, [{ stat = "p95", label = "p95" }]),
        concat(["AWS/ApiGateway", "Latency"], local.api, [{ stat = "p95", label = "with the gateway, p95" }]),
      ]
    },
    {
      title = "3 · Router and steward: what went wrong"
      metrics = [
        concat(["AWS/Lambda", "Errors"], local.router, [{ stat = "Sum", label = "router: errors" }]),
        concat(["AWS/Lambda", "Throttles"], local.router, [{ stat = "Sum", label = "router: throttled" }]),
        concat(["AWS/Lambda", "Errors"], local.steward, [{ stat = "Sum", label = "steward: errors" }]),
        concat(["AWS/Lambda", "Invocations"], local.steward, [{ stat = "Sum", label = "steward: rounds" }]),
      ]
    },
    {
      title = "4 · Jobs in the queue"
      metrics = [
        concat(["AWS/SQS", "ApproximateNumberOfMessagesVisible"], local.queue, [{ stat = "Maximum", label = "waiting" }]),
        concat(["AWS/SQS", "ApproximateNumberOfMessagesNotVisible"], local.queue, [{ stat = "Maximum", label = "running" }]),
        concat(["AWS/SQS", "ApproximateNumberOfMessagesVisible"], local.dead, [{ stat = "Maximum", label = "dead letters" }]),
      ]
    },
    {
      title = "5 · Age of the oldest job, seconds"
      metrics = [
        concat(["AWS/SQS", "ApproximateAgeOfOldestMessage"], local.queue, [{ stat = "Maximum", label = "oldest" }]),
      ]
    },
    {
      title = "6 · Instances"
      metrics = [
        concat(["AWS/AutoScaling", "GroupDesiredCapacity"], local.group, [{ stat = "Maximum", label = "wanted" }]),
        concat(["AWS/AutoScaling", "GroupInServiceInstances"], local.group, [{ stat = "Maximum", label = "on" }]),
      ]
    },
    {
      title = "7 · Engine: requests"
      metrics = [
        concat([local.worker, "requests_processing"], local.engine, [{ stat = "Maximum", label = "computed" }]),
        concat([local.worker, "requests_deferred"], local.engine, [{ stat = "Maximum", label = "waiting" }]),
      ]
    },
    {
      title = "8 · Engine: seconds to the first token"
      metrics = [
        concat([local.worker, "time_to_first_token_seconds"], local.engine, [{ stat = "Average", label = "mean" }]),
        concat([local.worker, "time_to_first_token_seconds"], local.engine, [{ stat = "Maximum", label = "slowest minute" }]),
      ]
    },
    {
      title = "9 · Engine: tokens a second"
      metrics = [
        concat([local.worker, "prompt_tokens_seconds"], local.engine, [{ stat = "Average", label = "read" }]),
        concat([local.worker, "predicted_tokens_seconds"], local.engine, [{ stat = "Average", label = "written" }]),
      ]
    },
    {
      title = "10 · Engine: memory of conversations, share in use"
      metrics = [
        concat([local.worker, "kv_cache_usage_ratio"], local.engine, [{ stat = "Maximum", label = "in use" }]),
      ]
    },
    {
      title = "11 · Table: units written and read"
      metrics = [
        concat(["AWS/DynamoDB", "ConsumedWriteCapacityUnits"], local.table, [{ stat = "Sum", label = "written" }]),
        concat(["AWS/DynamoDB", "ConsumedReadCapacityUnits"], local.table, [{ stat = "Sum", label = "read" }]),
      ]
    },
    {
      title  = "12 · Answers: tokens an hour"
      period = 3600
      metrics = [
        concat([local.worker, "prompt_tokens_total"], local.engine, [{ stat = "Sum", label = "read" }]),
        concat([local.worker, "tokens_predicted_total"], local.engine, [{ stat = "Sum", label = "written" }]),
      ]
    },
    {
      title = "13 · GPU: percent in use, degrees"
      metrics = [
        concat(["Aistratus", "nvidia_smi_utilization_gpu"], local.engine, [{ stat = "Average", label = "in use" }]),
        concat(["Aistratus", "nvidia_smi_temperature_gpu"], local.engine, [{ stat = "Maximum", label = "degrees" }]),
      ]
    },
    {
      title  = "Cost: GPU hours a day"
      period = 86400
      metrics = [
        # One data point per minute: the number of running instances.
        concat(["AWS/AutoScaling", "GroupInServiceInstances"], local.group, [{ id = "minutes", stat = "Sum", visible = false }]),
        [{ expression = "minutes / 60", label = "hours" }],
      ]
    },
    {
      # Exists only if the account's preferences enable billing alerts; AWS has it in one region.
      title  = "Cost: the account's month so far, USD"
      region = "us-east-1"
      period = 21600
      metrics = [
        ["AWS/Billing", "EstimatedCharges", "Currency", "USD", { stat = "Maximum", label = "USD" }],
      ]
    },
  ]

  text = {
    type   = "text"
    x      = 0
    y      = 0
    width  = 24
    height = local.text_rows
    properties = {
      markdown = "# ${var.name}\nThe way of a prompt: API → router → queue → instance → engine → answer. SQS's figures are minutes late. An engine with nothing to do sends none."
    }
  }

  widgets = [
    for index, panel in local.panels : {
      type   = "metric"
      x      = (index % local.per_row) * local.width
      y      = local.text_rows + floor(index / local.per_row) * local.height
      width  = local.width
      height = local.height
      properties = merge(local.line, {
        title   = panel.title
        region  = try(panel.region, var.region)
        period  = try(panel.period, local.line.period)
        yAxis   = { left = { min = 0 } }
        metrics = panel.metrics
      })
    }
  ]

  alarm_widget = {
    type   = "alarm"
    x      = (length(local.panels) % local.per_row) * local.width
    y      = local.text_rows + floor(length(local.panels) / local.per_row) * local.height
    width  = local.width
    height = local.height
    properties = {
      title  = "Alarms"
      alarms = concat([for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn], [aws_cloudwatch_metric_alarm.idle.arn])
    }
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat([local.text], local.widgets, [local.alarm_widget]) })
}
