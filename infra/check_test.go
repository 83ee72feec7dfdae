package infra_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// resource is one resource of Terraform's state, as its commands give it with -json.
type resource struct {
	Address string
	Mode    string
	Type    string
	Values  map[string]any
}

// namesNothing are actions for which AWS knows no resource but all.
var namesNothing = []string{"sqs:ListQueues"}

// check tells what is wrong with the resources: what may do more than it must, is not
// encrypted, can be reached by anybody, is kept too long or can't be had back.
func check(all []resource) (wrong []string) {
	found := map[string]int{}
	for _, r := range all {
		if r.Mode != "managed" {
			continue
		}
		found[r.Type]++
		is := func(ok bool, says string) {
			if !ok {
				wrong = append(wrong, r.Address+": "+says)
			}
		}
		v := r.Values
		switch r.Type {
		case "aws_iam_role_policy", "aws_iam_policy", "aws_kms_key":
			for _, says := range checkPolicy(fmt.Sprint(v["policy"]), r.Type == "aws_kms_key") {
				is(false, says)
			}
		case "aws_s3_bucket_policy":
			is(denies(v["policy"]), "its policy allows something")
		case "aws_s3_bucket_public_access_block":
			for _, block := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
				is(v[block] == true, block+" is off")
			}
		case "aws_s3_bucket_server_side_encryption_configuration":
			by := first(first(v, "rule"), "apply_server_side_encryption_by_default")
			is(by["sse_algorithm"] == "aws:kms" && named(by["kms_master_key_id"]), "no key encrypts it")
		case "aws_dynamodb_table":
			sse := first(v, "server_side_encryption")
			is(sse["enabled"] == true && named(sse["kms_key_arn"]), "no key encrypts it")
			is(first(v, "point_in_time_recovery")["enabled"] == true, "it can't be recovered to a point in time")
			is(v["deletion_protection_enabled"] == true, "it can be deleted")
		case "aws_sqs_queue":
			is(v["sqs_managed_sse_enabled"] == true, "it is not encrypted")
			is(denies(v["policy"]), "its policy allows something")
			is(named(v["redrive_policy"]) || named(v["redrive_allow_policy"]), "a job that kills its function comes for ever")
			is(v["message_retention_seconds"] == 1209600.0, "jobs are not kept for 14 days")
		case "aws_cloudwatch_log_group":
			is(named(v["kms_key_id"]), "no key encrypts it")
			days, _ := v["retention_in_days"].(float64)
			is(days > 0, "it is kept for ever")
		case "aws_lambda_permission":
			is(named(v["source_arn"]), "more than one caller may call it")
		}
	}
	// Each bucket has its settings, each queue its policy; and there is something to check.
	for kind, n := range map[string]int{
		"aws_s3_bucket": 1, "aws_dynamodb_table": 2, "aws_sqs_queue": 8, "aws_kms_key": 1, "aws_lambda_function": 5, "aws_cloudwatch_event_rule": 2,
		"aws_cloudwatch_log_group": found["aws_lambda_function"] + found["aws_api_gateway_stage"], "aws_api_gateway_stage": 1,
		"aws_cloudwatch_event_target": found["aws_cloudwatch_event_rule"], "aws_lambda_permission": found["aws_cloudwatch_event_rule"] + found["aws_api_gateway_stage"],
		"aws_iam_role_policy":               found["aws_lambda_function"],
		"aws_s3_bucket_public_access_block": found["aws_s3_bucket"], "aws_s3_bucket_policy": found["aws_s3_bucket"],
		"aws_s3_bucket_server_side_encryption_configuration": found["aws_s3_bucket"], "aws_s3_bucket_ownership_controls": found["aws_s3_bucket"],
	} {
		if found[kind] < n {
			wrong = append(wrong, fmt.Sprintf("there are %d of %s, not %d", found[kind], kind, n))
		}
	}
	return wrong
}

type statement struct {
	Effect                      string
	Action, NotAction, Resource any
	NotResource, Principal      any
}

func statements(policy string) []statement {
	var p struct{ Statement []statement }
	if json.Unmarshal([]byte(policy), &p) != nil {
		return []statement{{Effect: "none: " + policy}}
	}
	return p.Statement
}

// denies tells whether a resource's policy is one that only forbids.
func denies(policy any) bool {
	return !slices.ContainsFunc(statements(fmt.Sprint(policy)), func(s statement) bool { return s.Effect != "Deny" })
}

