# The calls that the worker and the CloudWatch agent make, and nothing else. A test compares this
# with every call that the worker makes in a running system.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  arn = {
    parameters = "arn:${data.aws_partition.current.partition}:ssm:${var.region}:${data.aws_caller_identity.current.account_id}:parameter${var.registry_prefix}"

    # Wildcard: a group's ARN contains a unique id that AWS assigns at each creation.
    group = "arn:${data.aws_partition.current.partition}:autoscaling:${var.region}:${data.aws_caller_identity.current.account_id}:autoScalingGroup:*:autoScalingGroupName/${var.name}-workers"
  }

  # The parameters that a worker reads at its start (aistratus_daemon.worker.settings).
  parameters = [
    "jobs/queue_url",
    "jobs/dead_letter_queue_url",
    "jobs/table_name",
    "fleet/group_name",
    "fleet/termination_hook_name",
  ]
}

data "aws_iam_policy_document" "ec2" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "worker" {
  name               = "${var.name}-worker"
  description        = "What a worker's instance may do."
  assume_role_policy = data.aws_iam_policy_document.ec2.json
}

resource "aws_iam_instance_profile" "worker" {
  name = "${var.name}-worker"
  role = aws_iam_role.worker.name
}

resource "aws_iam_role_policy" "worker" {
  name   = "${var.name}-worker"
  role   = aws_iam_role.worker.id
  policy = data.aws_iam_policy_document.worker.json
}

data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "Registry"
    actions   = ["ssm:GetParameters"]
    resources = [for parameter in local.parameters : "${local.arn.parameters}/${parameter}"]
  }

  # IAM checks batches and transactions by the calls in them.
  statement {
    sid = "Jobs"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [var.queue_arn]
  }

  statement {
    sid       = "SetAside"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letter_queue_arn]
  }

  statement {
    sid = "Table"
    actions = [
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = [var.table_arn]
  }

  statement {
    sid       = "Drained"
    actions   = ["autoscaling:CompleteLifecycleAction"]
    resources = [local.arn.group]
  }

  statement {
    sid     = "Logs"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]

    # Wildcard: the agent names the streams after the instance.
    resources = ["${aws_cloudwatch_log_group.worker.arn}:*"]
  }

  statement {
    sid     = "Metrics"
    actions = ["cloudwatch:PutMetricData"]

    # Wildcard: CloudWatch has no resource for a metric; the condition names our namespace.
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Aistratus"]
    }
  }

  # What Session Manager's agent needs for a shell. AWS's own policy for it also reads all parameters
  # of the account, and deploying roles may attach no such policy.
  dynamic "statement" {
    for_each = var.session_manager ? ["SessionManager"] : []

    content {
      sid = statement.value
      actions = [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]

      # Wildcard: the channels have no resource, and a role's instances are not known beforehand.
      resources = ["*"]
    }
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

# Auto Scaling's own role may use AWS's keys, and no customer's key without a grant. It is made by
# AWS with the account's first group.
resource "aws_kms_grant" "image" {
  count = var.image_kms_key_arn == null ? 0 : 1

  name              = "${var.name}-image"
  key_id            = var.image_kms_key_arn
  grantee_principal = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
  operations = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
  ]

  depends_on = [aws_autoscaling_group.workers]
}
