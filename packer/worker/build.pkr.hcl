# What is done to it. The verification comes last: if it fails, no image is registered.

locals {
  arguments = [
    "--extra-vars", jsonencode(local.variables),
    "--extra-vars", jsonencode(var.extra_variables),
  ]
  environment = ["ANSIBLE_CONFIG=${local.root}/ansible.cfg"]

  variables = {
    ansible_python_interpreter = "/usr/bin/python3"
  }
}

build {
  name    = "worker"
  sources = ["source.amazon-ebs.worker"]

  provisioner "ansible" {
    playbook_file    = "${local.root}/playbooks/image.yml"
    user             = local.user
    use_proxy        = false
    extra_arguments  = local.arguments
    ansible_env_vars = local.environment
  }

  provisioner "ansible" {
    playbook_file    = "${local.root}/playbooks/verify.yml"
    user             = local.user
    use_proxy        = false
    extra_arguments  = local.arguments
    ansible_env_vars = local.environment
  }

  post-processor "manifest" {
    output     = "${var.report_folder}/manifest.json"
    strip_path = true
    custom_data = {
      name           = local.name
      variant        = var.variant
      distribution   = var.distribution
      architecture   = var.architecture
      gpu            = var.gpu ? "true" : "false"
      model_id       = var.model_id
      model_sha256   = var.model_sha256
      llama_cpp      = local.llama_cpp
      driver         = var.gpu ? local.cuda.cuda_driver_version : ""
      cuda           = var.gpu ? local.cuda.cuda_toolkit_version : ""
      git_revision   = var.git_revision
      weights_device = var.weights_volume ? "/dev/sdf" : ""
    }
  }
}
