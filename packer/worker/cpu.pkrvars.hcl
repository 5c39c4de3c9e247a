# TinyLlama on processors alone: no card, no driver. To try the cloud at a small price.
variant      = "cpu"
distribution = "debian12"
architecture = "x86_64"
gpu          = false
model        = "tinyllama"
