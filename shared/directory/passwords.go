package directory

// Passwords configures how passwords are judged.
type Passwords struct {
	// Evaluated, when set, is called at each evaluation of a password hash.
	Evaluated func()
}

type hasher struct{ evaluated func() }

func newHasher(p Passwords) *hasher { return &hasher{evaluated: p.Evaluated} }
