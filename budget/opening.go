package budget

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Opening is what a budget had spent when it came into force: the calls on
// record in its current period that it was not charged for. Without it a budget
// that is created, renamed or given another period in the middle of a month
// would let the month be spent twice.
type Opening struct {
	Name     string    `json:"name"`
	Counting string    `json:"counting"` // scope, period and time zone that it was worked out for; "" when the budget is not in force any more
	At       time.Time `json:"at"`
	Calls    int64     `json:"calls"` // that were counted
	Spent    []Spent   `json:"spent,omitempty"`
}

// Past is the calls on record.
type Past interface {
	// Entries shows what the calls that ended at since or later took, oldest
	// first; visit does not keep an entry. Errors: KindUnavailable.
	Entries(ctx context.Context, since time.Time, visit func(*Entry)) error
}

// Entry is one call on record.
type Entry struct {
	Subject Subject
	At      time.Time // when it ended
	Parts   []Part
	Charges []model.Charge // to the budgets that were in force
}

// Part is what one attempt of a call took. The call itself, a request, is a
// part of the first attempt that took anything.
type Part struct {
	Target Target
	Quantities
	Assumed bool // the amounts are what was likely: nobody saw the end of the attempt
}

// counting says by what a budget counts; a change of it makes another budget of it.
func (b *Budget) counting() string {
	parts := []string{string(b.Period), b.TimeZone}
	if b.Rolling {
		parts = append(parts, "rolling")
	}
	return strings.Join(append(parts, b.Scope.String()), " ")
}

// Backfill counts what budgets that are new had spent before they came into
// force. A call that was under way then and ends later is not counted. It is to
// be called after Load, and after a Configure behind that; Create does it.
// Errors: KindUnavailable; the budgets then count from now on, until it is
// called again.
func (b *Book) Backfill(ctx context.Context) error {
	b.opening.Lock()
	defer b.opening.Unlock()
	now := b.ledger.cfg.Clock()
	fresh, err := b.fresh(ctx, now)
	if err != nil || len(fresh) == 0 {
		return err
	}
	since := now
	for _, t := range fresh {
		if at := instant(t.first); at.Before(since) {
			since = at
		}
	}
	err = b.past.Entries(ctx, since, func(e *Entry) {
		for _, t := range fresh {
			t.add(e)
		}
	})
	if err != nil {
		return err
	}
	for _, t := range fresh {
		o := Opening{Name: t.state.Name, Counting: t.state.counting(), At: now.UTC(), Calls: t.calls}
		var more []Spent
		o.Spent, more = t.spent(b.openings[o.Name].Spent)
		if err := b.save(ctx, o); err != nil {
			return err
		}
		if b.ledger.escrow != nil {
			b.ledger.learn(before(o))
		} else {
			b.ledger.open(more)
		}
	}
	return nil
}

// fresh begins a tally for each budget whose past was not counted yet. One that
// is gone will be new when it comes back: nobody charged it in between.
func (b *Book) fresh(ctx context.Context, now time.Time) ([]*tally, error) {
	inForce := map[string]bool{}
	var tallies []*tally
	for _, n := range b.List() {
		n = n.WithDefaults(b.ledger.cfg.UnknownPrice)
		inForce[n.Name] = true
		if b.openings[n.Name].Counting == n.counting() {
			continue
		}
		s, err := newState(n, 0)
		if err != nil {
			return nil, err
		}
		tallies = append(tallies, &tally{state: s, first: s.calendar.first(now.UnixNano()), sums: map[auditKey]amounts{}, guess: map[auditKey]model.Money{}})
	}
	for name, o := range b.openings {
		if !inForce[name] && o.Counting != "" {
			o.Counting = ""
			if err := b.save(ctx, o); err != nil {
				return nil, err
			}
		}
	}
	return tallies, nil
}

func (b *Book) save(ctx context.Context, o Opening) error {
	if err := b.store.SaveOpening(ctx, o); err != nil {
		return err
	}
	b.openings[o.Name] = o
	return nil
}

