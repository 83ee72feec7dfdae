package inprocess_test

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/notify/notifytest"
)

func TestContract(t *testing.T) {
	notifytest.Run(t, func(*testing.T) notify.Driver { return inprocess.New() })
}
