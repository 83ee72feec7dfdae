package message

import (
	"github.com/fxamacker/cbor/v2"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
)

// version is the first octet of an encoded summary; CBOR with integer keys follows it. New
// keys are passed over by old readers and need no new version.
const version = 1

// Encode gives the summary in its stored form, of at most MaxEncoded octets. What doesn't
// fit is cut from the encoding, not from s, in this order until the rest fits: long header
// fields that only few ask for; header fields of over 8 KiB; the insides of embedded
// messages; details of parts; names of attachments; parts; the other header fields, the
// longest first; the preview.
func (s *Summary) Encode() []byte {
	b := s.marshal()
	for step := 0; len(b) > MaxEncoded; step++ {
		c := *s
		c.cut(step)
		s = &c
		b = s.marshal()
	}
	return b
}

func (s *Summary) marshal() []byte {
	// Text of mail is no UTF-8, so that strings are byte strings.
	mode, err := cbor.EncOptions{String: cbor.StringToByteString}.EncMode()
	if err != nil {
		panic("message: " + err.Error()) // the options are constant
	}
	b, err := mode.Marshal(s)
	if err != nil {
		panic("message: " + err.Error()) // the type is
	}
	return append([]byte{version}, b...)
}

// cut does one step of the order.
func (s *Summary) cut(step int) {
	switch step {
	case 0:
		s.dropFields(func(f rawField) bool { return f.class == bulky })
	case 1:
		s.dropFields(func(f rawField) bool { return len(f.raw) > 8<<10 })
	case 2:
		s.Body = *s.Body.trim(func(p *Part) {
			if p.Message != nil {
				p.Message = nil
				s.Cut |= CutStructure
			}
		})
	case 3:
		s.Cut |= CutDetails
		s.Body = *s.Body.trim(func(p *Part) {
			p.ID, p.Description, p.Language, p.Location, p.MD5 = "", "", nil, "", ""
			p.Params, p.DispositionParams = essential(p.Params), nil
		})
	case 4:
		s.Attachments, s.Cut = nil, s.Cut|CutAttachments
	case 5:
		s.Body.Parts, s.Cut = nil, s.Cut|CutStructure
		s.Body.Params, s.Body.Type, s.Body.Subtype = nil, short(s.Body.Type), short(s.Body.Subtype)
		s.Body.Encoding, s.Body.Disposition = short(s.Body.Encoding), short(s.Body.Disposition)
	case 6, 7, 8, 9:
		limit := 2 << 10 >> (2 * (step - 6)) // 2,048 octets down to 32
		s.dropFields(func(f rawField) bool { return len(f.raw) > limit })
	case 10:
		s.Fields, s.Cut = "", s.Cut|CutFields|CutEnvelope
	default:
		s.Root, s.Preview, s.Cut = short(s.Root), "", s.Cut|CutPreview
	}
}

// short leaves nothing of what is no sensible word.
func short(s string) string {
	if len(s) > 1000 {
		return ""
	}
	return s
}

// essential leaves the parameters without which a part can't be shown.
func essential(ps []Param) (out []Param) {
	for _, p := range ps {
		if p.Name == "charset" && len(p.Value) < 64 {
			out = append(out, p)
		}
	}
	return out
}

// dropFields leaves out the fields of which drop says so.
func (s *Summary) dropFields(drop func(rawField) bool) {
	var kept []byte
	for f := range allFields(s.Fields) {
		if !drop(f) {
			kept = append(kept, f.raw...)
			continue
		}
		s.Cut |= CutFields
		if f.class == envelope {
			s.Cut |= CutEnvelope
			if isName(f.name, "references") && s.Root == "" {
				if ids := messageIDs(header.Unfold(f.value), 1); len(ids) > 0 {
					s.Root = ids[0]
				}
			}
		}
	}
	s.Fields = string(kept)
}

