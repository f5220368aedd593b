package budget

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Status is one counter as it stands.
type Status struct {
	ID          model.BudgetID `json:"id"`
	Name        string         `json:"name"`
	Scope       Scope          `json:"scope,omitzero"` // with the values of this counter
	Every       Every          `json:"period"`
	Rolling     bool           `json:"rolling,omitempty"`
	TimeZone    string         `json:"time_zone"`
	PeriodStart time.Time      `json:"period_start"`
	ResetsAt    *time.Time     `json:"resets_at,omitempty"` // absent: never, or bit by bit
	Limit       Limits         `json:"limit"`
	Spent       Quantities     `json:"spent"`
	Assumed     model.Money    `json:"assumed_usd,omitzero"` // of Spent, what no bill says: of calls without a known price, or whose end nobody saw
	Held        Quantities     `json:"held"`
	Remaining   Limits         `json:"remaining"` // limit less spent and held; below 0 after calls that cost more than was held
	Used        float64        `json:"used"`      // share of the limit that is spent
	Thresholds  []string       `json:"thresholds_crossed,omitempty"`
	Steps       []Step         `json:"steps_in_force,omitempty"`
	Reserve     string         `json:"reserve"`
	Override    *Override      `json:"override,omitempty"`
	Overshoot   Overshoot      `json:"overshoot"`
	Projection  *Projection    `json:"projection,omitempty"` // absent before anything is spent, and without a limit in dollars
}

// Limits are amounts of the limited units; nil is no limit.
type Limits struct {
	USD      *model.Money `json:"usd,omitempty"`
	Tokens   *int64       `json:"tokens,omitempty"`
	Requests *int64       `json:"requests,omitempty"`
}

// Overshoot counts calls that cost more than was held for them, since the start
// of this process.
type Overshoot struct {
	Calls int64       `json:"calls"`
	USD   model.Money `json:"usd"` // by how much together
}

// Projection is where a budget is going if calls come as they did so far in
// this period: independently of one another, each costing what one of those
// seen cost. The interval holds 90 % of what that leads to; calls that come
// in bursts spread wider.
type Projection struct {
	PerHour     model.Money `json:"usd_per_hour"`
	PerHourLow  model.Money `json:"usd_per_hour_low"`
	PerHourHigh model.Money `json:"usd_per_hour_high"`
	// Seconds until the limit is spent; nil: not before the period ends. Low
	// is the sooner end of the interval.
	Exhausted     *float64 `json:"exhausted_in_s,omitempty"`
	ExhaustedLow  *float64 `json:"exhausted_in_s_low,omitempty"`
	ExhaustedHigh *float64 `json:"exhausted_in_s_high,omitempty"`
	Calls         int64    `json:"calls"` // that it rests on
}

// z90 is the normal quantile of a two-sided interval of 90 %.
const z90 = 1.6449

// statusChunk is the number of counters that are read under one lock: calls
// wait for no more than that.
const statusChunk = 256

// Status lists the counters in the order of configuration, then by id. Each
// is of one instant, not all of the same.
func (l *Ledger) Status() []Status { return l.First(math.MaxInt) }

// First is the beginning of Status.
func (l *Ledger) First(n int) []Status {
	l.mu.RLock()
	ins := slices.Collect(maps.Values(l.insts))
	order := make(map[*instance]int, len(ins))
	for _, in := range ins {
		order[in] = in.state.order
	}
	l.mu.RUnlock()
	slices.SortFunc(ins, func(a, b *instance) int {
		return cmp.Or(cmp.Compare(order[a], order[b]), cmp.Compare(a.id, b.id))
	})
	out := []Status{}
	for chunk := range slices.Chunk(ins[:min(n, len(ins))], statusChunk) {
		out = l.appendStatus(out, chunk)
		l.relevel(chunk)
	}
	return out
}

