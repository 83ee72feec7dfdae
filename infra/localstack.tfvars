# For 'make localstack-apply': nothing in an emulated cloud is worth protecting.
region              = "us-east-1"
architecture        = "amd64"
deletion_protection = false
force_destroy       = true
key_deletion_days   = 7

# A setting of the whole account, over which several services here would fight.
api_account_log_role = false
