# TinyLlama on Graviton with an NVIDIA card: g5g.
variant      = "tinyllama-arm64"
distribution = "ubuntu2404"
architecture = "arm64"
gpu          = true
model        = "tinyllama"
