package rows

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/sqlite"
)

// `make bench-store` gives more of both.
var (
	events = flag.Int("events", 20_000, "events to store")
	rounds = flag.Int("rounds", 3, "how often each question is asked, with another argument each time")
)

// batchSize is what the log stores at a time when it is behind.
const batchSize = 1000

type store interface {
	event.Sink
	event.Reader
	event.SpendReader
	SumDay(ctx context.Context, over time.Time) (day time.Time, err error)
	Audit(ctx context.Context, repair bool, progress func(calls int)) (*database.Audit, error)
	Close() error
}

// goals are what a store is measured by.
type goals struct {
	perSecond float64
	p95       time.Duration
}

func TestSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cartrita.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	measure(t, s, goals{20_000, 300 * time.Millisecond}, func(statement string) error {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			return err
		}
		_, err = db.ExecContext(t.Context(), statement)
		return errors.Join(err, db.Close())
	})
}

func TestPostgres(t *testing.T) {
	url := testserver.Database(t)
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	measure(t, s, goals{30_000, 100 * time.Millisecond}, func(statement string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), statement)
		return errors.Join(err, conn.Close(t.Context()))
	})
}

// The n-th call is the same each time, and the set is as large as it says.
func TestSet(t *testing.T) {
	set := Set{Events: 20_000}
	count, ids := 0, map[model.CallID]bool{}
	for n := range set.Calls() {
		c := set.Call(n)
		count += len(event.Of(c))
		ids[c.ID] = true
		if again := set.Call(n); !reflect.DeepEqual(c, again) {
			t.Fatalf("call %d differs from itself:\n%s\n%s", n, c.RecordJSON, again.RecordJSON)
		}
		if c.ID != set.ID(n) || c.Ended.Before(Since) || !c.Ended.Before(Until) {
			t.Fatalf("call %d: id %s, ended %s", n, c.ID, c.Ended)
		}
	}
	if len(ids) != set.Calls() || count < 19_800 || count > 20_200 {
		t.Errorf("%d calls with %d ids and %d events", set.Calls(), len(ids), count)
	}
}

// measure fills a store, says how fast it took and answers, and checks what it
// answers. A goal that is missed is printed: the machine may be busy. exec runs
// a statement past the store.
func measure(t *testing.T, s store, g goals, exec func(statement string) error) {
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	set := Set{Events: *events}
	stored, cost, took := fill(t, s, set)
	t.Logf("%-34s %9.0f /s %s  (%d events of %d calls in %s)", "events stored", float64(stored)/took.Seconds(),
		verdict(float64(stored)/took.Seconds() >= g.perSecond), stored, set.Calls(), took.Round(time.Millisecond))
	sumDays(t, s)
	for _, q := range questions(s, set) {
		took := make([]time.Duration, *rounds)
		for i := range took {
			start := time.Now()
			found, err := q.ask(t.Context(), i)
			if took[i] = time.Since(start); err != nil || found == 0 {
				t.Fatalf("%s, round %d: found %d, %v", q.name, i, found, err)
			}
		}
		slices.Sort(took)
		p95 := took[(*rounds*95+99)/100-1]
		t.Logf("%-34s %9.2f ms p95 %s  (median %.2f)", q.name, ms(p95), verdict(p95 < g.p95), ms(took[*rounds/2]))
	}
	report, err := s.Costs(t.Context(), event.CostQuery{})
	if err != nil || report.Total.Cost != cost {
		t.Errorf("costs come to %d, want %d; %v", report.Total.Cost, cost, err)
	}
	start := time.Now()
	var audit *database.Audit
	resident := peak(func() { audit, err = s.Audit(t.Context(), false, func(int) {}) })
	t.Logf("%-34s %9.1f s, %s", "db verify", time.Since(start).Seconds(), resident)
	if err != nil || !audit.Agrees() || audit.Rows != int64(set.Calls()) {
		t.Errorf("the sums disagree with the %d calls: %+v, %v", set.Calls(), audit, err)
	}
	withoutCalls(t, s, exec)
}

