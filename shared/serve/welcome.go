package serve

import (
	"fmt"
	"net"
	"strings"
)

// Welcome is what a person wants to read after the start: where everything is and, when
// the demo was just made, what to type.
func (s *Service) Welcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Godwit is up. Data: %s\n\n", s.folder.path)
	for _, l := range append(addresses(s.settings), listenerAddress{name: "health"}) {
		if a := s.Address(l.name); a != "" {
			fmt.Fprintf(&b, "  %-12s %-22s %s\n", l.name, a, speaks[l.name])
		}
	}
	if s.demo != nil {
		s.welcomeDemo(&b)
	} else if s.Address("api") != "" {
		fmt.Fprintf(&b, "\nThe key of the service is in %s; 'godwit --help' lists the verbs that use it.\n", s.folder.in(keyName))
	}
	b.WriteString("\nStop with Ctrl-C.\n")
	return b.String()
}

var speaks = map[string]string{
	"smtp": "mail from elsewhere (MX)", "submission": "mail from clients, STARTTLS", "submissions": "mail from clients, TLS",
	"imap": "STARTTLS", "imaps": "TLS", "pop3": "STLS", "pop3s": "TLS", "api": "HTTP: API, /healthz, /readyz, /metrics",
	"health": "HTTP: /healthz, /readyz, /metrics",
}

func (s *Service) welcomeDemo(b *strings.Builder) {
	reader := s.demo.Accounts[0]
	fmt.Fprintf(b, "\nA demo to play with (these passwords are shown only now; --demo=false makes none):\n\n")
	for _, a := range s.demo.Accounts {
		fmt.Fprintf(b, "  %s  password %s\n", a.Address, a.Password)
	}
	client := func(name string) (host, port string, ok bool) {
		host, port, err := net.SplitHostPort(s.Address(name))
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		return host, port, err == nil
	}
	fmt.Fprintf(b, "\nA mail client (the certificate is self-signed, so it will ask; user name is the address):\n\n")
	for _, c := range []struct{ what, name string }{{"IMAP", "imaps"}, {"POP3", "pop3s"}, {"SMTP", "submissions"}} {
		if host, port, ok := client(c.name); ok {
			fmt.Fprintf(b, "  %s  server %s  port %s  SSL/TLS, normal password\n", c.what, host, port)
		}
	}
	if host, port, ok := client("smtp"); ok {
		fmt.Fprintf(b, "\nSend a mail:\n\n  printf 'From: you@example.org\\r\\nTo: %s\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n' | "+
			"curl -s smtp://%s --mail-from you@example.org --mail-rcpt %s -T -\n",
			reader.Address, net.JoinHostPort(host, port), reader.Address)
		fmt.Fprintf(b, "\nor, where swaks is installed:\n\n  swaks --server %s --port %s --to %s\n", host, port, reader.Address)
	}
	if host, port, ok := client("imaps"); ok {
		fmt.Fprintf(b, "\nRead it:\n\n  curl -s --cacert %s -u %s:%s 'imaps://%s/INBOX;UID=1'\n",
			s.certificate.certFile, reader.Address, reader.Password, net.JoinHostPort(host, port))
	}
}
