# Who may use it: a pool of users that an administrator makes, and the apps' way to a token.

data "aws_caller_identity" "current" {}

locals {
  # Where native apps listen for the code (RFC 8252); Cognito accepts registered ports only. The
  # apps have the same list, and a test compares the two.
  native_callback_ports = [8571, 8572, 8573, 8574, 8575]
  native_origins        = [for port in local.native_callback_ports : "http://localhost:${port}"]

  # Phones find an app by its own URL scheme.
  mobile_callback = "aistratus://callback"

  # It must be unique in the region. As it is computed, a destroyed deployment can come back under
  # its old address.
  domain = "${var.name}-${substr(sha256("${data.aws_caller_identity.current.account_id}/${var.region}/${var.name}"), 0, 10)}"

  resource_server = "aistratus"
  scopes = {
    infer   = "Infer"
    operate = "Operate"
  }
}

resource "aws_cognito_user_pool" "this" {
  name                = var.name
  user_pool_tier      = "LITE" # has everything used here, and is the cheapest with many users
  deletion_protection = var.deletion_protection ? "ACTIVE" : "INACTIVE"

  # People sign in with their mail address, in upper or lower case.
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]

  username_configuration {
    case_sensitive = false
  }

  admin_create_user_config {
    allow_admin_create_user_only = true

    invite_message_template {
      email_subject = "Your access to Aistratus"
      email_message = "Your user name is {username}, your temporary password is {####} . It is good for 7 days."
      sms_message   = "Aistratus: user name {username}, temporary password {####}" # required, never sent
    }
  }

  # Length matters more than kinds of characters (NIST SP 800-63B, 5.1.1).
  password_policy {
    minimum_length                   = 12
    require_lowercase                = false
    require_numbers                  = false
    require_symbols                  = false
    require_uppercase                = false
    temporary_password_validity_days = 7
  }

  mfa_configuration = "OPTIONAL"

  software_token_mfa_configuration {
    enabled = true
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }
}

resource "aws_cognito_user_pool_domain" "this" {
  user_pool_id = aws_cognito_user_pool.this.id
  domain       = local.domain

  # Version 2 shows only "Login pages unavailable" until the client has a branding style, which
  # provider 5 cannot create: that would be a manual step. Version 1 works at once.
  managed_login_version = 1
}

resource "aws_cognito_resource_server" "this" {
  user_pool_id = aws_cognito_user_pool.this.id
  identifier   = local.resource_server
  name         = "Aistratus"

  dynamic "scope" {
    for_each = local.scopes

    content {
      scope_name        = scope.key
      scope_description = scope.value
    }
  }
}

# A public client, as an app cannot keep a secret: authorization code with PKCE.
resource "aws_cognito_user_pool_client" "app" {
  user_pool_id    = aws_cognito_user_pool.this.id
  name            = "${var.name}-app"
  generate_secret = false

  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = concat(["openid", "email"], aws_cognito_resource_server.this.scope_identifiers)
  supported_identity_providers         = ["COGNITO"]

  callback_urls = concat([for origin in local.native_origins : "${origin}/callback"], [local.mobile_callback], var.callback_urls)
  logout_urls   = concat([for origin in local.native_origins : "${origin}/"], [local.mobile_callback], var.logout_urls)

  explicit_auth_flows = concat(["ALLOW_REFRESH_TOKEN_AUTH"], var.password_login ? ["ALLOW_USER_PASSWORD_AUTH"] : [])

  enable_token_revocation       = true
  prevent_user_existence_errors = "ENABLED" # a wrong name and a wrong password look the same

  access_token_validity  = 60
  id_token_validity      = 60
  refresh_token_validity = 30

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}
