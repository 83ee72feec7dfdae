package api

import "github.com/godwit-mail/godwit/shared/blob"

// FormatPart is what a client is given for a part.
func FormatPart(ref blob.Ref) string {
	text, err := formatPart(ref)
	if err != nil {
		panic(err)
	}
	return text
}
