# What a month may cost, and word before it does. AWS counts with a delay of up to a day: this is
# for people, and stops nothing.

locals {
  # In percent of the budget.
  notifications = concat(
    [for percent in [50, 80, 100] : { type = "ACTUAL", percent = percent }],
    [{ type = "FORECASTED", percent = 100 }],
  )
}

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"

  dynamic "cost_filter" {
    for_each = var.tag == "" ? [] : [var.tag]

    content {
      name   = "TagKeyValue"
      values = ["user:${cost_filter.value}"] # `user:` are tags that are not AWS's own
    }
  }

  dynamic "notification" {
    for_each = local.notifications

    content {
      notification_type          = notification.value.type
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.email == "" ? [] : [var.email]
      # A topic that sends to the same address would deliver everything twice.
      subscriber_sns_topic_arns = var.topic_arn == "" || var.email != "" ? [] : [var.topic_arn]
    }
  }
}
