# TinyLlama on an NVIDIA card, with Ubuntu as the base.
variant      = "tinyllama-ubuntu"
distribution = "ubuntu2404"
architecture = "x86_64"
gpu          = true
model        = "tinyllama"
