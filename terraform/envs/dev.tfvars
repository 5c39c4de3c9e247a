# For trying things out: comes and goes in one command.
env                 = "dev"
deletion_protection = false
log_retention_days  = 14
