package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/godwit-mail/godwit/infra"
	"github.com/godwit-mail/godwit/shared/deploy"
)

// deployment is what the verbs of 'godwit deploy' are told.
type deployment struct {
	p Process

	name, region, bucket, endpoint string
	folder, functions              string
	varFiles, vars                 []string
	approved                       bool
}

func newDeploy(p Process) *cobra.Command {
	d := &deployment{p: p}
	cmd := &cobra.Command{
		Use: "deploy", Short: "Make the service's parts in an AWS account",
		Long: "Makes bucket, tables, queues, functions and API in an AWS account, or in an emulated one\n" +
			"such as LocalStack, with the program terraform. Its files and its state are kept in a\n" +
			"folder; a file backend.tf in it may say that the state is kept elsewhere. Credentials are\n" +
			"looked for where AWS's tools do. Where no registry can be reached, the provider comes from\n" +
			"the folder in " + deploy.MirrorVariable + ", or from where Terraform's plugins usually are.",
	}
	cmd.AddCommand(d.plan(), d.apply(), d.destroy(), d.output(), newDeployKey(p))
	return cmd
}

// where gives a verb the flags that say which deployment is meant.
func (d *deployment) where(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&d.name, "name", orElse(d.p.lookup("GODWIT_AWS_NAME"), "godwit"), "the service's name, which begins that of each part (GODWIT_AWS_NAME)")
	f.StringVar(&d.folder, "folder", d.p.lookup("GODWIT_DEPLOY_FOLDER"), "for Terraform's files and the state; empty: .godwit/deploy/NAME (GODWIT_DEPLOY_FOLDER)")
}

// what gives a verb the flags that say what is to be there.
func (d *deployment) what(cmd *cobra.Command) *cobra.Command {
	d.where(cmd)
	f := cmd.Flags()
	f.StringVar(&d.region, "region", orElse(d.p.lookup("AWS_REGION"), d.p.lookup("AWS_DEFAULT_REGION")), "the region (AWS_REGION)")
	f.StringVar(&d.bucket, "bucket", d.p.lookup("GODWIT_AWS_BUCKET"), "the bucket of blobs; empty: NAME-ACCOUNT-REGION (GODWIT_AWS_BUCKET)")
	f.StringVar(&d.endpoint, "endpoint", d.p.lookup("AWS_ENDPOINT_URL"), "URL of an emulated AWS (AWS_ENDPOINT_URL)")
	f.StringArrayVar(&d.varFiles, "var-file", nil, "a file of Terraform variables; may be given again")
	f.StringArrayVar(&d.vars, "var", nil, "a Terraform variable as NAME=VALUE; may be given again")
	f.StringVar(&d.functions, "functions", filepath.Join("build", "functions"), "folder of the functions' zips")
	return cmd
}

