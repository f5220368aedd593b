package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
)

// auditor is a store whose sums can be compared with its calls.
type auditor interface {
	Audit(ctx context.Context, repair bool, progress func(calls int)) (*database.Audit, error)
}

type dbVerifyCmd struct {
	Rebuild bool `help:"Replace the sums by what the calls add up to. Gateways may run; on SQLite calls that end meanwhile wait in the spool."`
}

// Run adds the stored calls up anew and lists which stored sums differ; with
// --rebuild, which differed. It also checks the audit trail, and records by it.
func (cmd *dbVerifyCmd) Run(a *app, g *globals, p *printer) error {
	s, err := a.storage(g)
	if err != nil {
		return err
	}
	db, st, err := s.openCurrent(a)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // what was written is committed
	bar := p.steps("adding up calls", st.Calls)
	ctx := audit.By(a.ctx, audit.Actor{ID: "cli", Name: a.user()})
	found, err := db.(auditor).Audit(ctx, cmd.Rebuild, func(calls int) { _ = bar.Add(calls) }) // only paints
	_ = bar.Finish()
	if err != nil {
		return err
	}
	trail, err := audit.Verify(a.ctx, db, nil)
	if err != nil {
		return err
	}
	strays, err := database.Strays(a.ctx, db.(database.Store))
	if err != nil {
		return err
	}
	if err := p.verified(found, &trail, strays, cmd.Rebuild); err != nil {
		return err
	}
	if err := brokenTrail(&trail); err != nil {
		return err
	}
	if len(strays) > 0 {
		return model.Errorf("", model.KindInternal, "%s not as the audit trail says: changed past the gateway, or by one of an older version", plural(len(strays), "record"))
	}
	if found.Agrees() || cmd.Rebuild {
		return nil
	}
	if found.Rows != found.Calls {
		return model.Errorf("", model.KindInternal, "of some calls a part is missing, so --rebuild is refused; docs/OPERATIONS.md says what can be done (incomplete calls)")
	}
	return model.Errorf("", model.KindInternal, "the sums are not those of the calls; --rebuild replaces them")
}

// openCurrent opens a database of the schema of this program: no command but
// migrate changes that. Errors: KindConflict for any other schema.
func (s *storage) openCurrent(a *app) (store, database.Status, error) {
	st, err := s.inspect(a.ctx, 0)
	if err != nil {
		return nil, st, err
	}
	if st.Schema != st.Known {
		return nil, st, model.Errorf("", model.KindConflict, "the schema of %s has %s", s.name, schemaText(st.Schema, st.Known))
	}
	db, err := s.open(a.ctx, a.warnings())
	return db, st, err
}

