# Roles for the repository's workflows. GitHub vouches for a workflow with a token of its own
# (OpenID Connect), so no key lies anywhere. Without a repository there are none of these.

locals {
  github     = var.github_repository != ""
  github_url = "token.actions.githubusercontent.com"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  envs       = local.github ? toset(var.github_environments) : toset([])

  github_provider_arn = "arn:${local.partition}:iam::${local.account_id}:oidc-provider/${local.github_url}"

  # Who a token may come from, by role.
  plan_subjects  = ["repo:${var.github_repository}:pull_request", "repo:${var.github_repository}:ref:refs/heads/main"]
  image_subjects = ["repo:${var.github_repository}:environment:image"]
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.github && !var.github_provider_exists ? 1 : 0

  url            = "https://${local.github_url}"
  client_id_list = ["sts.amazonaws.com"]
}

# Planning: reads, and nothing else. It is what a pull request can do, before anybody has read it.

resource "aws_iam_role" "plan" {
  count = local.github ? 1 : 0

  name                 = "${var.project}-github-plan"
  description          = "Pull requests of ${var.github_repository}: reads, for terraform plan."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trust["plan"].json

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "plan_state" {
  count = local.github ? 1 : 0

  name   = "read"
  role   = aws_iam_role.plan[0].id
  policy = data.aws_iam_policy_document.plan.json
}

data "aws_iam_policy_document" "plan" {
  #checkov:skip=CKV_AWS_356:What has no ARN of its own to be described by is named below, with the reason
  statement {
    sid     = "State"
    actions = ["s3:GetObject", "s3:ListBucket"]
    # Wildcard: the states of all environments, in this bucket.
    resources = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
  }

  statement {
    sid = "Read"
    # Wildcards in actions: reading alone, of descriptions and never of contents: no item of a
    # table, no message of a queue, no line of a log, no object but the states above.
    actions = [
      "apigateway:GET",
      "autoscaling:Describe*",
      "budgets:ListTagsForResource",
      "budgets:ViewBudget",
      "cloudwatch:Describe*",
      "cloudwatch:GetDashboard",
      "cloudwatch:ListTagsForResource",
      "cognito-idp:Describe*",
      "cognito-idp:GetUserPoolMfaConfig",
      "cognito-idp:ListTagsForResource",
      "dynamodb:Describe*",
      "dynamodb:ListTagsOfResource",
      "ec2:Describe*",
      "events:Describe*",
      "events:List*",
      "iam:GetInstanceProfile",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListRolePolicies",
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListAliases",
      "kms:ListResourceTags",
      "lambda:Get*",
      "lambda:List*",
      "logs:DescribeLogGroups",
      "logs:ListTagsForResource",
      "scheduler:Get*",
      "scheduler:ListTagsForResource",
      "servicequotas:GetServiceQuota",
      "sns:Get*",
      "sns:ListTagsForResource",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ListQueueTags",
    ]
    # Wildcard: most Describe calls have no resource to name, and ids are not known beforehand.
    resources = ["*"]
  }

  statement {
    sid     = "Registry"
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
    # Wildcard: all that is below the project's own prefix; ids, none of them secret.
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter/${var.project}/*"]
  }

  statement {
    sid     = "RegistryNames"
    actions = ["ssm:DescribeParameters"]
    # Wildcard: the call takes no other resource.
    resources = ["*"]
  }
}

# Deploying: one role for each environment, which only jobs of that GitHub environment can have.

resource "aws_iam_role" "deploy" {
  for_each = local.envs

  name                 = "${var.project}-github-deploy-${each.key}"
  description          = "Jobs of ${var.github_repository} in the environment ${each.key}: terraform apply."
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "deploy" {
  for_each = local.envs

  name   = "deploy"
  role   = aws_iam_role.deploy[each.key].id
  policy = data.aws_iam_policy_document.deploy[each.key].json
}

data "aws_iam_policy_document" "deploy" {
  #checkov:skip=CKV_AWS_356:What has no ARN of its own is named below, with the reason
  #checkov:skip=CKV_AWS_111:As above; what has a name is bound to the environment's prefix
  #checkov:skip=CKV_AWS_109:Who deploys writes the roles of what is deployed; they are bound to the environment's prefix
  #checkov:skip=CKV_AWS_110:So this role can give itself more, within what the account allows: GitHub's reviewers of the environment stand before it
  for_each = local.envs

  source_policy_documents = [data.aws_iam_policy_document.plan.json]

  statement {
    sid       = "OwnState"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.key}/terraform.tfstate"]
  }

  statement {
    sid       = "OwnLock"
    actions   = ["s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.state.arn}/${each.key}/terraform.tfstate.tflock"]
  }

  statement {
    sid = "ByName"
    # Wildcards in actions: Terraform makes, changes and removes these whole, and what a change
    # needs differs from one version of the provider to the next.
    actions = [
      "autoscaling:*",
      "budgets:*",
      "cloudwatch:*",
      "dynamodb:*",
      "events:*",
      "lambda:*",
      "logs:*",
      "scheduler:*",
      "sns:*",
      "sqs:*",
    ]
    # Wildcards: what begins with the environment's name, and nothing else.
    resources = flatten([for name in ["${var.project}-${each.key}"] : [
      "arn:${local.partition}:autoscaling:${var.region}:${local.account_id}:autoScalingGroup:*:autoScalingGroupName/${name}-*",
      "arn:${local.partition}:budgets::${local.account_id}:budget/${name}*",
      "arn:${local.partition}:cloudwatch:${var.region}:${local.account_id}:alarm:${name}-*",
      "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${name}*",
      "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${name}",
      "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${name}/*",
      "arn:${local.partition}:events:${var.region}:${local.account_id}:rule/${name}-*",
      "arn:${local.partition}:lambda:${var.region}:${local.account_id}:function:${name}-*",
      "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/${var.project}/${each.key}/*",
      "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/aws/*/${name}*",
      "arn:${local.partition}:scheduler:${var.region}:${local.account_id}:schedule/*/${name}-*",
      "arn:${local.partition}:sns:${var.region}:${local.account_id}:${name}-*",
      "arn:${local.partition}:sqs:${var.region}:${local.account_id}:${name}-*",
    ]])
  }

  statement {
    sid     = "OwnRegistry"
    actions = ["ssm:PutParameter", "ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"]
    # Wildcard: all below the environment's own prefix.
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter/${var.project}/${each.key}/*"]
  }

  statement {
    sid = "OwnRoles"
    actions = [
      "iam:AddRoleToInstanceProfile",
      "iam:CreateInstanceProfile",
      "iam:CreateRole",
      "iam:DeleteInstanceProfile",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:ListInstanceProfilesForRole",
      "iam:PutRolePolicy",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagInstanceProfile",
      "iam:TagRole",
      "iam:UntagInstanceProfile",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
    ]
    # Wildcards: what begins with the environment's name. No policy of others can be attached.
    resources = [
      "arn:${local.partition}:iam::${local.account_id}:role/${var.project}-${each.key}-*",
      "arn:${local.partition}:iam::${local.account_id}:instance-profile/${var.project}-${each.key}-*",
    ]
  }

  statement {
    sid     = "HandOn"
    actions = ["iam:PassRole"]
    # Wildcard: the environment's own roles, and to these services only.
    resources = ["arn:${local.partition}:iam::${local.account_id}:role/${var.project}-${each.key}-*"]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"]
    }
  }

  statement {
    sid     = "ServiceRoles"
    actions = ["iam:CreateServiceLinkedRole"]
    # Wildcard: AWS makes up the end of the name; the condition says for whom.
    resources = ["arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/*"]
    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["autoscaling.amazonaws.com", "spot.amazonaws.com", "ops.apigateway.amazonaws.com"]
    }
  }

  statement {
    sid = "MadeHere"
    # Wildcards in actions: as above.
    actions = ["apigateway:*", "cognito-idp:*", "kms:*", "ec2:*"]
    # Wildcard: the ids of these are made up by AWS. What is changed must have the environment's
    # tags, which Terraform puts on everything as it makes it.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/project"
      values   = [var.project]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/env"
      values   = [each.key]
    }
  }

  statement {
    sid = "Make"
    # Making things whose ids AWS makes up, with the environment's tags from the beginning.
    actions = [
      "cognito-idp:CreateUserPool",
      "cognito-idp:TagResource",
      "ec2:CreateInternetGateway",
      "ec2:CreateLaunchTemplate",
      "ec2:CreateRouteTable",
      "ec2:CreateSecurityGroup",
      "ec2:CreateSubnet",
      "ec2:CreateVpc",
      "ec2:CreateVpcEndpoint",
      "kms:CreateKey",
      "kms:TagResource",
    ]
    # Wildcard: there is no id before it is made.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/project"
      values   = [var.project]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/env"
      values   = [each.key]
    }
  }

  statement {
    sid = "MakeWithin"
    # Making something within a network, or tagging as it is made: these calls touch things that
    # cannot have the tags yet. API Gateway's tags cannot be asked for when one is made.
    actions = [
      "apigateway:PATCH",
      "apigateway:POST",
      "apigateway:PUT",
      "apigateway:TagResource",
      "ec2:AuthorizeSecurityGroupEgress",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CreateRouteTable",
      "ec2:CreateSecurityGroup",
      "ec2:CreateSubnet",
      "ec2:CreateTags",
      "ec2:CreateVpcEndpoint",
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    # Wildcard: no id before it is made; log deliveries have no resource. In this region only.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid = "StartWorkers"
    # Auto Scaling tries a launch template with the rights of whoever makes the group.
    actions = ["ec2:RunInstances"]
    # Wildcard: image, network and volumes are as the template names them.
    resources = ["*"]
    condition {
      test     = "ArnLike"
      variable = "ec2:LaunchTemplate"
      # Wildcard: the template's id is made up by AWS.
      values = ["arn:${local.partition}:ec2:${var.region}:${local.account_id}:launch-template/*"]
    }
  }
}

# Baking images: what Packer's Amazon builder says that it needs, in this region alone.

resource "aws_iam_role" "image" {
  count = local.github ? 1 : 0

  name                 = "${var.project}-github-image"
  description          = "Jobs of ${var.github_repository} in the environment image: make image, make publish-image."
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.trust["image"].json

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "image" {
  count = local.github ? 1 : 0

  name   = "image"
  role   = aws_iam_role.image[0].id
  policy = data.aws_iam_policy_document.image.json
}

data "aws_iam_policy_document" "image" {
  #checkov:skip=CKV_AWS_356:The builder's instance, key, volumes and image have no name before they are made
  #checkov:skip=CKV_AWS_111:As above; it is bound to the region
  statement {
    sid = "Bake"
    # Source: https://developer.hashicorp.com/packer/integrations/hashicorp/amazon, "IAM Task or
    # Instance Role". Wildcard in actions: Describe reads.
    actions = [
      "ec2:AttachVolume",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CopyImage",
      "ec2:CreateImage",
      "ec2:CreateKeyPair",
      "ec2:CreateSecurityGroup",
      "ec2:CreateSnapshot",
      "ec2:CreateTags",
      "ec2:CreateVolume",
      "ec2:DeleteKeyPair",
      "ec2:DeleteSecurityGroup",
      "ec2:DeleteSnapshot",
      "ec2:DeleteVolume",
      "ec2:DeregisterImage",
      "ec2:Describe*",
      "ec2:DetachVolume",
      "ec2:ModifyImageAttribute",
      "ec2:ModifyInstanceAttribute",
      "ec2:RegisterImage",
      "ec2:RunInstances",
      "ec2:StopInstances",
      "ec2:TerminateInstances",
    ]
    # Wildcard: none of these has an id before Packer makes it.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "Publish"
    actions   = ["ssm:GetParameter", "ssm:PutParameter"]
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter/${var.project}/images/worker"]
  }
}

# Whom each role trusts: a token of GitHub's, made for AWS, from this repository and just that
# occasion. `sub` is compared whole: a pattern with a star in the middle lets strangers in.
data "aws_iam_policy_document" "trust" {
  #checkov:skip=CKV_AWS_358:Checkov cannot read the subjects through for_each; each is whole, with no star, and a test reads them
  for_each = merge(
    { plan = local.plan_subjects, image = local.image_subjects },
    { for env in var.github_environments : env => ["repo:${var.github_repository}:environment:${env}"] },
  )

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [local.github_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_url}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_url}:sub"
      values   = each.value
    }
  }
}
