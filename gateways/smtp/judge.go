package smtp

import (
	"net/netip"
	"slices"

	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/senderauth"
)

// verdict is what was found out about who sent a message.
type verdict struct {
	Do      dmarc.Policy // what is done with it
	From    string       // the author's domain
	Passed  bool         // DMARC, or it isn't judged
	Proven  bool         // the reverse-path is who sent it
	results string       // the Authentication-Results field
	arc     string       // what came of its chain
}

// trial begins to judge the message that is about to come; nil if it isn't judged.
func (s *session) trial(t *transaction) *senderauth.Trial {
	ip := peerIP(s)
	if s.cfg.Judge == nil || s.submission || !ip.IsValid() || s.trusted(ip) {
		return nil
	}
	return s.cfg.Judge.Begin(s.ctx, senderauth.Peer{IP: ip, Hello: s.hello, From: t.from})
}

// trusted tells whether a peer is one of our own relays.
func (s *session) trusted(ip netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.Trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// judge says what is to be done with a message that has come.
func (s *session) judge(t *transaction, sum *message.Summary) verdict {
	if t.trial == nil {
		return verdict{Do: dmarc.NoPolicy, Passed: true, Proven: s.user != nil || s.trusted(peerIP(s))}
	}
	v := t.trial.Finish(sum.Envelope.From)
	signed := make([]string, len(v.DKIM))
	for i, d := range v.DKIM {
		signed[i] = d.Domain + "=" + string(d.Result)
	}
	do := v.DMARC.Do
	if !s.cfg.Obey {
		do = dmarc.NoPolicy
	}
	s.log.Info("sender judged", "message", t.id, "peer", s.remote, "spf", v.SPF.Result, "mailfrom", v.SPF.Domain, "dkim", signed,
		"dmarc", v.DMARC.Result, "from", v.DMARC.From, "policy", v.DMARC.Policy, "arc", v.ARC.Result, "sealer", v.DMARC.Sealer, "done", do)
	if s.cfg.Tally != nil {
		s.cfg.Tally.Judged(peerIP(s), &v, do)
	}
	s.metrics.judged.WithLabelValues(string(v.DMARC.Result), string(do)).Inc()
	return verdict{Do: do, From: v.DMARC.From, Passed: v.DMARC.Result == dkim.Pass, results: v.Results, Proven: v.Proves(t.from), arc: string(v.ARC.Result)}
}