func (l *Ledger) appendStatus(out []Status, ins []*instance) []Status {
	now := l.cfg.Clock().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.journal.held()
	for _, in := range ins {
		if l.insts[in.id] != in {
			continue // gone meanwhile
		}
		if now >= in.until {
			l.refresh(in, now)
		}
		settleLevels([]*instance{in})
		out = append(out, l.statusOf(in, held[in.win], now))
	}
	return out
}

func (l *Ledger) statusOf(in *instance, held amounts, now int64) Status {
	s := in.state
	var limit, rest [units]*int64
	for u := range units {
		if in.terms.limited[u] {
			n, left := in.terms.limit[u], in.terms.limit[u]-in.win.spent[u].Load()-held[u]
			limit[u], rest[u] = &n, &left
		}
	}
	st := Status{
		ID: in.id, Name: s.Name, Scope: scopeOf(in.values), Every: s.Period, Rolling: s.Rolling, TimeZone: s.TimeZone,
		PeriodStart: instant(in.win.start), ResetsAt: in.resets(),
		Limit: limits(limit), Spent: in.spent(), Assumed: model.Money(in.win.guess.Load()), Held: held.quantities(), Remaining: limits(rest), Used: in.share(),
		Reserve: s.Reserve, Overshoot: Overshoot{Calls: in.over.Load(), USD: model.Money(in.by.Load())},
		Projection: in.project(now),
	}
	for _, m := range s.marks[:min(int(in.level.Load()), len(s.marks))] {
		switch {
		case m.step == nil:
			st.Thresholds = append(st.Thresholds, m.name)
		case in.terms.ladder:
			st.Steps = append(st.Steps, *m.step)
		}
	}
	if o, ok := l.overrideOf(in, now); ok {
		st.Override = &o
	}
	return st
}

// quantities returns the limits, 0 where there is none.
func (l Limits) quantities() Quantities {
	var q Quantities
	if l.USD != nil {
		q.USD = *l.USD
	}
	if l.Tokens != nil {
		q.Tokens = *l.Tokens
	}
	if l.Requests != nil {
		q.Requests = *l.Requests
	}
	return q
}

func limits(p [units]*int64) Limits {
	return Limits{USD: (*model.Money)(p[usd]), Tokens: p[tokens], Requests: p[requests]}
}

// project extrapolates the calls that this process saw in the period as a
// compound Poisson process: their sum S in the time T has the variance Σx².
func (in *instance) project(now int64) *Projection {
	calls, sum, sq := in.win.flows()
	if !in.terms.limited[usd] || calls == 0 {
		return nil
	}
	from := max(in.win.start, in.since)
	if in.state.calendar.rolling() {
		from = max(in.since, now-int64(in.state.calendar.width))
	}
	hours := max(float64(now-from)/float64(time.Hour), 1.0/3600)
	half := z90 * math.Sqrt(sq)
	low, high := max(sum-half, 0)/hours, (sum+half)/hours
	p := &Projection{
		PerHour: model.FromUSD(sum / hours), PerHourLow: model.FromUSD(low), PerHourHigh: model.FromUSD(high), Calls: calls,
	}
	left := float64(in.terms.limit[usd]-in.win.spent[usd].Load()) / 1e9
	end := math.Inf(1)
	if t := in.resets(); t != nil {
		end = float64(t.UnixNano()-now) / 1e9
	}
	within := func(rate float64) *float64 {
		if left <= 0 {
			return new(float64)
		}
		if s := left / rate * 3600; rate > 0 && s < end {
			return &s
		}
		return nil
	}
	p.Exhausted, p.ExhaustedLow, p.ExhaustedHigh = within(sum/hours), within(high), within(low)
	return p
}

// flows sums what was seen in a window, in dollars.
func (w *window) flows() (calls int64, sum, sq float64) {
	add := func(f *flow) {
		calls += f.calls.Load()
		sum += float64(f.cost.Load()) / 1e9
		sq += math.Float64frombits(f.sq.Load())
	}
	add(&w.flow)
	for _, c := range w.cells {
		add(&c.flow)
	}
	return calls, sum, sq
}