// Openings returns what the budgets had spent when they came into force.
func (b *Book) Openings() []Opening {
	b.opening.Lock()
	defer b.opening.Unlock()
	return slices.Collect(maps.Values(b.openings))
}

// tally adds up calls on record for one budget.
type tally struct {
	state *state
	first int64 // start of the oldest period or bucket that counts
	calls int64
	sums  map[auditKey]amounts
	guess map[auditKey]model.Money // the part that is assumed
}

func (t *tally) add(e *Entry) {
	start, _ := t.state.calendar.bounds(e.At.UnixNano())
	if start < t.first {
		return
	}
	counted := false
	for i := range e.Parts {
		p := &e.Parts[i]
		for id := range t.ids(&e.Subject, &p.Target) {
			k := auditKey{id, start}
			if charged(e.Charges, k) {
				continue
			}
			sum := t.sums[k]
			for u, n := range p.amounts() {
				sum[u] += n
			}
			t.sums[k] = sum
			if p.Assumed {
				t.guess[k] += p.USD
			}
			counted = true
		}
	}
	if counted {
		t.calls++
	}
}

// ids are the counters that an attempt falls under.
func (t *tally) ids(s *Subject, target *Target) map[model.BudgetID]bool {
	ids := map[model.BudgetID]bool{}
	tags := []string{""}
	if t.state.scope[dimTag] == Any {
		tags = s.Tags
	}
	for _, tag := range tags {
		if values, ok := t.state.match(s, target, tag); ok {
			ids[idOf(t.state, values)] = true
		}
	}
	return ids
}

// charged reports whether the call was charged to the counter in that period:
// then the counter has it already.
func charged(charges []model.Charge, k auditKey) bool {
	return slices.ContainsFunc(charges, func(c model.Charge) bool { return c.Budget == k.id && c.Period.UnixNano() == k.start })
}

// spent returns the sums, and what of them is more than former, which an
// earlier opening of the budget has put into its counters.
func (t *tally) spent(former []Spent) (all, more []Spent) {
	for _, f := range former {
		k := auditKey{f.Budget, f.Period.UnixNano()}
		if k.start < t.first {
			continue
		}
		sum := t.sums[k]
		for u, n := range f.amounts() {
			sum[u] = max(sum[u], n) // calls may have left the records
		}
		t.sums[k] = sum
	}
	for k, sum := range t.sums {
		entry := Spent{Budget: k.id, Period: instant(k.start), Quantities: sum.quantities(), Assumed: t.guess[k]}
		for _, f := range former {
			if f.Budget == k.id && f.Period.Equal(entry.Period) {
				entry.Assumed = max(entry.Assumed, f.Assumed)
				for u, n := range f.amounts() {
					sum[u] -= n
				}
			}
		}
		all = append(all, entry)
		entry.Assumed = min(entry.Assumed, max(model.Money(sum[usd]), 0))
		if entry.Quantities = sum.quantities(); sum != (amounts{}) {
			more = append(more, entry)
		}
	}
	slices.SortFunc(all, func(x, y Spent) int { return cmp.Or(cmp.Compare(x.Budget, y.Budget), x.Period.Compare(y.Period)) })
	return all, more
}

// open adds what was spent before to counters that are in force. What it
// crosses is reported: nobody was told of it.
func (l *Ledger) open(entries []Spent) {
	now := l.cfg.Clock().UnixNano()
	changed := map[*instance]bool{}
	l.mu.Lock()
	byName := l.byName()
	for _, e := range entries {
		if s, values, ok := parseID(byName, e.Budget); ok {
			in := l.instance(s, values, now)
			if now >= in.until {
				l.refresh(in, now)
			}
			l.credit(in, e)
			changed[in] = true
		}
	}
	all := slices.Collect(maps.Keys(changed))
	settleLevels(all)
	l.mu.Unlock()
	l.relevel(all)
}
