package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeployRefusesBeforeItBegins(t *testing.T) {
	t.Chdir(t.TempDir())
	zips := t.TempDir()
	for _, f := range []string{"deliver-arm64.zip", "api-arm64.zip", "compact-arm64.zip", "sweep-arm64.zip", "outbound-arm64.zip"} {
		if err := os.WriteFile(filepath.Join(zips, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	region := "AWS_REGION=eu-west-1"
	for _, test := range []struct {
		env, args, says string
	}{
		{"", "deploy plan", "--region or AWS_REGION"},
		{region, "deploy plan", "there is no deliver-*.zip in build/functions: 'make functions'"},
		{region, "deploy apply --auto-approve --functions absent", "'make functions'"},
		{region, "deploy apply --functions " + zips, "'godwit deploy apply --auto-approve' doesn't ask"},
		{region, "deploy destroy", "'godwit deploy destroy --auto-approve' doesn't ask"},
		{region, "deploy plan --var name", `"name" is not NAME=VALUE`},
		{region, "deploy output --json --env", "[env json]"},
		{region, "deploy applly", "did you mean apply?"},
	} {
		code, out, errs := run(t, []string{test.env}, strings.Fields(test.args)...)
		if code == 0 || out != "" || !strings.Contains(errs, test.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: code %d, %q, %q", test.args, code, out, errs)
		}
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestDeployOutputTellsWhenNothingIsDeployed(t *testing.T) {
	t.Chdir(t.TempDir())
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "terraform"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	code, _, errs := run(t, []string{"GODWIT_AWS_NAME=mail"}, "deploy", "output")
	if code != 1 || !strings.Contains(errs, "nothing is deployed from") || !strings.Contains(errs, filepath.Join(".godwit", "deploy", "mail")) {
		t.Errorf("code %d, %q", code, errs)
	}
	t.Setenv("PATH", t.TempDir())
	if code, _, errs := run(t, nil, "deploy", "output"); code != 1 || !strings.Contains(errs, "terraform, 1.9 or later") {
		t.Errorf("code %d, %q", code, errs)
	}
}
