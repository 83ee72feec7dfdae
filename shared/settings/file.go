package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile = 1 << 20
	maxKey  = 200 // bytes of a key that is shown or compared
)

// line is one setting as it stands in the file.
type line struct {
	field  Field
	text   string
	origin string
}

func readFile(path string, fields []Field) ([]line, []error) {
	f, err := os.Open(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, []error{fmt.Errorf("configuration file %s: %w", path, err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, []error{fmt.Errorf("configuration file %s: %w", path, err)}
	}
	if len(b) > maxFile {
		return nil, []error{fmt.Errorf("configuration file %s: over %s", path, sizeText(maxFile))}
	}
	return parseFile(path, b, fields)
}

// parseFile reads nested mappings whose leaves are settings.
func parseFile(path string, b []byte, fields []Field) (lines []line, wrong []error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, []error{fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if doc.Kind == 0 { // nothing but comments
		return nil, nil
	}
	p := &parser{path: path, fields: fields, seen: map[string]int{}}
	p.mapping(doc.Content[0], "")
	return p.lines, p.wrong
}

type parser struct {
	path   string
	fields []Field
	seen   map[string]int // key: line
	lines  []line
	wrong  []error
}

func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Errorf("%s:%d: %s", p.path, n.Line, fmt.Sprintf(format, args...)))
}

// mapping walks one level. It goes no deeper than the table does, as a key that is no
// group of it is an error.
func (p *parser) mapping(n *yaml.Node, prefix string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" { // "smtp:" with nothing under it
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "there must be settings (name: value) under %q", strings.TrimSuffix(prefix, "."))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + k.Value
		if k.Kind != yaml.ScalarNode || len(key) > maxKey || strings.Contains(k.Value, ".") {
			p.fail(k, "a key must be one plain word; groups are nested")
			continue
		}
		if at, ok := p.seen[key]; ok {
			p.fail(k, "%s stands in line %d already", key, at)
			continue
		}
		p.seen[key] = k.Line
		at := slices.IndexFunc(p.fields, func(f Field) bool { return f.Key == key })
		group := slices.ContainsFunc(p.fields, func(f Field) bool { return strings.HasPrefix(f.Key, key+".") })
		switch {
		case group:
			p.mapping(v, key+".")
		case at < 0:
			near, _ := nearest(key, p.known())
			p.fail(k, "there is no setting %q; the nearest is %q", key, near)
		case v.Kind != yaml.ScalarNode:
			p.fail(v, "%s must be one value", key)
		default:
			text := v.Value
			if v.Tag == "!!null" {
				text = ""
			}
			p.lines = append(p.lines, line{p.fields[at], text, fmt.Sprintf("%s:%d", p.path, v.Line)})
		}
	}
}

// known lists the keys, and the groups too, as one of them may be what is misspelt.
func (p *parser) known() (keys []string) {
	for _, f := range p.fields {
		keys = append(keys, f.Key)
		if group, _, ok := strings.Cut(f.Key, "."); ok && !slices.Contains(keys, group) {
			keys = append(keys, group)
		}
	}
	return keys
}
