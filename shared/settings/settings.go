// Package settings is the one typed configuration: defaults, then a YAML file, then
// the environment, then flags; each beats what stands before it. No setting holds a
// secret: a key or a certificate is named by its file.
package settings

import (
	"log/slog"
	"net/netip"
	"time"
)

// Role is what a process is: some settings are for one role only, and a few have another
// default in each.
type Role string

const (
	Serve   Role = "serve"   // the whole service in one process
	Gateway Role = "gateway" // the listeners of some protocols, in AWS
)

// Settings is what a process runs with. The table in table.go gives each field its
// name, default and meaning.
type Settings struct {
	Role Role

	Data     string // folder; in a gateway it may be "": a temporary one
	Hostname string
	Demo     bool
	Drain    time.Duration

	SMTPAddress        string // "" is off, as for each of them
	SubmissionAddress  string
	SubmissionsAddress string
	IMAPAddress        string
	IMAPSAddress       string
	POP3Address        string
	POP3SAddress       string
	APIAddress         string
	HealthAddress      string // of a gateway; serve has the API's listener for that
	ProxyFrom          []netip.Prefix

	AWSName   string // begins the names of tables and queues
	AWSBucket string
	AWSKey    string // of KMS, for blobs; "" is what the bucket does by default

	TLSCertificate string // file, PEM; "" is a self-signed one in the data folder
	TLSKey         string // file, PEM

	DNSServers    []netip.AddrPort // none: the system's
	DNSTimeout    time.Duration
	DNSCache      int
	DNSValidating bool

	SenderPolicy  string         // SenderOff, SenderMark or SenderObey
	SenderTrusted []netip.Prefix // peers whose mail is not judged
	SenderSealers []string       // domains whose ARC seal is believed
	SenderSeal    bool           // forwarded mail is sealed

	OutboundWay            string // OutboundOff, OutboundDirect, OutboundSmarthost or OutboundSES
	OutboundOthers         string // the way of what SES doesn't take: "", OutboundDirect or OutboundSmarthost
	OutboundSESRegion      string // "": the environment's
	OutboundSESSet         string // configuration set of mail that no route gives one
	OutboundSESEvents      string // SQS queue
	OutboundSource         []netip.Addr
	OutboundCertificate    string // PEM file, with the key, for the smarthost
	OutboundSmarthost      string // host:port
	OutboundTLS            string // of the smarthost: opportunistic, encrypted, verified, implicit
	OutboundUsername       string
	OutboundPasswordFile   string
	OutboundPasswordSecret string         // of AWS Secrets Manager
	OutboundPort           int            // of mail exchangers
	OutboundAllow          []netip.Prefix // networks that are not public and may be sent to
	OutboundExpire         time.Duration
	OutboundMails          int
	MTASTS                 string // mode of our domains' policies: off, testing or enforce
	ReportsSend            bool   // owners of domains are told what was seen of them
	ReportsDomain          string // that tells them; "" is Hostname
	ReportsContact         string // address for questions; "" is postmaster at it
	OpenIDPrivate          bool   // tenants' providers may be http, and have private addresses

	MessageSize      int64 // bytes of one message
	Connections      int   // at once, per listener
	ConnectionsPerIP int   // at once, per listener and address
	TempDisk         int64 // bytes of all messages on their way in
	AccountCache     int64 // bytes of opened accounts

	DeliverWorkers  int
	DeliverFailures int // of one job, before it is parked

	HistoryWindow time.Duration // how far back an account's past can be told

	LogFormat string // auto, text, json
	LogLevel  slog.Level
}

// What is done about who sent a message from elsewhere.
const (
	SenderOff  = "off"  // nothing is looked up
	SenderMark = "mark" // it is judged, and the verdict stands in its header
	SenderObey = "obey" // and what the author's domain wants done with false mail is done
)

// How mail goes to other hosts.
const (
	OutboundOff       = "off"       // it doesn't: a recipient elsewhere is refused
	OutboundDirect    = "direct"    // to the mail exchangers of its domain
	OutboundSmarthost = "smarthost" // all to one host
	OutboundSES       = "ses"       // by Amazon's service, as far as it takes it
)

// Origins tells for each key where its value came from: "default", "FILE:LINE",
// a variable's name or a flag ("--data").
type Origins map[string]string

// Default is the origin of a value that nobody set.
const Default = "default"
