package world

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/godwit-mail/godwit/shared/cli"
)

// Admin asks the API with the key of the service and gives the answer's body. The test
// fails unless the answer is a success.
func (w *World) Admin(method, path, body string) map[string]any {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.api+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPut {
		r.Header.Set("If-Match", "*")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil && res.StatusCode != http.StatusNoContent {
		w.t.Fatalf("%s %s: %s: %v", method, path, res.Status, err)
	}
	if res.StatusCode/100 != 2 {
		w.t.Fatalf("%s %s: %s: %v", method, path, res.Status, answer)
	}
	return answer
}

// Godwit runs the command with the words given, against this world's API, and gives what
// it prints. The test fails unless it succeeds.
func (w *World) Godwit(words ...string) string {
	w.t.Helper()
	out, err := w.TryGodwit(words...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// GodwitIn is Godwit with an input.
func (w *World) GodwitIn(in string, words ...string) string {
	w.t.Helper()
	out, err := godwitIn(in, append(words, "--url", w.api, "--key", w.key)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TryGodwit is Godwit where it may fail, because the service has just died.
func (w *World) TryGodwit(words ...string) (string, error) {
	return godwit(append(words, "--url", w.api, "--key", w.key)...)
}

// godwit runs the command and gives what it prints.
func godwit(words ...string) (string, error) { return godwitIn("", words...) }

func godwitIn(in string, words ...string) (string, error) {
	var out, errs bytes.Buffer
	code := cli.Main(cli.Process{Args: words, Env: os.Environ(), In: strings.NewReader(in), Out: &out, Err: &errs,
		Stop: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }})
	if code != 0 {
		return "", fmt.Errorf("godwit %s: exit code %d: %s", strings.Join(words, " "), code, &errs)
	}
	return out.String(), nil
}
