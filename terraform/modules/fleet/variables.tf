variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Where the fleet is; instances are told."
  type        = string
}

variable "subnet_ids" {
  description = "Where instances may be: one subnet in each zone, the more the better for Spot."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "Name at least one subnet."
  }
}

variable "security_group_id" {
  description = "The security group of every instance."
  type        = string
}

variable "image_id" {
  description = "The worker's image, as `make image` made it."
  type        = string

  validation {
    condition     = can(regex("^ami-([0-9a-f]{8}|[0-9a-f]{17})$", var.image_id))
    error_message = "An image's id is ami- and 8 or 17 hexadecimal digits. There is none yet? Make one with: make image"
  }
}

variable "weights_device" {
  description = "The device of the image's volume of weights, as its manifest names it; empty if the weights lie in the root volume."
  type        = string

  validation {
    condition     = var.weights_device == "" || can(regex("^/dev/(sd|xvd)[b-z]$", var.weights_device))
    error_message = "A device is written like /dev/sdf; an image without a volume of weights has an empty one."
  }
}

variable "weights_initialization_rate" {
  description = "How quickly the volume of weights comes from its snapshot, in MiB a second; 0 leaves it to AWS, which promises nothing and asks nothing."
  type        = number

  validation {
    condition     = var.weights_initialization_rate == 0 || (var.weights_initialization_rate >= 100 && var.weights_initialization_rate <= 300)
    error_message = "AWS takes 100 to 300 MiB a second, or 0 for no set rate."
  }
}

variable "instance_types" {
  description = "Which instances may be taken: of Spot the one that is cheap and likely to stay, on demand the first that there is."
  type        = list(string)

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for type in var.instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "Name at least one instance type, such as g6.xlarge."
  }

  validation {
    condition     = length(var.instance_types) <= 40 && length(distinct(var.instance_types)) == length(var.instance_types)
    error_message = "Name each instance type once, and at most 40."
  }
}

variable "max_instances" {
  description = "How many instances may run at once."
  type        = number

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100 && floor(var.max_instances) == var.max_instances
    error_message = "Say 1 to 100 instances."
  }
}

variable "on_demand_only" {
  description = "Whether Spot, which is cheaper and may be taken away, is left alone."
  type        = bool
}

variable "scheduled_minutes" {
  description = "For how long a schedule may keep an instance on with nothing to do; so much longer the dead man's switch on it waits."
  type        = number
  default     = 0

  validation {
    condition     = var.scheduled_minutes >= 0 && var.scheduled_minutes <= 1440
    error_message = "Say 0 to 1440 minutes."
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

variable "queue_arn" {
  description = "The queue of jobs."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "The dead-letter queue, into which a worker puts what nobody can read."
  type        = string
}

variable "table_arn" {
  description = "The table."
  type        = string
}

variable "kms_key_arn" {
  description = "The key of our own that queues, table and logs are encrypted with; with none they are encrypted with AWS's. The volumes have the image's key."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long the instances' log is kept."
  type        = number
}

variable "session_manager" {
  description = "Whether people with the right to do so may open a shell on an instance through Session Manager. There is no other way in."
  type        = bool
}

variable "image_kms_key_arn" {
  description = "The customer's key that the image's volumes are encrypted with, if they are: Auto Scaling gets a grant on it. With none they have AWS's key, which needs none."
  type        = string

  validation {
    condition     = var.image_kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", var.image_kms_key_arn))
    error_message = "A key is named by its ARN, such as arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555; an alias is not enough."
  }
}
