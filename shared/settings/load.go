package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Load gives the settings of a process of that role that file (a path, "" is none), env ("NAME=value" lines, as
// os.Environ gives them) and flags (by Field.Flag) make, each beating what stands before
// it. The error names every setting that is wrong and where it was set, one a line.
func Load(role Role, file string, env []string, flags map[string]string) (*Settings, Origins, error) {
	s, origins := &Settings{Role: role}, Origins{}
	fields := s.Fields()
	var wrong []error
	set := func(f Field, v, origin string) {
		if err := f.value.Set(v); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %s %w", origin, f.Key, err))
			return
		}
		origins[f.Key] = origin
	}
	for _, f := range fields {
		set(f, f.Default, Default)
	}
	if file != "" {
		lines, errs := readFile(file, fields)
		wrong = append(wrong, errs...)
		for _, l := range lines {
			set(l.field, l.text, l.origin)
		}
	}
	wrong = append(wrong, fromEnv(env, fields, set)...)
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Flag() == name })
		if i < 0 {
			wrong = append(wrong, fmt.Errorf("--%s: there is no such setting", name))
			continue
		}
		set(fields[i], flags[name], "--"+name)
	}
	if len(wrong) == 0 {
		wrong = append(wrong, s.check(origins)...)
	}
	return s, origins, errors.Join(wrong...)
}

// fromEnv sets what the environment says. A variable that begins like ours and is none
// is let be (other software makes such names, and the command line has its own), unless
// it is so near to one of ours that it was meant to be it.
func fromEnv(env []string, fields []Field, set func(Field, string, string)) (wrong []error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Env()
	}
	for _, line := range env {
		name, v, ok := strings.Cut(line, "=")
		if !ok || !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if i := slices.Index(names, name); i >= 0 {
			set(fields[i], v, name)
		} else if near, d := nearest(name, names); d <= 2 {
			wrong = append(wrong, fmt.Errorf("%s: there is no such variable; did you mean %s?", name, near))
		}
	}
	return wrong
}

// check judges what no single setting can tell.
func (s *Settings) check(o Origins) (wrong []error) {
	if (s.TLSCertificate == "") != (s.TLSKey == "") {
		set, missing := "tls.certificate", "tls.key"
		if s.TLSCertificate == "" {
			set, missing = missing, set
		}
		wrong = append(wrong, fmt.Errorf("%s: %s needs %s beside it", o[set], set, missing))
	}
	if s.Role == Gateway && s.AWSBucket == "" {
		wrong = append(wrong, errors.New("aws.bucket (GODWIT_AWS_BUCKET) is not set; 'godwit deploy output' tells it"))
	}
	wrong = append(wrong, s.checkOutbound(o)...)
	if s.TempDisk < s.MessageSize {
		wrong = append(wrong, fmt.Errorf("limits.temp-disk (%s, %s) is too small for one message of limits.message-size (%s, %s)",
			sizeText(s.TempDisk), o["limits.temp-disk"], sizeText(s.MessageSize), o["limits.message-size"]))
	}
	if s.ConnectionsPerIP > s.Connections && o["limits.connections-per-ip"] != Default {
		wrong = append(wrong, fmt.Errorf("%s: limits.connections-per-ip is more than limits.connections (%d, %s)",
			o["limits.connections-per-ip"], s.Connections, o["limits.connections"]))
	}
	taken := map[string]string{}
	for _, f := range s.Fields() {
		addr, ok := f.value.(*address)
		if !ok || !f.For(s.Role) || *addr == "" || strings.HasSuffix(string(*addr), ":0") {
			continue
		}
		if other := taken[string(*addr)]; other != "" {
			wrong = append(wrong, fmt.Errorf("%s: %s is the address of %s as well (%s)", o[f.Key], f.Key, other, *addr))
		}
		taken[string(*addr)] = f.Key
	}
	return wrong
}

// checkOutbound tells what of the ways can't work together.
func (s *Settings) checkOutbound(o Origins) (wrong []error) {
	if s.OutboundWay == OutboundSES && s.OutboundOthers == "" {
		wrong = append(wrong, fmt.Errorf("%s: outbound.way is ses, which takes no null sender and no sender that isn't ours: "+
			"set outbound.others to direct or smarthost, for forwards, notifications and reports", o["outbound.way"]))
	}
	if s.OutboundWay != OutboundSES && s.OutboundOthers != "" {
		wrong = append(wrong, fmt.Errorf("%s: outbound.others is only for outbound.way ses", o["outbound.others"]))
	}
	if s.Role == Serve && (s.OutboundWay == OutboundSmarthost || s.OutboundOthers == OutboundSmarthost) && s.OutboundSmarthost == "" {
		wrong = append(wrong, errors.New("mail is to go to a smarthost, so outbound.smarthost must name its host and port (relay.example.net:587)"))
	}
	return wrong
}

// nearest gives the known word with the fewest edits to word, and how many they are.
func nearest(word string, known []string) (best string, edits int) {
	edits = len(word) + 1
	for _, k := range known {
		if d := Distance(word, k); d < edits {
			best, edits = k, d
		}
	}
	return best, edits
}

// Distance counts the insertions, deletions, replacements and swaps of neighbours that
// make a into b.
func Distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