// withoutCalls checks that sums come from the rollups alone: with the calls
// gone, every answer stays as it was.
func withoutCalls(t *testing.T, s store, exec func(statement string) error) {
	t.Helper()
	answers := func() (out []any) {
		for _, d := range event.Dimensions() {
			r, err := s.Costs(t.Context(), event.CostQuery{By: d})
			if err != nil {
				t.Fatal(err)
			}
			r.Total.LatencyMS, r.Total.TTFTMS = nil, nil // means are rounded anew each time
			for i := range r.Groups {
				r.Groups[i].LatencyMS, r.Groups[i].TTFTMS = nil, nil
			}
			out = append(out, r)
		}
		spend, err := s.BudgetSpend(t.Context(), Since)
		if err != nil {
			t.Fatal(err)
		}
		return append(out, spend)
	}
	before := answers()
	for _, statement := range []string{`DELETE FROM call_blocks`, `DELETE FROM calls`} {
		if err := exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := s.Calls(t.Context(), event.Filter{}); err != nil || len(p.Calls) > 0 {
		t.Fatalf("%d calls are left, %v", len(p.Calls), err)
	}
	if after := answers(); !reflect.DeepEqual(after, before) {
		t.Errorf("without the calls, the sums are others:\n%v\n%v", after, before)
	}
}

// fill stores the set and returns its events, its cost and the time that only
// the storing took.
func fill(t *testing.T, s store, set Set) (stored int, cost model.Money, took time.Duration) {
	t.Helper()
	for n := 0; n < set.Calls(); n += batchSize {
		b := event.Batch{Spool: "rows", Position: event.Position{Segment: 1, Offset: int64(n + 1)}}
		for i := n; i < min(n+batchSize, set.Calls()); i++ {
			c := set.Call(i)
			stored += len(event.Of(c))
			cost += c.Cost
			b.Calls = append(b.Calls, c)
		}
		start := time.Now()
		if _, err := s.Ingest(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		took += time.Since(start)
	}
	return stored, cost, took
}

// sumDays makes the sums of the days that are over, as a job does each night.
func sumDays(t *testing.T, s store) {
	t.Helper()
	var took []time.Duration
	for {
		start := time.Now()
		day, err := s.SumDay(t.Context(), Until)
		if err != nil {
			t.Fatal(err)
		}
		if day.IsZero() {
			break
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("%-34s %9.2f ms median, %.2f at most, of %d", "the sums of a day", ms(took[len(took)/2]), ms(took[len(took)-1]), len(took))
	}
}

// question is one that the API asks of a store. It returns how much was found.
type question struct {
	name string
	ask  func(ctx context.Context, round int) (int, error)
}

func questions(s store, set Set) []question {
	page := func(name string, f func(i int) event.Filter) question {
		return question{"events: " + name, func(ctx context.Context, i int) (int, error) {
			p, err := s.Calls(ctx, f(i))
			return len(p.Calls), err
		}}
	}
	none := func(of string, f func(i int) event.Filter) question { // where nothing is found, the most has to be looked at
		q := page("none of "+of, f)
		return question{q.name, func(ctx context.Context, i int) (int, error) {
			found, err := q.ask(ctx, i)
			if err == nil && found > 0 {
				err = fmt.Errorf("%d calls are found that there are not", found)
			}
			return 1, err
		}}
	}
	costs := func(name string, f func(i int) event.CostQuery) question {
		return question{"costs: " + name, func(ctx context.Context, i int) (int, error) {
			r, err := s.Costs(ctx, f(i))
			return len(r.Groups), err
		}}
	}
	user := func(i int) string { return fmt.Sprintf("user-%d", i) }
	provider := func(i int) string { return fmt.Sprintf("host-%d", i%hosts) }
	name := func(i int) model.ModelID { _, m := endpoint(i%models, 0); return m }
	week := func(i int) (since, until time.Time) {
		since = Since.AddDate(0, 0, i)
		return since, since.AddDate(0, 0, 7)
	}
	out := []question{
		{"explain, decision: a call by its id", func(ctx context.Context, i int) (int, error) {
			r, err := s.Call(ctx, set.ID(set.Calls() / *rounds * i))
			if err != nil {
				return 0, err
			}
			return len(r.Asked), nil
		}},
		page("latest", func(int) event.Filter { return event.Filter{} }),
		page("latest, with plans", func(int) event.Filter { return event.Filter{Plans: true} }),
		page("a thousand", func(int) event.Filter { return event.Filter{Limit: event.MaxLimit} }),
		page("of a week", func(i int) (f event.Filter) { f.Since, f.Until = week(i); return f }),
		page("of a model", func(i int) event.Filter { return event.Filter{Model: name(i)} }),
		page("of a user", func(i int) event.Filter { return event.Filter{User: user(i)} }),
		page("of a user and a model", func(i int) event.Filter { return event.Filter{User: user(0), Model: name(i)} }),
		page("failed", func(int) event.Filter { return event.Filter{State: model.StateFailed} }),
		page("of a rare tag", func(int) event.Filter { return event.Filter{Tag: Needle} }),
		page("of a stage", func(i int) event.Filter { return event.Filter{Stage: fmt.Sprintf("stage-%d", i%6)} }),
		page("of a strategy", func(i int) event.Filter { return event.Filter{Strategy: []string{"balanced", "speed-first"}[i%2]} }),
		page("decisions", func(int) event.Filter { return event.Filter{State: model.StatePlanned} }),
		none("a stage", func(i int) event.Filter { return event.Filter{Stage: user(i)} }),
		none("a model and a stage", func(i int) event.Filter { return event.Filter{Model: name(i), Stage: "none"} }),
		none("a supervisor", func(i int) event.Filter { return event.Filter{Supervisor: user(i)} }),
		none("a strategy", func(i int) event.Filter { return event.Filter{Strategy: user(i)} }),
		none("a tag", func(i int) event.Filter { return event.Filter{Tag: user(i)} }),
		costs("of a user by day", func(i int) event.CostQuery { return event.CostQuery{By: event.ByDay, User: user(i)} }),
		costs("of a week by hour", func(i int) (q event.CostQuery) {
			q.By = event.ByHour
			q.Since, q.Until = week(i)
			return q
		}),
		// Sums of days that are over answer for who tells both apart, except by workflow run.
		costs("of a team by model", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByModel, Team: fmt.Sprintf("team-%d", i%20)}
		}),
		costs("of a provider, three months by team", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByTeam, Provider: provider(i), Limit: event.DefaultCostLines}
		}),
		costs("of a provider, a week by team", func(i int) (q event.CostQuery) {
			q = event.CostQuery{By: event.ByTeam, Provider: provider(i), Limit: event.DefaultCostLines}
			q.Since, q.Until = week(i)
			return q
		}),
		costs("of a team by strategy", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByStrategy, Team: fmt.Sprintf("team-%d", i%20)}
		}),
		costs("of a team, a model and a strategy", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByDay, Team: fmt.Sprintf("team-%d", i%20), Model: name(i), Strategy: "balanced"}
		}),
		costs("of a provider, three months by user", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByUser, Provider: provider(i), Limit: event.DefaultCostLines}
		}),
		costs("of a provider, a week by user", func(i int) (q event.CostQuery) {
			q = event.CostQuery{By: event.ByUser, Provider: provider(i), Limit: event.DefaultCostLines}
			q.Since, q.Until = week(i)
			return q
		}),
		costs("of a workflow run by model", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByModel, Workflow: fmt.Sprintf("run-%d", set.Calls()/40 / *rounds * i)}
		}),
		costs("of a provider, a week by run", func(i int) (q event.CostQuery) {
			q = event.CostQuery{By: event.ByWorkflow, Provider: provider(i), Limit: event.DefaultCostLines}
			q.Since, q.Until = week(i)
			return q
		}),
		costs("of a provider, three months by run", func(i int) event.CostQuery {
			return event.CostQuery{By: event.ByWorkflow, Provider: provider(i), Limit: event.DefaultCostLines}
		}),
		costs("of thirty days by user", func(i int) event.CostQuery { // they begin and end within a day
			since := Since.AddDate(0, 0, i).Add(7 * time.Hour)
			return event.CostQuery{By: event.ByUser, Since: since, Until: since.AddDate(0, 0, 30), Limit: event.DefaultCostLines}
		}),
		{"budgets: spend of all periods", func(ctx context.Context, _ int) (int, error) {
			b, err := s.BudgetSpend(ctx, Since)
			return len(b), err
		}},
	}
	for _, d := range event.Dimensions() {
		q := event.CostQuery{By: d}
		if !d.InTime() {
			q.Limit = event.DefaultCostLines // as the API asks
		}
		out = append(out, costs("three months by "+string(d), func(int) event.CostQuery { return q }))
	}
	return out
}

func verdict(met bool) string {
	if met {
		return "met   "
	}
	return "MISSED"
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
