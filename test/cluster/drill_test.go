package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
)

// The drills, shorter than `make drills` has them.
func TestDrills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	testserver.Database(t) // skips where there is no PostgreSQL
	binary := filepath.Join(t.TempDir(), "cartrita")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/cartrita")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, o := range map[string]options{
		"the database is away": {rate: 50, outage: 3 * time.Second},
		"rolling restart":      {rate: 50, restart: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.binary, o.replicas, o.lasting = binary, 3, time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := run(ctx, o); err != nil {
				t.Error(err)
			}
		})
	}
}
