# What Packer from 1.7 on installs with `packer init packer/plugins`. It stands apart from the
# template because 1.6.6, which is Debian's, refuses the block and has both plugins inside.

packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
    ansible = {
      source  = "github.com/hashicorp/ansible"
      version = "~> 1.1"
    }
  }
}
