package batch

import (
	"strings"

	"github.com/cartrita/cartrita/event"
)

// WholeColumns are the columns of a tally in the tables of sums that are whole
// numbers, and MeanColumns those of milliseconds, which only means are made of.
// Tables are written and read in this order.
var (
	WholeColumns = []string{
		"calls", "failed", "unpriced", "cost", "estimated", "input", "cached_read", "cache_write", "output", "reasoning", "latency_calls", "ttft_calls",
	}
	MeanColumns = []string{"latency_ms", "ttft_ms"}
)

// TallyColumns are all of them.
var TallyColumns = append(append([]string(nil), WholeColumns...), MeanColumns...)

// ListTally lists them as SQL does.
var ListTally = strings.Join(TallyColumns, ", ")

// WholeOf are the numbers of a tally in the order of WholeColumns.
func WholeOf(t *event.Tally) [12]int64 {
	return [...]int64{
		t.Calls, t.Failed, t.Unpriced, int64(t.Cost), int64(t.Estimated),
		t.Input, t.CachedRead, t.CacheWrite, t.Output, t.Reasoning, t.LatencyCalls, t.TTFTCalls,
	}
}

// ScanTally are where the columns of a tally go.
func ScanTally(t *event.Tally) []any {
	return []any{
		&t.Calls, &t.Failed, &t.Unpriced, (*int64)(&t.Cost), (*int64)(&t.Estimated), &t.Input, &t.CachedRead, &t.CacheWrite, &t.Output, &t.Reasoning,
		&t.LatencyCalls, &t.TTFTCalls, &t.Latency, &t.TTFT,
	}
}

// AddTally lists the columns of a table's row, each with what is added to it by an
// INSERT that finds the row there.
func AddTally(table string) string {
	add := make([]string, len(TallyColumns))
	for i, c := range TallyColumns {
		add[i] = c + " = " + table + "." + c + " + excluded." + c
	}
	return strings.Join(add, ", ")
}

// sumTally sums the columns up: whole numbers by the aggregate sum.
func sumTally(sum string) string {
	var b strings.Builder
	add := func(sum, column string) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(sum + "(" + column + ") AS " + column)
	}
	for _, c := range WholeColumns {
		add(sum, c)
	}
	for _, c := range MeanColumns {
		add("sum", c)
	}
	return b.String()
}
