package budget

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Store keeps what must outlive the process. Implementations are safe for
// concurrent use. Errors: KindUnavailable when the store cannot be reached.
type Store interface {
	// Budgets returns the budgets that were saved, by name.
	Budgets(ctx context.Context) ([]Budget, error)
	// SaveBudget adds a budget or replaces the one of the same name.
	SaveBudget(ctx context.Context, b Budget) error
	// DeleteBudget removes a budget; its openings and overrides stay on record.
	// KindNotFound when there is none of the name.
	DeleteBudget(ctx context.Context, name string) error
	// Overrides returns the latest override of each id, expired ones included.
	Overrides(ctx context.Context) ([]SavedOverride, error)
	// SaveOverride adds an override; earlier ones of the id stay on record.
	SaveOverride(ctx context.Context, o SavedOverride) error
	// Openings returns the opening of each budget that has one, by name.
	Openings(ctx context.Context) ([]Opening, error)
	// SaveOpening adds an opening or replaces the one of the same name.
	SaveOpening(ctx context.Context, o Opening) error
}

// SavedOverride is an override with what it is for and when it was made.
type SavedOverride struct {
	Budget model.BudgetID `json:"budget"`
	At     time.Time      `json:"at"`
	Override
}

// Book keeps the budgets of a ledger: those of the configuration, and those
// that were created while the gateway ran, which a Store keeps. Safe for
// concurrent use.
type Book struct {
	ledger *Ledger
	store  Store
	past   Past

	opening  sync.Mutex         // held while calls on record are counted, outside mu
	openings map[string]Opening // by name

	mu         sync.Mutex
	configured []Budget // as given, with the policy of the configuration
	created    []Budget // by name
}

// NewBook makes a book without budgets.
func NewBook(l *Ledger, s Store, p Past) *Book {
	return &Book{ledger: l, store: s, past: p, openings: map[string]Opening{}}
}

// Ledger returns the ledger that the budgets are in.
func (b *Book) Ledger() *Ledger { return b.ledger }

// Load takes over what the store has and what spent returns, the sums of the
// charges of calls that ended, of periods that began at since or later: once,
// before calls are served.
func (b *Book) Load(ctx context.Context, spent func(ctx context.Context, since time.Time) ([]Spent, error)) error {
	created, err := b.store.Budgets(ctx)
	if err != nil {
		return err
	}
	overrides, err := b.store.Overrides(ctx)
	if err != nil {
		return err
	}
	openings, err := b.store.Openings(ctx)
	if err != nil {
		return err
	}
	b.opening.Lock()
	defer b.opening.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	former := b.created
	b.created = created
	since := oldest(b.all(), b.ledger.cfg.Clock())
	var entries []Spent
	if e := b.ledger.escrow; e != nil {
		entries, err = e.Join(ctx, since)
	} else {
		entries, err = spent(ctx, since)
	}
	if err != nil {
		b.created = former
		return err
	}
	for _, o := range openings {
		b.openings[o.Name] = o
		if b.ledger.escrow == nil {
			entries = append(entries, o.Spent...)
		}
	}
	b.ledger.learn(before(openings...))
	// What is spent comes first: no budget is in force before that is known.
	b.ledger.Load(entries)
	if err := b.ledger.Configure(b.all()); err != nil {
		return err
	}
	b.ledger.restore(overrides)
	return nil
}

// oldest is the beginning of the oldest period or bucket that counts now, and
// that of a month at the latest, should a budget's period be put back to it.
func oldest(budgets []Budget, now time.Time) time.Time {
	first := now.Add(-maxLoaded).UnixNano()
	for i := range budgets {
		zone := budgets[i].TimeZone
		if zone == "" {
			zone = "UTC"
		}
		if c, err := newCalendar(budgets[i].Period, budgets[i].Rolling, zone); err == nil {
			first = min(first, c.first(now.UnixNano()))
		}
	}
	return instant(first)
}

