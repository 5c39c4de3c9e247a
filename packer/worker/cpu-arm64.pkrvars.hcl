# TinyLlama on Graviton.
variant      = "cpu-arm64"
distribution = "debian12"
architecture = "arm64"
gpu          = false
model        = "tinyllama"
