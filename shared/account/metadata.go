package account

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of annotations (RFC 5464, section 4.1 asks for at least 1,024 bytes and 10).
const (
	MaxAnnotation       = 4 << 10   // bytes of a value
	MaxAnnotationName   = 256       // bytes
	MaxAnnotations      = 100       // of one mailbox, and of the account itself
	MaxAnnotationsTotal = 512 << 10 // bytes of names and values in an account, which keeps them in memory
)

// SetMetadata sets annotations of a mailbox or, with mailbox 0, of the account; all or none.
// One without a value is removed. kinds.Invalid for a name that none may have, kinds.Limit for
// too many or too large ones, kinds.NotFound when there is no such mailbox, and kinds.Exists
// for a special use that is not known or that another mailbox has.
func (a *Account) SetMetadata(ctx context.Context, by By, mbox MailboxID, set []Annotation) error {
	for _, s := range set {
		if err := CheckAnnotationName(s.Name); err != nil {
			return err
		}
		if len(s.Value) > MaxAnnotation {
			return kinds.Errorf(kinds.Limit, "account: an annotation of %d bytes", len(s.Value))
		}
	}
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.MailboxByID(mbox)
		if mbox != 0 && m == nil {
			return nil, noMailboxID(mbox)
		}
		if err := a.mayAnnotate(m, set); err != nil {
			return nil, err
		}
		var change []Annotation
		have := s.annotated(mbox)
		count, bytes := len(have), s.annotationBytes()
		for _, x := range set {
			if m != nil && strings.EqualFold(x.Name, SpecialUseEntry) {
				if string(x.Value) != m.SpecialUse {
					if len(x.Value) > 0 && (!knownUse(string(x.Value)) || s.useTaken(string(x.Value))) {
						return nil, kinds.Errorf(kinds.Exists, "account: that special use is not to be had")
					}
					change = append(change, x)
				}
				continue
			}
			i, found := findAnnotation(have, x.Name)
			switch {
			case found && x.Value != nil && string(have[i].Value) == string(x.Value), !found && x.Value == nil:
				continue
			case !found:
				count++
				bytes += len(x.Name) + len(x.Value)
			case x.Value == nil:
				count--
				bytes -= len(have[i].Name) + len(have[i].Value)
			default:
				bytes += len(x.Value) - len(have[i].Value)
			}
			change = append(change, x)
		}
		if len(change) == 0 {
			return nil, nil
		}
		if count > max(MaxAnnotations, len(have)) || bytes > max(MaxAnnotationsTotal, s.annotationBytes()) {
			return nil, kinds.Errorf(kinds.Limit, "account: too many annotations")
		}
		return []Op{{Metadata: &Metadata{Mailbox: mbox, Entries: change}}}, nil
	})
	return err
}

// Shared tells whether all who see what has the annotation see it, too.
func (x *Annotation) Shared() bool { return strings.HasPrefix(strings.ToLower(x.Name), "/shared/") }

// mayAnnotate fails unless who uses the account may set annotations: those that all see, by the
// right to write; the others are the owner's.
func (a *Account) mayAnnotate(m *Mailbox, set []Annotation) error {
	if a.reader.Load() == nil {
		return nil
	}
	if slices.ContainsFunc(set, func(x Annotation) bool { return !x.Shared() }) {
		return kinds.Errorf(kinds.Denied, "account: a private annotation is its owner's")
	}
	return a.May(m, MayWrite)
}

// annotationBytes sums up all annotations of the account.
func (s *State) annotationBytes() int {
	n := annotationBytes(s.annotations)
	for _, m := range s.boxes {
		n += annotationBytes(m.Annotations)
	}
	return n
}

func knownUse(use string) bool {
	return slices.Contains([]string{`\Archive`, `\Drafts`, `\Junk`, `\Sent`, `\Trash`}, use)
}

// CheckAnnotationName fails unless an annotation may have the name.
//
// RFC 5464, section 3.2: An entry name MUST NOT contain two consecutive "/" characters and MUST NOT end with a "/" character.
func CheckAnnotationName(name string) error {
	part := strings.Split(strings.ToLower(name), "/")
	ok := len(name) <= MaxAnnotationName && len(part) > 2 && part[0] == "" && (part[1] == "shared" || part[1] == "private") &&
		(part[2] != "vendor" || len(part) > 4) && !slices.Contains(part[1:], "")
	for i := range len(name) {
		ok = ok && name[i] >= ' ' && name[i] < 0x7f && name[i] != '*' && name[i] != '%'
	}
	if !ok {
		return kinds.Errorf(kinds.Invalid, "account: no annotation may have this name (%d bytes)", len(name))
	}
	return nil
}
