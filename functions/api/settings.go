package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Settings are what is set at one level; what is left out is inherited from above.
type Settings struct {
	Quota          *int64    `json:"quota,omitempty" minimum:"0" doc:"Bytes that an account may hold; 0 is no quota."`
	Messages       *int64    `json:"messages,omitempty" minimum:"0" doc:"Messages that an account may hold; 0 is any number."`
	DomainQuota    *int64    `json:"domain_quota,omitempty" minimum:"0" doc:"Bytes that all accounts of a domain may hold together. Set at the service, a tenant or a domain, not with a key of the domain."`
	DomainMessages *int64    `json:"domain_messages,omitempty" minimum:"0" doc:"Messages that all accounts of a domain may hold together, likewise."`
	TenantQuota    *int64    `json:"tenant_quota,omitempty" minimum:"0" doc:"Bytes that all accounts of a tenant may hold together. Set at the service or a tenant, with a key of the service."`
	TenantMessages *int64    `json:"tenant_messages,omitempty" minimum:"0" doc:"Messages that all accounts of a tenant may hold together, likewise."`
	QuotaWarnings  *bool     `json:"quota_warnings,omitempty" doc:"Tell users by mail when their account is 80 and 95 % full."`
	Protocols      *[]string `json:"protocols,omitempty" maxItems:"3" enum:"submission,imap,pop3" doc:"What an account may log in with."`
	Scram          *bool     `json:"scram,omitempty" doc:"Keep a SCRAM-SHA-256 verifier beside the hash of each password that is set from then on."`
	Subaddresses   *bool     `json:"subaddresses,omitempty" doc:"Take user+tag as user."`
	FromCheck      *bool     `json:"from_check,omitempty" doc:"Refuse what an account sends with authors that are neither its addresses nor its identities."`
	SentCopy       *bool     `json:"sent_copy,omitempty" doc:"Put what an account sends into its mailbox for sent mail. Not for programs that do it themselves."`
	Sending        *Rate     `json:"sending,omitempty" doc:"How much an account may send."`
	DomainSending  *Rate     `json:"domain_sending,omitempty" doc:"How much all accounts of a domain may send together. Set where domain_quota can be."`
	TenantSending  *Rate     `json:"tenant_sending,omitempty" doc:"How much all accounts of a tenant may send together. Set where tenant_quota can be."`
	Brake          *Brake    `json:"brake,omitempty" doc:"When an account's mail to other hosts is held until somebody has looked."`
	OpenID         *OpenID   `json:"openid,omitempty" doc:"Whose tokens let accounts in, by OAUTHBEARER and XOAUTH2. Not of an account."`
}

// Rate is how much may be sent in a clock hour and in a day (UTC); 0 is any number.
type Rate struct {
	MessagesHour   int64 `json:"messages_hour,omitempty" minimum:"0"`
	MessagesDay    int64 `json:"messages_day,omitempty" minimum:"0"`
	RecipientsHour int64 `json:"recipients_hour,omitempty" minimum:"0"`
	RecipientsDay  int64 `json:"recipients_day,omitempty" minimum:"0"`
}

// Brake says when an account's mail to other hosts is held.
type Brake struct {
	Failures int64 `json:"failures" minimum:"0" maximum:"100" doc:"Percentage of a day's recipients that fail; 0: none does it."`
	Of       int64 `json:"of" minimum:"0" doc:"Of at least so many recipients."`
	Burst    int64 `json:"burst" minimum:"0" doc:"Recipients in an hour that are too many; 0: none are."`
	Factor   int64 `json:"factor" minimum:"0" doc:"If they are more than so many times those of the busiest of the seven days before."`
}

// OpenID is an OpenID provider.
type OpenID struct {
	Issuer   string `json:"issuer" maxLength:"512" doc:"Its URL, to which /.well-known/openid-configuration is added; empty is none."`
	Audience string `json:"audience,omitempty" maxLength:"255" doc:"What its tokens must be for."`
	Claim    string `json:"claim,omitempty" maxLength:"100" doc:"The claim that is the account's address: email (which must be verified) unless another is named."`
}

