mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_cognito_user_pool" {
    defaults = {
      id       = "eu-central-1_abcdefghi"
      endpoint = "cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abcdefghi"
    }
  }

  mock_resource "aws_cognito_resource_server" {
    defaults = { scope_identifiers = ["aistratus/infer", "aistratus/operate"] }
  }
}

variables {
  name                = "aistratus-test"
  region              = "eu-central-1"
  deletion_protection = false
  callback_urls       = []
}

run "pool" {
  assert {
    condition     = one(aws_cognito_user_pool.this.admin_create_user_config).allow_admin_create_user_only
    error_message = "Nobody should sign up alone."
  }

  assert {
    condition     = aws_cognito_user_pool.this.deletion_protection == "INACTIVE"
    error_message = "A deployment for trying out should be destroyable."
  }

  assert {
    condition     = output.issuer == "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abcdefghi"
    error_message = "The issuer should be the pool's."
  }

  assert {
    condition     = can(regex("^https://aistratus-test-[0-9a-f]{10}\\.auth\\.eu-central-1\\.amazoncognito\\.com$", output.login_url))
    error_message = "The login's address should be the deployment's own."
  }

  assert {
    condition     = toset(output.scopes) == toset(["aistratus/infer", "aistratus/operate"])
    error_message = "There should be the two scopes."
  }
}

run "client" {
  assert {
    condition     = !aws_cognito_user_pool_client.app.generate_secret && aws_cognito_user_pool_client.app.allowed_oauth_flows == toset(["code"])
    error_message = "The client should be public, with the authorization code alone."
  }

  assert {
    condition     = aws_cognito_user_pool_client.app.explicit_auth_flows == toset(["ALLOW_REFRESH_TOKEN_AUTH"])
    error_message = "Nobody should sign in by name and password but on the login page."
  }

  assert {
    condition     = contains(aws_cognito_user_pool_client.app.callback_urls, "http://localhost:8571/callback") && contains(aws_cognito_user_pool_client.app.callback_urls, "aistratus://callback")
    error_message = "Native and mobile apps should be able to sign in."
  }
}

run "another_account_has_another_address" {
  command = plan

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "210987654321" }
  }

  assert {
    condition     = !strcontains(run.pool.login_url, aws_cognito_user_pool_domain.this.domain)
    error_message = "Two accounts in a region should not want the same address."
  }
}

run "with_a_web_app" {
  variables {
    callback_urls       = ["https://chat.example.org/callback"]
    logout_urls         = ["https://chat.example.org/"]
    password_login      = true
    deletion_protection = true
  }

  assert {
    condition     = contains(aws_cognito_user_pool_client.app.callback_urls, "https://chat.example.org/callback") && contains(aws_cognito_user_pool_client.app.logout_urls, "https://chat.example.org/")
    error_message = "The web app should be able to sign in and out."
  }

  assert {
    condition     = contains(aws_cognito_user_pool_client.app.explicit_auth_flows, "ALLOW_USER_PASSWORD_AUTH")
    error_message = "The emulator's login should be able to ask for the password."
  }

  assert {
    condition     = aws_cognito_user_pool.this.deletion_protection == "ACTIVE"
    error_message = "The pool should be protected if that is asked for."
  }
}

run "refuses_a_callback_in_the_clear" {
  command = plan

  variables {
    callback_urls = ["http://chat.example.org/callback"]
  }

  expect_failures = [var.callback_urls]
}

run "refuses_a_callback_with_a_wildcard" {
  command = plan

  variables {
    callback_urls = ["https://*.example.org/callback"]
  }

  expect_failures = [var.callback_urls]
}

run "refuses_a_logout_in_the_clear" {
  command = plan

  variables {
    logout_urls = ["http://chat.example.org/"]
  }

  expect_failures = [var.logout_urls]
}

run "refuses_a_name_that_cognito_reserves" {
  command = plan

  variables {
    name = "my-aws-chat"
  }

  expect_failures = [var.name]
}
