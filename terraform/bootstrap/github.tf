# Roles for the repository's workflows. GitHub identifies a workflow by a token (OpenID Connect), so
# no keys are stored anywhere. Without a repository none of these exist.

locals {
  github     = var.github_repository != ""
  github_url = "token.actions.githubusercontent.com"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  envs       = local.github ? toset(var.github_environments) : toset([])

  github_provider_arn = "arn:${local.partition}:iam::${local.account_id}:oidc-provider/${local.github_url}"

  # The subjects that a token may have, by role. A repository has ids in its subject, or has none;
  # the form without ids is never taken for one with them, because a name can be had by another.
  plan_subjects  = ["repo:${var.github_repository}:pull_request", "repo:${var.github_repository}:ref:refs/heads/main"]
  image_subjects = ["repo:${var.github_repository}:environment:image"]
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.github && !var.github_provider_exists ? 1 : 0

  url            = "https://${local.github_url}"
  client_id_list = ["sts.amazonaws.com"]
}

# Planning: only reads. A pull request can do this before anybody has reviewed it.

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
    # Wildcards in actions: only reads, of descriptions and never of contents: no table items, no
    # queue messages, no log lines, no objects except the states above.
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
    # Wildcard: most Describe calls take no resource, and ids are not known beforehand.
    resources = ["*"]
  }

  statement {
    sid     = "Registry"
    actions = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
    # Wildcard: everything below the project's own prefix; these are ids, none of them secret.
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter/${var.project}/*"]
  }

  statement {
    sid     = "RegistryNames"
    actions = ["ssm:DescribeParameters"]
    # Wildcard: the call takes no other resource.
    resources = ["*"]
  }
}

# Deploying: one role per environment, which only jobs of that GitHub environment can assume.

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
    # Wildcards in actions: Terraform creates, changes and removes these entirely, and the calls
    # that a change needs differ between versions of the provider.
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
    # Wildcards: only names that begin with the environment's name.
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
    # Wildcard: everything below the environment's own prefix.
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
    # Wildcards: names that begin with the environment's name. No managed policy can be attached.
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
    # Wildcard: AWS chooses the end of the name; the condition names the services.
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
    # Wildcard: AWS assigns the ids of these. A resource to be changed must have the environment's
    # tags, which Terraform puts on everything that it creates.
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
    # Creating resources whose ids AWS assigns, with the environment's tags from the start.
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
    # Wildcard: a resource has no id before it is created.
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
    # Creating resources in a network, or tagging them on creation: these calls affect resources
    # that cannot have the tags yet. API Gateway's tags cannot be required on creation.
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
      "sns:SetSubscriptionAttributes",
      "sns:Unsubscribe",
    ]
    # Wildcard: there are no ids before creation; log deliveries and subscriptions have no resource
    # of our names. Only this region.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid = "StartWorkers"
    # Auto Scaling checks a launch template with the rights of the caller that creates the group.
    actions = ["ec2:RunInstances"]
    # Wildcard: the template names the image, network and volumes.
    resources = ["*"]
    condition {
      test     = "ArnLike"
      variable = "ec2:LaunchTemplate"
      # Wildcard: AWS assigns the template's id.
      values = ["arn:${local.partition}:ec2:${var.region}:${local.account_id}:launch-template/*"]
    }
  }
}

# Baking images: the rights that Packer's Amazon builder documents, in this region only.

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
      "ec2:EnableImageDeprecation",
      "ec2:ModifyImageAttribute",
      "ec2:ModifyInstanceAttribute",
      "ec2:RegisterImage",
      "ec2:RunInstances",
      "ec2:StopInstances",
      "ec2:TerminateInstances",
    ]
    # Wildcard: none of these has an id before Packer creates it.
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  # make prune-images keeps what a group starts.
  statement {
    sid     = "Groups"
    actions = ["autoscaling:DescribeAutoScalingGroups"]
    # Wildcard: the call takes no other resource.
    resources = ["*"]
  }

  # make image looks how large a builder may be.
  statement {
    sid     = "Quota"
    actions = ["servicequotas:GetServiceQuota"]
    # Wildcard: any quota of this account.
    resources = ["*"]
  }

  statement {
    sid       = "Publish"
    actions   = ["ssm:GetParameter", "ssm:PutParameter"]
    resources = ["arn:${local.partition}:ssm:${var.region}:${local.account_id}:parameter/${var.project}/images/worker"]
  }
}

# What each role trusts: a GitHub token for AWS, from this repository and exactly that trigger.
# `sub` is compared as a whole: a pattern with a star in the middle would let strangers in.
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
