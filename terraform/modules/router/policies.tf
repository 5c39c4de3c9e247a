# The rights of the two functions: the calls that they make, and nothing else. A test compares this
# with every call that they make in a running system.

locals {
  # Actions on the table. IAM checks transactions by the writes in them.
  table_actions = {
    router = [
      "dynamodb:BatchGetItem",
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    steward = [
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
  }
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.functions

  name               = each.value.name
  description        = each.value.description
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "this" {
  for_each = local.functions

  name   = each.value.name
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.rights[each.key].json
}

data "aws_iam_policy_document" "rights" {
  for_each = local.functions

  source_policy_documents = [
    data.aws_iam_policy_document.common[each.key].json,
    each.key == "router" ? data.aws_iam_policy_document.router.json : data.aws_iam_policy_document.steward.json,
  ]
}

data "aws_iam_policy_document" "common" {
  for_each = local.functions

  statement {
    sid     = "Logs"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]

    # Wildcard: Lambda names the streams of the function's own group.
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }

  statement {
    sid     = "Traces"
    actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]

    # Wildcard: X-Ray has no resource for these two.
    resources = ["*"]
  }

  statement {
    sid       = "Registry"
    actions   = ["ssm:GetParametersByPath"]
    resources = [var.registry_arn]
  }

  statement {
    sid       = "Table"
    actions   = local.table_actions[each.key]
    resources = [var.table_arn]
  }

  statement {
    sid       = "Send"
    actions   = ["sqs:SendMessage"]
    resources = [var.queue_arn]
  }

  statement {
    sid     = "SeeFleet"
    actions = ["autoscaling:DescribeAutoScalingGroups"]

    # Wildcard: Auto Scaling has no resource for calls that only read.
    resources = ["*"]
  }

  statement {
    sid       = "SizeFleet"
    actions   = ["autoscaling:SetDesiredCapacity"]
    resources = [var.group_arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "router" {
  statement {
    sid       = "ListConversations"
    actions   = ["dynamodb:Query"]
    resources = ["${var.table_arn}/index/by_recency"]
  }

  statement {
    sid       = "SetIdleTimeout"
    actions   = ["ssm:PutParameter"]
    resources = ["${var.registry_arn}/${var.idle_timeout_parameter}"]
  }
}

data "aws_iam_policy_document" "steward" {
  statement {
    sid = "DeadLetters"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [var.dead_letter_queue_arn]
  }

  statement {
    sid     = "SeeActivities"
    actions = ["autoscaling:DescribeScalingActivities"]

    # Wildcard: Auto Scaling has no resource for calls that only read.
    resources = ["*"]
  }

  statement {
    sid       = "ChangePurchase"
    actions   = ["autoscaling:UpdateAutoScalingGroup"]
    resources = [var.group_arn]
  }
}
