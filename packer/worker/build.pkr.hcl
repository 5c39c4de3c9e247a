# The build's steps. The verification comes last: if it fails, no image is registered.

locals {
  # For all processors that EC2 combines with these cards, not only for the builder's.
  cpu_arguments = {
    x86_64 = "-DGGML_NATIVE=off"
    arm64  = "-DGGML_NATIVE=off -DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16"
  }
  # The architectures of the cards in all known instance types.
  cuda_architectures = join(";", sort(distinct([for each in local.instance_types : "${each.cuda_architecture}"])))
  gpu_arguments      = "-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=${local.cuda_architectures}"

  variables = {
    ansible_python_interpreter = "/usr/bin/python3"

    site_gpu             = var.gpu
    site_cloudwatch      = var.cloudwatch
    site_session_manager = var.session_manager
    site_upgrade         = var.upgrade
    site_weights_volume  = var.weights_volume
    site_extra_playbook  = var.extra_playbook
    site_report_folder   = abspath(var.report_folder)
    site_variant         = var.variant
    site_revision        = var.git_revision

    # A restart would end the tunnel of Session Manager. The driver is built for the kernel that
    # starts next in any case.
    base_restart = var.private == false

    model_id     = local.model.id
    model_name   = local.model.file
    model_bytes  = local.model.bytes
    model_sha256 = local.model.sha256
    model_file   = var.model_file

    worker_wheelhouse       = var.wheelhouse != "" ? var.wheelhouse : abspath("${local.root}/build/wheelhouse")
    worker_build            = var.wheelhouse == ""
    worker_llama_cmake_args = var.gpu ? "${local.gpu_arguments} ${local.cpu_arguments[var.architecture]}" : local.cpu_arguments[var.architecture]
    worker_gpu              = var.gpu
    worker_started          = false

    cuda_started = false

    cloudwatch_gpu     = var.gpu
    cloudwatch_started = false
  }

  arguments = [
    "--extra-vars", jsonencode(local.variables),
    "--extra-vars", jsonencode(var.extra_variables),
  ]

  # The clean-up removes the SSH keys; the verification after it uses the connection that is still
  # open. That connection belongs to this build alone and ends with its instance.
  environment = [
    "ANSIBLE_CONFIG=${abspath(local.root)}/ansible.cfg",
    "ANSIBLE_SSH_ARGS=-o ControlMaster=auto -o ControlPersist=15m -o ServerAliveInterval=10",
    "ANSIBLE_SSH_CONTROL_PATH_DIR=~/.ansible/cp/${local.stamp}",
    # Not an argument: Packer prints those, and the URL may contain a signature.
    "AISTRATUS_MODEL_URL=${var.model_file != "" ? "" : local.model.url}",
  ]
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
      model_id       = local.model.id
      model_sha256   = local.model.sha256
      llama_cpp      = local.llama_cpp
      driver         = var.gpu ? local.cuda.cuda_driver_version : ""
      cuda           = var.gpu ? local.cuda.cuda_toolkit_version : ""
      git_revision   = var.git_revision
      weights_device = var.weights_volume ? "/dev/sdf" : ""
    }
  }
}
