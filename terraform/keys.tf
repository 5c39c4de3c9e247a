# A customer-managed key, for those who must have one. It costs 1 USD a month, used or not.

locals {
  kms_key_arn = var.customer_managed_key ? aws_kms_key.this[0].arn : null
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:In a key's policy the resource is this key, and the account must be able to change it
  #checkov:skip=CKV_AWS_111:As above: the resource is this key alone
  #checkov:skip=CKV_AWS_356:As above: the resource is this key alone
  count = var.customer_managed_key ? 1 : 0

  statement {
    sid = "Account"

    # Wildcards: in a key's policy the resource is this key. IAM policies decide who in the account
    # may use it; without this statement nobody could ever change the key.
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid     = "Logs"
    actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]

    # Wildcards: the resource is this key, the service chooses between variants of two actions, and
    # the condition allows any log group of ours.
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:*"]
    }
  }

  statement {
    sid     = "Alarms"
    actions = ["kms:Decrypt", "kms:GenerateDataKey*"]

    # Wildcards: as above.
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_kms_key" "this" {
  count = var.customer_managed_key ? 1 : 0

  description             = "${local.name}: queues, table, functions, logs and alarms."
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key[0].json
}

resource "aws_kms_alias" "this" {
  count = var.customer_managed_key ? 1 : 0

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
