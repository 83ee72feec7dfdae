package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	mail "github.com/godwit-mail/godwit/shared/mail/address"
)

// value is one setting's way from and to text.
type value interface {
	Set(string) error
	String() string
}

type text struct {
	to     *string
	needed bool
}

func (v *text) Set(s string) error {
	if v.needed && s == "" {
		return errors.New("must not be empty")
	}
	if strings.ContainsRune(s, 0) {
		return errors.New("holds a NUL")
	}
	*v.to = s
	return nil
}
func (v *text) String() string { return *v.to }

type hostname string

func (v *hostname) Set(s string) error {
	if s == "" || len(s) > 253 {
		return errors.New("must be a host name of 1 to 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is no host name (letters, digits and hyphens between dots)", s)
		}
	}
	*v = hostname(s)
	return nil
}
func (v *hostname) String() string { return string(*v) }

type boolean bool

func (v *boolean) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		*v = true
	case "false", "no", "off", "0":
		*v = false
	default:
		return fmt.Errorf("%q is neither yes nor no", s)
	}
	return nil
}
func (v *boolean) String() string { return strconv.FormatBool(bool(*v)) }

type duration struct {
	to       *time.Duration
	min, max time.Duration
}

func (v *duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no time (like 10s or 2m30s)", s)
	}
	if d < v.min || d > v.max {
		return fmt.Errorf("%s is not between %s and %s", s, v.min, v.max)
	}
	*v.to = d
	return nil
}
func (v *duration) String() string { return v.to.String() }

type number struct {
	to       *int
	min, max int
}

func (v *number) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is no number", s)
	}
	if n < v.min || n > v.max {
		return fmt.Errorf("%d is not between %d and %d", n, v.min, v.max)
	}
	*v.to = n
	return nil
}
func (v *number) String() string { return strconv.Itoa(*v.to) }

type size struct {
	to       *int64
	min, max int64
}

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}, {"B", 1}, {"", 1}}

func (v *size) Set(s string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			break
		}
		if n *= u.bytes; n < v.min || n > v.max {
			return fmt.Errorf("%s is not between %s and %s", s, sizeText(v.min), sizeText(v.max))
		}
		*v.to = n
		return nil
	}
	return fmt.Errorf("%q is no size (like 100MiB, 64KiB or a number of bytes)", s)
}
func (v *size) String() string { return sizeText(*v.to) }

func sizeText(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// address is host:port of a listener, or empty. A host may be a name.
type address string

func (v *address) Set(s string) error {
	if s != "" {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return fmt.Errorf("%q is no address (like 127.0.0.1:2525 or :25; empty is off)", s)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return fmt.Errorf("%q has no port from 0 to 65535", s)
		}
	}
	*v = address(s)
	return nil
}
func (v *address) String() string { return string(*v) }

// prefixes are networks, parted by commas; an address alone is a network of one.
type prefixes []netip.Prefix

func (v *prefixes) Set(s string) error {
	*v = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			a, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return fmt.Errorf("has %q, which is no network such as 10.0.1.0/24", part)
			}
			p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		}
		*v = append(*v, p.Masked())
	}
	return nil
}

func (v *prefixes) String() string {
	parts := make([]string, len(*v))
	for i, p := range *v {
		parts[i] = p.String()
	}
	return strings.Join(parts, ",")
}

type choice struct {
	to *string
	of []string
}

func (v *choice) Set(s string) error {
	for _, c := range v.of {
		if s == c {
			*v.to = s
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", s, strings.Join(v.of, ", "))
}
func (v *choice) String() string { return *v.to }

type level slog.Level

func (v *level) Set(s string) error {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(s, l.String()) {
			*v = level(l)
			return nil
		}
	}
	return fmt.Errorf("%q is none of debug, info, warn, error", s)
}
func (v *level) String() string { return strings.ToLower(slog.Level(*v).String()) }

// servers is a list of addresses, with port 53 where none is given.
type servers []netip.AddrPort

func (v *servers) Set(s string) error {
	*v = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		at, err := netip.ParseAddrPort(part)
		if err != nil {
			a, aerr := netip.ParseAddr(strings.Trim(part, "[]"))
			if aerr != nil {
				return fmt.Errorf("has %q, which is no IP address such as 10.0.0.2 or 10.0.0.2:53", part)
			}
			at = netip.AddrPortFrom(a, 53)
		}
		*v = append(*v, at)
	}
	return nil
}

func (v *servers) String() string {
	parts := make([]string, len(*v))
	for i, at := range *v {
		parts[i] = at.String()
	}
	return strings.Join(parts, ",")
}

// addresses is a list of IP addresses.
type addresses []netip.Addr

func (v *addresses) Set(s string) error {
	*v = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		a, err := netip.ParseAddr(part)
		if err != nil || a.IsUnspecified() {
			return fmt.Errorf("has %q, which is no IP address such as 192.0.2.7", part)
		}
		*v = append(*v, a)
	}
	return nil
}

func (v *addresses) String() string {
	parts := make([]string, len(*v))
	for i, a := range *v {
		parts[i] = a.String()
	}
	return strings.Join(parts, ",")
}

// domains is a list of domain names.
type domains []string

func (v *domains) Set(s string) error {
	*v = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		d, err := mail.ParseDomain(part)
		if err != nil {
			return fmt.Errorf("has %q, which is no domain", part)
		}
		*v = append(*v, d)
	}
	return nil
}

func (v *domains) String() string { return strings.Join(*v, ",") }
