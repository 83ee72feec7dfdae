data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  bucket    = var.bucket == "" ? "${var.name}-${local.account}-${var.region}" : var.bucket

  # What gateways and functions read from their environment.
  settings = {
    GODWIT_AWS_NAME   = var.name
    GODWIT_AWS_BUCKET = module.storage.bucket.name
    GODWIT_AWS_KEY    = module.storage.key_arn

    GODWIT_HISTORY_WINDOW = var.history_window
  }

  # What whoever takes, sends or shows mail to other hosts reads besides: outbound.way is
  # GODWIT_OUTBOUND_WAY.
  sending = merge({ GODWIT_HOSTNAME = var.hostname }, {
    for key, value in var.sending : "GODWIT_${upper(replace(replace(key, ".", "_"), "-", "_"))}" => value
  })
}

module "storage" {
  source              = "./modules/storage"
  name                = var.name
  bucket              = local.bucket
  deletion_protection = var.deletion_protection
  force_destroy       = var.force_destroy
  undelete_days       = var.undelete_days
  key_deletion_days   = var.key_deletion_days
}

module "queues" {
  source     = "./modules/queues"
  name       = var.name
  queue      = "deliver"
  visibility = var.deliver_visibility
}

module "compactions" {
  source     = "./modules/queues"
  name       = var.name
  queue      = "compact"
  visibility = 3 * var.compact_timeout
}

module "outbound" {
  source     = "./modules/queues"
  name       = var.name
  queue      = "outbound"
  visibility = 900
}

# Of what goes to the hosts of each domain. Tasks of 'godwit gateway egress' get it, as a
# function has no port 25 and no address of its own.
module "egress" {
  source     = "./modules/queues"
  name       = var.name
  queue      = "egress"
  visibility = 60 # seconds; a task prolongs it
}

module "deliver" {
  source               = "./modules/function"
  name                 = "${var.name}-deliver"
  zip                  = "${var.functions}/deliver-${var.architecture}.zip"
  architecture         = var.architecture
  timeout              = var.deliver_timeout
  memory               = var.memory
  reserved_concurrency = var.reserved_concurrency
  log_days             = var.log_days
  key_arn              = module.storage.key_arn
  statements           = local.deliver_may

  environment = merge(local.settings, {
    GODWIT_DELIVER_FAILURES = tostring(var.deliver_failures)
    GODWIT_LOG_LEVEL        = var.log_level
  })

  # A dead letter goes alone: one that takes the function down with it harms no other.
  sources = {
    deliver = { queue = module.queues.sources.jobs, batch = 10, concurrency = var.deliver_concurrency }
    dead    = { queue = module.queues.sources.dead, batch = 1, concurrency = 2 }
  }
}

module "compact" {
  source               = "./modules/function"
  name                 = "${var.name}-compact"
  zip                  = "${var.functions}/compact-${var.architecture}.zip"
  architecture         = var.architecture
  timeout              = var.compact_timeout
  memory               = var.memory
  reserved_concurrency = var.reserved_concurrency
  log_days             = var.log_days
  key_arn              = module.storage.key_arn
  statements           = local.compact_may
  environment          = merge(local.settings, { GODWIT_LOG_LEVEL = var.log_level })

  sources = {
    compact = { queue = module.compactions.sources.jobs, batch = 1, concurrency = var.compact_concurrency }
    dead    = { queue = module.compactions.sources.dead, batch = 1, concurrency = 2 }
  }
}

module "sweep" {
  source               = "./modules/function"
  name                 = "${var.name}-sweep"
  zip                  = "${var.functions}/sweep-${var.architecture}.zip"
  architecture         = var.architecture
  timeout              = 900 # seconds; Lambda lets no function run longer
  memory               = var.sweep_memory
  reserved_concurrency = var.reserved_concurrency
  log_days             = var.log_days
  key_arn              = module.storage.key_arn
  statements           = local.sweep_may
  environment          = merge(local.settings, { GODWIT_LOG_LEVEL = var.log_level })
}

# Other hosts are slow. A job only names a mail, so who waits in a batch loses nothing.
module "send" {
  source               = "./modules/function"
  name                 = "${var.name}-outbound"
  zip                  = "${var.functions}/outbound-${var.architecture}.zip"
  architecture         = var.architecture
  timeout              = 900 # seconds; Lambda lets no function run longer
  memory               = var.memory
  reserved_concurrency = var.reserved_concurrency
  log_days             = var.log_days
  key_arn              = module.storage.key_arn
  statements           = local.outbound_may

  environment = merge(local.settings, local.sending, {
    GODWIT_OUTBOUND_PASSWORD_SECRET = var.smarthost_password_secret
    GODWIT_LOG_LEVEL                = var.log_level
  })

  sources = merge({
    outbound = { queue = module.outbound.sources.jobs, batch = 10, concurrency = var.outbound_concurrency }
    dead     = { queue = module.outbound.sources.dead, batch = 1, concurrency = 2 }
    }, { for key, ses in module.ses :
    key => { queue = ses.events.arn, batch = 10, concurrency = 2 }
  })
}

# What SES needs to send, and tells of what becomes of it: only where it is to send.
module "ses" {
  source   = "./modules/ses"
  for_each = length(var.ses_domains) == 0 ? toset([]) : toset(["ses"])
  name     = var.name
  domains  = var.ses_domains
}

# Wakes mail whose time to be tried again has come.
module "send_schedule" {
  source        = "./modules/schedule"
  name          = "${var.name}-outbound"
  expression    = "rate(1 minute)"
  function_name = module.send.name
  function_arn  = module.send.arn
}

# There is a round a day. The other hours go on with one that takes longer than a call.
module "sweep_schedule" {
  source        = "./modules/schedule"
  name          = "${var.name}-sweep"
  expression    = "rate(1 hour)"
  function_name = module.sweep.name
  function_arn  = module.sweep.arn
}

# What domains need in the DNS, where their zones are in Route 53.
module "dns" {
  source   = "./modules/dns"
  for_each = var.zones
  zone     = each.value.zone
  records  = each.value.records
}

module "answer" {
  source               = "./modules/function"
  name                 = "${var.name}-api"
  zip                  = "${var.functions}/api-${var.architecture}.zip"
  architecture         = var.architecture
  timeout              = 29 # seconds; API Gateway waits no longer
  memory               = var.memory
  reserved_concurrency = var.reserved_concurrency
  log_days             = var.log_days
  key_arn              = module.storage.key_arn
  statements           = local.api_may
  environment          = merge(local.settings, local.sending, { GODWIT_LOG_LEVEL = var.log_level })
}

module "api" {
  source              = "./modules/api"
  name                = "${var.name}-api"
  function_name       = module.answer.name
  function_invoke_arn = module.answer.invoke_arn
  rate                = var.api_rate
  burst               = var.api_burst
  account_log_role    = var.api_account_log_role
  log_days            = var.log_days
  key_arn             = module.storage.key_arn
}
