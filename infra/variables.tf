variable "name" {
  description = "The service's name in this account and region. Begins the name of each resource."
  type        = string
  default     = "godwit"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,25}[a-z0-9]$", var.name))
    error_message = "A name is 2 to 27 lower-case letters, digits and hyphens; it begins with a letter and does not end with a hyphen."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of blobs, which no other bucket in the world may have. Empty: NAME-ACCOUNT-REGION."
  type        = string
  default     = ""
}

variable "endpoint" {
  description = "URL of an emulated AWS, such as LocalStack. Empty: AWS."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags that each resource gets, beside 'godwit:service'."
  type        = map(string)
  default     = {}
}

variable "functions" {
  description = "Folder of the functions' zips: NAME-ARCHITECTURE.zip."
  type        = string
}

variable "architecture" {
  description = "What the functions run on: arm64 or amd64."
  type        = string
  default     = "arm64"
}

variable "memory" {
  description = "Megabytes of memory of a function."
  type        = number
  default     = 512
}

variable "log_level" {
  description = "What the functions log: debug, info, warn or error."
  type        = string
  default     = "info"
}

variable "log_days" {
  description = "Days for which logs are kept; one of the numbers that CloudWatch knows."
  type        = number
  default     = 30
}

variable "deliver_timeout" {
  description = "Seconds in which a batch of deliveries must be done."
  type        = number
  default     = 60
}

variable "deliver_visibility" {
  description = "Seconds after which a job whose function has died is handed out again."
  type        = number
  default     = 180
  validation {
    condition     = var.deliver_visibility >= var.deliver_timeout
    error_message = "A job must stay hidden for as long as its function may run."
  }
}

variable "deliver_failures" {
  description = "How often a job may fail before it is parked."
  type        = number
  default     = 5
}

variable "deliver_concurrency" {
  description = "How many batches of deliveries run at once (2 to 1,000)."
  type        = number
  default     = 100
}

variable "hostname" {
  description = "Name by which other hosts know the service: the one its mail servers greet with and its domains' MX records name."
  type        = string
  default     = "localhost"
}

variable "sending" {
  description = "Settings of how mail goes to other hosts and of how names are looked up, in the words of the configuration file: { \"outbound.way\" = \"direct\" }. Gateways need the same."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for key in keys(var.sending) : can(regex("^(outbound|dns|mta-sts|reports)[.][a-z-]+$", key)) && !startswith(key, "outbound.password")])
    error_message = "Only settings of outbound, dns, mta-sts and reports are given so; the smarthost's password is smarthost_password_secret."
  }
}

variable "smarthost_password_secret" {
  description = "ARN of the secret of Secrets Manager that is the password by which to log in at the smarthost; only the function that sends may read it. Empty: none."
  type        = string
  default     = ""
  validation {
    condition     = var.smarthost_password_secret == "" || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", var.smarthost_password_secret))
    error_message = "It is the ARN of one secret, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX."
  }
}

variable "smarthost_password_key" {
  description = "ARN of the KMS key of that secret, if it has one of its own."
  type        = string
  default     = ""
}

variable "ses_domains" {
  description = "Domains for which Amazon SES sends; outbound.way is then ses, or routes name it, and outbound.ses-set is the service's name. Empty: SES is not used."
  type        = set(string)
  default     = []
}

variable "zones" {
  description = "Domains whose records are made in Route 53, by name: the id of the hosted zone, and what 'godwit domain dns DOMAIN --output json' prints."
  type = map(object({
    zone    = string
    records = list(object({ type = string, name = string, value = string }))
  }))
  default = {}
}

variable "outbound_concurrency" {
  description = "How many batches of mail to other hosts are sent at once by the function (2 to 1,000)."
  type        = number
  default     = 20
}

variable "history_window" {
  description = "How far back the past of an account can be told and restored: hours from 360h to 8784h."
  type        = string
  default     = "720h"
  validation {
    condition     = can(regex("^[0-9]+h$", var.history_window)) && try(tonumber(trimsuffix(var.history_window, "h")) >= 360 && tonumber(trimsuffix(var.history_window, "h")) <= 8784, false)
    error_message = "The window is 15 to 366 days, in hours: 360h to 8784h."
  }
}

variable "compact_timeout" {
  description = "Seconds in which an account must be compacted."
  type        = number
  default     = 120
}

variable "compact_concurrency" {
  description = "How many accounts are compacted at once (2 to 1,000)."
  type        = number
  default     = 20
}

variable "sweep_memory" {
  description = "Megabytes of memory of the function that removes what is old: from 1769 on it has a whole processor."
  type        = number
  default     = 1769
}

variable "reserved_concurrency" {
  description = "Copies that are kept free for each function, which are also the most that run; -1: what the account has."
  type        = number
  default     = -1
}

variable "api_rate" {
  description = "Requests a second that the API lets through."
  type        = number
  default     = 50
}

variable "api_burst" {
  description = "Requests that the API lets through at once."
  type        = number
  default     = 100
}

variable "api_account_log_role" {
  description = "Whether this deployment sets the role by which API Gateway writes the logs of all APIs of the account in this region. False where another has set it."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether the tables refuse to be deleted."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Whether a bucket that holds mail may be deleted, with all of it."
  type        = bool
  default     = false
}

variable "undelete_days" {
  description = "Days for which a deleted blob can be had back."
  type        = number
  default     = 7
}

variable "key_deletion_days" {
  description = "Days for which the key can be had back after it is deleted (7 to 30)."
  type        = number
  default     = 30
}