// Effective are settings after inheritance.
type Effective struct {
	Quota          int64    `json:"quota"`
	Messages       int64    `json:"messages"`
	DomainQuota    int64    `json:"domain_quota"`
	DomainMessages int64    `json:"domain_messages"`
	TenantQuota    int64    `json:"tenant_quota"`
	TenantMessages int64    `json:"tenant_messages"`
	QuotaWarnings  bool     `json:"quota_warnings"`
	Protocols      []string `json:"protocols" nullable:"false"`
	Scram          bool     `json:"scram"`
	Subaddresses   bool     `json:"subaddresses"`
	OpenID         OpenID   `json:"openid"`
	FromCheck      bool     `json:"from_check"`
	SentCopy       bool     `json:"sent_copy"`
	Sending        Rate     `json:"sending"`
	DomainSending  Rate     `json:"domain_sending"`
	TenantSending  Rate     `json:"tenant_sending"`
	Brake          Brake    `json:"brake"`
}

// LevelSettings are the settings of the service, a tenant, a domain or an account.
type LevelSettings struct {
	Own       Settings  `json:"own"`
	Effective Effective `json:"effective"`
}

func (v *Settings) settings() directory.Settings {
	return directory.Settings{Quota: v.Quota, Messages: v.Messages, DomainQuota: v.DomainQuota, DomainMessages: v.DomainMessages,
		TenantQuota: v.TenantQuota, TenantMessages: v.TenantMessages, Warnings: v.QuotaWarnings,
		Protocols: v.Protocols, Scram: v.Scram, Subaddresses: v.Subaddresses, OpenID: (*directory.OpenID)(v.OpenID),
		FromCheck: v.FromCheck, SentCopy: v.SentCopy, Sending: (*directory.Rate)(v.Sending), DomainSending: (*directory.Rate)(v.DomainSending),
		TenantSending: (*directory.Rate)(v.TenantSending), Brake: (*directory.Brake)(v.Brake)}
}

func viewSettings(own directory.Settings, e directory.Effective) LevelSettings {
	return LevelSettings{
		Settings{Quota: own.Quota, Messages: own.Messages, DomainQuota: own.DomainQuota, DomainMessages: own.DomainMessages,
			TenantQuota: own.TenantQuota, TenantMessages: own.TenantMessages, QuotaWarnings: own.Warnings,
			Protocols: own.Protocols, Scram: own.Scram, Subaddresses: own.Subaddresses, OpenID: (*OpenID)(own.OpenID),
			FromCheck: own.FromCheck, SentCopy: own.SentCopy, Sending: (*Rate)(own.Sending), DomainSending: (*Rate)(own.DomainSending),
			TenantSending: (*Rate)(own.TenantSending), Brake: (*Brake)(own.Brake)},
		Effective{Quota: e.Account.Bytes, Messages: e.Account.Messages, DomainQuota: e.Domain.Bytes, DomainMessages: e.Domain.Messages,
			TenantQuota: e.Tenant.Bytes, TenantMessages: e.Tenant.Messages, QuotaWarnings: e.Warnings,
			Protocols: append([]string{}, e.Protocols...), Scram: e.Scram, Subaddresses: e.Subaddresses, OpenID: OpenID(e.OpenID),
			FromCheck: e.FromCheck, SentCopy: e.SentCopy, Sending: Rate(e.Sending), DomainSending: Rate(e.DomainSending), TenantSending: Rate(e.TenantSending), Brake: Brake(e.Brake)}}
}

// NewSettings replace those of one level.
type NewSettings struct {
	MustMatch
	Body Settings
}

