package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Goals of start-up and memory.
const (
	goalStartMS = 80.0
	goalIdleMiB = 45.0
)

const startRuns = 11

// startups measures the time from exec to the first 200 of /readyz, and the
// resident memory two seconds later.
func startups(ctx context.Context, binary, work string) error {
	var starts, memory []float64
	for i := range startRuns {
		ms, mib, err := startup(ctx, binary, filepath.Join(work, "start", strconv.Itoa(i%2)), i == startRuns-1 || i == 0)
		if err != nil {
			return err
		}
		starts = append(starts, ms)
		if mib > 0 {
			memory = append(memory, mib)
		}
	}
	report("start-up, ms (median of "+strconv.Itoa(startRuns)+")", median(starts), goalStartMS, spread(starts))
	report("idle resident memory, MiB", median(memory), goalIdleMiB, spread(memory))
	return nil
}

func startup(ctx context.Context, binary, data string, settle bool) (ms, mib float64, err error) {
	addr, err := freeAddress()
	if err != nil {
		return 0, 0, err
	}
	c := exec.CommandContext(ctx, binary, "serve", "--listen", addr, "--data", data)
	c.Env = append(os.Environ(), "CARTRITA_DISCOVERY_ENV=false", "CARTRITA_DISCOVERY_OLLAMA=false")
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { _ = c.Process.Signal(os.Interrupt); _ = c.Wait() }()
	for {
		if resp, err := http.Get("http://" + addr + "/healthz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(began) > 20*time.Second {
			return 0, 0, fmt.Errorf("the gateway did not get healthy on %s", addr)
		}
		time.Sleep(500 * time.Microsecond)
	}
	ms = float64(time.Since(began).Microseconds()) / 1000
	if settle {
		time.Sleep(2 * time.Second)
		mib, err = residentMiB(c.Process.Pid)
	}
	return ms, mib, err
}

func residentMiB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}

// report prints a figure beside its goal, which is an upper bound.
func report(what string, have, goal float64, note string) {
	verdict := "met"
	if have > goal {
		verdict = "MISSED"
	}
	fmt.Printf("%-58s %9.2f   goal ≤ %-7.4g %-7s %s\n", what, have, goal, verdict, note)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

func spread(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("[%.4g..%.4g]", slices.Min(v), slices.Max(v))
}
