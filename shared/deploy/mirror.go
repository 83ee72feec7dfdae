package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// MirrorVariable names a folder that Terraform's AWS provider is installed from, where no
// registry can be reached: it holds HOST/hashicorp/aws/5.100.0.
const MirrorVariable = "GODWIT_TERRAFORM_MIRROR"

const cliConfig = "TF_CLI_CONFIG_FILE"

// useMirror has Terraform install its provider from a folder, if there is one. The user's
// own configuration of Terraform is left alone; it knows better. A variable that names a
// file that isn't there is as good as none.
func useMirror(env map[string]string, folder string) error {
	home := env["HOME"]
	if own := env[cliConfig]; own != "" && isFile(own) {
		return nil
	}
	delete(env, cliConfig)
	mirror := env[MirrorVariable]
	switch {
	case mirror != "" && !isMirror(mirror):
		return kinds.Errorf(kinds.Invalid, "%s: %s holds no HOST/hashicorp/aws/5.*", MirrorVariable, mirror)
	case mirror == "" && isFile(filepath.Join(home, ".terraformrc")):
		return nil
	case mirror == "":
		for _, usual := range []string{
			filepath.Join(home, ".terraform.d", "plugins"), "/usr/local/share/terraform/plugins",
			"/usr/share/terraform/plugins", "/opt/tf-plugins",
		} {
			if isMirror(usual) {
				mirror = usual
				break
			}
		}
	}
	if mirror == "" {
		return nil // from the registry
	}
	mirror, err := filepath.Abs(mirror)
	if err != nil {
		return kinds.Wrap(kinds.Invalid, err, MirrorVariable)
	}
	path := filepath.Join(folder, "godwit.tfrc")
	// What is no escape in Go but a template in Terraform's language is written twice.
	quoted := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(fmt.Sprintf("%q", mirror))
	text := "provider_installation {\n  filesystem_mirror {\n    path    = " + quoted +
		"\n    include = [\"hashicorp/aws\"]\n  }\n  direct {\n    exclude = [\"hashicorp/aws\"]\n  }\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "write Terraform's configuration")
	}
	env[cliConfig] = path
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// isMirror tells whether the folder holds the provider, unpacked or packed.
func isMirror(folder string) bool {
	for _, pattern := range []string{"5.*", "terraform-provider-aws_5.*.zip"} {
		if found, err := filepath.Glob(filepath.Join(folder, "*", "hashicorp", "aws", pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}
