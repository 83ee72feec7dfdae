// Package gateways gives whoever wires a process what its gateways share.
package gateways

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
)

type (
	// Server is a listener whose Handler is a method of a gateway.
	Server = listen.Server
	// ListenMetrics count connections, once a process.
	ListenMetrics = listen.Metrics
	// Login is one for all protocols of a process: its throttle counts them together.
	Login = login.Login
	// LoginConfig is what a Login needs.
	LoginConfig = login.Config
	// Budget is of temporary disk, one a process.
	Budget = intake.Budget
)

// NewLogin makes a Login.
func NewLogin(c LoginConfig) *Login { return login.New(c) }

// NewBudget makes a Budget of so many bytes.
func NewBudget(limit int64) *Budget { return intake.NewBudget(limit) }

// NewListenMetrics registers the metrics of listeners.
func NewListenMetrics(r prometheus.Registerer) *ListenMetrics { return listen.NewMetrics(r) }
