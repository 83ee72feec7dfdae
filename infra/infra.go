// Package infra holds what makes the service in an AWS account: Terraform files, so that
// the command deploys without anything beside it but Terraform.
package infra

import "embed"

// Files are the root module at their top, and its modules below modules/.
//
//go:embed *.tf modules/*/*.tf
var Files embed.FS
