# For 'make localstack-apply': nothing in an emulated cloud is worth protecting.
region              = "us-east-1"
architecture        = "amd64"
deletion_protection = false
force_destroy       = true
key_deletion_days   = 7
