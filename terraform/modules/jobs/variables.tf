variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Where they are."
  type        = string
}

variable "kms_key_arn" {
  description = "The key of our own that queues and table are encrypted with; with none they are encrypted with AWS's."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "A key's ARN begins with arn:aws:kms:."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table, with all conversations."
  type        = bool
}

variable "visibility_timeout_seconds" {
  description = "A message that is not extended in this time is given to another worker. Workers take it from the queue."
  type        = number
  default     = 30

  validation {
    condition     = var.visibility_timeout_seconds >= 20 && var.visibility_timeout_seconds <= 43200
    error_message = "The visibility timeout is 20 to 43200 seconds: workers extend it every 10."
  }
}