// checkPolicy tells what is too wide in a policy. In a key's own, the resource "*" is the key.
func checkPolicy(policy string, ofKey bool) (wrong []string) {
	all := statements(policy)
	if len(all) == 0 {
		wrong = append(wrong, "a policy that says nothing")
	}
	for _, s := range all {
		if s.Effect != "Allow" || s.NotAction != nil || s.NotResource != nil || fmt.Sprint(s.Principal) == "*" {
			wrong = append(wrong, fmt.Sprintf("a statement that names not what is allowed, or to whom: %v", s))
		}
		actions := words(s.Action)
		for _, a := range actions {
			if !strings.Contains(a, ":") || strings.Contains(a, "*") {
				wrong = append(wrong, "the action "+a)
			}
		}
		for _, r := range words(s.Resource) {
			parts := strings.SplitN(r, ":", 6)
			wide := len(parts) < 6 || parts[0] != "arn" || strings.ContainsAny(strings.Join(parts[:5], ""), "*?") || strings.HasPrefix(parts[5], "*")
			unnamed := r == "*" && (ofKey || !slices.ContainsFunc(actions, func(a string) bool { return !slices.Contains(namesNothing, a) }))
			if wide && !unnamed {
				wrong = append(wrong, fmt.Sprintf("the resource %s for %v", r, actions))
			}
		}
	}
	return wrong
}

// words are the strings of what may be one or a list; a list with nothing in it is "".
func words(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, w := range v {
			all = append(all, fmt.Sprint(w))
		}
		if len(all) > 0 {
			return all
		}
	}
	return []string{""}
}

// first is the first block of a name; nothing is in it when there is none.
func first(v map[string]any, block string) map[string]any {
	list, _ := v[block].([]any)
	if len(list) == 0 {
		return nil
	}
	m, _ := list[0].(map[string]any)
	return m
}

func named(v any) bool {
	s, ok := v.(string)
	return ok && s != ""
}

func TestTheCheckSeesWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ kind, values, says string }{
		{"aws_iam_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:Get*\"],\"Resource\":[\"arn:aws:s3:::mail\"]}]}"}`, "the action s3:Get*"},
		{"aws_iam_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"arn:aws:s3:::mail\"}]}"}`, "the action *"},
		{"aws_iam_role_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"sqs:ListQueues\",\"sqs:SendMessage\"],\"Resource\":[\"*\"]}]}"}`, "the resource *"},
		{"aws_iam_role_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::*\"]}]}"}`, "the resource arn:aws:s3:::*"},
		{"aws_iam_role_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\"]}]}"}`, "the resource "},
		{"aws_iam_role_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"NotAction\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::mail\"}]}"}`, "names not"},
		{"aws_kms_key", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:Decrypt\",\"Resource\":\"*\"}]}"}`, "to whom"},
		{"aws_kms_key", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"a\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"}`, "the action kms:*"},
		{"aws_iam_policy", `{"policy": null}`, "names not"},
		{"aws_s3_bucket_policy", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"}]}"}`, "allows something"},
		{"aws_s3_bucket_public_access_block", `{"block_public_acls": true}`, "block_public_policy is off"},
		{"aws_s3_bucket_server_side_encryption_configuration", `{"rule": [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "AES256"}]}]}`, "no key encrypts it"},
		{"aws_dynamodb_table", `{"server_side_encryption": [], "point_in_time_recovery": [{"enabled": true}]}`, "no key encrypts it"},
		{"aws_dynamodb_table", `{"point_in_time_recovery": [{"enabled": false}]}`, "recovered"},
		{"aws_dynamodb_table", `{}`, "it can be deleted"},
		{"aws_sqs_queue", `{"message_retention_seconds": 1209600}`, "not encrypted"},
		{"aws_sqs_queue", `{"policy": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"}]}"}`, "allows something"},
		{"aws_sqs_queue", `{"redrive_policy": ""}`, "comes for ever"},
		{"aws_sqs_queue", `{"message_retention_seconds": 345600, "sqs_managed_sse_enabled": true}`, "14 days"},
		{"aws_cloudwatch_log_group", `{"retention_in_days": 0, "kms_key_id": "k"}`, "for ever"},
		{"aws_cloudwatch_log_group", `{"retention_in_days": 30, "kms_key_id": ""}`, "no key encrypts it"},
		{"aws_lambda_permission", `{}`, "more than one caller"},
		{"aws_s3_bucket", `{}`, "0 of aws_s3_bucket_public_access_block"},
	} {
		r := resource{Address: "module.x." + test.kind + ".y", Mode: "managed", Type: test.kind}
		if err := json.Unmarshal([]byte(test.values), &r.Values); err != nil {
			t.Fatal(err)
		}
		if wrong := check([]resource{r}); !strings.Contains(strings.Join(wrong, "\n"), test.says) {
			t.Errorf("%s %s: nothing says %q in %q", test.kind, test.values, test.says, wrong)
		}
	}
}
