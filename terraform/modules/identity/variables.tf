variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }

  validation {
    condition     = !can(regex("aws|amazon|cognito", var.name))
    error_message = "The name is part of the login's address, where Cognito allows neither aws nor amazon nor cognito."
  }
}

variable "region" {
  description = "The region, which is part of the login's address."
  type        = string
}

variable "callback_urls" {
  description = "Where else a login may lead back to, such as the address of a web app. The native apps' own are always allowed."
  type        = list(string)

  validation {
    # The rule of Cognito and OAuth: a code must not travel unencrypted, except on this machine.
    condition     = alltrue([for url in var.callback_urls : can(regex("^(https://[^*]+|http://localhost(:[0-9]+)?/[^*]*)$", url))])
    error_message = "A callback is an https:// address, or http://localhost with a port and a path; it has no wildcard."
  }
}

variable "logout_urls" {
  description = "Where else a logout may lead to."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for url in var.logout_urls : can(regex("^(https://[^*]+|http://localhost(:[0-9]+)?/[^*]*)$", url))])
    error_message = "A logout leads to an https:// address, or to http://localhost with a port; it has no wildcard."
  }
}

variable "deletion_protection" {
  description = "Whether Cognito refuses to delete the pool, with all its users."
  type        = bool
}

variable "password_login" {
  description = "Whether programs may sign in with name and password. Apps do not: their tokens come from the login page. The emulator's login does."
  type        = bool
  default     = false
}
