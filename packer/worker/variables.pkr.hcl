# The variables that a variant sets (the *.pkrvars.hcl beside this file), and an operator's own.

# The variant

variable "variant" {
  type        = string
  description = "The variant's name; part of the image's name."
  validation {
    condition     = length(var.variant) > 0 && regex_replace(var.variant, "^[a-z0-9-]+$", "") == ""
    error_message = "The variant's name is made of small letters, digits and hyphens."
  }
}

variable "distribution" {
  type        = string
  default     = "debian12"
  description = "The base: debian12, debian13 (without a card) or ubuntu2404."
  validation {
    condition     = contains(["debian12", "debian13", "ubuntu2404"], var.distribution)
    error_message = "The distribution is debian12, debian13 or ubuntu2404."
  }
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The processor, as EC2 calls it: x86_64 or arm64."
  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "gpu" {
  type        = bool
  description = "Whether the image gets NVIDIA's driver, and llama.cpp its CUDA kernels."
}

variable "model" {
  type        = string
  description = "The model's short name in contracts/src/aistratus_contracts/models.json."
}

variable "model_facts" {
  type        = map(string)
  default     = {}
  description = "For weights of one's own: what differs from that file, of id, file, url, bytes and sha256."
  validation {
    condition     = length([for key in keys(var.model_facts) : key if contains(["id", "file", "url", "bytes", "sha256"], key) == false]) == 0
    error_message = "The model_facts are id, file, url, bytes and sha256."
  }
  validation {
    condition     = contains(keys(var.model_facts), "sha256") == false || length(lookup(var.model_facts, "sha256", "")) == 64 && regex_replace(lookup(var.model_facts, "sha256", ""), "^[0-9a-f]+$", "") == ""
    error_message = "The sha256 in model_facts is 64 hexadecimal digits in small letters."
  }
}

variable "model_file" {
  type        = string
  default     = ""
  description = "Weights on this machine, to copy onto the image instead of fetching them."
}

# The build

variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "Where the image is built and registered."
}

variable "instance_type" {
  type        = string
  default     = ""
  description = "What it is built on; empty for the first in packer/builders.json. No card is needed."
}

variable "root_gib" {
  type        = number
  default     = 8
  description = "The root volume's size. CUDA's toolkit takes 8 GiB of it in a GPU variant."
}

variable "upgrade" {
  type        = bool
  default     = true
  description = "Whether the base's packages and its kernel are brought up to date first."
}

variable "weights_volume" {
  type        = bool
  default     = true
  description = "Whether the weights get a volume of their own."
}

variable "kms_key_id" {
  type        = string
  default     = ""
  description = "The key that encrypts the volumes; empty for the account's own key for EBS."
}

variable "ssh_cidrs" {
  type        = list(string)
  default     = []
  description = "From where the instance may be reached while it is built; empty for anywhere. make image fills in its own address."
}

variable "deprecate_days" {
  type        = number
  default     = 180
  description = "After how many days EC2 marks the image as deprecated. Packer 1.6.6 cannot."
}

variable "git_revision" {
  type        = string
  default     = "unknown"
  description = "The commit that the image is made of; make image fills it in."
}

variable "report_folder" {
  type        = string
  default     = "build/image"
  description = "Where the manifest and the report of what the image holds are written."
}

variable "extra_playbook" {
  type        = string
  default     = ""
  description = "A playbook of one's own, run before the clean-up; the verification has the last word."
}

variable "extra_variables" {
  type        = map(string)
  default     = {}
  description = "More variables for the roles, each one of a role's argument_specs."
}

variable "cloudwatch" {
  type        = bool
  default     = true
  description = "Whether logs and metrics go to CloudWatch."
}

variable "session_manager" {
  type        = bool
  default     = false
  description = "Whether Amazon's agent for Session Manager is installed, in the version that extra_variables names; Ubuntu's base has it."
}

variable "wheelhouse" {
  type        = string
  default     = ""
  description = "A complete wheelhouse (python -m wheelhouse) for the base's Python and processor; empty to compile on the instance."
}

# A private subnet

variable "private" {
  type        = bool
  default     = false
  description = "Reaches the instance through Session Manager, without a public address or an open port."
}

variable "vpc_id" {
  type    = string
  default = ""
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "Where the instance is put; empty for the account's default subnet."
}

variable "instance_profile" {
  type        = string
  default     = ""
  description = "With private: a profile that has AmazonSSMManagedInstanceCore."
}

# Another cloud's address, for tests of the whole build

variable "ec2_endpoint" {
  type        = string
  default     = ""
  description = "EC2's address, if it is not Amazon's."
}

variable "ssh_username" {
  type    = string
  default = ""
}

variable "ssh_host" {
  type        = string
  default     = ""
  description = "The machine to provision, if it is not the instance."
}

variable "ssh_port" {
  type    = number
  default = 22
}

variable "ssh_keypair_name" {
  type    = string
  default = ""
}

variable "ssh_private_key_file" {
  type    = string
  default = ""
}
