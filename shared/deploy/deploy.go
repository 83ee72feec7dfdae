// Package deploy makes the service's parts in an AWS account, by Terraform: it keeps the
// files of infra/ and the state in a folder, finds the provider where no registry can be
// reached, and tells what Terraform does as events.
package deploy

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Config says what is deployed from where.
type Config struct {
	Files    fs.FS             // the root module, with its modules below modules/
	Folder   string            // for Terraform's files, and the state unless a backend.tf in it says otherwise
	Vars     map[string]string // variables of the root module; they win over those of VarFiles
	VarFiles []string          // the later ones win
	Env      []string          // NAME=value: credentials and what else Terraform reads
	Tell     func(Event)       // told of what happens while Plan and Apply run; may be nil
}

// Deployment is one service's parts. Not safe for concurrent use.
type Deployment struct {
	c      Config
	folder string
	path   string            // of the program
	tf     *tfexec.Terraform // once the folder is there
}

const planFile = "godwit.tfplan"

// New looks for Terraform. It changes nothing yet.
func New(c Config) (*Deployment, error) {
	path, err := exec.LookPath("terraform")
	if err != nil {
		return nil, kinds.Errorf(kinds.Invalid, "deploying needs the program terraform, 1.9 or later, which is not in PATH: install HashiCorp's, or your system's package of it")
	}
	d := &Deployment{c: c, path: path}
	if d.folder, err = filepath.Abs(c.Folder); err != nil {
		return nil, kinds.Wrap(kinds.Invalid, err, "the folder of the deployment")
	}
	d.c.VarFiles = nil
	for _, f := range c.VarFiles { // Terraform runs in the folder
		abs, err := filepath.Abs(f)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return nil, kinds.Wrap(kinds.Invalid, err, "the file of variables")
		}
		d.c.VarFiles = append(d.c.VarFiles, abs)
	}
	return d, nil
}

// Environment is what Terraform gets of an environment of NAME=value: all but the variables
// by which it would do other things than it is told to here. Where its provider comes from
// a folder, that is written into a file in the given folder, which must be there.
func Environment(lines []string, folder string) (map[string]string, error) {
	env := map[string]string{}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok && name != "" {
			env[name] = value
		}
	}
	env = tfexec.CleanEnv(env)
	delete(env, "TF_DATA_DIR")
	env["CHECKPOINT_DISABLE"] = "1" // it asks nobody for news
	return env, useMirror(env, folder)
}

// Prepare writes Terraform's files into the folder and has it fetch its provider, unless
// it has that for the same files.
func (d *Deployment) Prepare(ctx context.Context) error {
	if err := writeFolder(d.folder, d.c.Files); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "write Terraform's files")
	}
	if err := d.open(); err != nil {
		return err
	}
	digest, err := digestOf(d.folder)
	if err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "read Terraform's files")
	}
	if had, err := os.ReadFile(d.prepared()); err == nil && string(had) == digest {
		return nil
	}
	if err := d.tf.Init(ctx, tfexec.Upgrade(false)); err != nil {
		return failed(ctx, err, "terraform init")
	}
	if err := os.WriteFile(d.prepared(), []byte(digest), 0o600); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "note that Terraform is ready")
	}
	return nil
}

// prepared is the file that tells for which files Terraform has been made ready.
func (d *Deployment) prepared() string {
	return filepath.Join(d.folder, ".terraform", "godwit-prepared")
}

// open makes tf, in a folder that is there.
func (d *Deployment) open() error {
	env, err := Environment(d.c.Env, d.folder)
	if err != nil {
		return err
	}
	tf, err := tfexec.NewTerraform(d.folder, d.path)
	if err == nil {
		err = tf.SetEnv(env)
	}
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "terraform")
	}
	d.tf = tf
	return nil
}

// Plan finds out what Apply would do, or what it takes to remove all. Prepare comes first.
func (d *Deployment) Plan(ctx context.Context, destroy bool) (*Plan, error) {
	p := &Plan{}
	s := &stream{tell: func(e Event) {
		p.add(e)
		d.tell(e)
	}}
	options := []tfexec.PlanOption{tfexec.Out(planFile), tfexec.Destroy(destroy)}
	for _, f := range d.c.VarFiles {
		options = append(options, tfexec.VarFile(f))
	}
	for _, name := range sorted(d.c.Vars) {
		options = append(options, tfexec.Var(name+"="+d.c.Vars[name]))
	}
	changes, err := d.tf.PlanJSON(ctx, s, options...)
	if err != nil {
		_ = os.Remove(d.prepared()) // its provider may be what is missing
		return nil, s.failure(ctx, err, "terraform plan")
	}
	p.Empty = !changes
	return p, nil
}

// Apply does what the last Plan has found. When it fails or is stopped, what was done is
// in the state, and another Plan and Apply go on from there.
func (d *Deployment) Apply(ctx context.Context) error {
	defer os.Remove(filepath.Join(d.folder, planFile))
	s := &stream{tell: d.tell}
	if err := d.tf.ApplyJSON(ctx, s, tfexec.DirOrPlan(planFile)); err != nil {
		return s.failure(ctx, err, "terraform apply")
	}
	return nil
}

func (d *Deployment) tell(e Event) {
	if d.c.Tell != nil {
		d.c.Tell(e)
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
