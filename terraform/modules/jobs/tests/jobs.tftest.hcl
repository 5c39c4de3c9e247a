mock_provider "aws" {
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:some.fifo"
      url = "https://sqs.eu-central-1.amazonaws.com/123456789012/some.fifo"
    }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name                = "aistratus-test"
  region              = "eu-central-1"
  deletion_protection = false
}

run "queues" {
  assert {
    condition     = aws_sqs_queue.jobs.name == "aistratus-test-jobs.fifo" && aws_sqs_queue.dead_letters.name == "aistratus-test-jobs-dlq.fifo"
    error_message = "Both queues should be named after the deployment."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] :
      queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
    ])
    error_message = "Both should be FIFO queues in high-throughput mode."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] : queue.message_retention_seconds == 1209600 && queue.sqs_managed_sse_enabled])
    error_message = "Messages should be kept for 14 days, encrypted."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.jobs.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letters.arn
    error_message = "What is received too often should go to the dead-letter queue."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.dead_letters.redrive_allow_policy).sourceQueueArns == ["arn:aws:sqs:eu-central-1:123456789012:aistratus-test-jobs.fifo"]
    error_message = "Only our own queue should use the dead-letter queue."
  }

  assert {
    condition = alltrue([
      for queue, document in data.aws_iam_policy_document.encrypted_only :
      one(document.statement).resources == toset([local.queue_arns[queue]]) && one(document.statement).effect == "Deny" && one(one(document.statement).condition).variable == "aws:SecureTransport"
    ])
    error_message = "Connections that are not encrypted should be refused."
  }
}

run "table" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST" && one(aws_dynamodb_table.this.point_in_time_recovery).enabled
    error_message = "The table should cost nothing at rest and be recoverable."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.ttl).enabled && one(aws_dynamodb_table.this.ttl).attribute_name == "expires_at"
    error_message = "What has expired should go."
  }

  assert {
    condition     = !aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "A deployment for trying out should be destroyable."
  }
}

run "with_a_key" {
  command = plan

  variables {
    kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    deletion_protection = true
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters] : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "The queues should be encrypted with the key."
  }

  assert {
    condition     = one(aws_dynamodb_table.this.server_side_encryption).kms_key_arn == var.kms_key_arn
    error_message = "The table should be encrypted with the key."
  }

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled
    error_message = "The table should be protected if that is asked for."
  }
}

run "refuses_every_wrong_value" {
  command = plan

  # All at once: each must be refused on its own.
  variables {
    kms_key_arn                = "alias/mine"
    visibility_timeout_seconds = 5
    name                       = "9"
  }

  expect_failures = [var.kms_key_arn, var.visibility_timeout_seconds, var.name]
}
