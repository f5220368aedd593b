package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
)

// Through a pipe there are the same lines as on a terminal, and none of them is
// taken for the name of a group.
func TestCostsThroughAPipe(t *testing.T) {
	var out, errs bytes.Buffer
	sum := event.CostSum{Calls: 1}
	r := &event.CostReport{By: event.ByUser, Total: event.CostSum{Calls: 7, Unpriced: 1}, Others: &event.CostOthers{Groups: 3, CostSum: sum}}
	for _, key := range []string{"", "ann", "(none)", "(3 others)", "total", `"x"`} {
		r.Groups = append(r.Groups, event.CostLine{Key: key, CostSum: sum})
	}
	(&printer{out: &out, err: &errs}).costs(r)
	var first []string
	for line := range strings.Lines(out.String()) {
		name, _, _ := strings.Cut(line, "\t")
		first = append(first, name)
	}
	if got, want := strings.Join(first, "|"), `USER|(none)|ann|"(none)"|"(3 others)"|"total"|"\"x\""|(3 others)|total`; got != want {
		t.Errorf("the first column is %s, want %s", got, want)
	}
	if got := errs.String(); !strings.HasPrefix(got, "1 call has a cost that is not all known") {
		t.Errorf("remarks: %s", got)
	}
}

// Sums by tag have no line for calls without one, so that it is said.
func TestCostsWithoutTags(t *testing.T) {
	for _, c := range []struct {
		calls int64
		want  string
	}{{3, "no key of these calls has a tag\n"}, {0, "no calls in this time\n"}} {
		var out, errs bytes.Buffer
		(&printer{out: &out, err: &errs}).costs(&event.CostReport{By: event.ByTag, Total: event.CostSum{Calls: c.calls}})
		if errs.String() != c.want {
			t.Errorf("%d calls: %q, want %q", c.calls, errs.String(), c.want)
		}
	}
}

// Sums are by the hour: the table says which hours it shows.
func TestCostsSayWhichHoursTheyAreOf(t *testing.T) {
	at := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	for want, r := range map[string]*event.CostReport{
		"whole hours: from 2026-11-27T03:00:00Z on\n":                         {Since: at},
		"whole hours: from 2026-11-27T03:00:00Z until 2026-11-27T05:00:00Z\n": {Since: at, Until: at.Add(2 * time.Hour)},
		"whole hours: until 2026-11-27T03:00:00Z\n":                           {Until: at},
		"whole hours: from 2026-11-27T03:00:00Z on\nno calls in this time\n":  {Since: at, Total: event.CostSum{Calls: -1}},
	} {
		var out, errs bytes.Buffer
		r.Total.Calls++
		(&printer{out: &out, err: &errs}).costs(r)
		if errs.String() != want {
			t.Errorf("%q, want %q", errs.String(), want)
		}
	}
	help := newBench(t, "").ok("costs", "show", "--help")
	if strings.Count(strings.Join(strings.Fields(help), " "), "to the whole hour") != 2 {
		t.Errorf("the help:\n%s", help)
	}
}

// "From the beginning until the end of time" is everything, wherever there are
// times, and what lies beyond what can be written is no more than that.
func TestTimesAtTheEndsOfTheCalendar(t *testing.T) {
	b := newBench(t, "")
	b.serve("--demo")
	b.ok("chat", "hello")
	prices := b.file("prices.yaml", "demo/atlas-large: {input_usd_per_million: 1, output_usd_per_million: 1}")
	for _, times := range [][]string{
		{"--since", "0001-01-01T00:00:00Z", "--until", "9999-12-31T23:59:59Z"},
		{"--since", "0001-01-01T00:00:00+05:00", "--until", "9999-12-31T23:59:59-05:00"},
	} {
		for _, command := range [][]string{
			{"costs", "--by", "user"}, {"costs", "--by", "day"}, {"costs", "--format", "csv"}, {"costs", "--format", "focus"},
			{"events"}, {"audit", "list"}, {"replay"}, {"costs", "suggest"}, {"costs", "reprice", "--dry-run", "--prices", prices},
		} {
			b.ok(append(command, times...)...)
		}
		var report event.CostReport
		b.json(&report, append([]string{"costs"}, times...)...)
		if report.Total.Calls != 1 || !report.Since.IsZero() || !report.Until.IsZero() {
			t.Errorf("%v: %+v", times, report)
		}
		b.ok("budget", "audit", times[0], times[1])
		b.ok("budget", "audit", "--since", times[3])
		b.ok("costs", "--since", times[3])
		if r := b.run("events", "--until", times[1]); r.code != exitOK || r.err != "no such events are stored\n" {
			t.Errorf("before everything: exit code %d\n%s%s", r.code, r.out, r.err)
		}
	}
}
