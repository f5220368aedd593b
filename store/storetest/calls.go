package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// sameRecord compares records as documents keep them; a candidate's place in
// the snapshot is not kept.
var sameRecord = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(model.Candidate{}, "Index")}

func callsWhole(t *testing.T, s Store) {
	calls := append(samples(200), decision(200), refused(201))
	ingest(t, s, 90, calls...)
	for _, c := range calls {
		got, err := s.Call(t.Context(), c.Record.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.Record, got, sameRecord); diff != "" {
			t.Fatalf("a record comes back changed:\n%s", diff)
		}
	}
	page, err := s.Calls(t.Context(), event.Filter{Limit: 300, Plans: true})
	if err != nil || len(page.Calls) != len(calls) || page.Next != "" {
		t.Fatalf("%d calls are listed of %d, next %q, %v", len(page.Calls), len(calls), page.Next, err)
	}
	for i, got := range page.Calls {
		want := calls[len(calls)-1-i]
		want.Seq, want.RecordJSON, want.PlanJSON = got.Seq, nil, nil
		if diff := cmp.Diff(want, got, sameRecord); diff != "" {
			t.Fatalf("a call is listed changed:\n%s", diff)
		}
		if i > 0 && got.Seq >= page.Calls[i-1].Seq {
			t.Fatal("the latest call is not the first")
		}
	}
	page, err = s.Calls(t.Context(), event.Filter{Limit: 1, Cursor: page.Next})
	if err != nil || page.Calls[0].Record.Plan != nil {
		t.Errorf("a plan is listed that was not asked for, %v", err)
	}
}

func callUnknown(t *testing.T, s Store) {
	if _, err := s.Call(t.Context(), model.NewCallID()); model.KindOf(err) != model.KindNotFound {
		t.Errorf("an unknown id gives %v, want not found", err)
	}
	if page, err := s.Calls(t.Context(), event.Filter{Model: "nobody"}); err != nil || len(page.Calls) != 0 || page.Next != "" {
		t.Errorf("nothing matches gives %v, %v", page, err)
	}
}

func callsOnce(t *testing.T, s Store) {
	calls := samples(50)
	ingest(t, s, 20, calls...)
	again := append(append(slices.Clone(calls[10:]), Sample(50)), Sample(50))
	stored, err := s.Ingest(t.Context(), event.Batch{Calls: again})
	if err != nil || len(stored) != 1 || stored[0].ID != Sample(50).ID {
		t.Errorf("of 42 calls, one of them new, %d are said to be stored now, %v", len(stored), err)
	}
	page, err := s.Calls(t.Context(), event.Filter{Limit: 1000})
	if err != nil || len(page.Calls) != 51 {
		t.Fatalf("51 calls, some of them given twice, are stored as %d, %v", len(page.Calls), err)
	}
	report, err := s.Costs(t.Context(), event.CostQuery{})
	if err != nil || report.Total.Calls != 51 {
		t.Errorf("they are counted as %d, %v", report.Total.Calls, err)
	}
	if got, err := s.Call(t.Context(), Sample(50).Record.ID); err != nil || got.Plan == nil {
		t.Errorf("a new call beside known ones comes back as %+v, %v", got, err)
	}
}

func callsAllOrNothing(t *testing.T, s Store) {
	bad := Sample(3)
	bad.Record.State = "lost"
	at := event.Position{Segment: 3, Offset: 100}
	_, err := s.Ingest(t.Context(), event.Batch{Spool: "spool", Position: at, Calls: []event.Call{Sample(1), Sample(2), encode(bad)}})
	if model.KindOf(err) != model.KindInvalid {
		t.Errorf("a record in no known state gives %v, want invalid", err)
	}
	if page, err := s.Calls(t.Context(), event.Filter{}); err != nil || len(page.Calls) != 0 {
		t.Errorf("%d calls of a refused batch are stored, %v", len(page.Calls), err)
	}
	if report, err := s.Costs(t.Context(), event.CostQuery{}); err != nil || report.Total.Calls != 0 {
		t.Errorf("%d calls of a refused batch are counted, %v", report.Total.Calls, err)
	}
	if p, err := s.Position(t.Context(), "spool"); err != nil || p != (event.Position{}) {
		t.Errorf("the position of a refused batch is stored: %v, %v", p, err)
	}
}

// callsOfATag finds a tag that only a decision without a call has, which no sums have.
func callsOfATag(t *testing.T, s Store) {
	d := decision(200)
	d.Record.Caller.Tags = []string{"trial"}
	d = encode(d)
	ingest(t, s, 50, append(samples(20), d)...)
	for name, c := range map[string]struct {
		f    event.Filter
		want int
	}{
		"any state":      {event.Filter{Tag: "trial"}, 1},
		"decisions":      {event.Filter{Tag: "trial", State: model.StatePlanned}, 1},
		"completed":      {event.Filter{Tag: "trial", State: model.StateCompleted}, 0},
		"a tag of calls": {event.Filter{Tag: "eu", State: model.StatePlanned}, 0},
		"of nobody":      {event.Filter{Tag: "tria"}, 0},
	} {
		p, err := s.Calls(t.Context(), c.f)
		if err != nil || len(p.Calls) != c.want || c.want > 0 && p.Calls[0].Record.ID != d.Record.ID {
			t.Errorf("%s: %d calls, %v; want %d", name, len(p.Calls), err, c.want)
		}
	}
}

