# Where router, worker and tools look up every id. None of the values is a secret.

resource "aws_ssm_parameter" "fixed" {
  #checkov:skip=CKV2_AWS_34:Ids and a number, none of them a secret
  for_each = var.values

  name  = "${var.prefix}/${each.key}"
  type  = "String"
  value = each.value
}

resource "aws_ssm_parameter" "adjustable" {
  #checkov:skip=CKV2_AWS_34:Ids and a number, none of them a secret
  for_each = var.adjustable

  name  = "${var.prefix}/${each.key}"
  type  = "String"
  value = each.value

  lifecycle {
    ignore_changes = [value]
  }
}
