package settings

import (
	"runtime"
	"strings"
	"time"
)

// Field is one setting as documented to whoever runs the service.
type Field struct {
	Key     string // in the file: nested at each dot
	Default string
	Help    string
	Bool    bool // a flag that may stand alone
	role    Role // "": every role
	value   value
}

// For tells whether a process of that role is touched by the setting.
func (f Field) For(r Role) bool { return f.role == "" || f.role == r }

// Env is the field's environment variable: "smtp.address" is GODWIT_SMTP_ADDRESS.
func (f Field) Env() string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f.Key))
}

// Flag is the field's flag, without the dashes: "smtp.address" is smtp-address.
func (f Field) Flag() string { return strings.ReplaceAll(f.Key, ".", "-") }

// String is the field's effective value, as it would be written in the file.
func (f Field) String() string { return f.value.String() }

const (
	envPrefix = "GODWIT_"
	kib       = int64(1) << 10
	mib       = kib << 10
	gib       = mib << 10
	day       = 24 * time.Hour
)

// Fields lists every setting with the values of s. All that is told about settings
// anywhere comes from here.
func (s *Settings) Fields() []Field {
	listener := func(key, port, what string, to *string) Field {
		return Field{Key: key + ".address", Default: "127.0.0.1:" + port, value: (*address)(to),
			Help: "address of " + what + "; empty is off, a port alone (:" + port + ") is every interface"}
	}
	data := Field{Key: "data", Default: "./godwit-data", value: &text{to: &s.Data, needed: true},
		Help: "folder of everything that is kept; one process at a time"}
	drain := "10s"
	if s.Role == Gateway {
		data = Field{Key: "data", value: &text{to: &s.Data},
			Help: "folder of temporary files and of the self-signed certificate; empty is a new one for each start"}
		drain = "110s"
	}
	return []Field{
		data,
		{Key: "hostname", Default: "localhost", value: (*hostname)(&s.Hostname),
			Help: "name of this service in greetings, Received lines and the self-signed certificate"},
		{Key: "demo", Default: "true", Bool: true, role: Serve, value: (*boolean)(&s.Demo),
			Help: "on an empty data folder, make the domain demo.test with two accounts and print how to use them"},
		{Key: "drain", Default: drain, value: &duration{to: &s.Drain, min: 0, max: 10 * time.Minute},
			Help: "time that sessions and running jobs have to end after SIGTERM"},

		listener("smtp", "2525", "the SMTP listener for mail from elsewhere (MX)", &s.SMTPAddress),
		listener("submission", "2587", "the SMTP submission listener with STARTTLS", &s.SubmissionAddress),
		listener("submissions", "2465", "the SMTP submission listener with TLS from the start", &s.SubmissionsAddress),
		listener("imap", "2143", "the IMAP listener with STARTTLS", &s.IMAPAddress),
		listener("imaps", "2993", "the IMAP listener with TLS from the start", &s.IMAPSAddress),
		listener("pop3", "2110", "the POP3 listener with STLS", &s.POP3Address),
		listener("pop3s", "2995", "the POP3 listener with TLS from the start", &s.POP3SAddress),
		listener("api", "2080", "the HTTP listener of API, /healthz, /readyz and /metrics (metrics without "+
			"a key of the service only for callers on this machine)", &s.APIAddress).in(Serve),
		listener("health", "2081", "the HTTP listener of /healthz, /readyz and /metrics (metrics without "+
			"a key of the service only for callers on this machine)", &s.HealthAddress).in(Gateway),
		{Key: "proxy.from", role: Gateway, value: (*prefixes)(&s.ProxyFrom),
			Help: "addresses of the load balancer, as prefixes (10.0.1.0/24,10.0.2.0/24): their connections begin with a " +
				"PROXY protocol v2 header, and all others are refused; empty is no balancer"},

		{Key: "aws.name", Default: "godwit", role: Gateway, value: &text{to: &s.AWSName, needed: true},
			Help: "name of the service in AWS, with which its tables' and queues' names begin"},
		{Key: "aws.bucket", role: Gateway, value: &text{to: &s.AWSBucket}, Help: "S3 bucket of message bytes"},
		{Key: "aws.key", role: Gateway, value: &text{to: &s.AWSKey},
			Help: "KMS key (id or ARN) that encrypts message bytes; empty leaves that to the bucket"},

		{Key: "tls.certificate", value: &text{to: &s.TLSCertificate},
			Help: "PEM file of the certificate and its chain; empty makes a self-signed one in the data folder"},
		{Key: "tls.key", value: &text{to: &s.TLSKey}, Help: "PEM file of the certificate's private key"},

		{Key: "dns.servers", value: (*servers)(&s.DNSServers),
			Help: "resolvers that are asked, the first one first (10.0.0.2,[2001:db8::2]:53); empty is what the system asks"},
		{Key: "dns.timeout", Default: "5s", value: &duration{to: &s.DNSTimeout, min: 100 * time.Millisecond, max: time.Minute},
			Help: "time for one question, all tries together"},
		{Key: "dns.cache", Default: "10000", value: &number{to: &s.DNSCache, min: 1, max: 10_000_000}, Help: "answers that are kept"},
		{Key: "dns.validating", Default: "false", Bool: true, value: (*boolean)(&s.DNSValidating),
			Help: "the resolvers validate DNSSEC, and nobody can tamper with what they answer on its way here"},

		{Key: "senders.policy", Default: SenderObey, value: &choice{to: &s.SenderPolicy, of: []string{SenderOff, SenderMark, SenderObey}},
			Help: "off, mark or obey: mail from elsewhere is held against SPF, DKIM, DMARC and ARC; mark notes what came of it in its header, " +
				"obey also refuses or files as junk what the author's domain asks to"},
		{Key: "senders.trusted", Default: "127.0.0.0/8,::1/128", value: (*prefixes)(&s.SenderTrusted),
			Help: "networks of hosts whose mail is not judged: relays of your own, this machine"},
		{Key: "senders.sealers", value: (*domains)(&s.SenderSealers),
			Help: "domains whose ARC seal is believed when DMARC fails, as those of mailing lists (lists.example.org)"},

		{Key: "senders.seal", Default: "false", Bool: true, value: (*boolean)(&s.SenderSeal),
			Help: "mail that an alias or group forwards is sealed (ARC) with the keys of its domain: who gets it sees what was found out about its sender"},

		{Key: "outbound.way", Default: OutboundOff, value: &choice{to: &s.OutboundWay, of: []string{OutboundOff, OutboundDirect, OutboundSmarthost, OutboundSES}},
			Help: "off, direct, smarthost or ses: how mail goes to other hosts where no route says otherwise; off refuses it, direct brings it to the hosts of each domain"},
		{Key: "outbound.others", value: &choice{to: &s.OutboundOthers, of: []string{"", OutboundDirect, OutboundSmarthost}},
			Help: "direct or smarthost: the way of forwards, notifications and reports where outbound.way is ses, which doesn't take them"},
		{Key: "outbound.ses-region", value: &text{to: &s.OutboundSESRegion},
			Help: "region of SES for the way ses, of outbound.way or of routes; empty is AWS_REGION"},
		{Key: "outbound.ses-set", value: &text{to: &s.OutboundSESSet}, Help: "configuration set of SES for mail whose route has none"},
		{Key: "outbound.ses-events", role: Serve, value: &text{to: &s.OutboundSESEvents},
			Help: "SQS queue to which the configuration sets' events come (by SNS): bounces and complaints; empty is none"},
		{Key: "outbound.source", value: (*addresses)(&s.OutboundSource),
			Help: "addresses of this machine from which mail is brought to other hosts (192.0.2.7,2001:db8::7), one of them by chance; empty is what the system takes"},
		{Key: "outbound.smarthost", value: (*address)(&s.OutboundSmarthost), Help: "host and port that takes all mail (relay.example.net:587)"},
		{Key: "outbound.smarthost-tls", Default: "verified", value: &choice{to: &s.OutboundTLS, of: []string{"opportunistic", "encrypted", "verified", "implicit"}},
			Help: "opportunistic, encrypted, verified (STARTTLS with a certificate of its name) or implicit (the same, from the start)"},
		{Key: "outbound.username", value: &text{to: &s.OutboundUsername}, Help: "user by which to log in at the smarthost; empty is no login"},
		{Key: "outbound.password-file", role: Serve, value: &text{to: &s.OutboundPasswordFile}, Help: "file of the password for the smarthost"},
		{Key: "outbound.password-secret", role: Gateway, value: &text{to: &s.OutboundPasswordSecret},
			Help: "secret of AWS Secrets Manager (name or ARN) that is the password for the smarthost; only the function that sends reads it"},
		{Key: "outbound.smarthost-certificate", role: Serve, value: &text{to: &s.OutboundCertificate},
			Help: "PEM file of our certificate for the smarthost, and its key; empty is none"},
		{Key: "outbound.port", Default: "25", value: &number{to: &s.OutboundPort, min: 1, max: 65535}, Help: "port of other hosts"},
		{Key: "outbound.allow", value: (*prefixes)(&s.OutboundAllow),
			Help: "networks to which mail may go although they are not public, such as 10.0.0.0/8"},
		{Key: "outbound.expire", Default: "120h", value: &duration{to: &s.OutboundExpire, min: time.Hour, max: 20 * day},
			Help: "how long mail for a host that can't be reached is tried"},
		{Key: "outbound.mails", Default: "1000", value: &number{to: &s.OutboundMails, min: 1, max: 100_000},
			Help: "mails that are sent at once; those for hosts that do not answer are among them"},
		{Key: "mta-sts.mode", Default: "testing", value: &choice{to: &s.MTASTS, of: []string{"off", "testing", "enforce"}},
			Help: "off, testing or enforce: what other hosts shall do when TLS with this one fails, for all our domains (MTA-STS); " +
				"enforce needs a certificate of the hostname by an authority that others know"},
		{Key: "reports.send", Default: "true", Bool: true, value: (*boolean)(&s.ReportsSend),
			Help: "owners of other domains that ask for it are sent daily reports: on mail in their name (DMARC), on TLS with their hosts (TLSRPT)"},
		{Key: "reports.domain", value: &text{to: &s.ReportsDomain},
			Help: "domain of yours that sends the reports, and signs them if its DKIM keys are in the DNS; empty is the hostname"},
		{Key: "reports.contact", value: &text{to: &s.ReportsContact}, Help: "address for questions about reports; empty is postmaster of that domain"},
		{Key: "openid.private", Default: "false", Bool: true, value: (*boolean)(&s.OpenIDPrivate),
			Help: "whether tenants' OpenID providers may have private addresses and be http: for tests and closed networks"},

		{Key: "limits.message-size", Default: "100MiB", value: &size{to: &s.MessageSize, min: 64 * kib, max: gib},
			Help: "largest message taken in by SMTP"},
		{Key: "limits.connections", Default: "2000", value: &number{to: &s.Connections, min: 1, max: 1_000_000},
			Help: "connections at once, of each listener"},
		{Key: "limits.connections-per-ip", Default: "100", value: &number{to: &s.ConnectionsPerIP, min: 1, max: 1_000_000},
			Help: "connections at once from one address, of each listener; this machine itself has no such limit"},
		{Key: "limits.temp-disk", Default: "4GiB", value: &size{to: &s.TempDisk, min: mib, max: 1 << 50},
			Help: "disk for messages over 256 KiB on their way in, all together; when it is full, senders are asked to come again"},
		{Key: "limits.account-cache", Default: "48MiB", value: &size{to: &s.AccountCache, min: mib, max: 1 << 40},
			Help: "memory for the state of accounts that were opened lately"},

		{Key: "deliver.workers", Default: defaultWorkers(), role: Serve, value: &number{to: &s.DeliverWorkers, min: 1, max: 1000},
			Help: "deliveries at work at once (each takes up to ten jobs)"},
		{Key: "deliver.failures", Default: "8", role: Serve, value: &number{to: &s.DeliverFailures, min: 1, max: 1000},
			Help: "failures of a job before it is parked, where 'godwit queue list' shows it"},

		{Key: "history.window", Default: "720h", value: &duration{to: &s.HistoryWindow, min: 15 * day, max: 366 * day},
			Help: "how far back the past of an account can be told and restored (15 to 366 days); what is older is removed within days"},

		{Key: "log.format", Default: "auto", value: &choice{to: &s.LogFormat, of: []string{"auto", "text", "json"}},
			Help: "auto, text or json; auto is text on a terminal, json elsewhere"},
		{Key: "log.level", Default: "info", value: (*level)(&s.LogLevel), Help: "debug, info, warn or error"},
	}
}

// defaultWorkers keeps a small machine's cores busy while some wait for the disk.
func defaultWorkers() string {
	n := number{to: new(int)}
	*n.to = max(4, 2*runtime.GOMAXPROCS(0))
	return n.String()
}

// in makes the field one of the role's alone.
func (f Field) in(r Role) Field {
	f.role = r
	return f
}

// Table lists every setting with its default in that role.
func Table(r Role) []Field {
	s := &Settings{Role: r}
	fields := s.Fields()
	for _, f := range fields {
		if err := f.value.Set(f.Default); err != nil {
			panic("settings: the default of " + f.Key + " is wrong: " + err.Error()) // a test loads them
		}
	}
	return fields
}
