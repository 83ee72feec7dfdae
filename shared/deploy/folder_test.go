package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/deploy"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// write puts files below a folder.
func write(t *testing.T, folder string, files ...string) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(folder, f)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, []byte("# the user's"), 0o600))
	}
}

func TestANewVersionReplacesTheFilesOfTheOldOneAndNoOthers(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	write(t, w.folder, "old.tf", "main.tf", "modules/gone/main.tf", "modules/queues/old.tf", "backend.tf", "more_override.tf", "terraform.tfstate")
	ok(t, w.Prepare(t.Context()))
	for path, want := range map[string]string{
		"main.tf": "# root", "modules/queues/main.tf": "# queues", "backend.tf": "# the user's", "more_override.tf": "# the user's",
		"terraform.tfstate": "# the user's", "old.tf": "", "modules/gone/main.tf": "", "modules/queues/old.tf": "", ".gitignore": "*\n",
	} {
		if got, err := os.ReadFile(filepath.Join(w.folder, path)); string(got) != want || (want == "") != (err != nil) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestTheStateIsTheUsersAlone(t *testing.T) {
	w := newWorld(t, deploy.Config{})
	ok(t, w.Prepare(t.Context()))
	info, err := os.Stat(w.folder)
	ok(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestTheProviderComesFromAFolderWhereThereIsOne(t *testing.T) {
	home, mirror, folder := t.TempDir(), filepath.Join(t.TempDir(), "a ${mirror}"), t.TempDir()
	write(t, mirror, "registry.example/hashicorp/aws/5.100.0/linux_amd64/provider")
	packed := t.TempDir()
	write(t, packed, "registry.example/hashicorp/aws/terraform-provider-aws_5.100.0_linux_amd64.zip")
	own := filepath.Join(home, "own.tfrc")
	write(t, home, "own.tfrc")
	for _, test := range []struct {
		what, env, config, holds string
		kind                     kinds.Kind
	}{
		{what: "unpacked", env: deploy.MirrorVariable + "=" + mirror, config: filepath.Join(folder, "godwit.tfrc"), holds: "a $${mirror}\""},
		{what: "packed", env: deploy.MirrorVariable + "=" + packed, config: filepath.Join(folder, "godwit.tfrc"), holds: packed},
		{what: "none", env: deploy.MirrorVariable + "=" + home, kind: kinds.Invalid},
		{what: "the user's own", env: deploy.MirrorVariable + "=" + mirror + "\nTF_CLI_CONFIG_FILE=" + own, config: own},
		{what: "a file that isn't there", env: deploy.MirrorVariable + "=" + mirror + "\nTF_CLI_CONFIG_FILE=/absent", config: filepath.Join(folder, "godwit.tfrc"), holds: "direct"},
	} {
		env, err := deploy.Environment(append(strings.Split(test.env, "\n"), "HOME="+home), folder)
		if test.kind != 0 {
			if !kinds.Is(err, test.kind) {
				t.Errorf("%s: %v", test.what, err)
			}
			continue
		}
		ok(t, err)
		if env["TF_CLI_CONFIG_FILE"] != test.config {
			t.Errorf("%s: configuration %q", test.what, env["TF_CLI_CONFIG_FILE"])
		}
		if text, err := os.ReadFile(test.config); err != nil || !strings.Contains(string(text), test.holds) {
			t.Errorf("%s: %q, %v", test.what, text, err)
		}
	}
	// Plugins where they usually are; but the user's configuration comes first.
	write(t, home, ".terraform.d/plugins/registry.example/hashicorp/aws/5.100.0/linux_amd64/provider")
	env, err := deploy.Environment([]string{"HOME=" + home}, folder)
	if err != nil || env["TF_CLI_CONFIG_FILE"] != filepath.Join(folder, "godwit.tfrc") {
		t.Errorf("usual place: %q, %v", env["TF_CLI_CONFIG_FILE"], err)
	}
	write(t, home, ".terraformrc")
	env, err = deploy.Environment([]string{"HOME=" + home}, folder)
	if err != nil || env["TF_CLI_CONFIG_FILE"] != "" {
		t.Errorf("user's configuration: %q, %v", env["TF_CLI_CONFIG_FILE"], err)
	}
}

func TestNothingOfTheEnvironmentTurnsTerraformAside(t *testing.T) {
	env, err := deploy.Environment([]string{"TF_VAR_name=other", "TF_CLI_ARGS=-destroy", "TF_WORKSPACE=other", "TF_DATA_DIR=/x", "AWS_PROFILE=mine", "=x", "odd"}, t.TempDir())
	ok(t, err)
	for name := range env {
		if strings.HasPrefix(name, "TF_") && name != "TF_CLI_CONFIG_FILE" {
			t.Errorf("%s is let through", name)
		}
	}
	if env["AWS_PROFILE"] != "mine" {
		t.Errorf("credentials are not let through: %v", env)
	}
}
