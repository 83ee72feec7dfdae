variable "name" {
  description = "Begins the name of each table."
  type        = string
}

variable "bucket" {
  description = "The bucket's name, which is global."
  type        = string
}

variable "deletion_protection" {
  description = "Whether the tables refuse to be deleted."
  type        = bool
}

variable "force_destroy" {
  description = "Whether a bucket that holds mail may be deleted, with all of it."
  type        = bool
}

variable "undelete_days" {
  description = "Days for which a deleted blob can be had back."
  type        = number
}

variable "key_deletion_days" {
  description = "Days for which the key can be had back after it is deleted (7 to 30)."
  type        = number
}
