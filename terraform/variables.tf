variable "project" {
  description = "The first half of every name."
  type        = string
  default     = "aistratus"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.project))
    error_message = "A project has 3 to 16 lower-case letters and digits, and begins with a letter."
  }
}

variable "env" {
  description = "Which deployment this is, such as `dev`; the second half of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.env))
    error_message = "An environment has 2 to 12 lower-case letters and digits, and begins with a letter, such as dev."
  }
}

variable "region" {
  description = "Where everything is."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is written like eu-central-1."
  }
}

variable "image_id" {
  description = "The worker's image, as `make image` made it."
  type        = string

  validation {
    condition     = can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", var.image_id))
    error_message = "An image's id is ami- and 8 or 17 hexadecimal digits. There is none yet? Make one with: make image"
  }
}

variable "image_kms_key_arn" {
  description = "The customer's key that the image was baked with (`kms_key_id`), by its ARN; left out for AWS's own key."
  type        = string
  default     = null

  validation {
    condition     = var.image_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", var.image_kms_key_arn))
    error_message = "A key is named by its ARN, such as arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555; an alias is not enough."
  }
}

variable "weights_device" {
  description = "The device of the image's volume of weights, from the same manifest; empty if the weights lie in the root volume."
  type        = string
  default     = "/dev/sdf"

  validation {
    condition     = var.weights_device == "" || can(regex("^/dev/(sd|xvd)[b-z]$", var.weights_device))
    error_message = "A device is written like /dev/sdf; an image without a volume of weights has an empty one."
  }
}

variable "weights_initialization_rate" {
  description = "How quickly the volume of weights comes from its snapshot, in MiB a second; 0 leaves it to AWS, which promises nothing and asks nothing."
  type        = number
  default     = 300

  validation {
    condition     = var.weights_initialization_rate == 0 || (var.weights_initialization_rate >= 100 && var.weights_initialization_rate <= 300)
    error_message = "AWS takes 100 to 300 MiB a second, or 0 for no set rate."
  }
}

variable "model" {
  description = "What the image has and can be asked for: a short name in contracts' `models.json`."
  type        = string
  default     = "tinyllama"

  validation {
    condition     = contains(keys(local.known_models), var.model)
    error_message = "There is no such model in contracts/src/aistratus_contracts/models.json, which has: ${join(", ", keys(local.known_models))}."
  }
}

variable "models" {
  description = "In place of `model`, for an image with weights of one's own: what can be asked for; the first is meant if none is named."
  type = list(object({
    id                  = string
    title               = string
    context             = number
    default_max_tokens  = number
    default_temperature = number
    license             = string
  }))
  default = null

  validation {
    condition     = var.models == null ? true : length(var.models) > 0 && length(distinct(var.models[*].id)) == length(var.models)
    error_message = "Name at least one model, and none twice."
  }

  validation {
    condition     = alltrue([for model in coalesce(var.models, []) : model.default_max_tokens >= 1 && model.default_max_tokens < model.context])
    error_message = "A model's context holds prompt and answer together, so default_max_tokens is 1 or more, and less than context."
  }

  validation {
    condition     = alltrue([for model in coalesce(var.models, []) : model.default_temperature >= 0 && model.default_temperature <= 2])
    error_message = "A temperature is 0 to 2."
  }
}

variable "router_zip" {
  description = "The Lambda package, as `make router.zip` writes it."
  type        = string
  default     = "../dist/router.zip"
}

variable "snapstart" {
  description = "Whether a start of the API takes up a snapshot: quicker, and paid for as long as the version is there."
  type        = bool
  default     = false
}

variable "reserved_concurrency" {
  description = "How many requests the API answers at once at most; -1: as many as the account allows."
  type        = number
  default     = -1
}

variable "steward_reserved_concurrency" {
  description = "How much of the account's concurrency is kept for the steward, so that no flood of requests keeps it from its round; -1: none; null: 1 if the account has enough, else none."
  type        = number
  default     = null
}

variable "available_concurrency" {
  description = "How many functions this deployment may run at once: the account's limit, less what other functions reserve. `make deploy` asks Lambda; null: not known, and taken for a new account's 10."
  type        = number
  default     = null
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
  default = {}
}

