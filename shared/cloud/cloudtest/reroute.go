package cloudtest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// Reroute has the calls of a function that somebody has deployed go as the client's, until
// the test ends.
func Reroute(t testing.TB, name string, client cloud.Client) *Function {
	t.Helper()
	return Reconfigure(t, name, map[string]string{"AWS_ENDPOINT_URL": aws.ToString(client(awstest.Config(t)).BaseEndpoint)})
}

// Reconfigure has a function that somebody has deployed find other variables in its
// environment, beside its own, until the test ends.
func Reconfigure(t testing.TB, name string, with map[string]string) *Function {
	t.Helper()
	cfg := awstest.Config(t)
	fn := &Function{Name: name, t: t, client: lambda.NewFromConfig(cfg)}
	now, err := fn.client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	porttest.OK(t, err)
	env := map[string]string{}
	if now.Environment != nil {
		env = now.Environment.Variables
	}
	changed := maps.Clone(env)
	maps.Copy(changed, with)
	awstest.Cleanup(t, func(ctx context.Context) error { return fn.setEnv(ctx, env) })
	porttest.OK(t, fn.setEnv(t.Context(), changed))
	return fn
}

func (f *Function) setEnv(ctx context.Context, env map[string]string) error {
	if _, err := f.client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &f.Name,
		Environment: &types.Environment{Variables: env}}); err != nil {
		return err
	}
	return lambda.NewFunctionUpdatedV2Waiter(f.client, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	}).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &f.Name}, 20*time.Second)
}
