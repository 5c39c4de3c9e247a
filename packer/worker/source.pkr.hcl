# The instance that becomes the image.

locals {
  root = "${path.root}/../.."

  # Versions, models and instance types are read from the files that define them. Packer resolves
  # the paths from this folder.
  cuda      = yamldecode(file("../../roles/cuda/defaults/main.yml"))
  llama_cpp = regex_replace(file("../../requirements/daemon.txt"), "(?s)^.*\nllama-cpp-python==([0-9.]+).*$", "$${1}")

  models         = jsondecode(file("../../contracts/src/aistratus_contracts/models.json"))
  instance_types = jsondecode(file("../../terraform/instance_types.json"))

  model = merge({ id = local.models[var.model].card.id }, local.models[var.model].weights, var.model_facts)

  bases = {
    debian12 = {
      owner  = "136693071363"
      user   = "admin"
      device = "/dev/xvda"
      x86_64 = "debian-12-amd64-*"
      arm64  = "debian-12-arm64-*"
    }
    debian13 = {
      owner  = "136693071363"
      user   = "admin"
      device = "/dev/xvda"
      x86_64 = "debian-13-amd64-*"
      arm64  = "debian-13-arm64-*"
    }
    ubuntu2404 = {
      owner  = "099720109477"
      user   = "ubuntu"
      device = "/dev/sda1"
      x86_64 = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"
      arm64  = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"
    }
  }
  base = local.bases[var.distribution]

  # The quickest first; make image takes the first that the account's quota allows.
  builders      = jsondecode(file("../../packer/builders.json"))
  instance_type = var.instance_type != "" ? var.instance_type : local.builders[var.architecture][0]
  root_gib      = var.gpu ? max(var.root_gib, 24) : var.root_gib
  weights_gib   = max(1, ceil(local.model.bytes * 1.1 / 1073741824))

  stamp = formatdate("YYYYMMDD-hhmmss", timestamp())
  name  = "aistratus-worker-${var.variant}-${local.stamp}"
  user  = var.ssh_username != "" ? var.ssh_username : local.base.user

  tags = {
    Name                 = local.name
    "aistratus:part"     = "worker-image"
    "aistratus:variant"  = var.variant
    "aistratus:model"    = local.model.id
    "aistratus:revision" = var.git_revision
    "aistratus:gpu"      = var.gpu ? "true" : "false"
  }
}

source "amazon-ebs" "worker" {
  region        = var.region
  instance_type = local.instance_type
  vpc_id        = var.vpc_id
  subnet_id     = var.subnet_id

  source_ami_filter {
    filters = {
      name                = local.base[var.architecture]
      architecture        = var.architecture
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = [local.base.owner]
    most_recent = true
  }

  ami_name        = local.name
  ami_description = "Aistratus worker: ${local.model.id} on ${var.distribution}, ${var.architecture}."
  tags            = local.tags
  snapshot_tags   = local.tags
  run_tags        = merge(local.tags, { "aistratus:part" = "worker-image-build" })
  run_volume_tags = local.tags
  ena_support     = true

  # Encrypted from the start, so that the image is never copied and never stored unencrypted.
  launch_block_device_mappings {
    device_name           = local.base.device
    volume_type           = "gp3"
    volume_size           = local.root_gib
    throughput            = 125
    iops                  = 3000
    encrypted             = true
    kms_key_id            = var.kms_key_id
    delete_on_termination = true
  }

  # The weights have their own volume: EBS loads a volume from its snapshot block by block, and can
  # do that at a set rate for a fee (docs/boot.md), which is low for a small volume.
  dynamic "launch_block_device_mappings" {
    for_each = var.weights_volume ? ["/dev/sdf"] : []
    content {
      device_name           = launch_block_device_mappings.value
      volume_type           = "gp3"
      volume_size           = local.weights_gib
      throughput            = 125
      iops                  = 3000
      encrypted             = true
      kms_key_id            = var.kms_key_id
      delete_on_termination = true
    }
  }

  communicator                = "ssh"
  ssh_username                = local.user
  ssh_host                    = var.ssh_host
  ssh_port                    = var.ssh_port
  ssh_interface               = var.private ? "session_manager" : ""
  ssh_keypair_name            = var.ssh_keypair_name
  ssh_private_key_file        = var.ssh_private_key_file
  ssh_timeout                 = "10m"
  associate_public_ip_address = var.private ? false : true
  iam_instance_profile        = var.instance_profile
  user_data_file              = var.private ? "${path.root}/session-manager.sh" : ""

  # An empty list means: from anywhere. make image names the address that it runs at.
  temporary_security_group_source_cidrs = var.ssh_cidrs

  custom_endpoint_ec2     = var.ec2_endpoint
  skip_metadata_api_check = var.ec2_endpoint != ""
  skip_region_validation  = var.ec2_endpoint != ""

  # make image puts packer/newer/source.hcl here, for Packer 1.7 and later.
}