func callsFilters(t *testing.T, s Store) {
	calls := samples(120)
	ingest(t, s, 50, calls...)
	task := model.Task(2)
	for name, f := range map[string]event.Filter{
		"all":             {},
		"since":           {Since: base.Add(30 * time.Second)},
		"until":           {Until: base.Add(30 * time.Second)},
		"a span":          {Since: base.Add(10 * time.Second), Until: base.Add(20 * time.Second)},
		"completed":       {State: model.StateCompleted},
		"failed":          {State: model.StateFailed},
		"planned":         {State: model.StatePlanned},
		"model":           {Model: "model-1"},
		"endpoint":        {Endpoint: "p1/model-1"},
		"provider":        {Provider: "p1"},
		"two of them":     {Provider: "p1", Model: "model-2"},
		"none together":   {Provider: "p1", Endpoint: "p0/model-2"},
		"task":            {Task: &task},
		"strategy":        {Strategy: "speed-first"},
		"user":            {User: "user-2"},
		"workflow":        {Workflow: "run-4"},
		"stage":           {Stage: "draft"},
		"session":         {Session: "session-2"},
		"user and model":  {User: "user-1", Model: "model-1"},
		"failed at model": {State: model.StateFailed, Model: "model-0"},
		"key":             {Key: "key-1"},
		"team":            {Team: "team-1", Model: "model-1"},
		"project":         {Project: "project-2"},
		"supervisor":      {Supervisor: "boss-0"},
		"tag":             {Tag: "eu", Provider: "p1"},
		"quoted tag":      {Tag: `"eu"`},
		"quote":           {User: `' OR 1=1 --`},
	} {
		for _, limit := range []int{7, 1000} {
			f.Limit = limit
			t.Run(fmt.Sprintf("%s by %d", name, limit), func(t *testing.T) { sameCalls(t, s, f, calls) })
		}
	}
}

// sameCalls walks all pages and compares them with what a look at every call gives.
func sameCalls(t *testing.T, s Store, f event.Filter, calls []event.Call) {
	t.Helper()
	var want, got []model.CallID
	for _, c := range calls {
		if f.MatchCall(&c) {
			want = append(want, c.Record.ID)
		}
	}
	slices.Reverse(want)
	for {
		page, err := s.Calls(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Calls) > f.Limit {
			t.Fatalf("a page has %d calls, want at most %d", len(page.Calls), f.Limit)
		}
		for _, c := range page.Calls {
			got = append(got, c.Record.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %d calls, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func callsPages(t *testing.T, s Store) {
	calls := samples(30)
	ingest(t, s, 30, calls...)
	first, err := s.Calls(t.Context(), event.Filter{Limit: 10})
	if err != nil || first.Next == "" {
		t.Fatalf("next is %q, %v", first.Next, err)
	}
	ingest(t, s, 10, Sample(30), Sample(31)) // newer calls do not shift the pages that follow
	second, err := s.Calls(t.Context(), event.Filter{Limit: 20, Cursor: first.Next})
	if err != nil || len(second.Calls) != 20 || second.Next != "" {
		t.Fatalf("the second page has %d calls, next %q, %v", len(second.Calls), second.Next, err)
	}
	if second.Calls[0].Record.ID != calls[19].Record.ID {
		t.Error("the second page does not go on where the first ended")
	}
	if page, err := s.Calls(t.Context(), event.Filter{}); err != nil || len(page.Calls) != 32 {
		t.Errorf("a page of the default size has %d calls of 32, %v", len(page.Calls), err)
	}
}

func callsCursor(t *testing.T, s Store) {
	if _, err := s.Calls(t.Context(), event.Filter{Cursor: "?!"}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("a malformed cursor gives %v, want invalid", err)
	}
}

func callsConcurrent(t *testing.T, s Store) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				report, err := s.Costs(t.Context(), event.CostQuery{By: event.ByModel})
				if err != nil {
					t.Error(err)
					return
				}
				var sum int64
				for _, g := range report.Groups {
					sum += g.Calls
				}
				if sum != report.Total.Calls || sum%10 != 0 {
					t.Errorf("a report taken while calls are stored has groups of %d calls, total %d", sum, report.Total.Calls)
					return
				}
				if _, err := s.Calls(t.Context(), event.Filter{Limit: 20, Plans: true}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	ingest(t, s, 10, samples(300)...)
	close(stop)
	wg.Wait()
}

func position(t *testing.T, s Store) {
	at := func(spool string) event.Position {
		p, err := s.Position(t.Context(), spool)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := at("a"); p != (event.Position{}) {
		t.Errorf("an unknown spool is at %v", p)
	}
	for i, b := range []event.Batch{
		{Spool: "a", Position: event.Position{Segment: 1, Offset: 10}, Calls: samples(2)},
		{Spool: "b", Position: event.Position{Segment: 9, Offset: 1 << 40}},
		{Spool: "a", Calls: samples(3)}, // no position: stays
		{Spool: "a", Position: event.Position{Segment: 2, Offset: 32}, Calls: samples(3)},
	} {
		if _, err := s.Ingest(t.Context(), b); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		if b.Position == (event.Position{}) {
			b.Position = event.Position{Segment: 1, Offset: 10}
		}
		if p := at(b.Spool); p != b.Position {
			t.Errorf("after batch %d spool %s is at %v, want %v", i, b.Spool, p, b.Position)
		}
	}
}
