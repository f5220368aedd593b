package main

import (
	"math"
	"strings"
	"testing"
)

func TestASoakFindsWhatGrows(t *testing.T) {
	steady := func(base, perMinute float64) series {
		var s series
		for i := range 420 {
			minute := float64(i) / 12
			s.minutes = append(s.minutes, minute)
			s.values = append(s.values, base+perMinute*minute+base*0.02*math.Sin(float64(i)))
		}
		return s
	}
	bursts := func(base float64) series { // more and more, and over each time
		s := steady(base, 0)
		for i := range s.values {
			if i%3 == 0 {
				s.values[i] += float64(i)
			}
		}
		return s
	}
	warming := steady(80<<20, 0)
	for i := range 9 * 12 {
		warming.values[i] *= float64(i) / (9 * 12)
	}
	flat := []series{steady(80<<20, 0), steady(200, 0), steady(60, 0)}
	for name, c := range map[string]struct {
		readings []series
		want     string
	}{
		"flat":             {flat, ""},
		"falling":          {[]series{steady(80<<20, -1<<20), flat[1], flat[2]}, ""},
		"warming up":       {[]series{warming, flat[1], flat[2]}, ""},
		"memory":           {[]series{steady(80<<20, 0.2*(1<<20)), flat[1], flat[2]}, "process_resident_memory_bytes grows by 2."},
		"goroutines":       {[]series{flat[0], steady(200, 1), flat[2]}, "go_goroutines grows"},
		"bursts":           {[]series{flat[0], bursts(200), flat[2]}, ""},
		"two more sockets": {[]series{flat[0], flat[1], steady(60, 0.08)}, ""},
	} {
		err := judge([][]series{c.readings}, 10)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAMetricIsFound(t *testing.T) {
	text := []byte("# HELP go_goroutines n\ngo_goroutines_x 3\ngo_goroutines 1.2e+02\n")
	if v, ok := metric(text, "go_goroutines"); !ok || v != 120 {
		t.Errorf("%v, %v", v, ok)
	}
	if _, ok := metric(text, "go"); ok {
		t.Error("found a metric that is not there")
	}
}
