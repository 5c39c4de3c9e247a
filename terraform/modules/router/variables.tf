variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "zip" {
  description = "The Lambda package, as `make router.zip` writes it."
  type        = string

  validation {
    condition     = fileexists(var.zip)
    error_message = "There is no Lambda package at this path. Build it with: make router.zip"
  }
}

variable "registry_prefix" {
  description = "What the names of all parameters begin with, such as `/aistratus/dev`."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+)+$", var.registry_prefix))
    error_message = "A prefix is a path such as /aistratus/dev."
  }
}

variable "registry_arn" {
  description = "The same, for policies: the ARN of a parameter with that name."
  type        = string
}

variable "idle_timeout_parameter" {
  description = "The path below the prefix of the one parameter that the router writes."
  type        = string
  default     = "fleet/idle_timeout_seconds"
}

variable "queue_arn" {
  description = "The queue of jobs."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "The dead-letter queue."
  type        = string
}

variable "table_arn" {
  description = "The table."
  type        = string
}

variable "group_arn" {
  description = "The Auto Scaling group, with a wildcard for the unique id that AWS puts in its ARN."
  type        = string
}

variable "kms_key_arn" {
  description = "The key of our own that queues, table, logs and settings are encrypted with; with none they are encrypted with AWS's."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "snapstart" {
  description = "Whether a start of the API's function takes up a snapshot. It is quicker, and the snapshot is paid for as long as the version is there."
  type        = bool
}

variable "alias" {
  description = "The name by which the gateway calls the API's function; a deployment moves it to the new version at once."
  type        = string
  default     = "live"
}

variable "memory_mb" {
  description = "Memory of each function. Lambda gives processor time in proportion."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_mb >= 256 && var.memory_mb <= 10240
    error_message = "The memory is 256 to 10240 MB."
  }
}

variable "reserved_concurrency" {
  description = "How many requests the API's function answers at once at most; -1: as many as the account allows. New accounts have so few that reserving any is refused."
  type        = number

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "Reserve at least 1, or -1 for no limit of its own; 0 would switch the API off."
  }
}

variable "steward_reserved_concurrency" {
  description = "How much of the account's concurrency is kept for the steward, so that no flood of requests keeps it from its round; -1: none; null: 1 if the account has enough, else none."
  type        = number

  validation {
    condition     = var.steward_reserved_concurrency == null ? true : var.steward_reserved_concurrency == -1 || var.steward_reserved_concurrency >= 1
    error_message = "Reserve at least 1, or -1 for none; 0 would switch the steward off."
  }
}

variable "available_concurrency" {
  description = "How many functions this deployment may run at once: the account's limit, less what other functions reserve. null: not known, and taken for a new account's 10."
  type        = number

  validation {
    condition     = var.available_concurrency == null ? true : var.available_concurrency >= 1 && var.available_concurrency == floor(var.available_concurrency)
    error_message = "The concurrency is a whole number from 1, or null if it is not known."
  }
}

variable "user_limits" {
  description = "How much one user may have: lanes (jobs in workers' hands at once), open jobs, prompts a minute and in a burst, held polls; and held polls of all users together (readers). What is left out has the program's default; readers: half of what the router can run at once, at most 256."
  type = object({
    lanes              = optional(number)
    open_jobs          = optional(number)
    prompts_per_minute = optional(number)
    prompt_burst       = optional(number)
    readers_per_user   = optional(number)
    readers            = optional(number)
  })

  validation {
    condition = alltrue([
      for name, most in {
        lanes              = 1000
        open_jobs          = 1000
        prompts_per_minute = 60000
        prompt_burst       = 60000
        readers_per_user   = 10000
        readers            = 10000
      } : var.user_limits[name] == null ? true : var.user_limits[name] == floor(var.user_limits[name]) && var.user_limits[name] >= 1 && var.user_limits[name] <= most
    ])
    error_message = "Each limit is a whole number from 1; lanes and open_jobs up to 1000, prompts up to 60000, readers up to 10000."
  }
}
