variable "prefix" {
  description = "What the names of all parameters begin with, such as `/aistratus/dev`."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+)+$", var.prefix)) && !can(regex("^/(aws|ssm)(/|$)", lower(var.prefix)))
    error_message = "A prefix is a path such as /aistratus/dev, and does not begin with /aws or /ssm."
  }
}

variable "values" {
  description = "What stands below the prefix, by path: what Terraform made and the programs read."
  type        = map(string)

  validation {
    # SSM accepts no empty value, and at most 4 KB in a free parameter.
    condition     = alltrue([for value in values(var.values) : length(value) > 0 && length(value) <= 4096])
    error_message = "Each value has 1 to 4096 characters; a long list of models does not fit."
  }
}

variable "adjustable" {
  description = "The same for what the running system may change later: Terraform writes it once and leaves it alone then."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for value in values(var.adjustable) : length(value) > 0 && length(value) <= 4096])
    error_message = "Each value has 1 to 4096 characters."
  }
}
