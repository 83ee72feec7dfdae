// Package api is the administration of a service over HTTP: a client's key decides what
// it sees and may do. The handler is the same in one process and in a function; the
// document of what it offers is made from this code and is served at /openapi.json.
package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/sharing"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Limits of one request.
const (
	maxBody    = 512 << 10 // bytes; a group of 1,000 members is 256 KiB
	maxRequest = 30 * time.Second
)

// Config is what the API works with.
type Config struct {
	Directory *directory.Directory
	Records   records.Driver // for idempotency keys
	Spool     Spool          // nil: there is no queue to look into
	Quota     Sums           // nil: nobody knows what domains and tenants hold
	Mail      *Mail          // nil: there is no looking into accounts
	Outgoing  *spool.Spool   // nil: no mail goes to other hosts
	DNS       *DNS           // nil: nobody says what a domain needs in the DNS
	Now       func() time.Time
	Log       *slog.Logger
	Version   string // of the program
}

type server struct {
	dir      *directory.Directory
	records  records.Driver
	spool    Spool
	quota    Sums
	mail     *Mail
	dns      *DNS
	outgoing *spool.Spool
	now      func() time.Time
	log      *slog.Logger
	throttle throttle

	transfers chan struct{} // held by a request with messages
	counting  chan struct{} // held by a request for stats
	joining   chan struct{} // held while the parts of a large message are put together
}

// New makes the handler. Everything but the document needs a key.
func New(c Config) http.Handler {
	s := &server{dir: c.Directory, records: c.Records, spool: c.Spool, quota: c.Quota, mail: c.Mail, dns: c.DNS, outgoing: c.Outgoing, now: c.Now, log: c.Log,
		transfers: make(chan struct{}, maxTransfers), counting: make(chan struct{}, 1), joining: make(chan struct{}, 1)}
	if s.mail != nil && s.mail.Sharing == nil {
		mail := *s.mail
		mail.Sharing = sharing.New(sharing.Config{Accounts: mail.Accounts, Directory: c.Directory, Records: c.Records, Now: c.Now})
		s.mail = &mail
	}
	s.throttle.now = c.Now
	mux := http.NewServeMux()
	s.register(humago.New(mux, humaConfig(c.Version)))
	return s.guard(mux)
}

func humaConfig(version string) huma.Config {
	if version == "" {
		version = "0"
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Godwit", Version: version,
				Description: "Administration of a mail service. What a key may not see does not exist for it: the answer is 404."},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "An API key."}},
			},
			Security: []map[string][]string{{"key": {}}},
		},
		OpenAPIPath:   "/openapi",
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{nameProblem},

		RejectUnknownQueryParameters: true,
	}
}

func (s *server) register(api huma.API) {
	s.tenants(api)
	s.domains(api)
	s.accounts(api)
	s.deleted(api)
	s.passwords(api)
	s.sending(api)
	s.aliases(api)
	s.groups(api)
	s.keys(api)
	s.settings(api)
	s.usage(api)
	s.routes(api)
	s.domainReports(api)
	if s.mail != nil {
		s.mailboxes(api)
		s.imports(api)
		s.showStats(api)
		s.past(api)
		s.shares(api)
		s.epoch(api)
	}
	if s.spool != nil {
		s.queue(api)
	}
	if s.outgoing != nil {
		s.outgoingMail(api)
		s.suppressions(api)
	}
	if s.dns != nil {
		s.domainRecords(api)
	}
}

// operation describes one endpoint.
func operation(method, path, id, summary string, status int) huma.Operation {
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, MaxBodyBytes: maxBody, DefaultStatus: status}
	if method == http.MethodPost {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header",
			Description: "A word of the client's for this request: sent again within a day, the first answer is given again and nothing is done twice.",
			Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: ptr(maxIdempotencyKey)}})
	}
	return op
}

func ptr[T any](v T) *T { return &v }