variable "customer_managed_key" {
  description = "Whether everything is encrypted with a key of our own, for 1 USD a month, instead of with AWS's."
  type        = bool
  default     = false
}

variable "private_network" {
  description = "Whether instances have no public address and reach AWS through interface endpoints, for about 8 USD a month each in each zone."
  type        = bool
  default     = false
}

variable "session_manager" {
  description = "Whether people with the right to do so may open a shell on an instance, with `make shell`. There is no other way in, and no open port."
  type        = bool
  default     = false
}

variable "instance_types" {
  description = "Which instances may be taken, whichever Spot has; left out: those that are a default in `instance_types.json`."
  type        = list(string)
  default     = null

  validation {
    condition     = var.instance_types == null ? true : length(var.instance_types) > 0 && alltrue([for type in var.instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "Name at least one instance type, such as g6.xlarge."
  }
}

variable "max_instances" {
  description = "How many instances may run at once."
  type        = number
  default     = 1

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100 && floor(var.max_instances) == var.max_instances
    error_message = "Say 1 to 100 instances."
  }
}

variable "on_demand_only" {
  description = "Whether Spot, which is cheaper and may be taken away, is left alone."
  type        = bool
  default     = false
}

variable "idle_timeout_seconds" {
  description = "After how long without work the GPU is switched off. This is what a new deployment begins with; the running system can change it."
  type        = number
  default     = 600

  validation {
    condition     = var.idle_timeout_seconds >= 60 && var.idle_timeout_seconds <= 86400 && floor(var.idle_timeout_seconds) == var.idle_timeout_seconds
    error_message = "The idle timeout is 60 to 86400 whole seconds."
  }
}

variable "schedule" {
  description = "In which hours the GPU is on whether or not somebody asks, such as office hours; outside of them it comes when somebody asks, as ever. Times are those of the time zone, and `days` are by default Monday to Friday. Each hour is paid for (docs/cost.md)."
  type = list(object({
    timezone = string
    wake     = string
    sleep    = string
    days     = optional(list(string), ["mon", "tue", "wed", "thu", "fri"])
  }))
  default = []

  validation {
    condition     = alltrue([for hours in var.schedule : contains(local.time_zones, hours.timezone)])
    error_message = "There is no such time zone: ${join(", ", [for hours in var.schedule : hours.timezone if !contains(local.time_zones, hours.timezone)])}. Take one of terraform/time_zones.txt, such as Europe/Berlin."
  }

  validation {
    condition     = alltrue([for hours in var.schedule : can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", hours.wake)) && can(regex("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", hours.sleep))])
    error_message = "A schedule's wake and sleep are written like 08:00; sleep may be 24:00. These are not: ${join(", ", flatten([for hours in var.schedule : [for at in [hours.wake, hours.sleep] : at if !can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", at))]]))}."
  }

  validation {
    # Both have the same form, so their order is that of their texts.
    condition     = alltrue([for hours in var.schedule : hours.wake != hours.sleep && sort([hours.wake, hours.sleep])[0] == hours.wake])
    error_message = "A schedule's wake comes before its sleep on the same day. A night is two entries: until 24:00, and from 00:00."
  }

  validation {
    condition     = alltrue([for hours in var.schedule : length(hours.days) > 0 && length(setsubtract(hours.days, ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])) == 0])
    error_message = "A schedule's days are some of mon, tue, wed, thu, fri, sat, sun."
  }
}

variable "cors_origins" {
  description = "Which pages may call the API from a browser. The app's own web server does not need it."
  type        = list(string)
  default     = []
}

variable "callback_urls" {
  description = "Where else a login may lead back to, such as the address of a web app; and a logout to their origins."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 days, or some years."
  }
}

variable "alarm_email" {
  description = "Who is told of alarms and of the budget; empty: nobody."
  type        = string
  default     = ""

  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.alarm_email))
    error_message = "This is no mail address."
  }
}

variable "monthly_budget_usd" {
  description = "What a month may cost before somebody is told; 0: no budget."
  type        = number
  default     = 0

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "A budget is 0 or more USD a month."
  }

  validation {
    condition     = var.monthly_budget_usd == 0 || var.alarm_email != ""
    error_message = "A budget needs somebody to tell: set alarm_email too."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table and the pool of users, until this is false."
  type        = bool
}
