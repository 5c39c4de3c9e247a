# For people who count on it. Conversations and users are not deleted by a slip of the hand.
env                 = "prod"
deletion_protection = true
log_retention_days  = 90
max_instances       = 2
