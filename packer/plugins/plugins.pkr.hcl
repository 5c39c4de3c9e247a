# The plugins that Packer 1.7 and later installs with `packer init packer/plugins`; make image does.
# They are apart from the template because Debian's 1.6.6 refuses this block and has both inside.

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
