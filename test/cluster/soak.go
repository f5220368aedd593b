package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxSlope is the growth that a soak accepts, a share per ten minutes.
const maxSlope = 0.01

// gauges are what must not grow: a metric of each replica, and by how much it
// may vary without meaning anything (a pool that opens one more connection).
var gauges = []struct {
	name  string
	slack float64
	show  func(float64) string
}{
	{"process_resident_memory_bytes", 0, func(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }},
	{"go_goroutines", 3, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	{"process_open_fds", 3, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
}

// series are the readings of one gauge of one replica.
type series struct{ minutes, values []float64 }

// soak loads the cluster and judges the growth. It is an error when there is any.
func soak(ctx context.Context, c *cluster, o options) error {
	if o.rate <= 0 || o.soak <= o.warmUp {
		return errors.New("a soak needs a rate, and more time than its warm-up")
	}
	ctx, cancel := context.WithTimeout(ctx, o.soak)
	defer cancel()
	l := newLoad(c, o.rate)
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx) })
	fmt.Printf("\nsoaking for %s at %g calls/s, the first %s are not judged\n", o.soak, o.rate, o.warmUp)

	readings := make([][]series, len(c.replicas))
	for i := range readings {
		readings[i] = make([]series, len(gauges))
	}
	began := time.Now()
	t := time.NewTicker(o.every)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.C:
			if err := read(ctx, c, time.Since(began).Minutes(), readings); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	running.Wait()
	fmt.Println(l.summary())
	return errors.Join(judge(readings, o.warmUp.Minutes()), unanswered(l))
}

func unanswered(l *load) error {
	if n := l.failures(); n > 0 {
		return fmt.Errorf("%d calls failed", n)
	}
	return nil
}

func read(ctx context.Context, c *cluster, minute float64, into [][]series) error {
	for i, r := range c.replicas {
		text, err := fetch(ctx, r.url+"/metrics")
		if err != nil {
			return fmt.Errorf("replica %d: %w", i+1, err)
		}
		for g := range gauges {
			v, ok := metric(text, gauges[g].name)
			if !ok {
				return fmt.Errorf("replica %d has no metric %s", i+1, gauges[g].name)
			}
			s := &into[i][g]
			s.minutes, s.values = append(s.minutes, minute), append(s.values, v)
		}
	}
	return nil
}

// metric finds a metric without labels.
func metric(text []byte, name string) (float64, bool) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(v, 64)
			return f, err == nil
		}
	}
	return 0, false
}

// judge prints every series and returns what grew since the warm-up.
func judge(readings [][]series, warmUp float64) error {
	var grew []error
	fmt.Printf("%-8s  %-30s  %12s  %12s  %12s  %14s\n", "replica", "gauge", "lowest", "median", "highest", "per 10 minutes")
	for i := range readings {
		for g, all := range readings[i] {
			s := all.since(warmUp)
			if len(s.values) < 3 {
				return errors.New("too few readings to judge")
			}
			is := gauges[g]
			floor := s.floor()
			share := floor.slope() * 10 / floor.mean()
			fmt.Printf("%-8d  %-30s  %12s  %12s  %12s  %+13.2f%%\n", i+1, is.name,
				is.show(slices.Min(s.values)), is.show(s.median()), is.show(slices.Max(s.values)), share*100)
			grown := floor.slope() * (s.minutes[len(s.minutes)-1] - s.minutes[0])
			if share > maxSlope && grown > is.slack {
				grew = append(grew, fmt.Errorf("replica %d: %s grows by %.2f %% in ten minutes, at most %.0f %% is accepted", i+1, is.name, share*100, maxSlope*100))
			}
		}
	}
	fmt.Println("\nthe lowest reading of every five minutes, the warm-up included")
	for i := range readings {
		for g := range readings[i] {
			fmt.Printf("%-8d  %-30s ", i+1, gauges[g].name)
			for _, v := range readings[i][g].lowest(5).values {
				fmt.Printf(" %9s", gauges[g].show(v))
			}
			fmt.Println()
		}
	}
	return errors.Join(grew...)
}

func mean(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func (s series) mean() float64 { return mean(s.values) }

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s.values))
	return sorted[len(sorted)/2]
}

// since are the readings from a minute on.
func (s series) since(minute float64) series {
	i, _ := slices.BinarySearch(s.minutes, minute)
	return series{s.minutes[i:], s.values[i:]}
}

// floor is the lowest reading of each minute: what leaks raises it, while calls
// that pile up for a moment on a busy machine do not.
func (s series) floor() series { return s.lowest(1) }

// lowest are the lowest readings of so many minutes each.
func (s series) lowest(of float64) (f series) {
	for i, v := range s.values {
		n := len(f.values)
		if n > 0 && math.Floor(f.minutes[n-1]/of) == math.Floor(s.minutes[i]/of) {
			f.values[n-1] = min(f.values[n-1], v)
			continue
		}
		f.minutes, f.values = append(f.minutes, s.minutes[i]), append(f.values, v)
	}
	return f
}

// slope is that of the line of least squares, per minute.
func (s series) slope() float64 {
	x, y := mean(s.minutes), mean(s.values)
	var above, below float64
	for i := range s.values {
		above += (s.minutes[i] - x) * (s.values[i] - y)
		below += (s.minutes[i] - x) * (s.minutes[i] - x)
	}
	return above / below
}
