// Package service_test runs the whole service and speaks to it as its users do.
package service_test

import (
	"testing"

	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

func TestDialogues(t *testing.T) {
	for _, protocol := range []string{"smtp", "pop3", "imap", "mixed"} {
		t.Run(protocol, func(t *testing.T) {
			dialog.RunAll(t, "../scripts/"+protocol+"/*.txt", func(t *testing.T) dialog.World {
				return world.New(t).Dialog()
			})
		})
	}
}

func TestDialoguesAboutQuotas(t *testing.T) {
	dialog.RunAll(t, "../scripts/quota/*.txt", func(t *testing.T) dialog.World {
		w := world.New(t)
		w.Quotas()
		return w.Dialog()
	})
}

func TestDialoguesAboutAddresses(t *testing.T) {
	dialog.RunAll(t, "../scripts/smtp/directory/*.txt", func(t *testing.T) dialog.World {
		w := world.New(t)
		w.Town()
		return w.Dialog()
	})
}

func TestDialoguesAboutSharing(t *testing.T) {
	dialog.RunAll(t, "../scripts/sharing/*.txt", func(t *testing.T) dialog.World {
		w := world.New(t)
		w.Team()
		return w.Dialog()
	})
}
