// Command bench measures the gateway and prints each figure beside its goal,
// as `make bench` runs it.
//
// It runs the micro-benchmarks of the router, then starts the real binary
// between the load rig's mock upstream and load generator, in one run with a
// bare reverse proxy that reads and parses the body (floorproxy -kind parse),
// and compares the two: figures that travel between machines are ratios. The
// rig is a separate Go module; without it that part is skipped, loudly.
//
// A missed goal is printed, not hidden, and is no failure of the command:
// figures on a busy machine are for reading, not for gates.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	rig := flag.String("rig", "../shared/rig", "folder of the load rig")
	binary := flag.String("binary", "bin/cartrita", "the gateway to measure")
	rounds := flag.Int("rounds", 3, "rounds of each scenario")
	duration := flag.Duration("duration", 4*time.Second, "measured time of each round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rig, *binary, *rounds, *duration); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(ctx context.Context, rig, binary string, rounds int, duration time.Duration) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "cartrita-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	fmt.Println("== Router")
	if err := command(ctx, "", "go", "test", "-run", "^$", "-bench", "Decide", "-benchmem", "-count", "3", "./route"); err != nil {
		return err
	}
	fmt.Println("\n== Recording")
	if err := command(ctx, "", "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "./event"); err != nil {
		return err
	}
	fmt.Println("\n== Estimates: the goal is 5 µs with learned cells")
	if err := command(ctx, "", "go", "test", "-run", "^$", "-bench", "Estimate|Observe|Settled", "-benchmem", "./cost"); err != nil {
		return err
	}
	fmt.Println("\n== Budgets, 64 goroutines: the goal is 2 µs at one scope, 6 µs at five, and no waiting for locks")
	if err := command(ctx, "", "go", "test", "-run", "^$", "-bench", "ReserveSettle", "-benchmem", "-count", "3", "./budget"); err != nil {
		return err
	}
	fmt.Println("\n== Start-up and idle memory, whole catalogue and store open")
	if err := startups(ctx, binary, work); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(rig, "go.mod")); err != nil {
		fmt.Printf("\n== SKIPPED: the load rig is not at %s (give -rig); nothing was measured against a proxy\n", rig)
		return nil
	}
	return against(ctx, rig, binary, work, rounds, duration)
}

// command runs one and shows its output.
func command(ctx context.Context, dir, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Stdout, c.Stderr = dir, os.Stdout, os.Stderr
	return c.Run()
}