// trim gives a copy of the tree with f applied to each part.
func (p *Part) trim(f func(*Part)) *Part {
	c := *p
	f(&c)
	if c.Message != nil {
		m := *c.Message
		m.Body = *m.Body.trim(f)
		c.Message = &m
	}
	if len(p.Parts) > 0 {
		c.Parts = make([]*Part, len(p.Parts))
		for i := range p.Parts {
			c.Parts[i] = p.Parts[i].trim(f)
		}
	}
	return &c
}

// decMode reads encoded summaries.
var decMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		ByteStringToString: cbor.ByteStringToStringAllowed,
		MaxNestedLevels:    4*MaxDepth + 16,
		MaxArrayElements:   8 << 10,
		MaxMapPairs:        256,
		IndefLength:        cbor.IndefLengthForbidden,
		TagsMd:             cbor.TagsForbidden,
	}.DecMode()
	if err != nil {
		panic("message: " + err.Error()) // the options are constant
	}
	return mode
}()

func checkVersion(b []byte) error {
	if len(b) < 2 || len(b) > MaxEncoded {
		return kinds.Errorf(kinds.Corrupt, "message: summary of %d octets", len(b))
	}
	if b[0] != version {
		return kinds.Errorf(kinds.TooNew, "message: summary of version %d", b[0])
	}
	return nil
}

// DecodeHeader is Decode for who wants to know no more than what the header says: Size,
// HeaderLen, Fields, Cut, Root, and what is made of them. It takes a fraction of the time.
func DecodeHeader(b []byte) (Summary, error) {
	if err := checkVersion(b); err != nil {
		return Summary{}, err
	}
	var part struct {
		Size      int64  `cbor:"1,keyasint"`
		HeaderLen int64  `cbor:"3,keyasint"`
		Fields    string `cbor:"4,keyasint"`
		Cut       Cut    `cbor:"8,keyasint"`
		Root      string `cbor:"9,keyasint"`
	}
	if err := decMode.Unmarshal(b[1:], &part); err != nil {
		return Summary{}, kinds.Errorf(kinds.Corrupt, "message: summary: %w", err)
	}
	if part.HeaderLen < 0 || part.HeaderLen > part.Size {
		return Summary{}, kinds.Errorf(kinds.Corrupt, "message: summary with a header outside of the message")
	}
	s := Summary{Size: part.Size, HeaderLen: part.HeaderLen, Fields: part.Fields, Cut: part.Cut, Root: part.Root}
	s.derive()
	return s, nil
}

// Decode reads an encoded summary. Errors are kinds.TooNew for a version this reader
// doesn't know, kinds.Corrupt for anything else that is wrong.
func Decode(b []byte) (Summary, error) {
	var s Summary
	if err := checkVersion(b); err != nil {
		return s, err
	}
	if err := decMode.Unmarshal(b[1:], &s); err != nil {
		return Summary{}, kinds.Errorf(kinds.Corrupt, "message: summary: %w", err)
	}
	if s.HeaderLen != s.Body.HeaderLen || !s.Body.within(0, s.Size) {
		return Summary{}, kinds.Errorf(kinds.Corrupt, "message: summary with offsets outside of the message")
	}
	s.derive()
	return s, nil
}

// within tells whether p and the parts in it lie in from..to, so that a reader can trust
// the offsets.
func (p *Part) within(from, to int64) bool {
	if p == nil || p.Offset < from || p.HeaderLen < 0 || p.BodyLen < 0 || p.Lines < 0 ||
		p.Offset > to || p.HeaderLen > to-p.Offset || p.BodyLen > to-p.Offset-p.HeaderLen {
		return false
	}
	from, to = p.Offset+p.HeaderLen, p.Offset+p.HeaderLen+p.BodyLen
	if p.Message != nil && !p.Message.Body.within(from, to) {
		return false
	}
	for _, c := range p.Parts {
		if !c.within(from, to) {
			return false
		}
	}
	return true
}
