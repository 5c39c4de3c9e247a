variable "project" {
  type        = string
  default     = "aistratus"
  description = "The first part of every name."
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.project))
    error_message = "A project has 3 to 16 lower-case letters and digits, and begins with a letter."
  }
}

variable "region" {
  type        = string
  description = "The region of the state bucket, and of what is deployed from it."
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region is a name such as eu-central-1."
  }
}

variable "bucket" {
  type        = string
  description = "The state bucket's name. The tool has made the bucket; this takes it over."
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "The bucket's name is 3 to 63 small letters, digits and hyphens."
  }
}

variable "state_versions_kept_days" {
  type        = number
  default     = 90
  description = "For how many days an old version of a state can be had back."
  validation {
    condition     = var.state_versions_kept_days >= 7 && floor(var.state_versions_kept_days) == var.state_versions_kept_days
    error_message = "Old versions are kept for a whole number of days, 7 at least."
  }
}

variable "github_repository" {
  type        = string
  default     = ""
  description = "The repository whose workflows may plan and deploy; empty for none. Written as its tokens have it: owner/name, or owner@ID/name@ID for one made after 15 July 2026."
  validation {
    condition     = var.github_repository == "" || can(regex("^[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+|@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)$", var.github_repository))
    error_message = "The repository is written owner/name, or with both ids: owner@ID/name@ID."
  }
}

variable "github_provider_exists" {
  type        = bool
  default     = false
  description = "Whether the account has GitHub's identity provider already: it can have it once only. The tool looks."
}

variable "github_environments" {
  type        = list(string)
  default     = ["dev", "prod"]
  description = "The environments that workflows may deploy. Each is a GitHub environment of the same name."
  validation {
    condition     = alltrue([for env in var.github_environments : can(regex("^[a-z][a-z0-9]{1,11}$", env))])
    error_message = "An environment's name is 2 to 12 small letters and digits, a letter first."
  }
}