// Configure replaces the budgets of the configuration. On an error what was in
// force stays. One that was created under the same name gives way. Errors:
// KindInvalid with the field, "[2].limit_usd".
func (b *Book) Configure(configured []Budget) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	former := b.configured
	b.configured = slices.Clone(configured)
	if err := b.ledger.Configure(b.all()); err != nil {
		b.configured = former
		return err
	}
	return nil
}

func (b *Book) all() []Budget {
	all := slices.Clone(b.configured)
	for _, c := range b.created {
		if find(b.configured, c.Name) < 0 {
			all = append(all, c)
		}
	}
	return all
}

// Create adds a budget, or replaces one that was created before; it is in
// force when Create returns. Errors: KindInvalid with the field, KindConflict for
// the name of a configured budget, KindUnavailable when it cannot be saved.
func (b *Book) Create(ctx context.Context, n Budget) error {
	checked := n.WithDefaults(b.ledger.cfg.UnknownPrice)
	if err := checked.Validate(); err != nil {
		return err
	}
	n.Thresholds = checked.Thresholds
	if err := b.create(ctx, n); err != nil {
		return err
	}
	b.ledger.escrow.tell()
	if err := b.Backfill(ctx); err != nil {
		b.ledger.cfg.Logger.Warn("budget: what was spent before it was created is not counted until the next start", "budget", n.Name, "error", err)
	}
	return nil
}

func (b *Book) create(ctx context.Context, n Budget) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if find(b.configured, n.Name) >= 0 {
		return model.Errorf("budget.Create", model.KindConflict, "the budget %q is in the configuration; change it there", n.Name)
	}
	if err := b.store.SaveBudget(ctx, n); err != nil {
		return err
	}
	created := slices.DeleteFunc(slices.Clone(b.created), func(o Budget) bool { return o.Name == n.Name })
	b.created = append(created, n)
	slices.SortFunc(b.created, func(x, y Budget) int { return cmp.Compare(x.Name, y.Name) })
	return b.ledger.Configure(b.all())
}

// Delete removes a budget that was created while the gateway ran, with the
// overrides of its counters; it is out of force when Delete returns, and calls
// under way settle where they hold. Errors: KindConflict for a configured
// budget, KindNotFound, KindUnavailable when it cannot be saved.
func (b *Book) Delete(ctx context.Context, name string) error {
	if err := b.remove(ctx, name); err != nil {
		return err
	}
	b.ledger.escrow.tell()
	if err := b.Backfill(ctx); err != nil {
		b.ledger.cfg.Logger.Warn("budget: that it is gone is not on record; one of the same name may miss what is spent until then", "budget", name, "error", err)
	}
	return nil
}

func (b *Book) remove(ctx context.Context, name string) error {
	const op = "budget.Delete"
	b.mu.Lock()
	defer b.mu.Unlock()
	if find(b.configured, name) >= 0 {
		return model.Errorf(op, model.KindConflict, "the budget %q is in the configuration; remove it there", name)
	}
	if find(b.created, name) < 0 {
		return model.Errorf(op, model.KindNotFound, "there is no budget %q; see GET /api/v1/budgets", name)
	}
	// The overrides end first: one of the same name is not to begin with them.
	for _, o := range b.ledger.overridesOf(name) {
		o.At = b.ledger.cfg.Clock()
		o.Until = o.At
		if err := b.store.SaveOverride(ctx, o); err != nil {
			return err
		}
	}
	if err := b.store.DeleteBudget(ctx, name); err != nil {
		return err
	}
	b.created = slices.DeleteFunc(slices.Clone(b.created), func(o Budget) bool { return o.Name == name })
	b.ledger.endOverrides(name)
	return b.ledger.Configure(b.all())
}

