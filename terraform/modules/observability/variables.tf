variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "environment" {
  description = "Which deployment this is, such as `dev`: the one dimension of the worker's metrics."
  type        = string
}

variable "region" {
  description = "Where everything is."
  type        = string
}

variable "api_id" {
  description = "The API."
  type        = string
}

variable "stage_name" {
  description = "The API's stage."
  type        = string
}

variable "router_function" {
  description = "The function that answers the API."
  type        = string
}

variable "steward_function" {
  description = "The function that looks after jobs and fleet each minute."
  type        = string
}

variable "queue_name" {
  description = "The queue of jobs."
  type        = string
}

variable "dead_letter_queue_name" {
  description = "The dead-letter queue."
  type        = string
}

variable "table_name" {
  description = "The table."
  type        = string
}

variable "group_name" {
  description = "The Auto Scaling group."
  type        = string
}

variable "alarm_email" {
  description = "Who is told of alarms; empty: nobody. AWS sends a mail that must be confirmed."
  type        = string

  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.alarm_email))
    error_message = "A mail address is written like me@example.com."
  }
}

variable "kms_key_arn" {
  description = "The key of our own that messages are encrypted with; with none, they are encrypted as SNS does by itself. The key must let CloudWatch and Budgets use it."
  type        = string
  default     = null
}

variable "oldest_message_seconds" {
  description = "How old a message may get before someone is told. A cold start takes a minute, a long answer a few."
  type        = number
  default     = 900

  validation {
    condition     = var.oldest_message_seconds >= 60
    error_message = "Allow a message at least 60 seconds."
  }
}

variable "idle_minutes" {
  description = "How long a GPU may be on with nothing to do before someone is told: longer than the idle timeout, after which the steward switches it off."
  type        = number
  default     = 30

  validation {
    condition     = var.idle_minutes >= 10 && var.idle_minutes <= 1440 && var.idle_minutes % 5 == 0
    error_message = "Say 10 to 1440 minutes, a multiple of 5."
  }
}

variable "scheduled_minutes" {
  description = "For how long a schedule may keep a GPU on with nothing to do: so much later someone is told, within a day at most."
  type        = number
  default     = 0

  validation {
    condition     = var.scheduled_minutes >= 0 && var.scheduled_minutes <= 1440
    error_message = "Say 0 to 1440 minutes."
  }
}
