package world

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
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
