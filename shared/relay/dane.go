package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxTLSA is how many records of a host are looked at.
const maxTLSA = 50

// dane is what a host's TLSA records say of its certificate (RFC 7672).
type dane struct {
	base   string // the name whose records they are, by which the host is asked for its certificate
	names  []string
	usable []record
	text   []string // all of them, for reports
}

// record is a TLSA record that can be used.
type record struct {
	usage, selector, matching uint8
	data                      []byte
}

// The usages that SMTP knows.
const (
	daneTA = 2
	daneEE = 3
)

// dane looks a host's records up; nil if it has none. The names of the domain and the host
// were validated by DNSSEC. An error tells that nobody could say, so that the host must not
// be used.
//
// RFC 7672, section 2.2.2: the name that aliases lead to comes first, if it is secure; else the name itself.
func (s *Sender) dane(ctx context.Context, domain string, t Target) (*dane, error) {
	port := strconv.Itoa(int(t.Addrs[0].Port()))
	bases := []string{t.Host}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} { // known from when it was found
		if a, err := s.Hosts.Resolver.Lookup(ctx, t.Host, kind); err == nil && a.Name != t.Host {
			bases = []string{a.Name, t.Host}
			break
		}
	}
	for _, base := range bases {
		list, authentic, err := s.Hosts.Resolver.TLSA(ctx, base, port)
		switch {
		case kinds.Is(err, kinds.NotFound), err == nil && !authentic:
			continue
		case err != nil:
			return nil, err
		}
		d := &dane{base: base, names: []string{base, t.Host, domain}}
		for _, rr := range list[:min(len(list), maxTLSA)] {
			d.add(rr)
		}
		return d, nil
	}
	return nil, nil
}

// add takes a record.
//
// RFC 7672, section 3.1.3: usages PKIX-TA(0) and PKIX-EE(1) are unusable.
func (d *dane) add(rr *dns.TLSA) {
	d.text = append(d.text, fmt.Sprintf("%d %d %d %.200s", rr.Usage, rr.Selector, rr.MatchingType, rr.Certificate))
	data, err := hex.DecodeString(rr.Certificate)
	sizes := map[uint8]int{0: len(data), 1: sha256.Size, 2: sha512.Size}
	if size, known := sizes[rr.MatchingType]; err != nil || !known || len(data) != size || len(data) == 0 || rr.Selector > 1 || rr.Usage != daneTA && rr.Usage != daneEE {
		return
	}
	d.usable = append(d.usable, record{rr.Usage, rr.Selector, rr.MatchingType, data})
}

// matches tells whether a record is of a certificate.
func (r *record) matches(c *x509.Certificate) bool {
	part := c.Raw
	if r.selector == 1 {
		part = c.RawSubjectPublicKeyInfo
	}
	switch r.matching {
	case 1:
		sum := sha256.Sum256(part)
		part = sum[:]
	case 2:
		sum := sha512.Sum512(part)
		part = sum[:]
	}
	return bytes.Equal(part, r.data)
}

// verify holds the certificates that a host has shown against its records.
func (d *dane) verify(chain []*x509.Certificate, opts x509.VerifyOptions) error {
	last := fmt.Errorf("no TLSA record is of the host's certificate")
	for _, r := range d.usable {
		if r.usage == daneEE {
			// RFC 7672, section 3.1.1: neither the names in the certificate nor its dates count.
			if r.matches(chain[0]) {
				return nil
			}
			continue
		}
		if anchor := r.anchor(chain); anchor != nil {
			if last = d.below(chain, anchor, opts); last == nil {
				return nil
			}
		}
	}
	return last
}

// anchor is the authority that a record of usage 2 names: one of those that the host has
// shown, or the one that the record is.
func (r *record) anchor(chain []*x509.Certificate) *x509.Certificate {
	if i := slices.IndexFunc(chain, r.matches); i >= 0 {
		return chain[i]
	}
	if r.selector == 0 && r.matching == 0 {
		if c, err := x509.ParseCertificate(r.data); err == nil {
			return c
		}
	}
	return nil
}

// below tells whether the host's certificate leads to an authority, and has one of its names.
//
// RFC 7672, section 3.2.2: the names are those of the records and of the host, and the recipient's domain.
func (d *dane) below(chain []*x509.Certificate, anchor *x509.Certificate, opts x509.VerifyOptions) error {
	opts.Roots = x509.NewCertPool()
	opts.Roots.AddCert(anchor)
	var err error
	for _, opts.DNSName = range d.names {
		if _, err = chain[0].Verify(opts); err == nil {
			return nil
		}
	}
	return err
}
