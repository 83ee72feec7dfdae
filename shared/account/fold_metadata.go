package account

import (
	"slices"
	"strings"
)

// SpecialUseEntry is the annotation that is a mailbox's special use.
//
// RFC 6154, section 4: If a server supports this extension and the METADATA extension, it SHOULD tie the special-use attributes for a mailbox to its "/private/specialuse" metadata entry.
const SpecialUseEntry = "/private/specialuse"

// annotate is the fold of Metadata.
func (s *State) annotate(e *Entry, op *Metadata) error {
	list := &s.annotations
	var m *Mailbox
	if op.Mailbox != 0 {
		if m = s.own(op.Mailbox); m == nil {
			return s.corrupt(e, "annotations of no mailbox")
		}
		list = &m.Annotations
	}
	next := slices.Clone(*list) // other states share it
	for _, a := range op.Entries {
		if a.Name == "" {
			return s.corrupt(e, "an annotation without a name")
		}
		if m != nil && strings.EqualFold(a.Name, SpecialUseEntry) {
			m.SpecialUse = string(a.Value)
			continue
		}
		i, found := findAnnotation(next, a.Name)
		switch {
		case a.Value == nil && found:
			next = slices.Delete(next, i, i+1)
		case a.Value == nil:
		case found:
			next[i].Value = a.Value
		default:
			next = slices.Insert(next, i, a)
		}
	}
	*list = next
	return nil
}

// findAnnotation finds an annotation, or the place for it: they are in the order of their
// names, in which case doesn't count.
func findAnnotation(list []Annotation, name string) (int, bool) {
	name = strings.ToLower(name)
	return slices.BinarySearchFunc(list, name, func(a Annotation, name string) int { return strings.Compare(strings.ToLower(a.Name), name) })
}

// Annotations are the account's own, by name. They must not be changed.
func (s *State) Annotations() []Annotation { return s.annotations }

// annotated gives the annotations of a mailbox or, with 0, of the account.
func (s *State) annotated(id MailboxID) []Annotation {
	if id == 0 {
		return s.annotations
	}
	if m := s.MailboxByID(id); m != nil {
		return m.Annotations
	}
	return nil
}

// sameAnnotations tells whether two lists say the same.
func sameAnnotations(a, b []Annotation) bool {
	return slices.EqualFunc(a, b, func(a, b Annotation) bool { return a.Name == b.Name && string(a.Value) == string(b.Value) })
}

func annotationBytes(list []Annotation) (n int) {
	for _, a := range list {
		n += len(a.Name) + len(a.Value)
	}
	return n
}
