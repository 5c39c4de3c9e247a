variable "name" {
  description = "What every name begins with, `project-env`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "A name has 3 to 31 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "The region, which is part of the endpoints' service names."
  type        = string
}

variable "cidr" {
  description = "The addresses of the network. Each zone gets a sixteenth of them."
  type        = string
  default     = "10.60.0.0/20"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24, false)
    error_message = "A network is written like 10.60.0.0/20, with a prefix of 16 to 24 bits."
  }
}

variable "max_zones" {
  description = "In how many zones instances may start. More zones find more Spot capacity; privately, each costs its endpoints."
  type        = number
  default     = 3

  validation {
    condition     = var.max_zones >= 1 && var.max_zones <= 6 && floor(var.max_zones) == var.max_zones
    error_message = "Say 1 to 6 zones."
  }
}

variable "private" {
  description = "Instances get no public address and no way to the internet; they reach AWS through interface endpoints, which cost about 8 USD a month each in each zone, whether anything runs or not."
  type        = bool
}

variable "customer_managed_key" {
  description = "Whether anything is encrypted with a key of our own; a private network then needs a way to KMS."
  type        = bool
}

variable "session_manager" {
  description = "Whether people may open a shell on an instance; a private network then needs a way to Session Manager."
  type        = bool
}
