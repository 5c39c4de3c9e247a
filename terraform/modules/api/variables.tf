variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "issuer" {
  description = "Who signs the tokens."
  type        = string

  validation {
    condition     = startswith(var.issuer, "https://")
    error_message = "The issuer is an https:// address."
  }
}

variable "client_id" {
  description = "The client that tokens are for."
  type        = string
}

variable "scopes" {
  description = "What a token may be good for; it needs one of these. The router knows which path needs which."
  type        = list(string)

  validation {
    condition     = length(var.scopes) > 0
    error_message = "Without a scope the gateway would let an ID token in."
  }
}

variable "function_name" {
  description = "The function that answers."
  type        = string
}

variable "function_alias" {
  description = "Which version of it."
  type        = string
}

variable "function_invoke_arn" {
  description = "How the gateway calls it."
  type        = string
}

variable "cors_origins" {
  description = "Which pages may call the API from a browser. The app's own web server does not need it: its calls come from the server."
  type        = list(string)

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^(https://[^/*]+|http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?)$", origin))])
    error_message = "An origin is https:// and a host, or http://localhost with a port; without a path and without a wildcard."
  }
}

variable "kms_key_arn" {
  description = "The key of our own that the access log is encrypted with; with none it is encrypted with AWS's."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long the access log is kept."
  type        = number
}

variable "requests_per_second" {
  description = "How many requests a second the API lets in. A client that follows a job asks about once in 20 seconds."
  type        = number
  default     = 100

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "Let in at least one request a second."
  }
}

variable "burst" {
  description = "How many it lets in at once."
  type        = number
  default     = 200

  validation {
    condition     = var.burst >= 1
    error_message = "Let in at least one request at once."
  }
}
