# TinyLlama on an NVIDIA card.
variant      = "tinyllama"
distribution = "debian12"
architecture = "x86_64"
gpu          = true
model        = "tinyllama"
