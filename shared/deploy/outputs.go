package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Outputs are what a deployment tells, by name: names of tables, queues and functions, the
// API's URL, and so on; infra/outputs.tf lists them.
type Outputs map[string]string

// Outputs reads them from the state. Prepare isn't needed.
func (d *Deployment) Outputs(ctx context.Context) (Outputs, error) {
	nothing := kinds.Errorf(kinds.NotFound, "nothing is deployed from %s", d.folder)
	if _, err := os.Stat(filepath.Join(d.folder, ".terraform")); err != nil {
		return nil, nothing
	}
	if d.tf == nil {
		if err := d.open(); err != nil {
			return nil, err
		}
	}
	found, err := d.tf.Output(ctx)
	if err != nil {
		return nil, failed(ctx, err, "terraform output")
	}
	if len(found) == 0 {
		return nil, nothing
	}
	out := Outputs{}
	for name, o := range found {
		var text string
		if json.Unmarshal(o.Value, &text) != nil {
			text = string(o.Value)
		}
		out[name] = text
	}
	return out, nil
}

// Names lists the outputs in order.
func (o Outputs) Names() []string { return sorted(o) }

// Environment is what a gateway of this deployment, and who administers it, find in their
// environment, NAME=value. Credentials are not of it.
func (o Outputs) Environment() []string {
	var env []string
	for _, v := range []struct{ name, output string }{
		{"GODWIT_AWS_NAME", "name"}, {"GODWIT_AWS_BUCKET", "bucket"}, {"GODWIT_AWS_KEY", "key"}, {"GODWIT_URL", "api_url"},
		{"AWS_REGION", "region"}, {"AWS_ENDPOINT_URL", "endpoint"},
	} {
		if o[v.output] != "" {
			env = append(env, v.name+"="+o[v.output])
		}
	}
	var sending map[string]string
	if json.Unmarshal([]byte(o["sending"]), &sending) == nil {
		for _, name := range sorted(sending) {
			env = append(env, name+"="+sending[name])
		}
	}
	return env
}
