variable "name" {
  description = "The budget's name, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "monthly_usd" {
  description = "What a month may cost, in US dollars."
  type        = number

  validation {
    condition     = var.monthly_usd > 0
    error_message = "A budget is more than 0 USD a month."
  }
}

variable "topic_arn" {
  description = "The topic that is told; empty: none. Its policy must let AWS Budgets publish."
  type        = string
  default     = ""
}

variable "email" {
  description = "Who is told by mail; empty: nobody."
  type        = string

  validation {
    condition     = var.email == "" || can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.email))
    error_message = "A mail address is written like me@example.com."
  }

  validation {
    condition     = var.email != "" || var.topic_arn != ""
    error_message = "A budget that tells nobody is of no use: give email, topic_arn or both."
  }
}

variable "tag" {
  description = "Only what bears this tag counts, written `key$value`, such as `project$aistratus`; empty: the whole account. The tag must be activated for cost allocation first, in the console of Billing: before that AWS counts nothing under it, and the budget is never reached."
  type        = string
  default     = ""

  validation {
    condition     = var.tag == "" || can(regex("^[^$]+\\$[^$]+$", var.tag))
    error_message = "A tag is written key$value, such as project$aistratus."
  }
}