// warnings is where a store says what a person should know.
func (a *app) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// steps shows on a terminal how much of a long work is done; nothing elsewhere.
func (p *printer) steps(what string, total int64) *progressbar.ProgressBar {
	if !isTerminal(p.err) || p.json {
		return progressbar.DefaultSilent(total)
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(p.err), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(60*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
}

// verification is what db verify prints.
type verification struct {
	Calls     int64 `json:"calls"`
	Documents int64 `json:"documents"` // of calls; as many as calls
	// Calls of which a part is missing.
	NoDocuments *database.Unmatched `json:"calls_without_documents"` // null: none
	NoRow       *database.Unmatched `json:"documents_without_calls"`

	Sums        int64        `json:"cost_rows"`
	Spends      int64        `json:"spend_rows"`
	Since       *time.Time   `json:"since"` // sums of before are not looked at: their calls have left; null: all are
	Agrees      bool         `json:"agrees"`
	Differ      int64        `json:"different_rows"`
	Rebuilt     bool         `json:"rebuilt"`     // the differences were there before, and are no more
	Differences []difference `json:"differences"` // of the first database.MaxDifferences rows of each kind

	Audit  *audit.Report    `json:"audit"`  // of the audit trail
	Strays []database.Stray `json:"strays"` // records that are not as it says
}

// difference is one column of one row. Money is in nano-USD, as it is stored.
type difference struct {
	Table     string       `json:"table"`
	Unit      string       `json:"unit,omitempty"`      // of cost_sums and cost_past
	Dimension string       `json:"dimension,omitempty"` // "": over all calls
	At        time.Time    `json:"at"`                  // the start of the hour, the unit or the budget's period
	Value     string       `json:"value"`               // in the dimension, or the budget
	Endpoint  string       `json:"endpoint,omitempty"`
	Task      string       `json:"task,omitempty"`
	Strategy  string       `json:"strategy,omitempty"`
	Column    string       `json:"column"`
	Stored    *json.Number `json:"stored"` // null: the row is missing
	Computed  *json.Number `json:"computed"`
}

func differences(a *database.Audit) []difference {
	out := []difference{}
	add := func(row difference, columns []database.Column) {
		for _, c := range columns {
			row.Column, row.Stored, row.Computed = c.Name, numberOrNull(c.Stored), numberOrNull(c.Computed)
			out = append(out, row)
		}
	}
	for i := range a.Rollups {
		d := &a.Rollups[i]
		r := &d.Row
		add(difference{
			Table: r.Unit.Table(), Unit: string(r.Unit), Dimension: string(r.Dimension), At: r.Start, Value: r.Value,
			Endpoint: string(r.Target.Endpoint), Task: r.Task, Strategy: r.Strategy,
		}, d.Columns())
	}
	for i := range a.Spending {
		d := &a.Spending[i]
		add(difference{Table: "budget_spend", Dimension: "budget", At: d.Period, Value: string(d.Budget)}, d.Columns())
	}
	return out
}

func numberOrNull(s string) *json.Number {
	if s == "" {
		return nil
	}
	n := json.Number(s)
	return &n
}

// shownDifferences is how many differences are listed in words.
const shownDifferences = 100

func (p *printer) verified(a *database.Audit, trail *audit.Report, strays []database.Stray, rebuilt bool) error {
	v := verification{
		Calls: a.Rows, Documents: a.Calls, Sums: a.Sums, Spends: a.Spends,
		Agrees: a.Agrees(), Differ: a.Differ(), Rebuilt: rebuilt, Differences: differences(a), Audit: trail, Strays: strays,
	}
	v.NoDocuments, v.NoRow = orNone(&a.NoDocuments), orNone(&a.NoRow)
	if !a.Since.IsZero() {
		v.Since = &a.Since
	}
	if p.json {
		if strays == nil {
			v.Strays = []database.Stray{}
		}
		return p.value(v)
	}
	t := p.table("table", "dimension", "at", "~value", "~endpoint", "task", "strategy", "column", ">stored", ">computed")
	for i := range v.Differences[:min(len(v.Differences), shownDifferences)] {
		d := &v.Differences[i]
		t.row(strings.TrimSpace(d.Table+" "+d.Unit), orDefault(d.Dimension, "(all)"), d.At.Format(time.RFC3339), d.Value, d.Endpoint, d.Task, d.Strategy, d.Column, orMissing(d.Stored), orMissing(d.Computed))
	}
	if len(v.Differences) > 0 {
		t.flush()
	}
	if n := len(v.Differences) - shownDifferences; n > 0 {
		p.notef("%s more; --json lists them", plural(n, "difference"))
	}
	if n := a.Differ() - int64(len(a.Rollups)+len(a.Spending)); n > 0 {
		p.notef("%s more that differ are listed nowhere", plural(int(n), "row"))
	}
	if v.Calls != v.Documents {
		p.printf("%d calls are stored, but the documents of %d\n", v.Calls, v.Documents)
		p.unmatched("rows of calls without documents", v.NoDocuments)
		p.unmatched("documents without a row of calls", v.NoRow)
	}
	rows, calls := plural(int(a.Differ()), "row"), plural(int(v.Calls), "call")
	if v.Since != nil {
		calls += " from " + v.Since.Format(time.DateOnly) + " on (those of before are archived)"
	}
	switch {
	case v.Agrees:
		p.printf("%s %s of costs and %d of budgets: what %s add up to\n", p.style(green, "ok"), plural(int(v.Sums), "row"), v.Spends, calls)
	case rebuilt:
		p.printf("%s replaced by what %s add up to\n", rows, calls)
		if a.SpendsDiffer > 0 {
			p.notef("what budgets spent was among them: a gateway that runs counts by what it knew until it is started anew")
		}
	default:
		p.printf("%s not as %s add up to\n", rows, calls)
	}
	p.trail(trail)
	for _, s := range strays {
		p.printf("%s %s %s\n", s.What, s.Object, s.Why)
	}
	return nil
}

func orMissing(n *json.Number) string {
	if n == nil {
		return "-"
	}
	return n.String()
}

func orNone(u *database.Unmatched) *database.Unmatched {
	if u.Count == 0 {
		return nil
	}
	return u
}

// unmatched says which calls lack a part. Their numbers are the times, in µs, at
// which they came.
func (p *printer) unmatched(what string, u *database.Unmatched) {
	if u == nil {
		return
	}
	texts := make([]string, len(u.First))
	for i, number := range u.First {
		texts[i] = fmt.Sprintf("%d (%s)", number, time.UnixMicro(number).UTC().Format(time.RFC3339))
	}
	p.printf("%d %s, the first numbered %s\n", u.Count, what, strings.Join(texts, ", "))
}
