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
	value   value
}

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
)

// Fields lists every setting with the values of s. All that is told about settings
// anywhere comes from here.
func (s *Settings) Fields() []Field {
	listener := func(key, port, what string, to *string) Field {
		return Field{Key: key + ".address", Default: "127.0.0.1:" + port, value: (*address)(to),
			Help: "address of " + what + "; empty is off, a port alone (:" + port + ") is every interface"}
	}
	return []Field{
		{Key: "data", Default: "./godwit-data", value: &text{to: &s.Data, needed: true},
			Help: "folder of everything that is kept; one process at a time"},
		{Key: "hostname", Default: "localhost", value: (*hostname)(&s.Hostname),
			Help: "name of this service in greetings, Received lines and the self-signed certificate"},
		{Key: "demo", Default: "true", Bool: true, value: (*boolean)(&s.Demo),
			Help: "on an empty data folder, make the domain demo.test with two accounts and print how to use them"},
		{Key: "drain", Default: "10s", value: &duration{to: &s.Drain, min: 0, max: 10 * time.Minute},
			Help: "time that sessions and running jobs have to end after SIGTERM"},

		listener("smtp", "2525", "the SMTP listener for mail from elsewhere (MX)", &s.SMTPAddress),
		listener("submission", "2587", "the SMTP submission listener with STARTTLS", &s.SubmissionAddress),
		listener("submissions", "2465", "the SMTP submission listener with TLS from the start", &s.SubmissionsAddress),
		listener("imap", "2143", "the IMAP listener with STARTTLS", &s.IMAPAddress),
		listener("imaps", "2993", "the IMAP listener with TLS from the start", &s.IMAPSAddress),
		listener("pop3", "2110", "the POP3 listener with STLS", &s.POP3Address),
		listener("pop3s", "2995", "the POP3 listener with TLS from the start", &s.POP3SAddress),
		listener("api", "2080", "the HTTP listener of API, /healthz, /readyz and /metrics (metrics without "+
			"a key of the service only for callers on this machine)", &s.APIAddress),

		{Key: "tls.certificate", value: &text{to: &s.TLSCertificate},
			Help: "PEM file of the certificate and its chain; empty makes a self-signed one in the data folder"},
		{Key: "tls.key", value: &text{to: &s.TLSKey}, Help: "PEM file of the certificate's private key"},

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

		{Key: "deliver.workers", Default: defaultWorkers(), value: &number{to: &s.DeliverWorkers, min: 1, max: 1000},
			Help: "deliveries at work at once (each takes up to ten jobs)"},
		{Key: "deliver.failures", Default: "8", value: &number{to: &s.DeliverFailures, min: 1, max: 1000},
			Help: "failures of a job before it is parked, where 'godwit queue list' shows it"},

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

// Table lists every setting with its default.
func Table() []Field {
	s, _, err := Load("", nil, nil)
	if err != nil {
		panic("settings: a default is wrong: " + err.Error()) // a test loads them
	}
	return s.Fields()
}