// Override puts an override in force and on record. Errors as Ledger.Override,
// and KindUnavailable when it cannot be saved: it then ends with the process.
func (b *Book) Override(ctx context.Context, id model.BudgetID, o Override) error {
	if err := b.ledger.Override(id, o); err != nil {
		return err
	}
	err := b.store.SaveOverride(ctx, SavedOverride{Budget: id, At: b.ledger.cfg.Clock(), Override: o})
	b.ledger.escrow.tell()
	return err
}

// List returns the budgets as they were given, with the thresholds in force,
// configured ones first.
func (b *Book) List() []Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all()
	for i := range all {
		all[i].Thresholds = all[i].Thresholds.withDefaults()
	}
	return all
}

func find(budgets []Budget, name string) int {
	return slices.IndexFunc(budgets, func(b Budget) bool { return b.Name == name })
}

// Refresh takes over what another gateway changed: budgets that were created
// and deleted, overrides, openings. It is for an Escrow. Errors:
// KindUnavailable, and errBusy; what was in force then stays.
func (b *Book) Refresh(ctx context.Context) error {
	openings, err := b.store.Openings(ctx)
	if err != nil {
		return err
	}
	overrides, err := b.store.Overrides(ctx)
	if err != nil {
		return err
	}
	// Nothing is waited for here: a backfill takes long, and counts again at worst
	// what another gateway has counted.
	if b.opening.TryLock() {
		for _, o := range openings {
			b.openings[o.Name] = o
		}
		b.opening.Unlock()
	}
	if !b.mu.TryLock() {
		return errBusy
	}
	defer b.mu.Unlock()
	created, err := b.store.Budgets(ctx)
	if err != nil {
		return err
	}
	b.ledger.learn(before(openings...))
	if !reflect.DeepEqual(created, b.created) {
		former := b.created
		b.created = created
		if err := b.ledger.Configure(b.all()); err != nil {
			b.created = former
			return err
		}
	}
	b.ledger.replaceOverrides(overrides)
	return nil
}

// errBusy is of a Refresh that met a change on the way to the store; it is to be
// done again.
var errBusy = errors.New("budget: a change is under way")

// before words openings as what somebody else spent.
func before(openings ...Opening) []SpoolSpent {
	var rows []SpoolSpent
	for _, o := range openings {
		for _, s := range o.Spent {
			rows = append(rows, SpoolSpent{Spool: "opening", Spent: s}) // no spool has such a name
		}
	}
	return rows
}

// replaceOverrides puts those in force that are on record, and no others.
func (l *Ledger) replaceOverrides(saved []SavedOverride) {
	now := l.cfg.Clock()
	next := map[model.BudgetID]Override{}
	for _, o := range saved {
		if o.Until.After(now) {
			next[o.Budget] = o.Override
		}
	}
	l.mu.Lock()
	changed := map[*instance]bool{}
	for _, of := range []map[model.BudgetID]Override{l.overrides, next} {
		for id := range of {
			if reflect.DeepEqual(l.overrides[id], next[id]) {
				continue
			}
			ins, _ := l.under(id)
			for _, in := range ins {
				changed[in] = true
			}
		}
	}
	l.overrides = next
	l.held = l.journal.held()
	for in := range changed {
		l.refresh(in, now.UnixNano())
	}
	l.held = nil
	ins := slices.Collect(maps.Keys(changed))
	settleLevels(ins)
	l.mu.Unlock()
	l.relevel(ins)
}

// restore takes over overrides that have not expired, also of counters that
// are not there yet.
func (l *Ledger) restore(saved []SavedOverride) {
	now := l.cfg.Clock()
	var changed []*instance
	l.mu.Lock()
	for _, o := range saved {
		if !o.Until.After(now) {
			continue
		}
		l.overrides[o.Budget] = o.Override
		ins, _ := l.under(o.Budget)
		for _, in := range ins {
			l.refresh(in, now.UnixNano())
		}
		changed = append(changed, ins...)
	}
	settleLevels(changed)
	l.mu.Unlock()
	l.relevel(changed)
}
