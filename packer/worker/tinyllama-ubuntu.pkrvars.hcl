# TinyLlama on an NVIDIA card, with Ubuntu as the base.
variant      = "tinyllama-ubuntu"
distribution = "ubuntu2404"
architecture = "x86_64"
gpu          = true

model_id     = "tinyllama-1.1b-chat"
model_name   = "tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf"
model_bytes  = 668788096
model_sha256 = "9fecc3b3cd76bba89d504f29b616eedf7da85b96540e490ca5824d3f7d2776a0"
model_url    = "https://huggingface.co/TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF/resolve/52e7645ba7c309695bec7ac98f4f005b139cf465/tinyllama-1.1b-chat-v1.0.Q4_K_M.gguf"
