# The bucket for all Terraform states of this account and region.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# This does nothing once the bucket is in the state, so an interrupted bootstrap can just be rerun.
import {
  to = aws_s3_bucket.state
  id = var.bucket
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:Who reads a state is in CloudTrail; a second bucket for access logs would cost more than it tells
  #checkov:skip=CKV_AWS_144:A state describes one region's things; where that region is gone, so are they
  #checkov:skip=CKV_AWS_145:S3's own key encrypts it; a customer-managed key costs 1 USD a month, and who may read the bucket could use it
  #checkov:skip=CKV2_AWS_62:Nobody waits for a state to change
  bucket = var.bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.state_versions_kept_days
    }
    expiration {
      # Removes what is left of each lock once its versions are gone.
      expired_object_delete_marker = true
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = data.aws_iam_policy_document.bucket.json

  # S3 refuses concurrent changes of a bucket's access.
  depends_on = [aws_s3_bucket_public_access_block.state, aws_s3_bucket_ownership_controls.state]
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid    = "OverTlsOnly"
    effect = "Deny"
    # Wildcards of a denial: it applies to everybody and everything.
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
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
