package main

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/cluster"
)

// promptJob drops the vectors of prompts that are old enough; of all gateways on
// a database one does.
func (n *node) promptJob() cluster.Job {
	return cluster.Job{Name: "prompts", Every: archiveEvery, Run: func(ctx context.Context, _ cluster.Fence) error {
		keep := n.current().Embeddings.Prompts.Keep.Std()
		if keep == 0 {
			return nil // they leave with their calls
		}
		forgotten, err := n.store.ForgetPrompts(ctx, time.Now().Add(-keep))
		if forgotten > 0 {
			n.log.Info("vectors of prompts were dropped: they were old enough", "vectors", forgotten)
		}
		return err
	}}
}