// lookup gives a variable of the process's environment.
func (p Process) lookup(name string) (value string) {
	for _, line := range p.Env {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

func (d *deployment) plan() *cobra.Command {
	return d.what(&cobra.Command{
		Use: "plan", Short: "Show what apply would do", Args: cobra.NoArgs,
		RunE: d.run(true, func(cmd *cobra.Command, t *deploy.Deployment, pr *progress) error {
			plan, err := t.Plan(cmd.Context(), false)
			if err != nil {
				return err
			}
			pr.end()
			showPlan(d.p.Out, plan)
			return nil
		}),
	})
}

func (d *deployment) apply() *cobra.Command {
	cmd := d.what(&cobra.Command{
		Use: "apply", Short: "Make the parts, or change them to what they should be", Args: cobra.NoArgs,
		Long: "Makes the parts, or changes those that are there to what they should be, and prints what\n" +
			"'godwit deploy output' prints, and the environment of gateways. Asks before it does, or\n" +
			"refuses where nobody can answer, unless --auto-approve is given.",
	})
	cmd.Flags().BoolVar(&d.approved, "auto-approve", false, "don't ask")
	cmd.RunE = d.run(true, func(cmd *cobra.Command, t *deploy.Deployment, pr *progress) error {
		if err := d.change(cmd, t, pr, false); err != nil {
			return err
		}
		out, err := t.Outputs(cmd.Context())
		if err != nil {
			return err
		}
		pr.end()
		printOutputs(d.p.Out, out)
		fmt.Fprintln(d.p.Out, "\nThe environment of gateways:")
		printEnvironment(d.p.Out, out)
		return nil
	})
	return cmd
}

func (d *deployment) destroy() *cobra.Command {
	cmd := d.what(&cobra.Command{
		Use: "destroy", Short: "Remove all parts, and all mail", Args: cobra.NoArgs,
		Long: "Removes all parts. Tables and a bucket that holds mail refuse that until an apply has said\n" +
			"--var deletion_protection=false --var force_destroy=true.",
	})
	cmd.Flags().BoolVar(&d.approved, "auto-approve", false, "don't ask")
	cmd.RunE = d.run(false, func(cmd *cobra.Command, t *deploy.Deployment, pr *progress) error {
		return d.change(cmd, t, pr, true)
	})
	return cmd
}

func (d *deployment) output() *cobra.Command {
	var asJSON, asEnv bool
	cmd := &cobra.Command{
		Use: "output", Short: "Print the names of the parts, the API's URL and so on", Args: cobra.NoArgs,
		Example: `  eval "$(godwit deploy output --env)"`,
	}
	d.where(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	cmd.Flags().BoolVar(&asEnv, "env", false, "as the environment of gateways, for a shell")
	cmd.MarkFlagsMutuallyExclusive("json", "env")
	cmd.RunE = func(*cobra.Command, []string) error {
		t, err := deploy.New(deploy.Config{Folder: d.in(), Env: d.p.Env})
		if err != nil {
			return err
		}
		ctx, cancel := d.p.Stop()
		defer cancel()
		out, err := t.Outputs(ctx)
		if err != nil {
			return err
		}
		switch {
		case asJSON:
			e := json.NewEncoder(d.p.Out)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(out)
		case asEnv:
			printEnvironment(d.p.Out, out)
		default:
			printOutputs(d.p.Out, out)
		}
		return nil
	}
	return cmd
}

// run makes what a verb does of what it does with a deployment that is ready.
func (d *deployment) run(functions bool, do func(*cobra.Command, *deploy.Deployment, *progress) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		vars, err := d.variables()
		if err != nil {
			return usage{err}
		}
		if functions {
			if err := d.haveFunctions(); err != nil {
				return err
			}
		}
		if cmd.Flags().Lookup("auto-approve") != nil && !d.approved && !isTerminal(d.p.In) {
			return usage{fmt.Errorf("nobody can be asked here; '%s --auto-approve' doesn't ask", cmd.CommandPath())}
		}
		pr := newProgress(d.p.Err, isTerminal(d.p.Err))
		t, err := deploy.New(deploy.Config{Files: infra.Files, Folder: d.in(), Vars: vars, VarFiles: d.varFiles, Env: d.p.Env, Tell: pr.event})
		if err != nil {
			return err
		}
		ctx, cancel := d.p.Stop()
		defer cancel()
		defer pr.end()
		cmd.SetContext(ctx)
		pr.say("preparing Terraform in " + d.in())
		if err := t.Prepare(ctx); err != nil {
			return err
		}
		pr.say("looking at what is there")
		return do(cmd, t, pr)
	}
}

// change plans, asks, and does it.
func (d *deployment) change(cmd *cobra.Command, t *deploy.Deployment, pr *progress, destroy bool) error {
	plan, err := t.Plan(cmd.Context(), destroy)
	if err != nil {
		return err
	}
	if plan.Empty {
		pr.say("nothing is to be done")
		return nil
	}
	if !d.approved {
		pr.end()
		showPlan(d.p.Err, plan)
		question := "Do this?"
		if destroy {
			question = "Remove all of this for good, with all mail?"
		}
		if !ask(d.p.In, d.p.Err, question) {
			return fmt.Errorf("nothing was done")
		}
	}
	pr.begin(plan)
	return t.Apply(cmd.Context())
}

func (d *deployment) in() string {
	return orElse(d.folder, filepath.Join(".godwit", "deploy", d.name))
}

func (d *deployment) variables() (map[string]string, error) {
	functions, err := filepath.Abs(d.functions)
	if err != nil {
		return nil, err
	}
	vars := map[string]string{"name": d.name, "functions": functions}
	for name, value := range map[string]string{"region": d.region, "bucket": d.bucket, "endpoint": d.endpoint} {
		if value != "" {
			vars[name] = value
		}
	}
	if d.region == "" && len(d.varFiles) == 0 {
		return nil, fmt.Errorf("no region is set (--region or AWS_REGION)")
	}
	for _, v := range d.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--var: %q is not NAME=VALUE", v)
		}
		vars[name] = value
	}
	return vars, nil
}

// haveFunctions tells early, and how to mend it, that there are no zips.
func (d *deployment) haveFunctions() error {
	for _, name := range []string{"deliver", "api", "compact", "sweep", "outbound"} {
		found, err := filepath.Glob(filepath.Join(d.functions, name+"-*.zip"))
		if err != nil || len(found) == 0 {
			return usage{fmt.Errorf("there is no %s in %s: 'make functions' builds the functions, --functions says where they are", name+"-*.zip", d.functions)}
		}
	}
	return nil
}

func isTerminal(s any) bool {
	f, ok := s.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func printOutputs(w io.Writer, out deploy.Outputs) {
	for _, name := range out.Names() {
		fmt.Fprintf(w, "%s=%s\n", name, out[name])
	}
}

func printEnvironment(w io.Writer, out deploy.Outputs) {
	for _, line := range out.Environment() {
		name, value, _ := strings.Cut(line, "=")
		fmt.Fprintf(w, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
}
