"""The engine on a machine with a card and without a network: `make bench-gpu`.

`python3 -m gpu_bench` needs nothing but Python: it unpacks the kit, finds what the machine has of
CUDA, and starts `gpu_bench.run` with both. That measures with the scenarios of `engine_bench`.
"""
