  # For Packer 1.7 and later: what its Amazon plugin knows and Debian's 1.6.6 refuses.

  # IMDSv2 only, on the builder and on every instance of the image.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  imds_support = "v2.0"

  # After that EC2 marks the image as deprecated; it can still be started.
  deprecate_at = timeadd(timestamp(), "${var.deprecate_days * 24}h")
