package settings

import "testing"

// Whatever stands in the file, it is either settings of the table or errors.
func FuzzFile(f *testing.F) {
	for _, s := range []string{"", "hostname: a", "smtp:\n  address: :25\n", "a: &x [*x]", "limits: {message-size: 1GiB}", "? [a]\n: b", "<<: {a: b}", "\x00"} {
		f.Add([]byte(s))
	}
	fields := Table(Serve)
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, wrong := parseFile("x.yaml", b, fields)
		seen := map[string]bool{}
		for _, l := range lines {
			if seen[l.field.Key] {
				t.Errorf("%s was set twice", l.field.Key)
			}
			seen[l.field.Key] = true
		}
		for _, err := range wrong {
			if err.Error() == "" {
				t.Error("an error says nothing")
			}
		}
	})
}
