# TinyLlama on the CPU: no card, no driver. To try the cloud cheaply.
variant      = "cpu"
distribution = "debian12"
architecture = "x86_64"
gpu          = false
model        = "tinyllama"
