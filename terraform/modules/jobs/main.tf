# What lies between the API and the workers: a queue of job ids, and the table with everything else.

locals {
  # A receive count is not a failure count: a message that is often given back is not at fault. The
  # worker decides which messages are poison; this is only the safety net below it.
  max_receive_count = 1000

  retention_seconds = 14 * 24 * 3600 # SQS's maximum

  # A message contains a job's id and nothing else. AWS and versions of the provider have different
  # defaults.
  max_message_bytes = 262144

  queue_names = {
    jobs         = "${var.name}-jobs.fifo"
    dead_letters = "${var.name}-jobs-dlq.fifo" # a FIFO queue needs a FIFO dead-letter queue
  }

  # Computed before the queues exist, so that they are created with their policies: AWS's provider
  # waits 25 seconds after each change of a queue's attributes.
  queue_arns = {
    for key, name in local.queue_names :
    key => "arn:${data.aws_partition.current.partition}:sqs:${var.region}:${data.aws_caller_identity.current.account_id}:${name}"
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# --- queues --------------------------------------------------------------------------------

resource "aws_sqs_queue" "jobs" {
  name       = local.queue_names.jobs
  fifo_queue = true

  # High throughput: conversations do not share a limit. The sender gives the deduplication id.
  deduplication_scope   = "messageGroup"
  fifo_throughput_limit = "perMessageGroupId"

  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = local.retention_seconds
  max_message_size           = local.max_message_bytes

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = local.max_receive_count
  })

  policy = data.aws_iam_policy_document.encrypted_only["jobs"].json

  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn
}

resource "aws_sqs_queue" "dead_letters" {
  name       = local.queue_names.dead_letters
  fifo_queue = true

  deduplication_scope   = "messageGroup"
  fifo_throughput_limit = "perMessageGroupId"

  message_retention_seconds = local.retention_seconds
  max_message_size          = local.max_message_bytes

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.jobs]
  })

  policy = data.aws_iam_policy_document.encrypted_only["dead_letters"].json

  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn
}

data "aws_iam_policy_document" "encrypted_only" {
  for_each = local.queue_arns

  statement {
    sid    = "EncryptedConnectionsOnly"
    effect = "Deny"

    # Wildcards of a denial: it applies to everybody and everything.
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

# --- table ---------------------------------------------------------------------------------

# The same as TABLE_SCHEMA and TTL_ATTRIBUTE of aistratus_contracts.table; a test compares them.
resource "aws_dynamodb_table" "this" {
  name         = var.name
  billing_mode = "PAY_PER_REQUEST" # no requests, no charge
  hash_key     = "pk"
  range_key    = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "listed_at"
    type = "S"
  }

  local_secondary_index {
    name            = "by_recency"
    range_key       = "listed_at"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without this block, the table is encrypted with a key that AWS owns, for free.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  deletion_protection_enabled = var.deletion_protection
}
