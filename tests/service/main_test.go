package service_test

import (
	"testing"

	"github.com/godwit-mail/godwit/tests/world"
)

func TestMain(m *testing.M) { world.Main(m) }
