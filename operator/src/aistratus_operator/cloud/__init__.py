"""What is deployed on AWS: making, changing, removing it, its users and its GPU.

`commands` is what the program runs. Other rooms also use `terraform`, `packer`, `shell_programs`,
`public_file` and, for what they compute, `instance_types`.
"""
