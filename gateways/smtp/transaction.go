package smtp

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/senderauth"
	"github.com/godwit-mail/godwit/shared/spool"
)

// transaction is what goes on between MAIL and the end of the message.
type transaction struct {
	id     string // names the message in logs, in its Received field, and in each account's journal
	from   address.Address
	params params

	tenant   string // of all its recipients
	rcpts    []address.Address
	accounts []recipient
	remote   []spool.Recipient  // elsewhere
	reported []string           // domains of ours of which it may be a report
	hold     string             // why copies for elsewhere are held; "": they aren't
	forwards []handover.Forward // addresses that lead elsewhere
	told     bool               // the sender is to be told of a delivery here
	has      map[account.ID]int // where in accounts

	in     *intake.Intake    // nil until bytes come
	trial  *senderauth.Trial // of who sent it; nil if it isn't judged
	digest *dkim.Digest      // of what may go to other hosts and isn't judged; else nil
	bdat   bool              // they come by BDAT
	lines  dotReader         // judges what comes by BDAT
	begun  time.Time         // when the first of them was waited for
	octets int64             // how many have come by BDAT
}

// recipient is an account that gets the message, and the domain whose use it counts for.
type recipient struct {
	delivery.Recipient
	domain string
}

func newTransaction(from address.Address, p params) *transaction {
	return &transaction{id: strings.ToLower(rand.Text()), from: from, params: p, has: map[account.ID]int{}}
}

// add takes the accounts that a recipient leads to; each account gets the message once.
func (t *transaction) add(rcpt address.Address, tenant string, to []recipient) {
	t.tenant = tenant
	t.rcpts = append(t.rcpts, rcpt)
	for _, r := range to {
		if _, there := t.has[r.Account.ID]; !there {
			t.has[r.Account.ID] = len(t.accounts)
			t.accounts = append(t.accounts, r)
		}
	}
}

// tell notes that the sender is to be told when an account of the message has it.
//
// RFC 3461, section 5.2.7.1: where an address leads to one account, that one's delivery is its own;
// section 5.2.7.2: where it leads to several, they are nobody's business, and it is told that it was expanded.
func (t *transaction) tell(id account.ID, what delivery.Tell) {
	to := &t.accounts[t.has[id]]
	to.Tell = append(to.Tell, what)
	t.told = true
}

// fullOfTells tells whether nothing more can be noted so of the first of some accounts.
func (t *transaction) fullOfTells(to []recipient) bool {
	if len(to) == 0 {
		return false
	}
	first, there := t.has[to[0].Account.ID]
	return there && len(t.accounts[first].Tell) >= delivery.MaxTells
}

// wanted tells whether anybody is to get the message.
func (t *transaction) wanted() bool {
	return len(t.accounts)+len(t.remote)+len(t.forwards)+len(t.reported) > 0
}

// leads counts the accounts and addresses elsewhere that get the message.
func (t *transaction) leads() int {
	n := len(t.accounts) + len(t.remote)
	for _, f := range t.forwards {
		n += len(f.To)
	}
	return n
}

func (t *transaction) discard() {
	if t.in != nil {
		t.in.Discard()
	}
	if t.trial != nil {
		t.trial.Cancel()
	}
}