// settings registers a GET and a PUT for each level.
func (s *server) settings(api huma.API) {
	const get, put = "Show the settings of ", "Replace the settings of "
	huma.Register(api, operation(http.MethodGet, "/v1/settings", "get-service-settings", get+"the service", http.StatusOK),
		func(ctx context.Context, _ *struct{}) (*one[LevelSettings], error) {
			return s.serviceSettings(ctx)(s.dir.Service(ctx, scope(ctx)))
		})
	huma.Register(api, operation(http.MethodPut, "/v1/settings", "set-service-settings", put+"the service", http.StatusOK),
		func(ctx context.Context, in *NewSettings) (*one[LevelSettings], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.serviceSettings(ctx)(s.dir.ChangeService(ctx, scope(ctx), match, func(v *directory.Service) error {
				v.Settings = in.Body.settings()
				return nil
			}))
		})

	huma.Register(api, operation(http.MethodGet, "/v1/tenants/{tenant}/settings", "get-tenant-settings", get+"a tenant", http.StatusOK),
		func(ctx context.Context, in *TenantPath) (*one[LevelSettings], error) {
			return s.tenantSettings(ctx)(s.dir.Tenant(ctx, scope(ctx), in.Tenant))
		})
	huma.Register(api, operation(http.MethodPut, "/v1/tenants/{tenant}/settings", "set-tenant-settings", put+"a tenant", http.StatusOK),
		func(ctx context.Context, in *struct {
			TenantPath
			NewSettings
		}) (*one[LevelSettings], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.newTenantSettings(ctx)(s.dir.ChangeTenant(ctx, scope(ctx), in.Tenant, match, func(v *directory.Tenant) error {
				v.Settings = in.Body.settings()
				return nil
			}))
		})

	huma.Register(api, operation(http.MethodGet, "/v1/domains/{domain}/settings", "get-domain-settings", get+"a domain", http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[LevelSettings], error) {
			return s.domainSettings(ctx)(s.dir.Domain(ctx, scope(ctx), in.Domain))
		})
	huma.Register(api, operation(http.MethodPut, "/v1/domains/{domain}/settings", "set-domain-settings", put+"a domain", http.StatusOK),
		func(ctx context.Context, in *struct {
			DomainPath
			NewSettings
		}) (*one[LevelSettings], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.newDomainSettings(ctx)(s.dir.ChangeDomain(ctx, scope(ctx), in.Domain, match, func(v *directory.Domain) error {
				v.Settings = in.Body.settings()
				return nil
			}))
		})

	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/settings", "get-account-settings", get+"an account", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[LevelSettings], error) {
			return s.accountSettings(ctx)(s.dir.Account(ctx, scope(ctx), in.Address))
		})
	huma.Register(api, operation(http.MethodPut, "/v1/accounts/{address}/settings", "set-account-settings", put+"an account", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			NewSettings
		}) (*one[LevelSettings], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.accountSettings(ctx)(s.dir.ChangeAccount(ctx, scope(ctx), in.Address, match, func(v *directory.Account) error {
				v.Settings = in.Body.settings()
				return nil
			}))
		})
}

// Those below answer with the settings of what was read or changed.

func (s *server) serviceSettings(ctx context.Context) func(directory.Service, error) (*one[LevelSettings], error) {
	return func(v directory.Service, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) { return directory.Inherit(v.Settings), nil })
	}
}

func (s *server) tenantSettings(ctx context.Context) func(directory.Tenant, error) (*one[LevelSettings], error) {
	return func(v directory.Tenant, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) { return s.dir.TenantSettings(ctx, v) })
	}
}

func (s *server) newTenantSettings(ctx context.Context) func(directory.Tenant, error) (*one[LevelSettings], error) {
	return func(v directory.Tenant, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) {
			e, err := s.dir.TenantSettings(ctx, v)
			if err == nil {
				s.counted(ctx, v.Name, "", e.Tenant)
			}
			return e, err
		})
	}
}

func (s *server) domainSettings(ctx context.Context) func(directory.Domain, error) (*one[LevelSettings], error) {
	return func(v directory.Domain, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) { return s.dir.DomainSettings(ctx, v) })
	}
}

func (s *server) newDomainSettings(ctx context.Context) func(directory.Domain, error) (*one[LevelSettings], error) {
	return func(v directory.Domain, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) {
			e, err := s.dir.DomainSettings(ctx, v)
			if err == nil {
				s.counted(ctx, v.Tenant, v.Name, e.Domain)
			}
			return e, err
		})
	}
}

func (s *server) accountSettings(ctx context.Context) func(directory.Account, error) (*one[LevelSettings], error) {
	return func(v directory.Account, err error) (*one[LevelSettings], error) {
		return s.levelSettings(ctx, err, v.Tag, v.Settings, func() (directory.Effective, error) { return s.dir.AccountSettings(ctx, v) })
	}
}

func (s *server) levelSettings(ctx context.Context, err error, tag string, own directory.Settings, effective func() (directory.Effective, error)) (*one[LevelSettings], error) {
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	e, err := effective()
	return shown(ctx, s, tag, viewSettings(own, e), err)
}
