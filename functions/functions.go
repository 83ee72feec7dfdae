// Package functions gives whoever wires a process what its functions share.
package functions

import "github.com/godwit-mail/godwit/functions/internal/worker"

// Worker runs a function's step within the process.
type Worker = worker.Worker
